import type { RunResult } from '../../machine/run-result.js';
import type { Scenario, TrafficSpec } from '../../scenario/schema.js';
import { cpuDomains } from '../metrics/run-metrics.js';

/** What of a scenario says whether guests send to each other, and whether the card switches. */
export type GuestsAndCard = Pick<Scenario, 'guests' | 'nic'>;

/**
 * Whether frames of a run stay in the machine: guests send to each other, and a driver domain or the card switches between
 * them. Goodput is of the wire, so beside a run whose frames go by the far end it is no measure of what was carried.
 */
export function keepsInside({ guests, nic }: GuestsAndCard, run: RunResult): boolean {
  // What a change of traffic brings is for the same station.
  if (!guests.some(({ traffic }) => isForGuest(traffic))) return false;
  return nic?.switching === true || cpuDomains(run, 'driver-domain').length > 0;
}

function isForGuest(traffic: TrafficSpec): boolean {
  return 'to' in traffic && traffic.to !== undefined;
}

/** An approach in a comparison, as far as it matters here. */
interface MaybeKept {
  readonly name: string;
  readonly none: RunResult | undefined;
  readonly keepsInside: boolean;
}

/** Why some approaches have no goodput and no CPU time per bit beside none: two lines; undefined where all have. */
export function keptInsideLines(compared: readonly MaybeKept[]): readonly [string, string] | undefined {
  const kept = compared.filter((one) => one.keepsInside && one.none !== undefined);
  if (kept.length === 0 || compared.length === 1) return undefined;
  const names = kept.length === compared.length ? 'all approaches' : kept.map(({ name }) => name).join(', ');
  return [
    `Under ${names} frames between guests stay in the machine.`,
    'Goodput and latency are of the wire: neither goodput nor CPU time per bit is compared there.',
  ];
}
