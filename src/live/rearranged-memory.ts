import type { AttachedDevice, MemoryPiece } from '../../guests/pci/attached-device.js';
import type { EventHandle, EventKernel } from '../../scheduler/event-kernel.js';
import type { GuestRam } from './guest-ram.js';
import type { MappedRange } from './vfio-user/mapped-ranges.js';
import type { MemoryClient } from './vfio-user/session.js';

/** How long a device stands still for memory that was taken away from under it, ns. */
export const PATIENCE_FOR_MEMORY_NS = 100_000_000;
/** How often a context is asked for when none is free, ns. */
const RETRY_NS = 1_000_000;

/** What a guest's memory needs of what is around it. */
export interface RearrangedMemoryPlan {
  readonly ram: GuestRam;
  readonly device: AttachedDevice;
  readonly kernel: EventKernel;
  /** Calls `onTimer` after a time. */
  readonly wait: (ns: number) => EventHandle;
  /** Memory that the device had in use was taken away, and did not come back. */
  readonly takenAway: () => void;
}

/**
 * A guest's RAM while its machine rearranges it: DMA_UNMAP and DMA_MAP of RAM at guest-physical addresses. QEMU unmaps and maps
 * the same memory when anything around it changes. A device that has buffers there stands still before the unmap is
 * answered, so that nothing lands behind the answer; it goes on when all of it is back, and loses its context when it is
 * not in 100 ms. What is unmapped leads to no memory meanwhile, whatever the approach.
 */
export class RearrangedMemory implements MemoryClient {
  /** None costs anything: RAM is withdrawn and restored by ranges. */
  readonly changedPages = 0;
  readonly #plan: RearrangedMemoryPlan;
  // What the device had in use when it was made to stand still.
  #needed: readonly MemoryPiece[] = [];
  #deadlineNs = 0;
  #timer: EventHandle | undefined;

  constructor(plan: RearrangedMemoryPlan) {
    this.#plan = plan;
  }

  mapped(range: MappedRange): boolean {
    const { ram } = this.#plan;
    const piece = this.#inRam(range);
    if (piece === undefined) return true;
    ram.restore(piece.address, piece.bytes);
    if (this.#needed.length > 0) this.#goOn();
    return true;
  }

  unmapped(ranges: readonly MappedRange[], done: () => void): void {
    const pieces = ranges.map((range) => this.#inRam(range)).filter((piece) => piece !== undefined);
    if (pieces.length > 0) this.#standStill(pieces);
    for (const { address, bytes } of pieces) this.#plan.ram.withdraw(address, bytes);
    done();
  }

  /** The time is over, or it is time to ask for a context again. */
  onTimer(): void {
    this.#timer = undefined;
    if (this.#plan.kernel.nowNs < this.#deadlineNs) {
      this.#goOn();
      return;
    }
    const { pausable } = this.#plan.device;
    this.#needed = [];
    if (pausable?.paused !== true) return;
    this.#plan.takenAway();
    pausable.giveUp();
  }

  /** The machine is gone; the next one brings all of its memory. */
  ended(): void {
    this.#forget();
    this.#plan.ram.restoreAll();
  }

  #standStill(pieces: readonly MemoryPiece[]): void {
    const { device, kernel, takenAway } = this.#plan;
    const { pausable, port } = device;
    if (pausable === undefined) {
      if (port === undefined) return;
      takenAway();
      device.contextStopped(port.context);
      return;
    }
    const needed = pausable.inUse();
    const isTaken = (piece: MemoryPiece) => pieces.some((taken) => overlap(piece, taken));
    if (!needed.some(isTaken)) return;
    pausable.pause();
    if (!pausable.paused) return;
    this.#needed = needed;
    this.#deadlineNs = kernel.nowNs + PATIENCE_FOR_MEMORY_NS;
    this.#timer = this.#plan.wait(PATIENCE_FOR_MEMORY_NS);
  }

  /** Goes on if all memory is back, or the driver has reset its device meanwhile. */
  #goOn(): void {
    const { ram, device, kernel, wait } = this.#plan;
    const { pausable } = device;
    const whole = this.#needed.every(({ address, bytes }) => ram.isWhole(address, bytes));
    if (pausable?.paused !== true || (whole && pausable.resume())) {
      this.#forget();
      return;
    }
    const leftNs = this.#deadlineNs - kernel.nowNs;
    if (this.#timer !== undefined) kernel.cancel(this.#timer);
    // All is there but a context: those of the last owner are given out when no cache knows them.
    this.#timer = wait(whole ? Math.min(RETRY_NS, leftNs) : leftNs);
  }

  #forget(): void {
    this.#needed = [];
    if (this.#timer !== undefined) this.#plan.kernel.cancel(this.#timer);
    this.#timer = undefined;
  }

  /** The part of a range that is RAM: it lies at its own address. */
  #inRam({ address, size }: MappedRange): MemoryPiece | undefined {
    const ramBytes = BigInt(this.#plan.ram.bytes);
    if (address >= ramBytes) return undefined;
    const end = address + size < ramBytes ? address + size : ramBytes;
    return { address: Number(address), bytes: Number(end - address) };
  }
}

function overlap(left: MemoryPiece, right: MemoryPiece): boolean {
  return left.address < right.address + right.bytes && right.address < left.address + left.bytes;
}
