import { present } from '../../scheduler/present.js';
import { LatencyRecorder, type LatencySummary } from './latency.js';

/** Time of a frame on its way out, part by part. The parts of a frame add up to its latency. */
export interface LatencyParts {
  /** From the store to the doorbell: the driver waits for CPU time, and the set-up gate does its work. */
  readonly driver: LatencySummary | undefined;
  /** In the guest's own ring: from the doorbell until the card (or a driver domain) has fetched the descriptor. */
  readonly ring: LatencySummary | undefined;
  /** Through the card (and a driver domain): from the fetch to the last bit on the wire. */
  readonly card: LatencySummary | undefined;
}

/** Records where the frames of one transmit ring spend their time. */
export class LatencyPartsRecorder {
  readonly #mask: number;
  readonly #postedNs: Float64Array;
  readonly #fetchedNs: Float64Array;
  #driver = new LatencyRecorder();
  #ring = new LatencyRecorder();
  #card = new LatencyRecorder();

  /** @param slots of the ring, a power of two */
  constructor(slots: number) {
    this.#mask = slots - 1;
    this.#postedNs = new Float64Array(slots);
    this.#fetchedNs = new Float64Array(slots);
  }

  posted(first: number, count: number, nowNs: number): void {
    for (let index = 0; index < count; index += 1) this.#postedNs[(first + index) & this.#mask] = nowNs;
  }

  fetched(first: number, count: number, nowNs: number): void {
    for (let index = 0; index < count; index += 1) this.#fetchedNs[(first + index) & this.#mask] = nowNs;
  }

  /** The frame whose last descriptor is `index`, stored at `createdNs`, has left at `endNs`. */
  left(index: number, createdNs: number, endNs: number): void {
    const slot = index & this.#mask;
    // Another core may take a frame out of a shared ring before the work that put it there is over.
    const fetchedNs = Math.max(createdNs, Math.min(endNs, present(this.#fetchedNs[slot])));
    const postedNs = Math.max(createdNs, Math.min(fetchedNs, present(this.#postedNs[slot])));
    this.#driver.record(postedNs - createdNs);
    this.#ring.record(fetchedNs - postedNs);
    this.#card.record(endNs - fetchedNs);
  }

  /** Forgets what was recorded, and not when frames that are still under way were posted and fetched. */
  restart(): void {
    this.#driver = new LatencyRecorder();
    this.#ring = new LatencyRecorder();
    this.#card = new LatencyRecorder();
  }

  summary(): LatencyParts {
    return { driver: this.#driver.summary(), ring: this.#ring.summary(), card: this.#card.summary() };
  }
}
