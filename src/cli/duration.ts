import { UsageError } from './cli-io.js';

const UNITS_NS = { ns: 1, us: 1e3, ms: 1e6, s: 1e9 } as const;

/** An hour of virtual time: as long as a scenario may last. */
const MAX_DURATION_NS = 3_600e9;

/** Reads `200ms`, `1.5s`, `800us`, `50ns` as whole nanoseconds. @throws UsageError naming the option */
export function parseDuration(option: string, text: string): number {
  const match = /^(?<number>\d+(?:\.\d+)?)(?<unit>ns|us|ms|s)$/u.exec(text.trim());
  const unit = match?.groups?.unit as keyof typeof UNITS_NS | undefined;
  const ns = unit === undefined ? Number.NaN : Math.round(Number(match?.groups?.number) * UNITS_NS[unit]);
  if (!(ns >= 1 && ns <= MAX_DURATION_NS)) {
    throw new UsageError(
      `${option} is "${text}", expected a time above 0 and up to 3600s with its unit: ns, us, ms or s (200ms)`,
    );
  }
  return ns;
}

/** The shortest way to write a time that `parseDuration` reads back exactly. */
export function formatDuration(ns: number): string {
  for (const unit of ['s', 'ms', 'us'] as const) {
    const amount = ns / UNITS_NS[unit];
    if (
      amount >= 1 &&
      Math.round(Number(amount.toString()) * UNITS_NS[unit]) === ns &&
      amount.toString().length <= 7
    )
      return `${amount}${unit}`;
  }
  return `${ns}ns`;
}
