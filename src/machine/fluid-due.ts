import { DEFAULT_NIC } from '../../nic/parameters.js';
import { fieldsOfLevels, parseComposition } from '../../scheduler/disciplines/index.js';
import type { ChangeSpec, GuestSpec, Scenario } from '../scenario/schema.js';
import { type DisciplineMaker, shareOf } from './entitlements.js';
import { FluidHierarchy, type FluidTenant } from './fluid-hierarchy.js';
import type { FluidLink, FluidShare } from './fluid-link.js';
import { FluidReference } from './fluid-reference.js';

/**
 * The fluid link that says what the guests of a scenario are due. It divides by what shares say; of the discipline it
 * knows only whether tenants that are not listed have a priority, which is that of their guests.
 * @throws ScenarioError when a guest names a tenant that is not there.
 */
export function fluidLinkOf(
  scenario: Scenario,
  guests: readonly GuestSpec[],
  discipline: string | DisciplineMaker,
): FluidLink {
  const linkBps = scenario.nic?.rateBps ?? DEFAULT_NIC.rateBps;
  const shares = guests.map((guest) => shareOf(scenario, guest));
  const areAlike = shares.every(
    ({ priority, limitBps, minimumBps, tenant }) =>
      priority === undefined && limitBps === undefined && minimumBps === undefined && tenant === undefined,
  );
  if (areAlike && scenario.tenants === undefined && (scenario.changes ?? []).every(isOfWeight)) {
    const weights = shares.map(({ weight }) => weight);
    return new FluidReference(weights, linkBps);
  }
  if (scenario.tenants !== undefined) {
    const names = scenario.tenants.map(({ name }) => name);
    const tenants = scenario.tenants.map(
      ({ parent, ...share }): FluidTenant => ({
        share: fluidShare(share),
        ...(parent === undefined ? {} : { parent: names.indexOf(parent) }),
      }),
    );
    return new FluidHierarchy(shares.map(memberOf), tenants, linkBps);
  }
  if (shares.every(({ tenant }) => tenant === undefined))
    return new FluidHierarchy(
      shares.map((share) => ({ share: fluidShare(share) })),
      [],
      linkBps,
    );
  // Tenants by number: each weighs 1, and a guest that names none belongs to tenant 0.
  const numbers = [...new Set(shares.map(({ tenant = 0 }) => tenant))];
  const readsPriority =
    typeof discipline === 'string' &&
    fieldsOfLevels(parseComposition(discipline))[0]?.has('priority') === true;
  const tenants = numbers.map((number): FluidTenant => {
    const first = shares.find(({ tenant = 0 }) => tenant === number);
    const priority = readsPriority ? first?.priority : undefined;
    return { share: { weight: 1, ...(priority === undefined ? {} : { priority }) } };
  });
  return new FluidHierarchy(
    shares.map((share) => ({ share: fluidShare(share), tenant: numbers.indexOf(share.tenant ?? 0) })),
    tenants,
    linkBps,
  );
}

/** What changes of a guest's share while a run goes on. */
export type ShareChange = Pick<ChangeSpec, 'weight' | 'limitBps' | 'priority'>;

/** What a change of a scenario changes of a share: a limit of null lifts it. */
export function fluidChange({ weight, limitBps, priority }: ShareChange): Partial<FluidShare> {
  return {
    ...(weight === undefined ? {} : { weight }),
    ...(limitBps === undefined ? {} : { limitBps: limitBps ?? Number.POSITIVE_INFINITY }),
    ...(priority === undefined ? {} : { priority }),
  };
}

function isOfWeight({ limitBps, priority }: ChangeSpec): boolean {
  return limitBps === undefined && priority === undefined;
}

function memberOf({ tenant, ...share }: FluidShare & { readonly tenant?: number }) {
  return { share: fluidShare(share), ...(tenant === undefined ? {} : { tenant }) };
}

/** The fields that decide about rates, of a share or of a tenant. */
function fluidShare(share: {
  readonly weight: number;
  readonly priority?: number | undefined;
  readonly limitBps?: number | undefined;
  readonly minimumBps?: number | undefined;
}): FluidShare {
  const { weight, priority, limitBps, minimumBps } = share;
  return {
    weight,
    ...(priority === undefined ? {} : { priority }),
    ...(limitBps === undefined ? {} : { limitBps }),
    ...(minimumBps === undefined ? {} : { minimumBps }),
  };
}
