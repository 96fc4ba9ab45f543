import type { Latencies } from '../recent-latencies.js';
import type { Snapshot } from '../snapshot.js';
import { readerNowMs } from './reader-clock.js';

/** Points of a plot. */
const MOST_POINTS = 240;
/** Least time between two points, ms of the reader's time. */
const LEAST_GAP_MS = 50;

/** What the plots show at one instant of virtual time. */
export interface HistoryPoint {
  readonly atNs: number;
  /** Mb/s of each guest since the point before. */
  readonly sentMbps: readonly number[];
  readonly latencies: readonly (Latencies | undefined)[];
  /** Percent of all cores of each domain since the point before. */
  readonly cpuPercent: readonly number[];
  /** Percent of translations found in the IOTLB since the point before; null without an IOMMU. */
  readonly hitPercent: number | null;
  readonly pinnedPages: number;
  readonly faults: number;
}

/** Points over which a rate is taken: a second of the reader's time. */
const WINDOW_POINTS = 20;

/** The last moments of a machine, for the plots. */
export class History {
  #points: HistoryPoint[] = [];
  #recent: Snapshot[] = [];
  #lastMs = 0;
  #version = 0;

  get points(): readonly HistoryPoint[] {
    return this.#points;
  }

  /** Grows with every change. */
  get version(): number {
    return this.#version;
  }

  get latest(): HistoryPoint | undefined {
    return this.#points.at(-1);
  }

  clear(): void {
    this.#points = [];
    this.#recent = [];
    this.#version += 1;
  }

  /** The run went back: what came after is not yet. */
  cut(atNs: number): void {
    this.#points = this.#points.filter((point) => point.atNs < atNs);
    this.#recent = this.#recent.filter((snapshot) => snapshot.atNs < atNs);
    this.#version += 1;
  }

  /** @param isStill whether it is the last for now: it is shown however soon it comes after the one before */
  add(snapshot: Snapshot, isStill: boolean): void {
    const nowMs = readerNowMs();
    const last = this.#recent.at(-1);
    const isSoon = !isStill && nowMs - this.#lastMs < LEAST_GAP_MS;
    if (last !== undefined && (snapshot.atNs <= last.atNs || isSoon)) return;
    this.#lastMs = nowMs;
    if (last === undefined && snapshot.atNs > 0) this.#recent.push(beginningOf(snapshot));
    const base = this.#recent[0];
    this.#recent.push(snapshot);
    if (this.#recent.length > WINDOW_POINTS) this.#recent.shift();
    if (base === undefined) return;
    this.#points.push(pointBetween(base, snapshot));
    if (this.#points.length > MOST_POINTS) this.#points.shift();
    this.#version += 1;
  }
}

/** The same machine at the start of its run: what is shown of one that was taken to a place at once is its way there. */
function beginningOf(snapshot: Snapshot): Snapshot {
  return {
    ...snapshot,
    atNs: 0,
    guests: snapshot.guests.map((guest) => ({ ...guest, bytesTransmitted: 0 })),
    domains: snapshot.domains.map((domain) => ({ ...domain, cpuNs: 0 })),
    details: {},
  };
}

/** Rates over the time from one snapshot to another, and what holds at the later one. */
export function pointBetween(before: Snapshot, after: Snapshot): HistoryPoint {
  const spanNs = Math.max(1, after.atNs - before.atNs);
  const translations = rise(before, after, 'translations');
  const hits = rise(before, after, 'iotlbHits');
  return {
    atNs: after.atNs,
    sentMbps: after.guests.map(
      ({ bytesTransmitted }, index) =>
        // 0: the guest was not there before.
        ((bytesTransmitted - (before.guests[index]?.bytesTransmitted ?? 0)) * 8000) / spanNs,
    ),
    latencies: after.guests.map(({ latencies }) => latencies),
    cpuPercent: after.domains.map(
      // 0: the domain was not there before.
      ({ cpuNs }, index) => ((cpuNs - (before.domains[index]?.cpuNs ?? 0)) * 100) / spanNs / after.cores,
    ),
    hitPercent: translations > 0 ? (hits * 100) / translations : null,
    pinnedPages: after.pinnedPages,
    faults: after.faults,
  };
}

function rise(before: Snapshot, after: Snapshot, name: string): number {
  // 0: a counter that the approach has not used yet.
  return (after.details[name] ?? 0) - (before.details[name] ?? 0);
}
