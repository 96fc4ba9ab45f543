import type { PageNumber } from '../../../../nic/addresses.js';
import { ParameterError } from '../../../../scheduler/errors.js';
import { refuseUnknownOptions } from '../../../../scheduler/known-options.js';
import type { HostParts } from '../../../host-parts.js';
import type { Domain } from '../../../hypervisor/domain.js';
import type { DirectPlan, ProtectionCounters } from '../../protection.js';
import { firstAllocated } from '../address-space.js';
import { assertIommuOptions, UNIT_OPTIONS } from '../checked-options.js';
import type { GuestSpace } from '../guest-space.js';
import type { IommuDriver } from '../iommu-driver.js';
import type { IommuOptions } from '../iommu-options.js';
import { IommuProtection } from '../iommu-protection.js';
import type { MappingStrategy } from '../mapping-strategy.js';
import { GuestGate } from './guest-gate.js';
import { GuestMaps } from './guest-maps.js';
import { GUEST_DRIVEN } from './name.js';

/**
 * The guest's own IOMMU drives our tables: what its operating system maps and unmaps for the device is what our unit
 * lets the device reach. Only real guests have one, so it is in no list of approaches.
 */
export class GuestDriven implements DirectPlan<GuestDrivenProtection> {
  readonly name = GUEST_DRIVEN;
  readonly #options: Omit<IommuOptions, 'strategy'>;

  /** @throws ParameterError for options that no unit has, and for a card that cannot tell its guests apart. */
  constructor(options: Omit<IommuOptions, 'strategy'> = {}) {
    refuseUnknownOptions('iommu', options, UNIT_OPTIONS);
    assertIommuOptions(options);
    if (options.oneRequesterId === true)
      throw new ParameterError(
        `iommu.oneRequesterId is true, expected false: under ${GUEST_DRIVEN} each guest has addresses of its own`,
      );
    this.#options = options;
  }

  build(parts: HostParts): GuestDrivenProtection {
    return new GuestDrivenProtection(parts, this.#options);
  }
}

/** The approach in a machine: hands out what each guest's own IOMMU is told to. */
export class GuestDrivenProtection extends IommuProtection {
  readonly #maps: Map<Domain, GuestMaps>;

  constructor(parts: HostParts, options: Omit<IommuOptions, 'strategy'>) {
    const maps = new Map<Domain, GuestMaps>();
    const strategy = {
      name: GUEST_DRIVEN,
      hypervisorRings: false,
      handOver: 'write' as const,
      make: (space: GuestSpace) => new DrivenByGuest(space, mapsIn(maps, space.domain, space.driver)),
    };
    super(parts, strategy, { ...options, strategy });
    this.#maps = maps;
  }

  /** What a guest has mapped. */
  mapsOf(domain: Domain): GuestMaps {
    return mapsIn(this.#maps, domain, this.driver);
  }

  override counters(): ProtectionCounters {
    const counters = super.counters();
    let guestMaps = 0;
    let guestUnmaps = 0;
    let guestMappings = 0;
    for (const { counters: of, count } of this.#maps.values()) {
      guestMaps += of.maps;
      guestUnmaps += of.unmaps;
      guestMappings += count;
    }
    return { ...counters, details: { ...counters.details, guestMaps, guestUnmaps, guestMappings } };
  }
}

function mapsIn(maps: Map<Domain, GuestMaps>, domain: Domain, driver: IommuDriver): GuestMaps {
  const known = maps.get(domain);
  if (known !== undefined) return known;
  const made = new GuestMaps(domain.name, firstAllocated(driver));
  maps.set(domain, made);
  return made;
}

/** The mapping strategy of a guest that maps for itself: the tables are what it has mapped. */
class DrivenByGuest implements MappingStrategy {
  readonly transmit: GuestGate;
  readonly receive: GuestGate;
  readonly #space: GuestSpace;
  readonly #maps: GuestMaps;

  constructor(space: GuestSpace, maps: GuestMaps) {
    this.#space = space;
    this.#maps = maps;
    this.transmit = new GuestGate(space.domain);
    this.receive = this.transmit;
    maps.attach(space);
  }

  opened(): void {}

  closed(): void {
    this.#maps.detach();
  }

  relinquish(page: PageNumber): boolean {
    return this.#space.parts.pages.count(page) === 0;
  }

  counters(): Readonly<Record<string, number>> {
    return {};
  }
}
