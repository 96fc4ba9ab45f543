import { InvariantViolation, ParameterError } from '../../../scheduler/errors.js';
import { type AccessGate, DENIED } from '../../bus/access-gate.js';
import type { HostParts } from '../../host-parts.js';
import type { Domain } from '../../hypervisor/domain.js';
import type { QueueTiming } from '../../iommu/queue-timing.js';
import { WRITE } from '../../iommu/radix-table.js';
import type { TimingParameters } from '../../iommu/translation/parameters.js';
import { PAGE_BYTES } from '../../memory/physical-memory.js';
import { ContextPort } from '../context-port.js';
import type { GuestPort, PortOptions } from '../guest-port.js';
import type { Protection, ProtectionCounters } from '../protection.js';
import type { Reclaiming } from '../reclaiming.js';
import { AddressSpace, DomainNumbers } from './address-space.js';
import { AmdviDriver } from './amdvi-driver.js';
import { GuestSpace } from './guest-space.js';
import {
  IOMMU_VENDORS,
  type IommuDriver,
  type IommuDriverOptions,
  type IommuVendor,
} from './iommu-driver.js';
import type { MappingStrategy, StrategyMaker } from './mapping-strategy.js';
import { type StrategyOptions, strategyEntry } from './strategies/index.js';
import { VtdDriver } from './vtd-driver.js';

/** A strategy that is not in the list: an approach of its own that is built on this one. */
export interface OwnStrategy {
  readonly name: string;
  /** The hypervisor owns and writes the rings, and the card checks sequence numbers (CDNA). */
  readonly hypervisorRings: boolean;
  readonly make: StrategyMaker;
}

export interface IommuOptions {
  /** Name of the mapping strategy, or one of one's own. */
  readonly strategy: string | OwnStrategy;
  readonly strategyOptions?: StrategyOptions;
  /** Whose unit: tables, registers, queue and log of Intel VT-d or AMD-Vi. @defaultValue 'vtd' */
  readonly vendor?: IommuVendor;
  readonly timing?: Partial<TimingParameters>;
  readonly queueTiming?: Partial<QueueTiming>;
  /** Seed of the replacement in the unit's caches. @defaultValue 1 */
  readonly seed?: number;
  /** The whole card has one requester ID, as cards without one for each context have. @defaultValue false */
  readonly oneRequesterId?: boolean;
  /** VT-d only: the unit may remember that there is no mapping, as virtual units do (CAP.CM). @defaultValue false */
  readonly cachingMode?: boolean;
}

/** Domain number of the card's own transfers (interrupt vectors). */
const CARD_DOMAIN = 1;
/** Domain numbers of guests begin here and have 16 bits. */
const FIRST_GUEST_DOMAIN = 2;
const DOMAIN_LIMIT = 2 ** 16;

/** A guest's port with what the IOMMU keeps for it. */
export interface IommuPort {
  readonly port: ContextPort;
  readonly space: GuestSpace;
  readonly strategy: MappingStrategy;
}

/**
 * The IOMMU: mans the access gate. Each context of the card is a device of its own to the unit, with tables of its
 * own; guests write their own descriptors, and the strategy decides when their pages are in the tables.
 *
 * A port that closes leaves things behind that the unit's caches still know. Its context, its domain number, its
 * tables and its pages are free again when the unit has reported the last invalidation, and not before.
 */
export class Iommu implements Protection, Reclaiming {
  readonly name: string;
  readonly gate: AccessGate;
  readonly #options: IommuOptions;
  readonly #makeStrategy: StrategyMaker;
  readonly #hypervisorRings: boolean;
  readonly #open = new Map<number, IommuPort>();
  readonly #domains = new DomainNumbers(FIRST_GUEST_DOMAIN, DOMAIN_LIMIT);
  // Contexts whose last owner the unit may still remember.
  readonly #leaving = new Set<number>();
  #parts: HostParts | undefined;
  #driver: IommuDriver | undefined;
  #shared: AddressSpace | undefined;
  #closedAccepted = 0;
  #closedRefused = 0;
  readonly #closedCounts: Record<string, number> = {};

  /** @throws ParameterError for a strategy or parameter that does not exist. */
  constructor(options: IommuOptions) {
    this.#options = options;
    const { vendor, strategy } = options;
    if (vendor !== undefined && !IOMMU_VENDORS.includes(vendor)) {
      throw new ParameterError(`iommu.vendor is "${vendor}", expected one of: ${IOMMU_VENDORS.join(', ')}`);
    }
    if (vendor === 'amdvi' && options.cachingMode === true) {
      throw new ParameterError(
        'iommu.cachingMode is true, expected false: AMD-Vi does not cache absent entries',
      );
    }
    if (typeof strategy === 'string') {
      const entry = strategyEntry(strategy);
      this.name = `iommu:${entry.name}`;
      this.#makeStrategy = entry.make(options.strategyOptions ?? {});
      this.#hypervisorRings = false;
    } else {
      this.name = strategy.name;
      this.#makeStrategy = strategy.make;
      this.#hypervisorRings = strategy.hypervisorRings;
    }
    // The bus is built before the unit can be: it asks this gate, which asks the unit once it is there.
    this.gate = new LateGate(() => this.#driver?.gate);
  }

  /** The unit's driver, for those who want to look into it. */
  get driver(): IommuDriver {
    if (this.#driver === undefined) throw new InvariantViolation('the IOMMU is not installed');
    return this.#driver;
  }

  install(host: HostParts): void {
    this.#parts = host;
    const { requesterBase, managementRequesterId } = host.nic.parameters;
    const options: IommuDriverOptions = {
      seed: this.#options.seed ?? 1,
      timing: this.#options.timing ?? {},
      queueTiming: this.#options.queueTiming ?? {},
      managementRequester: managementRequesterId,
      sharedRequester: this.#options.oneRequesterId === true ? requesterBase : undefined,
      cachingMode: this.#options.cachingMode ?? false,
    };
    const driver =
      this.#options.vendor === 'amdvi' ? new AmdviDriver(host, options) : new VtdDriver(host, options);
    this.#driver = driver;
    const cardTables = driver.createTables();
    host.hypervisor.attachVectorRing((physical, bytes) => {
      for (let at = physical; at < physical + bytes; at += PAGE_BYTES) cardTables.map(at, at, 12, WRITE);
      return physical;
    });
    driver.attach(managementRequesterId, CARD_DOMAIN, cardTables);
    host.hypervisor.onRevoked((context) => this.#forget(context));
  }

  openPort(domain: Domain, options: PortOptions): GuestPort {
    return this.open(domain, options).port;
  }

  /** Opens a port and says what the IOMMU keeps for it. @throws ParameterError for options that no port can have. */
  open(domain: Domain, options: PortOptions): IommuPort {
    const parts = this.#parts;
    if (parts === undefined) throw new InvariantViolation('the IOMMU is not installed');
    const address = this.#addressSpace();
    const space = new GuestSpace(parts, this.driver, domain, address);
    const strategy = this.#makeStrategy(space);
    try {
      const port = new ContextPort({
        parts,
        domain,
        options,
        transmitGate: strategy.transmit,
        receiveGate: strategy.receive,
        hypervisorRings: this.#hypervisorRings,
        eligible: (context) => !this.#leaving.has(context),
        busAddressOf: (physical, bytes) => space.mapRings(physical, bytes),
      });
      const entry = { port, space, strategy };
      this.#open.set(port.context, entry);
      if (this.#shared === undefined) {
        this.driver.attach(this.#requesterOf(parts, port.context), address.domainId, address.tables);
      }
      strategy.opened(port);
      return entry;
    } catch (error) {
      this.#abandon(space, strategy);
      throw error;
    }
  }

  closePort(port: GuestPort): void {
    this.#parts?.hypervisor.revokeContext(port.context);
  }

  /** The strategies of the open ports, by context. */
  get ports(): ReadonlyMap<number, IommuPort> {
    return this.#open;
  }

  relinquish(domain: Domain, page: number): boolean {
    for (const { space, strategy } of this.#open.values()) {
      if (space.domain === domain && !strategy.relinquish(page)) return false;
    }
    return true;
  }

  counters(): ProtectionCounters {
    const driver = this.driver;
    const details: Record<string, number> = { ...driver.counters(), ...this.#closedCounts };
    let accepted = this.#closedAccepted;
    let refused = this.#closedRefused;
    for (const entry of this.#open.values()) {
      accepted += entry.port.transmit.accepted + entry.port.receive.accepted;
      refused += entry.port.transmit.refused + entry.port.receive.refused;
      addCounts(details, entry);
    }
    return { accepted, refused, checked: driver.checked, denied: driver.denied, details };
  }

  checkInvariants(): void {
    this.driver.checkInvariants();
    for (const { port, space } of this.#open.values()) {
      port.transmit.checkInvariants();
      port.receive.checkInvariants();
      space.checkInvariants();
    }
  }

  /** Tables of its own for a port, or those of the whole card if the unit cannot tell its contexts apart. */
  #addressSpace(): AddressSpace {
    if (this.#options.oneRequesterId !== true) return new AddressSpace(this.driver, this.#domains.take());
    if (this.#shared === undefined) {
      this.#shared = new AddressSpace(this.driver, this.#domains.take());
      const requester = this.#parts?.nic.parameters.requesterBase ?? 0;
      this.driver.attach(requester, this.#shared.domainId, this.#shared.tables);
    }
    return this.#shared;
  }

  #requesterOf(parts: HostParts, context: number): number {
    return parts.nic.contexts[context]?.requesterId ?? 0;
  }

  #forget(context: number): void {
    const entry = this.#open.get(context);
    const parts = this.#parts;
    if (entry === undefined || parts === undefined) return;
    this.#open.delete(context);
    const { port, space, strategy } = entry;
    this.#closedAccepted += port.transmit.accepted + port.receive.accepted;
    this.#closedRefused += port.transmit.refused + port.receive.refused;
    strategy.closed();
    space.unmapRings();
    addCounts(this.#closedCounts, entry);
    port.markClosed();
    // They are pinned, so nobody gets them before the unit has forgotten them.
    port.freeRings();
    this.#leaving.add(context);
    const done = () => {
      this.#leaving.delete(context);
      this.#release(space);
    };
    const { domainId } = space.address;
    if (this.#shared === undefined) this.driver.detach(this.#requesterOf(parts, context), domainId, done);
    else this.driver.invalidateDomain(domainId, done);
  }

  /** A port that was not opened after all: no device has ever been attached to what was set up for it. */
  #abandon(space: GuestSpace, strategy: MappingStrategy): void {
    for (const [context, entry] of this.#open) {
      if (entry.space !== space) continue;
      this.#parts?.hypervisor.revokeContext(context);
      return;
    }
    strategy.closed();
    space.unmapRings();
    if (this.#shared === undefined) this.#release(space);
    else this.driver.invalidateDomain(space.address.domainId, () => this.#release(space));
  }

  /** No cache knows anything of the space. */
  #release(space: GuestSpace): void {
    space.gone();
    if (space.address === this.#shared) return;
    space.address.tables.destroy();
    this.#domains.giveBack(space.address.domainId);
  }
}

function addCounts(details: Record<string, number>, { space, strategy }: IommuPort): void {
  const counts = {
    pagesMapped: space.counters.mapped,
    pagesUnmapped: space.counters.unmapped,
    flushes: space.counters.flushes,
    ...strategy.counters(),
  };
  for (const [name, count] of Object.entries(counts)) details[name] = (details[name] ?? 0) + count;
}

/** Asks the unit's gate once there is one; before that the card has no business in memory. */
class LateGate implements AccessGate {
  readonly #find: () => AccessGate | undefined;
  #gate: AccessGate | undefined;

  constructor(find: () => AccessGate | undefined) {
    this.#find = find;
  }

  get delayNs(): number {
    return this.#gate?.delayNs ?? 0;
  }

  check(requesterId: number, address: number, length: number, write: boolean, nowNs: number): number {
    this.#gate ??= this.#find();
    return this.#gate === undefined ? DENIED : this.#gate.check(requesterId, address, length, write, nowNs);
  }
}
