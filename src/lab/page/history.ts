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
  readonly p50Us: readonly (number | null)[];
  readonly p99Us: readonly (number | null)[];
  /** Percent of all cores of each domain since the point before. */
  readonly cpuPercent: readonly number[];
  /** Percent of translations found in the IOTLB since the point before; null without an IOMMU. */
  readonly hitPercent: number | null;
  readonly pinnedPages: number;
  readonly faults: number;
}

/** The last moments of a machine, for the plots. */
export class History {
  #points: HistoryPoint[] = [];
  #last: Snapshot | undefined;
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
    this.#last = undefined;
    this.#version += 1;
  }

  /** The run went back: what came after is not yet. */
  cut(atNs: number): void {
    this.#points = this.#points.filter((point) => point.atNs < atNs);
    this.#last = undefined;
    this.#version += 1;
  }

  add(snapshot: Snapshot): void {
    const last = this.#last;
    const nowMs = readerNowMs();
    if (last === undefined) {
      this.#last = snapshot;
      this.#lastMs = nowMs;
      return;
    }
    const spanNs = snapshot.atNs - last.atNs;
    if (spanNs <= 0 || nowMs - this.#lastMs < LEAST_GAP_MS) return;
    this.#last = snapshot;
    this.#lastMs = nowMs;
    const translations = rise(last, snapshot, 'translations');
    const hits = rise(last, snapshot, 'iotlbHits');
    this.#points.push({
      atNs: snapshot.atNs,
      sentMbps: snapshot.guests.map(
        ({ bytesTransmitted }, index) =>
          ((bytesTransmitted - (last.guests[index]?.bytesTransmitted ?? 0)) * 8000) / spanNs,
      ),
      p50Us: snapshot.guests.map(({ p50Ns }) => (p50Ns === 0 ? null : p50Ns / 1000)),
      p99Us: snapshot.guests.map(({ p99Ns }) => (p99Ns === 0 ? null : p99Ns / 1000)),
      cpuPercent: snapshot.domains.map(
        ({ cpuNs }, index) => ((cpuNs - (last.domains[index]?.cpuNs ?? 0)) * 100) / spanNs / snapshot.cores,
      ),
      hitPercent: translations > 0 ? (hits * 100) / translations : null,
      pinnedPages: snapshot.pinnedPages,
      faults: snapshot.faults,
    });
    if (this.#points.length > MOST_POINTS) this.#points.shift();
    this.#version += 1;
  }
}

function rise(before: Snapshot, after: Snapshot, name: string): number {
  return (after.details[name] ?? 0) - (before.details[name] ?? 0);
}
