import { counted } from '../../scheduler/counted.js';
import { expandGuests } from '../machine/expand-guests.js';
import type { Scenario } from '../scenario/schema.js';

/** What was run, for the line above the tables. */
export interface RunHeading {
  readonly loaded: { readonly scenario: Scenario; readonly source: string };
  readonly discipline: string;
  readonly seed: number;
  readonly warmUpNs: number;
  readonly durationNs: number;
  /** What was run is a session of real guests that was recorded. */
  readonly isSession?: boolean;
}

/** One line: which scenario, how long, which scheduler and seed. */
export function headingLine({ loaded, discipline, seed, warmUpNs, durationNs }: RunHeading): string {
  const { scenario, source } = loaded;
  const guests = expandGuests(scenario.guests).length;
  return `${scenario.name ?? source}: ${counted(guests, 'guest')}, ${durationNs / 1e6} ms of virtual time${warmUpNs === 0 ? '' : ` after ${warmUpNs / 1e6} ms`}, ${discipline}, seed ${seed}`;
}
