import { ParameterError } from '../../../scheduler/errors.js';
import type { AccessGate } from '../../bus/access-gate.js';
import type { HostParts } from '../../host-parts.js';
import type { Domain } from '../../hypervisor/domain.js';
import type { CdnaOptions } from '../cdna/cdna.js';
import { ValidatedGate } from '../cdna/validated-gate.js';
import type { GuestPort, PortOptions } from '../guest-port.js';
import type { GuestSpace } from '../iommu/guest-space.js';
import { Iommu, type IommuOptions } from '../iommu/iommu.js';
import type { MappingStrategy } from '../iommu/mapping-strategy.js';
import type { Protection, ProtectionCounters } from '../protection.js';
import type { Reclaiming } from '../reclaiming.js';
import { MappedReferences } from './mapped-references.js';

const DEFAULT_RELEASE_TIMEOUT_NS = 10_000_000;

/**
 * Both gates manned: the hypervisor validates and writes every descriptor as in CDNA, and the same hypercall puts
 * its pages into the context's translation tables. The set-up gate answers for the guest's mistakes, the access gate
 * for the device's: a card that errs, or lies, reaches only what is in flight for the context it claims to be.
 */
export class CdnaIommu implements Protection, Reclaiming {
  readonly name = 'cdna+iommu';
  readonly #iommu: Iommu;

  constructor(options: CdnaOptions & Omit<IommuOptions, 'strategy'> = {}) {
    const timeoutNs = options.releaseTimeoutNs ?? DEFAULT_RELEASE_TIMEOUT_NS;
    if (!Number.isInteger(timeoutNs) || timeoutNs < 1) {
      throw new ParameterError(`cdna.releaseTimeoutNs is ${timeoutNs}, expected a whole number >= 1`);
    }
    this.#iommu = new Iommu({
      ...options,
      strategy: {
        name: this.name,
        hypervisorRings: true,
        make: (space) => new ValidatedMapping(space, timeoutNs),
      },
    });
  }

  get gate(): AccessGate {
    return this.#iommu.gate;
  }

  /** The IOMMU at the access gate. */
  get iommu(): Iommu {
    return this.#iommu;
  }

  install(host: HostParts): void {
    this.#iommu.install(host);
  }

  openPort(domain: Domain, options: PortOptions): GuestPort {
    return this.#iommu.openPort(domain, options);
  }

  closePort(port: GuestPort): void {
    this.#iommu.closePort(port);
  }

  relinquish(domain: Domain, page: number): boolean {
    return this.#iommu.relinquish(domain, page);
  }

  counters(): ProtectionCounters {
    return this.#iommu.counters();
  }

  checkInvariants(): void {
    this.#iommu.checkInvariants();
  }
}

/** CDNA's set-up gate as a mapping strategy. */
class ValidatedMapping implements MappingStrategy {
  readonly transmit: ValidatedGate;
  readonly receive: ValidatedGate;
  readonly #references: MappedReferences;
  readonly #space: GuestSpace;

  constructor(space: GuestSpace, timeoutNs: number) {
    this.#space = space;
    this.#references = new MappedReferences(space);
    this.transmit = new ValidatedGate(space.parts, timeoutNs, this.#references);
    this.receive = new ValidatedGate(space.parts, timeoutNs, this.#references);
  }

  opened(): void {}

  closed(): void {
    this.transmit.releaseAll();
    this.receive.releaseAll();
  }

  relinquish(page: number): boolean {
    return this.#space.parts.pages.count(page) === 0;
  }

  counters(): Readonly<Record<string, number>> {
    return {
      liveMappings: this.#references.mapped,
      releaseTimeouts: this.transmit.timeouts + this.receive.timeouts,
    };
  }
}
