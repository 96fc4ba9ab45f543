import { DEFAULT_NIC } from '../../nic/parameters.js';
import { ScenarioError } from '../scenario/scenario-error.js';
import type { Scenario } from '../scenario/schema.js';

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
  for (const [index, read] of levels.entries()) {
    if (!read.has('minimumBps')) continue;
    const ofTenants = index < levels.length - 1;
    const minimums = ofTenants
      ? (scenario.tenants ?? [])
          .map(({ name, minimumBps = 0 }, number) => ({ name, minimumBps, at: depths[number] }))
          .filter(({ at }) => at === index + 1)
      : scenario.guests.map(({ name, count, share }, number) => ({
          name: name ?? `guest${number}`,
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
  const ofGuests = guests.map(({ name, count, share }, index): Promised => {
    const { tenant, ...rest } = share ?? {};
    return { name: name ?? `guest${index}`, where: `guests[${index}].share`, count, above: tenant, ...rest };
  });
  const ofTenants = tenants.map(
    ({ parent, ...rest }, index): Promised => ({
      ...rest,
      where: `tenants[${index}]`,
      count: 1,
      above: parent,
    }),
  );
  for (const { name, where, limitBps, burstBytes, minimumBps = 0 } of [...ofGuests, ...ofTenants]) {
    if (limitBps !== undefined && minimumBps > limitBps)
      throw new ScenarioError(
        `${where}.minimumBps is ${minimumBps}, expected at most its limitBps = ${limitBps}`,
      );
    const isLimitedLater = changes.some(
      ({ guest, limitBps: later }) => guest === name && later !== undefined,
    );
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
  for (const [index, { guest, limitBps }] of changes.entries()) {
    const { minimumBps = 0 } = ofGuests.find(({ name }) => name === guest) ?? {};
    if (typeof limitBps === 'number' && minimumBps > limitBps)
      throw new ScenarioError(
        `changes[${index}].limitBps is ${limitBps}, expected at least the minimumBps of ${guest}, ${minimumBps}`,
      );
  }
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
