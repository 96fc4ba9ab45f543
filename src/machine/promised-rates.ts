import { DEFAULT_NIC } from '../../nic/parameters.js';
import { present } from '../../scheduler/present.js';
import { ScenarioError } from '../scenario/scenario-error.js';
import type { ChangeSpec, Scenario } from '../scenario/schema.js';
import { entryNames, expandGuests } from './expand-guests.js';

/** The lowest rate that the wire has, and what says so. */
function leastRate({ nic, changes = [] }: Scenario): { readonly field: string; readonly rateBps: number } {
  let least = { field: 'nic.rateBps', rateBps: nic?.rateBps ?? DEFAULT_NIC.rateBps };
  for (const [index, { rateBps }] of changes.entries())
    if (rateBps !== undefined && rateBps < least.rateBps)
      least = { field: `changes[${index}].rateBps`, rateBps };
  return least;
}

/** Minimums of one level are promised of the same wire. @throws ScenarioError */
export function requireMinimumsThatFit(
  scenario: Scenario,
  levels: readonly ReadonlySet<string>[],
  depths: readonly number[],
): void {
  const least = leastRate(scenario);
  const names = entryNames(scenario.guests);
  for (const [index, read] of levels.entries()) {
    if (!read.has('minimumBps')) continue;
    const ofTenants = index < levels.length - 1;
    const minimums = ofTenants
      ? (scenario.tenants ?? [])
          .map(({ name, minimumBps = 0 }, number) => ({ name, minimumBps, at: depths[number] }))
          .filter(({ at }) => at === index + 1)
      : scenario.guests.map(({ count, share }, entry) => ({
          name: present(names[entry]),
          minimumBps: count * (share?.minimumBps ?? 0),
        }));
    const sum = minimums.reduce((total, { minimumBps }) => total + minimumBps, 0);
    if (sum <= least.rateBps) continue;
    const said = minimums.filter(({ minimumBps }) => minimumBps > 0);
    const listed = said.slice(0, 4).map(({ name, minimumBps }) => `${minimumBps} for ${name}`);
    if (said.length > listed.length) listed.push('...');
    throw new ScenarioError(
      `minimumBps of the ${ofTenants ? 'tenants' : 'guests'} come to ${sum} (${listed.join(', ')}), expected at most ${least.field} = ${least.rateBps}`,
    );
  }
}

/** A guest or a tenant, and where its share is written. */
interface Promised {
  readonly name: string;
  readonly where: string;
  readonly count: number;
  /** Name of the tenant that it belongs to. */
  readonly above: string | number | undefined;
  readonly limitBps?: number | undefined;
  readonly burstBytes?: number | undefined;
  readonly minimumBps?: number | undefined;
}

/**
 * A limit holds from above whatever is promised below it: minimums that it does not leave are refused, those of a share of its
 * own and those of what is in its tenant. So is a burst without a limit, now and later.
 * @throws ScenarioError
 */
export function requireLimitsThatAgree({ guests, tenants = [], changes = [] }: Scenario): void {
  const names = entryNames(guests);
  const ofGuests = guests.map(({ count, share }, index): Promised => {
    const { tenant, ...rest } = share ?? {};
    return { name: present(names[index]), where: `guests[${index}].share`, count, above: tenant, ...rest };
  });
  const ofTenants = tenants.map(
    ({ parent, ...rest }, index): Promised => ({
      ...rest,
      where: `tenants[${index}]`,
      count: 1,
      above: parent,
    }),
  );
  const later = laterLimits(guests, changes);
  for (const { where, limitBps, burstBytes, minimumBps = 0 } of [...ofGuests, ...ofTenants]) {
    if (limitBps !== undefined && minimumBps > limitBps)
      throw new ScenarioError(
        `${where}.minimumBps is ${minimumBps}, expected at most its limitBps = ${limitBps}`,
      );
    const isLimitedLater = later.some(({ entry }) => ofGuests[entry]?.where === where);
    if (burstBytes !== undefined && limitBps === undefined && !isLimitedLater)
      throw new ScenarioError(
        `${where}.burstBytes is ${burstBytes}, expected none, or a limitBps: without a limit it does nothing`,
      );
  }
  for (const { name, where, limitBps = Number.POSITIVE_INFINITY } of ofTenants) {
    const promised = promisedBelow(name, [...ofTenants, ...ofGuests]);
    if (promised > limitBps)
      throw new ScenarioError(
        `${where}.limitBps is ${limitBps}, expected at least the minimumBps of what it has, ${promised}`,
      );
  }
  for (const { change, guest, entry, limitBps } of later) {
    const { minimumBps = 0 } = ofGuests[entry] ?? {};
    if (minimumBps > limitBps)
      throw new ScenarioError(
        `changes[${change}].limitBps is ${limitBps}, expected at least the minimumBps of ${guest}, ${minimumBps}`,
      );
  }
}

/** A limit that a guest gets while the run goes on: by which change, and in which entry of `guests` the guest is. */
interface LaterLimit {
  readonly change: number;
  readonly guest: string;
  readonly entry: number;
  readonly limitBps: number;
}

/** A change names one guest of a group; the name of the group alone is that of no guest. */
function laterLimits(guests: Scenario['guests'], changes: readonly ChangeSpec[]): LaterLimit[] {
  if (changes.every(({ limitBps }) => typeof limitBps !== 'number')) return [];
  const entryOf = new Map(guests.map((spec, entry) => [spec, entry]));
  const specOf = new Map(expandGuests(guests).map(({ name, spec }) => [name, spec]));
  return changes.flatMap(({ guest, limitBps }, change) => {
    const spec = guest === undefined ? undefined : specOf.get(guest);
    const entry = spec === undefined ? undefined : entryOf.get(spec);
    if (guest === undefined || entry === undefined || typeof limitBps !== 'number') return [];
    return [{ change, guest, entry, limitBps }];
  });
}

/** What is promised to everything in a tenant: of one that is in it the larger of its own minimum and of those in it. */
function promisedBelow(tenant: string, all: readonly Promised[]): number {
  return all
    .filter(({ above }) => above === tenant)
    .reduce((sum, { name, count, where, minimumBps = 0 }) => {
      const within = where.startsWith('tenants') ? promisedBelow(name, all) : 0;
      return sum + count * Math.max(minimumBps, within);
    }, 0);
}
