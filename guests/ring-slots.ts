import { PerMachine } from '../host/per-machine.js';
import { type SlotColumns, SlotRuns } from '../host/slot-runs.js';

/** Where the buffer of each slot of a ring lies, and how long it is. */
export class BufferSlots implements SlotColumns {
  readonly addresses: Float64Array;
  readonly bytes: Uint16Array;

  constructor(rows: number) {
    this.addresses = new Float64Array(rows);
    this.bytes = new Uint16Array(rows);
  }

  clear(first: number, slots: number): void {
    this.addresses.fill(0, first, first + slots);
    this.bytes.fill(0, first, first + slots);
  }

  /** A copy of the rows of one ring. */
  rows(first: number, slots: number): BufferSlots {
    const copy = new BufferSlots(slots);
    copy.addresses.set(this.addresses.subarray(first, first + slots));
    copy.bytes.set(this.bytes.subarray(first, first + slots));
    return copy;
  }
}

/** What was written to each slot of a transmit ring. */
export class WrittenSlots implements SlotColumns {
  /** Length and flags of the piece, in the lower and the upper half of 32 bits. */
  readonly pieces: Uint32Array;
  /** When its frame was written, ns. */
  readonly createdNs: Float64Array;

  constructor(rows: number) {
    this.pieces = new Uint32Array(rows);
    this.createdNs = new Float64Array(rows);
  }

  clear(first: number, slots: number): void {
    this.pieces.fill(0, first, first + slots);
    this.createdNs.fill(0, first, first + slots);
  }

  /** A copy of the rows of one ring. */
  rows(first: number, slots: number): WrittenSlots {
    const copy = new WrittenSlots(slots);
    copy.pieces.set(this.pieces.subarray(first, first + slots));
    copy.createdNs.set(this.createdNs.subarray(first, first + slots));
    return copy;
  }
}

/** Those of all drivers of a machine. */
export const BUFFER_SLOTS = new PerMachine(() => new SlotRuns((rows) => new BufferSlots(rows)));
export const WRITTEN_SLOTS = new PerMachine(() => new SlotRuns((rows) => new WrittenSlots(rows)));
