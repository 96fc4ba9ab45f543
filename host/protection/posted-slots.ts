import { PerMachine } from '../per-machine.js';
import { type SlotColumns, SlotRuns } from '../slot-runs.js';

/** What was posted in each slot of a queue. */
export class PostedSlots implements SlotColumns {
  /** Address of the buffer, as the guest gave it. */
  readonly addresses: Float64Array;
  /** The same as the device got it. */
  readonly busAddresses: Float64Array;
  readonly lengths: Uint32Array;

  constructor(rows: number) {
    this.addresses = new Float64Array(rows);
    this.busAddresses = new Float64Array(rows);
    this.lengths = new Uint32Array(rows);
  }

  clear(first: number, slots: number): void {
    for (const column of [this.addresses, this.busAddresses, this.lengths])
      column.fill(0, first, first + slots);
  }

  /** A copy of the rows of one queue. */
  rows(first: number, slots: number): PostedSlots {
    const copy = new PostedSlots(slots);
    copy.addresses.set(this.addresses.subarray(first, first + slots));
    copy.busAddresses.set(this.busAddresses.subarray(first, first + slots));
    copy.lengths.set(this.lengths.subarray(first, first + slots));
    return copy;
  }
}

/** Those of all queues of a machine. */
export const POSTED_SLOTS = new PerMachine(() => new SlotRuns((rows) => new PostedSlots(rows)));
