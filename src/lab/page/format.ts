/** Virtual time with a unit that fits, to the nanosecond. */
export function timeText(ns: number): string {
  const groups = (value: number) => value.toString().replace(/\B(?=(\d{3})+$)/gu, ' ');
  if (ns < 1000) return `${ns} ns`;
  if (ns < 1e6) return `${(ns / 1e3).toFixed(3)} µs`;
  if (ns < 1e9)
    return `${groups(Math.floor(ns / 1e6))}.${String(Math.floor(ns % 1e6))
      .padStart(6, '0')
      .slice(0, 4)} ms`;
  return `${(ns / 1e9).toFixed(6)} s`;
}

/** A rate in bits per second. */
export function rateText(bps: number): string {
  if (bps >= 1e9) return `${(bps / 1e9).toFixed(2)} Gb/s`;
  if (bps >= 1e6) return `${(bps / 1e6).toFixed(bps >= 1e8 ? 0 : 1)} Mb/s`;
  return bps > 0 ? `${(bps / 1e3).toFixed(0)} kb/s` : '0';
}

/** What a wire carries, to its last digit. */
export function wireRateText(bps: number): string {
  return bps >= 1e9 ? `${bps / 1e9} Gb/s` : `${bps / 1e6} Mb/s`;
}

/** A count that stays short. */
export function countText(count: number): string {
  if (count >= 1e9) return `${(count / 1e9).toFixed(2)} G`;
  if (count >= 1e6) return `${(count / 1e6).toFixed(2)} M`;
  return count >= 1e4 ? `${(count / 1e3).toFixed(1)} k` : String(count);
}

/** A latency; a dash before there is one. */
export function latencyText(ns: number | undefined): string {
  if (ns === undefined) return '–';
  return ns >= 1e6 ? `${(ns / 1e6).toFixed(2)} ms` : `${(ns / 1e3).toFixed(1)} µs`;
}

/** How fast virtual time passes. */
export const PACES: readonly { readonly paceNs: number | null; readonly text: string }[] = [
  { paceNs: 1_000, text: '1 µs per second' },
  { paceNs: 10_000, text: '10 µs per second' },
  { paceNs: 50_000, text: '50 µs per second' },
  { paceNs: 200_000, text: '200 µs per second' },
  { paceNs: 1_000_000, text: '1 ms per second' },
  { paceNs: 10_000_000, text: '10 ms per second' },
  { paceNs: 100_000_000, text: '100 ms per second' },
  { paceNs: 1_000_000_000, text: 'real time' },
  { paceNs: null, text: 'as fast as it can' },
];
