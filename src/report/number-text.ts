/** Whole numbers with a comma every three digits. */
export function whole(value: number): string {
  return Math.round(value)
    .toString()
    .replace(/\B(?=(\d{3})+$)/gu, ',');
}

/** With so many decimals. */
export function decimal(value: number, digits: number): string {
  return value.toFixed(digits);
}

/** A fraction of 1 as percent. */
export function percent(fraction: number): string {
  return (fraction * 100).toFixed(1);
}

/** Nanoseconds as microseconds: three significant digits below 10, whole ones above. */
export function microseconds(ns: number | undefined): string {
  if (ns === undefined) return '-';
  return ns < 10_000 ? (ns / 1000).toFixed(2) : whole(ns / 1000);
}

/** Bits per second as megabits. */
export function megabits(bps: number): string {
  return (bps / 1e6).toFixed(1);
}

/** Counts by name: `ring-full 12, dma-abort 1`. */
export function counts(byName: Readonly<Record<string, number>>): string {
  const shown = Object.entries(byName).map(([name, count]) => `${name} ${whole(count)}`);
  return shown.length === 0 ? '-' : shown.join(', ');
}
