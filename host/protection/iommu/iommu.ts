import { type AccessGate, DENIED } from '../../bus/access-gate.js';
import type { HostParts } from '../../host-parts.js';
import type { Domain } from '../../hypervisor/domain.js';
import type { QueueTiming } from '../../iommu/queue-timing.js';
import { type RadixTable, READ, WRITE } from '../../iommu/radix-table.js';
import type { TimingParameters } from '../../iommu/timing/parameters.js';
import { FRAME_BYTES } from '../../memory/physical-memory.js';
import { ContextPort } from '../context-port.js';
import type { GuestPort, PortOptions } from '../guest-port.js';
import type { Protection, ProtectionCounters } from '../protection.js';
import { GuestSpace } from './guest-space.js';
import type { IommuDriver } from './iommu-driver.js';
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
  readonly timing?: Partial<TimingParameters>;
  readonly queueTiming?: Partial<QueueTiming>;
  /** Seed of the replacement in the unit's caches. @defaultValue 1 */
  readonly seed?: number;
  /** The whole card has one requester ID, as cards without one for each context have. @defaultValue false */
  readonly oneRequesterId?: boolean;
}

/** Domain number of the card's own transfers (interrupt vectors). */
const CARD_DOMAIN = 1;
/** Domain numbers of contexts begin here. */
const FIRST_GUEST_DOMAIN = 2;

/** A guest's port with what the IOMMU keeps for it. */
export interface IommuPort {
  readonly port: ContextPort;
  readonly space: GuestSpace;
  readonly strategy: MappingStrategy;
}

/**
 * The IOMMU: mans the access gate. Each context of the card is a device of its own to the unit, with tables of its
 * own; guests write their own descriptors, and the strategy decides when their pages are in the tables.
 */
export class Iommu implements Protection {
  readonly name: string;
  readonly gate: AccessGate;
  readonly #options: IommuOptions;
  readonly #makeStrategy: StrategyMaker;
  readonly #hypervisorRings: boolean;
  readonly #open = new Map<number, IommuPort>();
  #parts: HostParts | undefined;
  #driver: IommuDriver | undefined;
  #sharedTables: RadixTable | undefined;
  #closedAccepted = 0;
  #closedRefused = 0;
  readonly #closedCounts: Record<string, number> = {};

  /** @throws RangeError for a strategy or parameter that does not exist. */
  constructor(options: IommuOptions) {
    this.#options = options;
    if (typeof options.strategy === 'string') {
      const entry = strategyEntry(options.strategy);
      this.name = `iommu:${entry.name}`;
      this.#makeStrategy = entry.make(options.strategyOptions ?? {});
      this.#hypervisorRings = false;
    } else {
      this.name = options.strategy.name;
      this.#makeStrategy = options.strategy.make;
      this.#hypervisorRings = options.strategy.hypervisorRings;
    }
    // The bus is built before the unit can be: it asks this gate, which asks the unit once it is there.
    this.gate = new LateGate(() => this.#driver?.gate);
  }

  /** The unit's driver, for those who want to look into it. */
  get driver(): IommuDriver {
    if (this.#driver === undefined) throw new Error('the IOMMU is not installed');
    return this.#driver;
  }

  install(host: HostParts): void {
    this.#parts = host;
    const { requesterBase, managementRequesterId } = host.nic.parameters;
    const driver = new VtdDriver(host, {
      seed: this.#options.seed ?? 1,
      timing: this.#options.timing ?? {},
      queueTiming: this.#options.queueTiming ?? {},
      managementRequester: managementRequesterId,
      sharedRequester: this.#options.oneRequesterId === true ? requesterBase : undefined,
    });
    this.#driver = driver;
    const cardTables = driver.createTables();
    host.hypervisor.attachVectorRing((physical, bytes) => {
      for (let at = physical; at < physical + bytes; at += FRAME_BYTES) cardTables.map(at, at, 12, WRITE);
      return physical;
    });
    driver.attach(managementRequesterId, CARD_DOMAIN, cardTables);
    host.hypervisor.onRevoked((context) => this.#forget(context));
  }

  openPort(domain: Domain, options: PortOptions): GuestPort {
    return this.open(domain, options).port;
  }

  /** Opens a port and says what the IOMMU keeps for it. */
  open(domain: Domain, options: PortOptions): IommuPort {
    const parts = this.#parts;
    if (parts === undefined) throw new Error('the IOMMU is not installed');
    const driver = this.driver;
    const context = parts.nic.contexts.findIndex((candidate) => candidate.state === 'free');
    const shared = this.#options.oneRequesterId === true;
    const domainId = FIRST_GUEST_DOMAIN + (shared ? 0 : Math.max(0, context));
    if (shared) this.#sharedTables ??= driver.createTables();
    const tables = this.#sharedTables ?? driver.createTables();
    const space = new GuestSpace(parts, driver, domain, domainId, tables);
    const strategy = this.#makeStrategy(space);
    const port = new ContextPort({
      parts,
      domain,
      options,
      transmitGate: strategy.transmit,
      receiveGate: strategy.receive,
      hypervisorRings: this.#hypervisorRings,
      busAddressOf: (physical, bytes) => this.#mapRings(space, physical, bytes),
    });
    driver.attach(this.#requesterOf(parts, port.context), domainId, tables);
    strategy.opened(port);
    const entry = { port, space, strategy };
    this.#open.set(port.context, entry);
    return entry;
  }

  closePort(port: GuestPort): void {
    this.#parts?.hypervisor.revokeContext(port.context);
  }

  /** The strategies of the open ports, by context. */
  get ports(): ReadonlyMap<number, IommuPort> {
    return this.#open;
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
    for (const { port } of this.#open.values()) {
      port.transmit.checkInvariants();
      port.receive.checkInvariants();
    }
  }

  #requesterOf(parts: HostParts, context: number): number {
    if (this.#options.oneRequesterId === true) return parts.nic.parameters.requesterBase;
    return parts.nic.contexts[context]?.requesterId ?? 0;
  }

  /** Rings and status block are mapped at their own addresses while the port is open. */
  #mapRings(space: GuestSpace, physical: number, bytes: number): number {
    for (let at = physical; at < physical + bytes; at += FRAME_BYTES) {
      if (space.tables.find(at) === undefined) space.tables.map(at, at, 12, READ | WRITE);
    }
    return physical;
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
    addCounts(this.#closedCounts, entry);
    port.markClosed();
    if (this.#options.oneRequesterId !== true) {
      this.driver.detach(this.#requesterOf(parts, context), space.domainId, () => space.tables.destroy());
    }
    port.freeRings();
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
