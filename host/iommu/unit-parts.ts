import type { EventKernel } from '../../scheduler/event-kernel.js';
import type { InvalidationSink, UnitInterrupts } from './invalidation-sink.js';
import type { QueueTiming } from './queue-timing.js';
import type { Reachable, TableMemory } from './table-walker.js';

/** The environment of a translation unit, for either vendor. */
export interface UnitParts {
  readonly kernel: EventKernel;
  readonly memory: TableMemory;
  /** Says which pages the unit can read; all, if left out. */
  readonly reachable?: Reachable;
  /** The caches that its invalidations reach. */
  readonly sink: InvalidationSink;
  readonly interrupts: UnitInterrupts;
  readonly timing?: Partial<QueueTiming>;
}
