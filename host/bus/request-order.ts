import type { RequesterId } from '../../nic/addresses.js';
import type { Clock } from '../../scheduler/clock.js';
import { InvariantViolation } from '../../scheduler/errors.js';
import { absent } from '../../scheduler/present.js';

const FIRST_REQUESTERS = 64;

/**
 * The order in which a root complex carries out the requests of one requester (PCI Express base specification 5.0,
 * 2.4.1, table 2-40):
 *
 * - posted writes are performed in the order in which they were sent (A2a);
 * - a read does not reach memory before the posted writes that were sent ahead of it (B2a);
 * - a posted write may pass reads (A3), so it waits for none;
 * - data of reads is returned in the order of the requests. The specification does not require this; the measured
 *   root complexes do it (docs/iommu-hardware.md).
 *
 * So a request whose translation takes long delays those behind it. Requests of different requesters do not wait for
 * each other, as with ID-based ordering (2.2.6.4 and 2.4.1, A2b and B2b), because the contexts of one card are
 * independent streams. Nothing is allocated per request.
 */
export class RequestOrder {
  readonly #clock: Clock;
  /** When the last read, and when the last posted write, of each requester is done, ns. */
  #readNs = new Float64Array(FIRST_REQUESTERS);
  #writeNs = new Float64Array(FIRST_REQUESTERS);

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * In how many ns the data of a read leaves for the device. Like `write`, it must be called in the order of the requests.
   *
   * @param translatedInNs in how many the translation of its address is known
   * @param memoryNs how long memory takes to answer it
   */
  read(requesterId: RequesterId, translatedInNs: number, memoryNs: number): number {
    if (requesterId >= this.#readNs.length) this.#grow(requesterId);
    const { nowNs } = this.#clock;
    const startNs = Math.max(nowNs + translatedInNs, this.#writeNs[requesterId] ?? absent());
    const doneNs = Math.max(startNs + memoryNs, this.#readNs[requesterId] ?? absent());
    this.#readNs[requesterId] = doneNs;
    return doneNs - nowNs;
  }

  /** In how many ns a posted write has been performed, if it would be in `readyInNs` with no write ahead of it. */
  write(requesterId: RequesterId, readyInNs: number): number {
    if (requesterId >= this.#writeNs.length) this.#grow(requesterId);
    const { nowNs } = this.#clock;
    const doneNs = Math.max(nowNs + readyInNs, this.#writeNs[requesterId] ?? absent());
    this.#writeNs[requesterId] = doneNs;
    return doneNs - nowNs;
  }

  checkInvariants(): void {
    for (const times of [this.#readNs, this.#writeNs]) {
      for (const [requesterId, doneNs] of times.entries()) {
        if (!Number.isFinite(doneNs) || doneNs < 0)
          throw new InvariantViolation(`a request of requester ${requesterId} is done at ${doneNs} ns`);
      }
    }
  }

  #grow(requesterId: number): void {
    let size = this.#readNs.length;
    while (size <= requesterId) size *= 2;
    this.#readNs = widened(this.#readNs, size);
    this.#writeNs = widened(this.#writeNs, size);
  }
}

function widened(column: Float64Array, size: number): Float64Array<ArrayBuffer> {
  const wider = new Float64Array(size);
  wider.set(column);
  return wider;
}
