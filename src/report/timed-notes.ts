import { PAUSE_QUANTUM_BITS } from '../../nic/mac-control.js';
import { DEFAULT_NIC } from '../../nic/parameters.js';
import type { Scenario } from '../scenario/schema.js';
import { namesText } from './guest-rows.js';

/** When a run is measured: from the end of its warm-up on. */
interface MeasuredWindow {
  readonly warmUpNs: number;
  readonly durationNs: number;
}

/** What has its time in a scenario, and the field in which it stands. */
interface TimedEntry {
  readonly field: string;
  readonly atNs: number;
}

/**
 * What a user should know of what a scenario does at its times, a sentence each: changes and pauses to which the run does not
 * come, pauses that are over when the window begins, and what is not judged where the wire's rate changes in the window.
 */
export function timedNotes({ changes = [], link, nic }: Scenario, window: MeasuredWindow): string[] {
  const { warmUpNs, durationNs } = window;
  const endNs = warmUpNs + durationNs;
  const pauses = (link?.pauses ?? []).map((pause, index) => ({ ...pause, field: `link.pauses[${index}]` }));
  const changesRate = changes.some(({ rateBps }) => rateBps !== undefined);
  const rateBps = nic?.rateBps ?? DEFAULT_NIC.rateBps;
  const over = pauses.filter(
    ({ atNs, quanta }) => atNs + (quanta * PAUSE_QUANTUM_BITS * 1e9) / rateBps <= warmUpNs,
  );
  const isInWindow = changes.some(
    (change) => change.rateBps !== undefined && change.atNs > warmUpNs && change.atNs < endNs,
  );
  return [
    ...lateNotes(
      changes.map(({ atNs }, index) => ({ field: `changes[${index}]`, atNs })),
      endNs,
    ),
    ...lateNotes(pauses, endNs),
    // At rates that change a pause takes another time than its quanta say at the first.
    ...(changesRate ? [] : earlyNote(over, warmUpNs)),
    ...(isInWindow
      ? [
          "the wire's rate changes in the window: whom its core or ring holds back (CPU-limited, ring-limited) is judged of the window as a whole, and not of its parts",
        ]
      : []),
  ];
}

/** Entries that a run does not come to, and those that it comes to as it ends. */
function lateNotes(entries: readonly TimedEntry[], endNs: number): string[] {
  const end = `the end of the run at ${msText(endNs)}`;
  return [
    ...noteOf(
      entries.filter(({ atNs }) => atNs > endNs),
      (are, they) => `${are} after ${end}: ${they} not made`,
    ),
    ...noteOf(
      entries.filter(({ atNs }) => atNs === endNs),
      (are) => `${are} just at ${end}: no figure shows it`,
    ),
  ];
}

function earlyNote(pauses: readonly TimedEntry[], warmUpNs: number): string[] {
  return noteOf(
    pauses,
    (are) => `${are} over before the window begins at ${msText(warmUpNs)}: figures are of the window alone`,
  );
}

/** One sentence for all entries of a kind; of one alone with its time. */
function noteOf(entries: readonly TimedEntry[], text: (are: string, they: string) => string): string[] {
  const [first, ...others] = entries;
  if (first === undefined) return [];
  if (others.length === 0) return [text(`${first.field} is at ${msText(first.atNs)},`, 'it is')];
  return [text(`${namesText(entries.map(({ field }) => field))} are`, 'they are')];
}

function msText(ns: number): string {
  return `${ns / 1e6} ms`;
}
