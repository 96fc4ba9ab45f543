import type { AccessWitness } from '../bus/memory-bus.js';
import type { HostParts } from '../host-parts.js';
import type { Domain } from '../hypervisor/domain.js';
import { FRAME_BYTES } from '../memory/physical-memory.js';

/** A device touched a frame that its guest no longer had: the proof. */
export interface LateAccess {
  readonly atNs: number;
  /** Physical frame number. */
  readonly frame: number;
  readonly requesterId: number;
  readonly write: boolean;
  readonly length: number;
  /** Whose the frame was, and whose it is. */
  readonly oldOwner: string;
  readonly newOwner: string;
  /** When it was given to the new owner, ns. */
  readonly givenAtNs: number;
}

/** A storm of proofs must not become a storm of memory. */
const PROOFS_KEPT = 1000;
/** What the new owner writes to all of a frame when it gets it. */
const PATTERN = 0x5a;

interface GivenFrame {
  readonly oldOwner: string;
  readonly givenAtNs: number;
}

/**
 * Whoever gets the frames that guests give back: a domain without a device, which fills each frame with a pattern
 * and leaves it alone. So every device access to one of them is wrong, and every byte that changes is damage.
 */
export class NewOwner implements AccessWitness {
  readonly domain: Domain;
  readonly proofs: LateAccess[] = [];
  readonly #parts: HostParts;
  readonly #frames = new Map<number, GivenFrame>();
  readonly #bytes = new Uint8Array(FRAME_BYTES);
  #reads = 0;
  #writes = 0;

  constructor(parts: HostParts) {
    this.#parts = parts;
    this.domain = parts.hypervisor.createDomain('reclaimed', 'guest', 0);
    parts.bus.watch(this);
  }

  /** Device reads of frames that were given away: bytes of somebody else that may leave. */
  get lateReads(): number {
    return this.#reads;
  }

  /** Device writes to frames that were given away. */
  get lateWrites(): number {
    return this.#writes;
  }

  /** Frames that it has. */
  get frames(): number {
    return this.#frames.size;
  }

  /** Takes a frame that is free now. False if somebody was faster. */
  take(frame: number, oldOwner: string): boolean {
    const { frames, memory, kernel } = this.#parts;
    if (!frames.claim(this.domain.id, 'guest', frame).ok) return false;
    this.domain.adopt(frame);
    memory.fill(frame * FRAME_BYTES, FRAME_BYTES, PATTERN);
    this.#frames.set(frame, { oldOwner, givenAtNs: kernel.nowNs });
    return true;
  }

  /** Frames whose bytes are not what was written to them. */
  damagedFrames(): number[] {
    const { memory } = this.#parts;
    const damaged: number[] = [];
    for (const frame of this.#frames.keys()) {
      memory.read(frame * FRAME_BYTES, FRAME_BYTES, this.#bytes, 0);
      if (this.#bytes.some((byte) => byte !== PATTERN)) damaged.push(frame);
    }
    return damaged;
  }

  accessed(requesterId: number, physical: number, length: number, write: boolean): void {
    const frame = Math.floor(physical / FRAME_BYTES);
    const given = this.#frames.get(frame);
    if (given === undefined) return;
    if (write) this.#writes += 1;
    else this.#reads += 1;
    if (this.proofs.length === PROOFS_KEPT) return;
    const { oldOwner, givenAtNs } = given;
    const atNs = this.#parts.kernel.nowNs;
    const newOwner = this.domain.name;
    this.proofs.push({ atNs, frame, requesterId, write, length, oldOwner, newOwner, givenAtNs });
  }
}
