import { lastPageOf, type PageNumber, pageAfter, pageOf, untranslated } from '../../../nic/addresses.js';
import { InvariantViolation } from '../../../scheduler/errors.js';
import { refuseUnknownOptions } from '../../../scheduler/known-options.js';
import { present } from '../../../scheduler/present.js';
import { tally } from '../../../scheduler/tally.js';
import { COST } from '../../cpu/costs.js';
import type { HostParts } from '../../host-parts.js';
import type { Domain } from '../../hypervisor/domain.js';
import type { DomainId, PageKind } from '../../memory/page-ownership.js';
import type { ContextPort } from '../context-port.js';
import type { GuestPort, PortOptions } from '../guest-port.js';
import { OpenPorts } from '../open-ports.js';
import type { DirectPlan, ProtectionCounters } from '../protection.js';
import { ReferenceApproach } from '../reference-approach.js';
import { ExclusionDriver } from './exclusion-driver.js';
import {
  DEFAULT_EXCLUSION_UNIT,
  ExclusionUnit,
  type ExclusionUnitOptions,
  requireExclusionUnit,
} from './exclusion-unit.js';
import { ExclusionVector } from './exclusion-vector.js';
import type { MapEntry } from './registers.js';

export type DeviceExclusionOptions = Partial<ExclusionUnitOptions>;

/** The exclusion vector with the options of its unit. */
export class DeviceExclusion implements DirectPlan<ExclusionProtection> {
  readonly name = 'dev';
  readonly #options: ExclusionUnitOptions;

  /** @throws ParameterError for a unit that cannot be. */
  constructor(options: DeviceExclusionOptions = {}) {
    refuseUnknownOptions('dev', options, DEFAULT_EXCLUSION_UNIT);
    this.#options = { ...DEFAULT_EXCLUSION_UNIT, ...options };
    requireExclusionUnit(this.#options);
  }

  build(parts: HostParts): ExclusionProtection {
    return new ExclusionProtection(parts, this.#options);
  }
}

/** The domain of every device that no map names: here the NIC's own transfers (its interrupt vectors). */
const UNASSIGNED = 0;

/**
 * AMD's Device Exclusion Vector used as far as it goes for guests with contexts of their own.
 *
 * Guests write physical addresses into their own rings; nothing is validated at set-up. At the access gate, each
 * protection domain's vector permits what belongs to the guests of that domain and excludes everything else:
 * the hypervisor, the tables, other domains' guests, and memory that has no owner.
 *
 * The limits are the unit's, and are left to show:
 * - it knows devices by bus and unit, so eight contexts (functions) of the card are one device to it;
 * - domain 0 is for unassigned devices, so with the 4 domains of first parts 3 remain: up to three guests are
 *   kept from each other, a fourth shares with one of them, and those two reach each other's memory;
 * - all memory of a guest is open to its device, always: nothing is kept from the guest's own mistakes.
 *
 * A denied write is dropped, a denied read gives ones, the device sees a master abort and stops that context.
 */
export class ExclusionProtection extends ReferenceApproach {
  readonly name = 'dev';
  readonly handOver = 'write';
  /** The unit in the northbridge. */
  readonly gate: ExclusionUnit;
  readonly #driver: ExclusionDriver;
  readonly #ports: OpenPorts;
  readonly #vectors: ExclusionVector[] = [];
  readonly #guests = new Map<DomainId, { domain: number; ports: number }>();
  readonly #domainOfContext: number[] = [];
  #bitsChanged = 0;
  #errorsRead = 0;
  #mostSharing = 0;

  constructor(parts: HostParts, options: ExclusionUnitOptions) {
    super(parts);
    this.gate = new ExclusionUnit(parts.memory, options, () => this.#onMachineCheck());
    const driver = new ExclusionDriver(this.gate, parts.processor, parts.hypervisor.account);
    this.#driver = driver;
    this.#ports = new OpenPorts(parts, (port) => this.#onClosed(port));
    const { domains, maps } = driver.capability();
    const size = ExclusionVector.sizeFor(parts.memory.bytes);
    for (let domain = 0; domain < domains; domain += 1) {
      const base = parts.hypervisor.allocateOwn('io-table', ExclusionVector.bytes(size));
      const vector = new ExclusionVector(parts.memory, base, size);
      this.#vectors.push(vector);
      driver.setVector(domain, vector);
    }
    this.#assignUnits(driver, domains, maps);
    parts.hypervisor.attachVectorRing((physical, bytes) => {
      const last = lastPageOf(physical, bytes);
      for (let page = pageOf(physical); page <= last; page = pageAfter(page))
        present(this.#vectors[UNASSIGNED]).permit(page);
      return untranslated(physical);
    });
    driver.enable();
    driver.invalidate();
    parts.pages.observe({
      given: (pages, owner, kind) => this.#given(pages, owner, kind),
      taken: (pages, owner) => this.#taken(pages, owner),
    });
  }

  openPort(domain: Domain, options: PortOptions): GuestPort {
    const known = this.#guests.get(domain.id);
    const guest = known ?? { domain: this.#leastShared(), ports: 0 };
    if (known === undefined) {
      this.#guests.set(domain.id, guest);
      this.#given([...domain.ownedPages], domain.id, 'guest');
    }
    guest.ports += 1;
    try {
      const port = this.#ports.open(
        domain,
        options,
        (context) => this.#domainOfContext[context] === guest.domain,
      );
      this.#mostSharing = Math.max(this.#mostSharing, this.guestsSharing);
      return port;
    } catch (error) {
      this.#dropPort(domain);
      throw error;
    }
  }

  /** Guests that are in a protection domain with another one now: they reach each other's memory. */
  get guestsSharing(): number {
    const members = new Map<number, number>();
    for (const { domain } of this.#guests.values()) tally(members, domain);
    return [...members.values()].reduce((sum, count) => sum + (count > 1 ? count : 0), 0);
  }

  counters(): ProtectionCounters {
    return {
      accepted: this.#ports.accepted,
      refused: 0,
      checked: this.gate.checks,
      denied: this.gate.denials,
      details: {
        tableWalks: this.gate.walks,
        cacheInvalidations: this.gate.invalidations,
        exclusionBitsChanged: this.#bitsChanged,
        errorsRead: this.#errorsRead,
        errorsLost: this.gate.errorsLost,
        mostGuestsSharingADomain: this.#mostSharing,
      },
    };
  }

  checkInvariants(): void {
    this.#ports.checkInvariants();
    for (const domain of this.parts.hypervisor.domains) {
      const own = this.#guests.get(domain.id)?.domain;
      for (const page of domain.ownedPages)
        for (const [number, vector] of this.#vectors.entries())
          if (vector.excludes(page) === (number === own))
            throw new InvariantViolation(
              `page ${page} of ${domain.name}: its bit for domain ${number} is wrong`,
            );
    }
  }

  /** The card's units get the domains past 0 round-robin, for as many as there are maps. */
  #assignUnits(driver: ExclusionDriver, domains: number, maps: number): void {
    const { contexts } = this.parts.nic;
    const units = [...new Set(contexts.map((context) => context.requesterId >>> 3))];
    const domainOf = new Map<number, number>();
    let index = 0;
    for (let at = 0; at < units.length && index < maps; index += 1) {
      const first = present(units[at]);
      const second = units[at + 1];
      const pair = second !== undefined && second >>> 5 === first >>> 5;
      domainOf.set(first, 1 + (at % (domains - 1)));
      if (pair) domainOf.set(second, 1 + ((at + 1) % (domains - 1)));
      const entry: MapEntry = { bus: first >>> 5, unit0: first & 31, domain0: present(domainOf.get(first)) };
      driver.setMap(
        index,
        pair ? { ...entry, unit1: second & 31, domain1: present(domainOf.get(second)) } : entry,
      );
      at += pair ? 2 : 1;
    }
    for (const context of contexts)
      this.#domainOfContext.push(domainOf.get(context.requesterId >>> 3) ?? UNASSIGNED);
  }

  /** The protection domain with the fewest guests that still has a free context. */
  #leastShared(): number {
    const guests = new Array<number>(this.gate.options.domains).fill(0);
    for (const { domain } of this.#guests.values()) guests[domain] = present(guests[domain]) + 1;
    let best = 1;
    let fewest = Number.POSITIVE_INFINITY;
    for (const context of this.parts.nic.contexts) {
      const domain = this.#domainOfContext[context.index] ?? UNASSIGNED;
      if (domain === UNASSIGNED || context.state !== 'free' || present(guests[domain]) >= fewest) continue;
      best = domain;
      fewest = present(guests[domain]);
    }
    return best;
  }

  #given(pages: readonly PageNumber[], owner: DomainId, kind: PageKind): void {
    const vector = this.#vectorOf(owner);
    if (kind !== 'guest' || vector === undefined) return;
    for (const page of pages) vector.permit(page);
    this.#changed(pages.length);
  }

  #taken(pages: readonly PageNumber[], owner: DomainId): void {
    const vector = this.#vectorOf(owner);
    if (vector === undefined) return;
    for (const page of pages) vector.exclude(page);
    this.#changed(pages.length);
  }

  /** The vector of a guest's protection domain; undefined for an owner that has no port. */
  #vectorOf(owner: DomainId): ExclusionVector | undefined {
    const guest = this.#guests.get(owner);
    return guest === undefined ? undefined : this.#vectors[guest.domain];
  }

  #changed(bits: number): void {
    if (bits === 0) return;
    this.#bitsChanged += bits;
    const { processor, hypervisor } = this.parts;
    processor.chargeAccount(hypervisor.account, COST.tableWord, bits);
    this.#driver.invalidate();
  }

  #onClosed(port: ContextPort): void {
    this.#dropPort(port.domain);
  }

  #dropPort(domain: Domain): void {
    const guest = this.#guests.get(domain.id);
    if (guest === undefined) return;
    guest.ports -= 1;
    if (guest.ports > 0) return;
    this.#taken([...domain.ownedPages], domain.id);
    this.#guests.delete(domain.id);
  }

  #onMachineCheck(): void {
    const { processor, hypervisor } = this.parts;
    processor.post(hypervisor.account, () => {
      processor.charge(COST.interrupt);
      if (this.#driver.takeError() !== undefined) this.#errorsRead += 1;
    });
  }
}
