import { ParameterError } from '../../scheduler/errors.js';
import { Cdna } from './cdna/cdna.js';
import { CdnaIommu } from './cdna-iommu/cdna-iommu.js';
import { DeviceExclusion } from './dev/device-exclusion.js';
import { DriverDomain } from './driver-domain/driver-domain.js';
import { GUEST_DRIVEN } from './iommu/guest-driven/name.js';
import { Iommu, type IommuOptions } from './iommu/iommu.js';
import { FURTHER_STRATEGIES, STRATEGIES, type StrategyEntry } from './iommu/strategies/index.js';
import { NoDma } from './nodma/no-dma.js';
import { PlainDma } from './none/plain-dma.js';
import type { ProtectionPlan } from './protection.js';

/** Memory that an approach claims to protect from a guest's card. The specs test each claim. */
export interface Claims {
  /** The hypervisor's memory, whatever a guest asks for. */
  readonly hypervisor: boolean;
  /** Other guests' memory. */
  readonly interGuest: boolean;
  /** For how many guests that holds, where it does not hold for all. */
  readonly separates?: number;
  /** The guest's own memory outside of the buffers that are in use. */
  readonly ownMistakes: boolean;
  /** What is not the guest's, from a card that acts of its own accord in the guest's name. */
  readonly device: boolean;
}

/** An approach to protecting memory at one gate, at both or at neither, as a list shows it. */
export interface Approach {
  /** As the command line spells it. */
  readonly name: string;
  /** As a heading shows it. */
  readonly title: string;
  /** One line. */
  readonly meaning: string;
  readonly claims: Claims;
  /** The approach, ready to be built into a machine. One without an IOMMU has no use for the options. */
  readonly make: (options?: ApproachOptions) => ProtectionPlan;
}

/** Options of the approaches with an IOMMU; one that does not know a field ignores it. */
export type ApproachOptions = Pick<
  IommuOptions,
  'vendor' | 'oneRequesterId' | 'cachingMode' | 'timing' | 'strategyOptions'
>;

const NOTHING: Claims = { hypervisor: false, interGuest: false, ownMistakes: false, device: false };
const EVERYTHING: Claims = { hypervisor: true, interGuest: true, ownMistakes: true, device: true };

/** Claims of the mapping strategies (Willmann et al., USENIX ATC 2008; Linux's lazy mode for `deferred`). */
const STRATEGY_CLAIMS: Readonly<Record<string, Claims>> = {
  'direct-map': { ...EVERYTHING, ownMistakes: false },
  persistent: { ...EVERYTHING, ownMistakes: false },
  // Until the flush a page can have its next owner while the unit still remembers the last one's mapping.
  deferred: { ...EVERYTHING, interGuest: false, ownMistakes: false },
  // Until the bitmap wraps, likewise.
  'flush-on-wrap': { ...EVERYTHING, interGuest: false, ownMistakes: false },
};

/** Every approach, in the order in which a comparison shows them. */
export const APPROACHES: readonly Approach[] = [
  {
    name: 'none',
    title: 'plain DMA',
    meaning: 'plain DMA: both gates stand open',
    claims: NOTHING,
    make: () => new PlainDma(),
  },
  {
    name: 'dev',
    title: 'exclusion vector',
    meaning:
      "AMD's DEV: one bit per page and protection domain, no translation; few domains, and no functions",
    claims: { hypervisor: true, interGuest: true, separates: 3, ownMistakes: false, device: true },
    make: () => new DeviceExclusion(),
  },
  {
    name: 'nodma',
    title: 'NoDMA, PMR, DPR',
    meaning:
      "Intel's NoDMA table and protected ranges: the hypervisor is closed to every device, guests to none",
    claims: { ...NOTHING, hypervisor: true },
    make: () => new NoDma(),
  },
  {
    name: 'driver-domain',
    title: 'driver domain',
    meaning: 'a fake device: a domain of its own has the card, bridges, and copies frames through grants',
    // Grants are for pages that the guest names; the card itself is the driver domain's, and reaches everything.
    claims: { hypervisor: true, interGuest: true, ownMistakes: false, device: false },
    make: () => new DriverDomain(),
  },
  {
    name: 'cdna',
    title: 'CDNA',
    meaning: 'the hypervisor checks, pins and writes each descriptor; the card checks sequence numbers',
    claims: { hypervisor: true, interGuest: true, ownMistakes: false, device: false },
    make: () => new Cdna(),
  },
  ...STRATEGIES.map(withIommu),
  {
    name: 'cdna+iommu',
    title: 'CDNA and IOMMU',
    meaning: 'both gates: the hypervisor checks each descriptor, the IOMMU each access',
    claims: { ...EVERYTHING, ownMistakes: false },
    make: (options) => new CdnaIommu(options),
  },
];

/** Approaches of one machine or one study: run by name, and in no comparison of all. */
export const FURTHER_APPROACHES: readonly Approach[] = FURTHER_STRATEGIES.map(withIommu);

/** Every approach that has a name. */
export const NAMED_APPROACHES: readonly Approach[] = [...APPROACHES, ...FURTHER_APPROACHES];

/** A mapping strategy as an approach. */
function withIommu({ name, meaning }: StrategyEntry): Approach {
  return {
    name: `iommu:${name}`,
    title: `IOMMU, ${name}`,
    meaning: `IOMMU; ${meaning}`,
    claims: STRATEGY_CLAIMS[name] ?? EVERYTHING,
    make: (options?: ApproachOptions) => new Iommu({ ...options, strategy: name }),
  };
}

/** What a message says of a name that is no approach here: what was expected, and where it exists if it does. */
export function approachExpected(name: string, approaches: readonly { readonly name: string }[]): string {
  const expected = `expected one of: ${approaches.map((approach) => approach.name).join(', ')}`;
  return name === GUEST_DRIVEN
    ? `which exists in serve and replay alone, because a real guest drives it; ${expected}`
    : expected;
}

/** An approach by its name. @throws ParameterError for a name that does not exist, with those that do. */
export function makeProtection(name: string, options: ApproachOptions = {}): ProtectionPlan {
  const approach = NAMED_APPROACHES.find((candidate) => candidate.name === name);
  if (approach === undefined)
    throw new ParameterError(`protection is "${name}", ${approachExpected(name, NAMED_APPROACHES)}`);
  return approach.make(options);
}
