import {
  deviceAddress,
  identityAddress,
  identityOf,
  ioVirtualAddress,
  lastPageOf,
  type PageNumber,
  pageAfter,
  pageOf,
  type RequesterId,
  requesterId,
} from '../../../nic/addresses.js';
import type { ContextId } from '../../../scheduler/branded.js';
import { InvariantViolation } from '../../../scheduler/errors.js';
import { tallyIn } from '../../../scheduler/tally.js';
import type { AccessGate } from '../../bus/access-gate.js';
import type { HostParts } from '../../host-parts.js';
import type { Domain } from '../../hypervisor/domain.js';
import type { UnitFaultReason } from '../../hypervisor/fault-log.js';
import { WRITE } from '../../iommu/entry-format.js';
import type { TranslationCounters, WalkWatcher } from '../../iommu/translation/translation-cache.js';
import { ContextPort } from '../context-port.js';
import type { GuestPort, PortOptions } from '../guest-port.js';
import type { HandOverKind, Protection, ProtectionCounters } from '../protection.js';
import { AddressSpace, DomainNumbers } from './address-space.js';
import { AmdviDriver } from './amdvi-driver.js';
import { FaultLimit } from './fault-limit.js';
import { GuestSpace } from './guest-space.js';
import type { IommuDriver, IommuDriverOptions } from './iommu-driver.js';
import type { IommuOptions, OwnStrategy } from './iommu-options.js';
import { type MappingStrategy, requireStrategy } from './mapping-strategy.js';
import { VtdDriver } from './vtd-driver.js';

/** Domain number of the card's own transfers (interrupt vectors). */
const CARD_DOMAIN = 1;
/** Domain numbers of guests begin here. */
const FIRST_GUEST_DOMAIN = 2;

/** A guest's port with what the IOMMU keeps for it. */
export interface IommuPort {
  readonly port: ContextPort;
  readonly space: GuestSpace;
  readonly strategy: MappingStrategy;
}

/**
 * The IOMMU at the access gate. Each context of the card is a device of its own to the unit, with tables of its
 * own; guests write their own descriptors, and the strategy decides when their pages are in the tables.
 *
 * A port that closes leaves things behind that the unit's caches still know. Its context, its domain number, its
 * tables and its pages are free again when the unit has reported the last invalidation, and not before.
 */
export class IommuProtection implements Protection {
  readonly name: string;
  readonly handOver: HandOverKind;
  readonly gate: AccessGate;
  /** The unit's driver. */
  readonly driver: IommuDriver;
  readonly #parts: HostParts;
  readonly #strategy: OwnStrategy;
  readonly #oneRequesterId: boolean;
  #faultLimit: FaultLimit | undefined;
  readonly #open = new Map<ContextId, IommuPort>();
  readonly #domains: DomainNumbers;
  // Contexts that the unit's caches may still know something of.
  readonly #leaving = new Set<ContextId>();
  #shared: AddressSpace | undefined;
  #closedAccepted = 0;
  #closedRefused = 0;
  readonly #closedCounts: Record<string, number> = {};

  constructor(parts: HostParts, strategy: OwnStrategy, options: IommuOptions) {
    this.#parts = parts;
    this.name = strategy.name;
    this.handOver = strategy.handOver ?? (strategy.hypervisorRings ? 'hypervisor-writes' : 'map-then-write');
    this.#strategy = strategy;
    this.#oneRequesterId = options.oneRequesterId ?? false;
    if (options.faultLimit !== undefined) this.limitFaults(options.faultLimit);
    const { requesterBase, managementRequesterId } = parts.nic.parameters;
    const driverOptions: IommuDriverOptions = {
      seed: options.seed ?? 1,
      timing: options.timing ?? {},
      queueTiming: options.queueTiming ?? {},
      queueLock: options.queueLock,
      managementRequester: requesterId(managementRequesterId),
      sharedRequester: this.#oneRequesterId ? requesterId(requesterBase) : undefined,
      capabilities: { cachingMode: options.cachingMode ?? false, ...options.capabilities },
      maxMode: options.maxMode,
      onSilentDevice: (requesterId) => this.#stop(requesterId, 'device-silent'),
      onFaultRead: (requesterId) => this.#onFaultRead(requesterId),
    };
    const driver =
      options.vendor === 'amdvi'
        ? new AmdviDriver(parts, driverOptions)
        : new VtdDriver(parts, driverOptions);
    this.driver = driver;
    this.gate = driver.gate;
    this.#domains = new DomainNumbers(FIRST_GUEST_DOMAIN, driver.features.domainLimit);
    const cardTables = driver.createTables();
    parts.hypervisor.attachVectorRing((physical, bytes) => {
      const last = lastPageOf(physical, bytes);
      for (let page = pageOf(physical); page <= last; page = pageAfter(page))
        cardTables.mapPage(identityOf(page), page, WRITE);
      return deviceAddress(identityAddress(physical));
    });
    driver.attach(driverOptions.managementRequester, CARD_DOMAIN, cardTables);
    parts.hypervisor.onRevoked((context) => this.#forget(context));
  }

  openPort(domain: Domain, options: PortOptions): GuestPort {
    return this.open(domain, options).port;
  }

  /** Opens a port and says what the IOMMU keeps for it. @throws ParameterError for options that no port can have. */
  open(domain: Domain, options: PortOptions): IommuPort {
    const parts = this.#parts;
    const address = this.#addressSpace();
    const space = new GuestSpace(parts, this.driver, domain, address);
    let strategy: MappingStrategy | undefined;
    try {
      const made = requireStrategy(this.#strategy.name, this.#strategy.make(space));
      strategy = made;
      const port = new ContextPort({
        parts,
        domain,
        options,
        transmitGate: made.transmit,
        receiveGate: made.receive,
        hypervisorRings: this.#strategy.hypervisorRings,
        eligible: (context) => !this.#leaving.has(context),
        guestTranslates: this.handOver === 'write',
        busAddressOf: (physical, bytes) =>
          options.ownRings !== undefined && this.handOver === 'write'
            ? deviceAddress(ioVirtualAddress(options.ownRings))
            : space.mapRings(physical, bytes),
      });
      const entry = { port, space, strategy: made };
      this.#open.set(port.context, entry);
      if (this.#shared === undefined) {
        this.driver.attach(this.#requesterOf(port.context), address.domainId, address.tables);
      }
      this.#admit(this.#requesterOf(port.context));
      made.opened(port);
      return entry;
    } catch (error) {
      this.#abandon(space, strategy);
      throw error;
    }
  }

  /** From now on a function is stopped at this fault. @throws ParameterError */
  limitFaults(limit: number): void {
    this.#faultLimit = new FaultLimit(limit);
  }

  get translations(): Readonly<TranslationCounters> {
    return this.driver.timing.counters;
  }

  watchWalks(watcher: WalkWatcher): () => void {
    return this.driver.timing.watchWalks(watcher);
  }

  closePort(port: GuestPort): void {
    this.#parts.hypervisor.revokeContext(port.context);
  }

  /** The strategies of the open ports, by context. */
  get ports(): ReadonlyMap<ContextId, IommuPort> {
    return this.#open;
  }

  relinquish(domain: Domain, page: PageNumber): boolean {
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
    if (!this.#oneRequesterId) return this.#newAddressSpace();
    if (this.#shared === undefined) {
      this.#shared = this.#newAddressSpace();
      this.driver.attach(
        requesterId(this.#parts.nic.parameters.requesterBase),
        this.#shared.domainId,
        this.#shared.tables,
      );
    }
    return this.#shared;
  }

  #newAddressSpace(): AddressSpace {
    const domainId = this.#domains.take();
    try {
      return new AddressSpace(this.driver, domainId);
    } catch (error) {
      this.#domains.giveBack(domainId);
      throw error;
    }
  }

  #requesterOf(context: ContextId): RequesterId {
    const requester = this.#parts.nic.contexts[context]?.requesterId;
    if (requester === undefined) throw new InvariantViolation(`the card has no context ${context}`);
    return requester;
  }

  /**
   * A function is stopped: its bus mastering is switched off and its contexts are revoked, so nothing of it is under way
   * when the unit reports an invalidation of everything, with which what it had is released. A card with one requester
   * ID is one function.
   */
  #stop(requester: RequesterId, reason: UnitFaultReason): void {
    const { hypervisor, bus, nic } = this.#parts;
    for (const { requesterId } of nic.contexts)
      if (this.#shared !== undefined || requesterId === requester) bus.setBusMaster(requesterId, false);
    for (const [context, { space }] of [...this.#open]) {
      if (this.#shared === undefined && this.#requesterOf(context) !== requester) continue;
      hypervisor.reportUnitFault(space.domain, context, reason);
    }
  }

  /**
   * A function that has reached the limit is stopped, as by Xen. Only functions of contexts are: without its own the card
   * serves no guest, and a requester ID that is not the card's is no function (pci_get_real_pdev finds none).
   */
  #onFaultRead(requester: RequesterId): void {
    const { kernel, nic } = this.#parts;
    if (this.#faultLimit?.reached(requester, kernel.nowNs) !== true) return;
    if (nic.contexts.some(({ requesterId }) => requesterId === requester))
      this.#stop(requester, 'fault-limit');
  }

  /**
   * A function gets a user: it may make requests, and its faults are counted from 0. A card with one requester ID is one
   * function, whose faults the unit reports under that ID: what others of its contexts have done stays counted.
   */
  #admit(requester: RequesterId): void {
    if (this.#shared === undefined) this.#faultLimit?.forget(requester);
    else if (this.#open.size === 1)
      this.#faultLimit?.forget(requesterId(this.#parts.nic.parameters.requesterBase));
    this.#parts.bus.setBusMaster(requester, true);
  }

  #forget(context: ContextId): void {
    const entry = this.#open.get(context);
    if (entry === undefined) return;
    this.#open.delete(context);
    const { port, space, strategy } = entry;
    this.#closedAccepted += port.transmit.accepted + port.receive.accepted;
    this.#closedRefused += port.transmit.refused + port.receive.refused;
    strategy.closed();
    space.unmapRings();
    addCounts(this.#closedCounts, entry);
    port.markClosed();
    // They are pinned, so no domain gets them before the unit has reported their invalidation.
    port.freeRings();
    this.#leaving.add(context);
    const done = () => {
      this.#leaving.delete(context);
      this.#release(space);
    };
    const { domainId } = space.address;
    if (this.#shared === undefined) this.driver.detach(this.#requesterOf(context), domainId, done);
    else this.driver.invalidateDomain(domainId, done);
  }

  /**
   * A port that was not opened after all: no device has ever been attached to what was set up for it.
   * @param strategy undefined when it could not be made
   */
  #abandon(space: GuestSpace, strategy: MappingStrategy | undefined): void {
    for (const [context, entry] of this.#open) {
      if (entry.space !== space) continue;
      this.#parts.hypervisor.revokeContext(context);
      return;
    }
    strategy?.closed();
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
  for (const [name, count] of Object.entries(counts)) tallyIn(details, name, count);
}
