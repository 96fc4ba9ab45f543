import type { JournalEntry } from './journal.js';
import type { PageBlock } from './memory-map.js';
import type { Snapshot } from './snapshot.js';

/** One of the machines at one instant. */
export interface MachineState {
  readonly snapshot: Snapshot;
  readonly owners: Int16Array;
  readonly pins: Uint8Array;
  readonly entries: readonly JournalEntry[];
  readonly missed: number;
  readonly fingerprint: string;
}

/** What a machine is made of, once it is built. */
export interface MachineLayout {
  readonly approach: string;
  readonly discipline: string;
  readonly blocks: readonly PageBlock[];
  readonly endNs: number;
}
