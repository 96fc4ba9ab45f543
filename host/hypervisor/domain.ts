import type { DomainId, FrameTable } from '../memory/frame-table.js';
import { FRAME_BYTES, type PhysicalMemory } from '../memory/physical-memory.js';

export type DomainKind = 'hypervisor' | 'driver-domain' | 'guest';
export type DomainState = 'running' | 'killed';

/** What a CPU access of a domain ends in; the MMU refuses what is not its own. */
export type CpuAccess = 'done' | 'page-fault';

/**
 * A virtual machine: its memory, and its place on the processor. Its own CPU accesses go through the MMU,
 * which lets it reach its frames and nobody else's; that was never the problem. What its device reaches is.
 */
export class Domain {
  readonly id: DomainId;
  readonly name: string;
  readonly kind: DomainKind;
  /** Its number on the processor. */
  readonly party: number;
  state: DomainState = 'running';
  readonly #memory: PhysicalMemory;
  readonly #frames: FrameTable;
  readonly #owned: Set<number> = new Set();

  constructor(
    id: DomainId,
    name: string,
    kind: DomainKind,
    party: number,
    memory: PhysicalMemory,
    frames: FrameTable,
  ) {
    this.id = id;
    this.name = name;
    this.kind = kind;
    this.party = party;
    this.#memory = memory;
    this.#frames = frames;
  }

  /** Frames that it was given and has not released. */
  get ownedFrames(): ReadonlySet<number> {
    return this.#owned;
  }

  /** Asks for guest memory. @throws Error when the machine has none left: the scenario is too large for it. */
  allocate(frameCount: number, contiguous = false): number[] {
    const outcome = this.#frames.allocate(this.id, 'guest', frameCount, contiguous);
    if (!outcome.ok) {
      throw new RangeError(
        `${this.name}: ${frameCount} frames wanted, ${this.#frames.freeFrames} free; expected a larger memory.megabytes`,
      );
    }
    for (const frame of outcome.value) this.#owned.add(frame);
    return outcome.value;
  }

  /** Gives a frame back to the hypervisor (balloon, exit). */
  release(frame: number): 'freed' | 'pending' | 'refused' {
    const outcome = this.#frames.release(this.id, frame);
    if (!outcome.ok) return 'refused';
    this.#owned.delete(frame);
    return outcome.value;
  }

  /** A frame came or went by transfer. */
  adopt(frame: number): void {
    this.#owned.add(frame);
  }

  forget(frame: number): void {
    this.#owned.delete(frame);
  }

  /** CPU store by the domain. */
  write(address: number, length: number, source: Uint8Array, sourceOffset: number): CpuAccess {
    if (!this.#mayTouch(address, length)) return 'page-fault';
    this.#memory.write(address, length, source, sourceOffset);
    return 'done';
  }

  /** CPU load by the domain. */
  read(address: number, length: number, target: Uint8Array, targetOffset: number): CpuAccess {
    if (!this.#mayTouch(address, length)) return 'page-fault';
    this.#memory.read(address, length, target, targetOffset);
    return 'done';
  }

  #mayTouch(address: number, length: number): boolean {
    if (!this.#memory.contains(address, length)) return false;
    const last = Math.floor((address + length - 1) / FRAME_BYTES);
    for (let frame = Math.floor(address / FRAME_BYTES); frame <= last; frame += 1) {
      if (this.#frames.owner(frame) !== this.id || this.#frames.isReleasing(frame)) return false;
    }
    return true;
  }
}
