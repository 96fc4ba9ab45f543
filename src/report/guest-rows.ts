import { present } from '../../scheduler/present.js';
import type { GuestResult, RunResult } from '../machine/run-result.js';
import { GUEST_METRIC } from './metrics/guest-metrics.js';
import type { Metric, MetricRow } from './metrics/metric.js';
import { whole } from './number-text.js';

/** A guest got less than its due when this part of it is missing, */
const MISSING_FRACTION = 0.02;
/** and at least so many bytes: two frames may be under way at either end of the window. */
const MISSING_BYTES = 2 * 1538;

/** More guests than these are shown as the worst, the best, and percentiles of all. */
const MOST_ROWS = 16;
const WORST_ROWS = 5;
const BEST_ROWS = 3;
const PERCENTS = [1, 10, 50, 90, 99];

/** Whether a guest sent less than it was due, beyond what is under way. */
function isBelowShare({ wireBytesSent, wireBytesDue }: GuestResult): boolean {
  const missing = wireBytesDue - wireBytesSent;
  if (wireBytesSent === 0 && wireBytesDue > MISSING_BYTES / 2) return true;
  return missing > wireBytesDue * MISSING_FRACTION && missing > MISSING_BYTES;
}

/** Guests that got less than their due first, the least of it before the others; then the rest as they are. */
export function belowShareFirst(guests: readonly GuestResult[]): GuestResult[] {
  const below = guests.filter(isBelowShare).sort((one, other) => one.fairShareGot - other.fairShareGot);
  return [...below, ...guests.filter((guest) => !isBelowShare(guest))];
}

/** A row of a table of guests: one of them, or a percentile of all. */
type GuestRow = GuestResult | { readonly percent: number; readonly of: readonly GuestResult[] };

/** Rows and columns of a table of guests, and what is to be said of those that are not in it. */
export interface GuestTable {
  readonly metrics: readonly Metric<GuestRow>[];
  readonly rows: readonly MetricRow<GuestRow>[];
  /** A line or two; undefined when every guest has a row. */
  readonly note: string | undefined;
}

/** The guests of a run as rows that fit a screen: those below their share first. */
export function guestTable({ guests }: RunResult, metrics: readonly Metric<GuestResult>[]): GuestTable {
  const columns = metrics.map(
    (metric): Metric<GuestRow> => ({
      ...metric,
      of: (row) => ('percent' in row ? percentileOf(metric, row.of, row.percent) : metric.of(row)),
      isOfFew: (row) => !('percent' in row) && metric.isOfFew?.(row) === true,
    }),
  );
  const rowOf = (subject: GuestResult): MetricRow<GuestRow> => ({ names: [subject.name], subject });
  const ordered = belowShareFirst(guests);
  if (guests.length <= MOST_ROWS) return { metrics: columns, rows: ordered.map(rowOf), note: undefined };
  // A guest that sent nothing and was due nothing is neither good nor bad.
  const ranked = worstFirst(guests.filter((guest) => isBelowShare(guest) || guest.latencyNs !== undefined));
  const below = ranked.filter(isBelowShare).length;
  // The best are those that got their due and wait least: a guest below its share is none of them.
  const best = ranked.slice(Math.max(WORST_ROWS, below)).slice(-BEST_ROWS);
  const worst = ranked.slice(0, WORST_ROWS);
  const percentiles = PERCENTS.map((percent) => ({
    names: [`${percent} % have at most`],
    subject: { percent, of: guests },
  }));
  return {
    metrics: columns,
    rows: [...worst.map(rowOf), ...percentiles, ...best.map(rowOf)],
    note: noteOf(guests, ranked, worst, best),
  };
}

/** What the rows of many guests are, in the order in which they stand. */
function noteOf(
  guests: readonly GuestResult[],
  ranked: readonly GuestResult[],
  worst: readonly GuestResult[],
  best: readonly GuestResult[],
): string {
  const below = ranked.filter(isBelowShare).length;
  const silent = guests.length - ranked.length;
  const shown = [
    ...(worst.length === 0
      ? []
      : [`the ${worst.length} worst (furthest below their share, then longest p99)`]),
    'percentiles of each column by itself',
    ...(best.length === 0 ? [] : [`the ${best.length} best (shortest p99 of those that got their due)`]),
  ];
  const sums = [
    `${whole(guests.length)} guests`,
    `${whole(below)} below their share`,
    ...(silent === 0 ? [] : [`${whole(silent)} that sent nothing and were due nothing`]),
  ];
  return `${sums.join(', ')}; --json has all.\nShown: ${shown.join('; ')}.`;
}

/** The least of its due first; of those alike, the one that waits longest. */
function worstFirst(guests: readonly GuestResult[]): GuestResult[] {
  const got = (guest: GuestResult) => (isBelowShare(guest) ? guest.fairShareGot : Number.POSITIVE_INFINITY);
  const waits = ({ latencyNs }: GuestResult) => latencyNs?.p99Ns ?? -1;
  return [...guests].sort((one, other) => {
    const [first, second] = [got(one), got(other)];
    return first === second ? waits(other) - waits(one) : first - second;
  });
}

/** Nearest rank of the guests that have a value. */
function percentileOf(
  metric: Metric<GuestResult>,
  guests: readonly GuestResult[],
  percent: number,
): number | undefined {
  const values = guests.map(metric.of).filter((value) => typeof value === 'number' && !Number.isNaN(value));
  const sorted = Float64Array.from(values as number[]).sort();
  return sorted[Math.max(0, Math.ceil((sorted.length * percent) / 100) - 1)];
}

/** Guests of a run that got less than their due: `bulk 0.18, greedy 0.72 (CPU-limited: greedy)`; undefined when there is none. */
export function belowShareText(
  { guests, cpuLimited, ringLimited }: RunResult,
  most: number,
): string | undefined {
  const below = belowShareFirst(guests).filter(isBelowShare);
  if (below.length === 0) return undefined;
  const named = below.slice(0, most).map(({ name, fairShareGot }) => `${name} ${fairShareGot.toFixed(2)}`);
  const more = below.length > most ? ` and ${whole(below.length - most)} more` : '';
  const limited = [
    ...(cpuLimited === undefined ? [] : [`CPU-limited: ${namesText(cpuLimited)}`]),
    ...(ringLimited === undefined ? [] : [`ring-limited: ${namesText(ringLimited)}`]),
  ];
  return `${named.join(', ')}${more}${limited.length === 0 ? '' : ` (${limited.join('; ')})`}`;
}

/**
 * Why a guest whose part of its due is small is not named as below it; undefined where there is none: a guest that is due a few
 * frames lacks much of it with one of them under way.
 */
export function slackNote(guests: readonly GuestResult[]): string | undefined {
  const isSpared = guests.some((guest) => guest.fairShareGot < 1 - MISSING_FRACTION && !isBelowShare(guest));
  return isSpared
    ? `Named are guests that lack more than ${MISSING_FRACTION * 100} % and ${whole(MISSING_BYTES)} bytes of it: two frames that may be under way.`
    : undefined;
}

/** Which guests of a run their own cores or rings held below their due, a sentence each; undefined when there was none. */
export function limitedText({
  cpuLimited,
  ringLimited,
}: Pick<RunResult, 'cpuLimited' | 'ringLimited'>): string | undefined {
  const sentences = [
    ...(cpuLimited === undefined
      ? []
      : [
          `CPU-limited: ${namesText(cpuLimited)} ${lessThanWire(cpuLimited)}, because ${coresText(cpuLimited)}`,
        ]),
    ...(ringLimited === undefined
      ? []
      : [
          `ring-limited: ${namesText(ringLimited)} ${lessThanWire(ringLimited)}, because ${ringsText(ringLimited)} (transmitSlots)`,
        ]),
  ];
  return sentences.length === 0 ? undefined : sentences.join('; ');
}

/** What guests that were held back have in common, of one as of many. */
export function lessThanWire({ length }: readonly string[]): string {
  return `sent less than the wire had for ${length === 1 ? 'it' : 'them'}`;
}

export function coresText({ length }: readonly string[]): string {
  return `${length === 1 ? 'its core' : 'their cores'} had no time to post more`;
}

export function ringsText({ length }: readonly string[]): string {
  return `${length === 1 ? 'its ring was' : 'their rings were'} full of frames on their way`;
}

/** Characters of the names in a line, at most; the first stands whatever its length. */
const MOST_NAMES_LENGTH = 60;

/** The first names that fit a line, whole, and how many more there are. */
export function namesText(names: readonly string[]): string {
  let shown = 0;
  for (let length = 0; shown < names.length; shown += 1) {
    length += present(names[shown]).length + (shown === 0 ? 0 : ', '.length);
    if (shown > 0 && length > MOST_NAMES_LENGTH) break;
  }
  const more = names.length - shown;
  return `${names.slice(0, shown).join(', ')}${more === 0 ? '' : ` and ${whole(more)} more`}`;
}

/** The columns in which a run's text and page tell of guests. */
export const GUEST_COLUMNS: readonly Metric<GuestResult>[] = [
  GUEST_METRIC.transmitGoodputBps,
  GUEST_METRIC.fairShareGot,
  GUEST_METRIC.framesOffered,
  GUEST_METRIC.framesTransmitted,
  GUEST_METRIC.latencyP50Ns,
  GUEST_METRIC.latencyP99Ns,
  GUEST_METRIC.driverP99Ns,
  GUEST_METRIC.ringP99Ns,
  GUEST_METRIC.cardP99Ns,
  GUEST_METRIC.receiveGoodputBps,
  GUEST_METRIC.framesReceived,
];
