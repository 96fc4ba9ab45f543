import { type ContextId, NO_CONTEXT } from '../scheduler/branded.js';
import { present } from '../scheduler/present.js';
/** Why the NIC dropped a frame. Every drop has one of these, counted per context. */
export const DROP_REASONS = [
  'no-receive-buffer',
  'receive-share-full',
  'unknown-destination',
  'source-mac-spoofed',
  'mac-control',
  'frame-too-short',
  'frame-too-long',
  'dma-abort',
  'context-stopped',
] as const;
export type DropReason = (typeof DROP_REASONS)[number];

/** Why the NIC stopped a context. The number is what the FAULT_REASON register shows. */
export const FAULT_REASONS = [
  'none',
  'sequence-break',
  'producer-out-of-range',
  'descriptor-length',
  'frame-too-short',
  'frame-too-long',
  'chain-too-long',
  'descriptor-fetch-abort',
  'payload-abort',
  'write-back-abort',
] as const;
export type FaultReason = (typeof FAULT_REASONS)[number];

/** Counters of each context; bytes are those of a capture (padded, without FCS). */
export const COUNTERS = [
  'framesTransmitted',
  'bytesTransmitted',
  'framesReceived',
  'bytesReceived',
  'framesSwitched',
  'descriptorsFetched',
  'descriptorsCompleted',
  'doorbells',
  'interruptRequests',
  'writeBacks',
] as const;
export type CounterName = (typeof COUNTERS)[number];

/** The NIC's counters: one row per name, one cell per context. */
export class Counters {
  readonly #values: Record<CounterName, Float64Array>;
  readonly #drops: Record<DropReason, Float64Array>;

  /** @param contexts number of contexts; one more cell counts events of no context. */
  constructor(contexts: number) {
    const row = () => new Float64Array(contexts + 1);
    this.#values = Object.fromEntries(COUNTERS.map((name) => [name, row()])) as Record<
      CounterName,
      Float64Array
    >;
    this.#drops = Object.fromEntries(DROP_REASONS.map((name) => [name, row()])) as Record<
      DropReason,
      Float64Array
    >;
  }

  /** The row of a counter, to be added to in place. */
  row(name: CounterName): Float64Array {
    return this.#values[name];
  }

  /** The row of a drop reason. */
  dropRow(reason: DropReason): Float64Array {
    return this.#drops[reason];
  }

  get(name: CounterName, context: ContextId): number {
    return present(this.#values[name][context]);
  }

  total(name: CounterName): number {
    return this.#values[name].reduce((sum, value) => sum + value, 0);
  }

  /** Frames of a context dropped for a reason; of NO_CONTEXT, those that were for none. */
  drops(reason: DropReason, context: ContextId): number {
    const row = this.#drops[reason];
    return present(row[context === NO_CONTEXT ? row.length - 1 : context]);
  }

  /** Frames dropped for a reason, of all contexts and of none. */
  totalDropsFor(reason: DropReason): number {
    return this.#drops[reason].reduce((sum, value) => sum + value, 0);
  }

  /** Drops of a context by reason, only those that happened. */
  dropsOf(context: ContextId): Partial<Record<DropReason, number>> {
    const found: Partial<Record<DropReason, number>> = {};
    for (const reason of DROP_REASONS) {
      const count = this.drops(reason, context);
      if (count > 0) found[reason] = count;
    }
    return found;
  }

  totalDrops(): number {
    return DROP_REASONS.reduce((sum, reason) => sum + this.totalDropsFor(reason), 0);
  }
}
