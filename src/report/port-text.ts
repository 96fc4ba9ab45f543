import { DEFAULT_NIC } from '../../nic/parameters.js';
import type { Scenario } from '../scenario/schema.js';

/** Rates that a page names; a line of a terminal has space for fewer. */
const MOST_RATES_NAMED = 6;
const MOST_RATES_IN_LINE = 3;

/** Rate of the wire; with those that it gets, and when. */
export function portText({ nic, changes = [] }: Scenario, mostNamed = MOST_RATES_NAMED): string {
  const first = `${(nic?.rateBps ?? DEFAULT_NIC.rateBps) / 1e9} Gb/s`;
  const later = changes
    .flatMap(({ atNs, rateBps }) => (rateBps === undefined ? [] : [{ atNs, rateBps }]))
    .sort((one, other) => one.atNs - other.atNs);
  const named = later
    .slice(0, mostNamed)
    .map(({ atNs, rateBps }) => `${rateBps / 1e9} Gb/s from ${atNs / 1e6} ms on`);
  const more = later.length > named.length ? [`and ${later.length - named.length} more`] : [];
  return [first, ...named, ...more].join(', ');
}

/** The line below a heading that says what rates the wire gets; none where it keeps its own. */
export function portLines(scenario: Scenario): readonly string[] {
  const changes = scenario.changes?.some(({ rateBps }) => rateBps !== undefined) ?? false;
  return changes ? [`port ${portText(scenario, MOST_RATES_IN_LINE)}`] : [];
}
