import { BufferBatch as Batch, type BufferBatch, type PortQueue } from '../../host/protection/guest-port.js';
import { type GuestPhysicalAddress, guestPhysicalAddress } from '../../nic/addresses.js';
import { FLAG_END_OF_PACKET } from '../../nic/descriptor.js';
import { InvariantViolation } from '../../scheduler/errors.js';
import { present } from '../../scheduler/present.js';

/** How handing over ended. */
export type HandOver = 'done' | 'lost' | 'cut';

/** Buffers in one call through the set-up gate, at most. */
const CAPACITY = 256;

/**
 * Buffers that are about to be handed to a port, each with the head of the virtqueue chain it belongs to. They go through
 * the set-up gate together; a frame that is refused is left out and the others still go.
 */
export class PendingBuffers {
  readonly #batch: BufferBatch = new Batch(CAPACITY);
  readonly #addresses = new Float64Array(CAPACITY);
  readonly #lengths = new Uint32Array(CAPACITY);
  readonly #flags = new Uint16Array(CAPACITY);
  readonly #heads = new Uint16Array(CAPACITY);
  // As the driver named them.
  readonly #origins = new Float64Array(CAPACITY);
  #count = 0;

  readonly capacity = CAPACITY;

  get count(): number {
    return this.#count;
  }

  /** Buffers that still fit. */
  get freeSlots(): number {
    return CAPACITY - this.#count;
  }

  clear(): void {
    this.#count = 0;
  }

  /** @param origin the address by which the driver has named it. */
  add(address: GuestPhysicalAddress, length: number, flags: number, head: number, origin: number): void {
    if (this.#count === CAPACITY) throw new InvariantViolation('more buffers pending than a batch holds');
    this.#addresses[this.#count] = address;
    this.#lengths[this.#count] = length;
    this.#flags[this.#count] = flags;
    this.#heads[this.#count] = head;
    this.#origins[this.#count] = origin;
    this.#count += 1;
  }

  /**
   * Hands everything over; the port has space for it.
   *
   * @param accepted called for each buffer that the port took: its index there, the head of its chain, and where it lies
   * @param refused called for each frame (transmit) or buffer (receive) that was refused: the head of its chain
   * @returns `lost` when the port is gone, `cut` when a frame was refused after a part of it had been taken.
   */
  handOver(
    queue: PortQueue,
    frames: boolean,
    accepted: (index: number, head: number, flags: number, origin: number, length: number) => void,
    refused: (head: number) => void,
  ): HandOver {
    let from = 0;
    let outcome: HandOver = 'done';
    while (from < this.#count && outcome === 'done') {
      const batch = this.#batch;
      batch.clear();
      for (let at = from; at < this.#count; at += 1) {
        const address = guestPhysicalAddress(present(this.#addresses[at]));
        batch.add(address, present(this.#lengths[at]), present(this.#flags[at]));
      }
      const first = queue.producer;
      const took = queue.post(batch);
      for (let at = 0; at < took; at += 1) {
        const index = (first + at) >>> 0;
        accepted(
          index,
          present(this.#heads[from + at]),
          present(this.#flags[from + at]),
          present(this.#origins[from + at]),
          present(this.#lengths[from + at]),
        );
      }
      from += took;
      if (from === this.#count) break;
      const refusal = queue.refusal;
      if (refusal === undefined) throw new InvariantViolation('a port had less space than it reported');
      if (refusal.refusal === 'port-closed') outcome = 'lost';
      else if (frames && took > 0 && (present(this.#flags[from - 1]) & FLAG_END_OF_PACKET) === 0)
        outcome = 'cut';
      else {
        refused(present(this.#heads[from]));
        from += frames ? this.#restOfFrame(from) : 1;
      }
    }
    this.#count = 0;
    return outcome;
  }

  /** Buffers from `from` to the end of their frame. */
  #restOfFrame(from: number): number {
    let at = from;
    while (at < this.#count - 1 && (present(this.#flags[at]) & FLAG_END_OF_PACKET) === 0) at += 1;
    return at + 1 - from;
  }
}
