import { ParameterError } from '../../scheduler/errors.js';
import type { DomainId, FrameTable } from '../memory/frame-table.js';
import type { PhysicalMemory } from '../memory/physical-memory.js';
import { OwnedFrames } from './owned-frames.js';

/** Frames of a large page, 2 MB. */
const LARGE_PAGE_FRAMES = 512;

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
  readonly #owned: OwnedFrames;
  #released = 0;

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
    this.#owned = new OwnedFrames(frames, id);
  }

  /** Frames that are its own: given to it, used or not, and not released. */
  get ownedFrames(): OwnedFrames {
    return this.#owned;
  }

  /**
   * Gives the guest its RAM, all of it and for good, as a hypervisor does when it starts a guest: one piece, at a
   * multiple of 2 MB if it is as large. What it uses is drawn from there.
   * @throws ParameterError when the machine has not as much left: the scenario is too large for it.
   */
  reserve(frameCount: number): void {
    const align = frameCount % LARGE_PAGE_FRAMES === 0 ? LARGE_PAGE_FRAMES : 1;
    const outcome = this.#frames.allocate(this.id, 'guest', frameCount, true, align);
    if (!outcome.ok) {
      throw new ParameterError(
        `${this.name}: ${frameCount} frames of RAM wanted, ${this.#frames.freeFrames} free; expected a larger host.memoryMegabytes, or less for the guests`,
      );
    }
    this.#owned.reserve(outcome.value[0] ?? 0, frameCount);
  }

  /** Frames that it has given back since the start: who keeps addresses looks whether they are still good. */
  get released(): number {
    return this.#released;
  }

  /** Frames of its RAM that it has not used for anything yet. */
  get unusedFrames(): number {
    return this.#owned.unused;
  }

  /** A frame of its RAM that it has not used for anything, the last one there is; undefined when there is none. */
  get lastUnusedFrame(): number | undefined {
    return this.#owned.lastUnused;
  }

  /**
   * Takes guest memory into use: of its RAM if it has been given some, else of what the machine has left.
   * @throws ParameterError when there is not as much: the scenario is too large for it.
   */
  allocate(frameCount: number, contiguous = false): number[] {
    if (this.#owned.reserved) {
      const frames = this.#owned.use(frameCount, contiguous);
      if (frames !== undefined) return frames;
      throw new ParameterError(
        `${this.name}: ${frameCount} frames wanted, ${this.#owned.unused} of its RAM unused; expected a larger memoryMegabytes`,
      );
    }
    const outcome = this.#frames.allocate(this.id, 'guest', frameCount, contiguous);
    if (!outcome.ok) {
      throw new ParameterError(
        `${this.name}: ${frameCount} frames wanted, ${this.#frames.freeFrames} free; expected a larger host.memoryMegabytes`,
      );
    }
    for (const frame of outcome.value) this.#owned.adopt(frame);
    return outcome.value;
  }

  /** Gives a frame back to the hypervisor (balloon, exit). */
  release(frame: number): 'freed' | 'pending' | 'refused' {
    const outcome = this.#frames.release(this.id, frame);
    if (!outcome.ok) return 'refused';
    this.#owned.forget(frame);
    this.#released += 1;
    return outcome.value;
  }

  /** A frame came or went by transfer. */
  adopt(frame: number): void {
    this.#owned.adopt(frame);
  }

  forget(frame: number): void {
    this.#owned.forget(frame);
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
    return this.#frames.holdsAll(this.id, address, length);
  }
}
