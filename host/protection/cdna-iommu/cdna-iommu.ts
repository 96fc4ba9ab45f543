import type { PageNumber } from '../../../nic/addresses.js';
import { refuseUnknownOptions } from '../../../scheduler/known-options.js';
import type { HostParts } from '../../host-parts.js';
import { PerMachine } from '../../per-machine.js';
import { type CdnaOptions, releaseTimeoutOf } from '../cdna/cdna.js';
import { ReleaseTimer } from '../cdna/release-timer.js';
import { ValidatedGate } from '../cdna/validated-gate.js';
import { UNIT_OPTIONS } from '../iommu/checked-options.js';
import type { GuestSpace } from '../iommu/guest-space.js';
import { Iommu, type IommuOptions } from '../iommu/iommu.js';
import type { IommuProtection } from '../iommu/iommu-protection.js';
import type { MappingStrategy } from '../iommu/mapping-strategy.js';
import type { DirectPlan } from '../protection.js';
import { MappedReferences } from './mapped-references.js';

/**
 * Both gates: the hypervisor validates and writes every descriptor as in CDNA, and the same hypercall puts its pages
 * into the context's translation tables. The set-up gate answers for the guest's mistakes, the access gate for the
 * device's: a faulty or malicious card reaches only what is in flight for the context that it claims to be.
 */
export class CdnaIommu implements DirectPlan<IommuProtection> {
  readonly name = 'cdna+iommu';
  readonly #iommu: Iommu;

  /** @throws ParameterError for options that make no sense. */
  constructor(options: CdnaOptions & Omit<IommuOptions, 'strategy'> = {}) {
    refuseUnknownOptions('iommu', options, { releaseTimeoutNs: true, ...UNIT_OPTIONS });
    const timeoutNs = releaseTimeoutOf(options);
    const { releaseTimeoutNs: _ours, ...theirs } = options;
    const timers = new PerMachine((parts) => new ReleaseTimer(parts, timeoutNs));
    this.#iommu = new Iommu({
      ...theirs,
      strategy: {
        name: this.name,
        hypervisorRings: true,
        make: (space) => new ValidatedMapping(space, timers.of(space.parts)),
      },
    });
  }

  build(parts: HostParts): IommuProtection {
    return this.#iommu.build(parts);
  }
}

/** CDNA's set-up gate as a mapping strategy. */
class ValidatedMapping implements MappingStrategy {
  readonly transmit: ValidatedGate;
  readonly receive: ValidatedGate;
  readonly #references: MappedReferences;
  readonly #space: GuestSpace;

  constructor(space: GuestSpace, timer: ReleaseTimer) {
    this.#space = space;
    this.#references = new MappedReferences(space);
    this.transmit = new ValidatedGate(space.parts, timer, this.#references);
    this.receive = new ValidatedGate(space.parts, timer, this.#references);
  }

  opened(): void {}

  closed(): void {
    this.transmit.releaseAll();
    this.receive.releaseAll();
  }

  relinquish(page: PageNumber): boolean {
    return this.#space.parts.pages.count(page) === 0;
  }

  counters(): Readonly<Record<string, number>> {
    return {
      liveMappings: this.#references.mapped,
      releaseTimeouts: this.transmit.timeouts + this.receive.timeouts,
    };
  }
}
