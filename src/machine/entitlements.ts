import { DEFAULT_NIC } from '../../nic/parameters.js';
import type { Discipline, Share } from '../../scheduler/discipline.js';
import {
  type DisciplineOptions,
  fieldsOfLevels,
  makeDiscipline,
  parseComposition,
  type Tenant,
  tenantPath,
} from '../../scheduler/disciplines/index.js';
import { ScenarioError } from '../scenario/scenario-error.js';
import type { GuestSpec, Scenario, TenantSpec } from '../scenario/schema.js';
import { requireLimitsThatAgree, requireMinimumsThatFit } from './promised-rates.js';
import { withoutUndefined } from './without-undefined.js';

/** Makes a fresh discipline from what a scenario says. */
export type DisciplineMaker = (options: DisciplineOptions) => Discipline;

/**
 * What makes the disciplines of a run, one for each direction. Shares that a discipline of the catalogue would not read
 * are refused; what a discipline of the user's own reads is not known.
 * @throws ScenarioError that names the field.
 */
export function disciplineOf(scenario: Scenario, discipline: string | DisciplineMaker): () => Discipline {
  const options: DisciplineOptions = {
    linkBps: scenario.nic?.rateBps ?? DEFAULT_NIC.rateBps,
    // Memory may be slower than the wire, so the rate at which frames leave is no constant.
    linkVaries: true,
    ...(scenario.quantumBytes === undefined ? {} : { quantumBytes: scenario.quantumBytes }),
    tenants: tenantsOf(scenario.tenants ?? []),
  };
  if (typeof discipline !== 'string') return () => discipline(options);
  checkShares(scenario, discipline);
  return () => makeDiscipline(discipline, options);
}

/** A guest's `weight` and `share` as the one share that they are on the card. @throws ScenarioError */
export function shareOf(scenario: Scenario, { weight, share, name }: GuestSpec): Share {
  const { tenant, ...rest } = withoutUndefined(share ?? {});
  const number = tenantNumber(scenario.tenants, tenant, `${name ?? 'guest'}.share.tenant`);
  return { ...rest, ...(number === undefined ? {} : { tenant: number }), weight };
}

/** Tenants by number: a tenant's number is its place in the list. */
function tenantsOf(specs: readonly TenantSpec[]): Record<number, Tenant> {
  const tenants: Record<number, Tenant> = {};
  for (const [number, { name, parent, ...share }] of specs.entries()) {
    if (specs.findIndex((other) => other.name === name) !== number)
      throw new ScenarioError(`tenants: two are named "${name}", expected a name for each`);
    const above = tenantNumber(specs, parent, `tenants[${number}].parent`);
    tenants[number] = { share: withoutUndefined(share), ...(above === undefined ? {} : { parent: above }) };
  }
  for (const [number, { name, parent }] of specs.entries()) {
    try {
      tenantPath(tenants, number);
    } catch {
      throw new ScenarioError(
        `tenants[${number}].parent is "${parent}", expected no tenant that is below "${name}": a tenant is not among its own parents`,
      );
    }
  }
  return tenants;
}

/** The number of a tenant that is named in a field, or that is a number itself where no tenants are listed. */
function tenantNumber(
  specs: readonly TenantSpec[] | undefined,
  tenant: string | number | undefined,
  field: string,
): number | undefined {
  if (tenant === undefined || (typeof tenant === 'number' && specs === undefined)) return tenant;
  const found = specs?.findIndex(({ name }) => name === tenant) ?? -1;
  if (found >= 0) return found;
  const names = specs?.map(({ name }) => `"${name}"`).join(', ');
  const expected = names === undefined ? 'a number, or a name from "tenants"' : `one of: ${names}`;
  throw new ScenarioError(`${field} is ${JSON.stringify(tenant)}, expected ${expected}`);
}

/** Fields of a share that an unlisted tenant takes from its guests. */
const INHERITED = ['priority', 'deadlineNs'] as const;

/** @throws ScenarioError for a field that the discipline does not read, and for minimums that the wire cannot carry. */
function checkShares(scenario: Scenario, discipline: string): void {
  const levels = fieldsOfLevels(parseComposition(discipline));
  const ofGuests = levels.at(-1) ?? new Set();
  const tenants = tenantsOf(scenario.tenants ?? []);
  const depths = (scenario.tenants ?? []).map((_, number) => tenantPath(tenants, number).length);
  if (scenario.tenants !== undefined && levels.length === 1)
    throw new ScenarioError(
      `tenants: there are ${depths.length}, expected none: ${discipline} has no tenants, ${discipline}/${discipline} has`,
    );
  for (const [number, tenant] of (scenario.tenants ?? []).entries()) {
    const depth = depths[number] ?? 1;
    if (depth >= levels.length)
      throw new ScenarioError(
        `tenants[${number}].parent: "${tenant.name}" is ${depth} levels below the wire, expected at most ${levels.length - 1}: ${discipline} has no more`,
      );
    const { name, parent, weight, ...share } = tenant;
    refuseUnread(`tenants[${number}]`, share, levels[depth - 1] ?? new Set(), discipline);
  }
  const inherited = new Map<string | number, { readonly where: string; readonly share: object }>();
  for (const [index, { share = {} }] of scenario.guests.entries()) {
    const where = `guests[${index}].share`;
    const { tenant, ...rest } = share;
    if (levels.length === 1) refuseUnread(where, share, ofGuests, discipline);
    else if (scenario.tenants === undefined) {
      const readsAbove = INHERITED.filter((field) => levels[0]?.has(field) === true);
      refuseUnread(where, rest, new Set([...ofGuests, ...readsAbove]), discipline);
      requireAgreement(inherited, tenant ?? 0, where, rest, readsAbove);
    } else {
      requireLeaf(scenario.tenants, tenant, `${where}.tenant`);
      refuseUnread(where, rest, ofGuests, discipline);
    }
  }
  for (const [index, { limitBps, priority }] of (scenario.changes ?? []).entries()) {
    const changed = {
      ...(limitBps === undefined ? {} : { limitBps }),
      ...(priority === undefined ? {} : { priority }),
    };
    refuseUnread(`changes[${index}]`, changed, ofGuests, discipline);
  }
  requireMinimumsThatFit(scenario, levels, depths);
  requireLimitsThatAgree(scenario);
}

function refuseUnread(where: string, share: object, read: ReadonlySet<string>, discipline: string): void {
  for (const [field, value] of Object.entries(withoutUndefined(share))) {
    if (read.has(field)) continue;
    const known = read.size === 0 ? 'weight alone' : ['weight', ...read].join(', ');
    throw new ScenarioError(
      `${where}.${field} is ${JSON.stringify(value)}, expected none: ${discipline} reads ${known} there`,
    );
  }
}

/** Guests of a tenant that is not listed must say the same of it. */
function requireAgreement(
  seen: Map<string | number, { readonly where: string; readonly share: object }>,
  tenant: string | number,
  where: string,
  share: object,
  fields: readonly (typeof INHERITED)[number][],
): void {
  const said = Object.fromEntries(
    Object.entries(share).filter(([field]) => fields.some((one) => one === field)),
  );
  const first = seen.get(tenant);
  if (first === undefined) {
    seen.set(tenant, { where, share: said });
    return;
  }
  for (const field of fields) {
    const [mine, theirs] = [said, first.share].map((one) => (one as Record<string, unknown>)[field]);
    if (mine === theirs) continue;
    throw new ScenarioError(
      `${where}.${field} is ${JSON.stringify(mine) ?? 'missing'}, expected ${JSON.stringify(theirs) ?? 'none'} as in ${first.where}: it is that of tenant ${tenant}`,
    );
  }
}

/** A guest belongs to a tenant that has no tenants itself: there it would compete with them. */
function requireLeaf(
  tenants: readonly TenantSpec[],
  tenant: string | number | undefined,
  field: string,
): void {
  const leaves = tenants.filter(({ name }) => tenants.every(({ parent }) => parent !== name));
  if (leaves.some(({ name }) => name === tenant)) return;
  const value = tenant === undefined ? 'missing' : JSON.stringify(tenant);
  throw new ScenarioError(
    `${field} is ${value}, expected one of: ${leaves.map(({ name }) => `"${name}"`).join(', ')}`,
  );
}
