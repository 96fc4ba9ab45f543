import type { Observable } from 'rxjs';
import {
  type BusAddress,
  type HostPhysicalAddress,
  PAGE_BYTES,
  pageAddress,
  pageAfter,
  pageOf,
} from '../../nic/addresses.js';
import type { Nic } from '../../nic/nic.js';
import { MANAGEMENT } from '../../nic/registers.js';
import {
  type ContextId,
  contextAfter,
  contextId,
  FIRST_CONTEXT,
  NO_CONTEXT,
} from '../../scheduler/branded.js';
import { InvariantViolation, ParameterError } from '../../scheduler/errors.js';
import type { EventKernel } from '../../scheduler/event-kernel.js';
import { GuardedSubject } from '../../scheduler/guarded-subject.js';
import { present } from '../../scheduler/present.js';
import type { InterruptMessage } from '../bus/access-gate.js';
import type { RegisterWindow } from '../bus/register-window.js';
import { COST } from '../cpu/costs.js';
import type { Processor } from '../cpu/processor.js';
import type { DomainId, PageKind, PageOwnership } from '../memory/page-ownership.js';
import type { PhysicalMemory } from '../memory/physical-memory.js';
import type { SetupFault } from '../protection/guest-port.js';
import { CardControl, type ContextSettings } from './card-control.js';
import { Domain, type DomainKind } from './domain.js';
import { EventChannel, type InterruptHandler } from './event-channel.js';
import { FaultLog, type FaultPolicy, type FaultRecord, type UnitFaultReason } from './fault-log.js';
import { VectorRing } from './vector-ring.js';

/** The hypervisor's own domain number: its pages are no guest's memory. */
export const HYPERVISOR: DomainId = 0;

export type { ContextSettings } from './card-control.js';
export { FAULT_POLICIES, type FaultPolicy, type FaultRecord } from './fault-log.js';

/** Buffers that passed a set-up gate together, and whose descriptors were written. */
export interface SetUpEvent {
  readonly domain: number;
  readonly context: ContextId;
  readonly direction: 'transmit' | 'receive';
  readonly count: number;
  readonly atNs: number;
}

/** A port that is no context of the card: a paravirtual front end. */
interface FrontEnd {
  readonly domain: Domain;
  readonly onRevoked: () => void;
}

/** Vectors of stray messages that are kept. */
const MAX_STRAY_VECTORS = 64;

/**
 * The hypervisor: owns what no guest may touch (the management page, the vector ring), hands out contexts,
 * takes the one physical interrupt and turns it into virtual ones, and deals with guests that break the rules.
 */
export class Hypervisor {
  readonly account: number;
  readonly faults$: Observable<FaultRecord>;
  /** What the set-up gates of contexts let pass: a tap, for which nothing is built while it is not observed. */
  readonly setUps$: Observable<SetUpEvent>;
  /** Each hypercall, by the time at which it begins, ns. */
  readonly hypercalls$: Observable<number>;
  readonly #hypercallsAt: GuardedSubject<number>;
  readonly #setUps: GuardedSubject<SetUpEvent>;
  readonly #kernel: EventKernel;
  readonly #memory: PhysicalMemory;
  readonly #pages: PageOwnership;
  readonly #processor: Processor;
  readonly #window: RegisterWindow;
  readonly #nic: Nic;
  readonly #card: CardControl;
  readonly #vectors: VectorRing;
  #policy: FaultPolicy;
  readonly #faults: FaultLog;
  readonly #domains: Domain[] = [];
  readonly #self: Domain;
  readonly #contextDomain: (Domain | undefined)[];
  readonly #contextChannel: (EventChannel | undefined)[];
  readonly #frontEnds = new Map<ContextId, FrontEnd>();
  #nextFrontEnd: ContextId;
  // Every context below this number belongs to a domain.
  #searchFrom = FIRST_CONTEXT;
  readonly #isr = () => this.#onInterrupt();
  readonly #onContextBit = (context: ContextId) => {
    const channel = this.#contextChannel[context];
    if (channel !== undefined) this.notify(channel);
  };
  readonly #onCardBit = () => this.#onNicFaults();
  readonly #revoked: ((context: ContextId) => void)[] = [];
  #interruptPosted = false;
  #hypercalls = 0;
  #strayMessages = 0;
  readonly #strayVectors: number[] = [];
  readonly #strayIsr = () => this.#processor.charge(COST.interrupt);
  #virtualInterrupts = 0;

  constructor(parts: {
    readonly kernel: EventKernel;
    readonly memory: PhysicalMemory;
    readonly pages: PageOwnership;
    readonly processor: Processor;
    readonly window: RegisterWindow;
    readonly nic: Nic;
    readonly policy: FaultPolicy;
  }) {
    this.#kernel = parts.kernel;
    this.#memory = parts.memory;
    this.#pages = parts.pages;
    this.#processor = parts.processor;
    this.#window = parts.window;
    this.#nic = parts.nic;
    this.#policy = parts.policy;
    this.#faults = new FaultLog(parts.kernel);
    this.faults$ = this.#faults.faults$;
    this.#setUps = new GuardedSubject('host.hypervisor.setUps$', parts.kernel);
    this.setUps$ = this.#setUps.stream$;
    this.#hypercallsAt = new GuardedSubject('host.hypervisor.hypercalls$', parts.kernel);
    this.hypercalls$ = this.#hypercallsAt.stream$;
    this.account = parts.processor.addAccount('hypervisor', 0, true);
    this.#card = new CardControl(parts.nic, parts.window, parts.processor, this.account);
    this.#vectors = new VectorRing(parts.memory, parts.processor, this.#card, parts.nic.contexts.length);
    this.#self = new Domain(HYPERVISOR, 'hypervisor', 'hypervisor', this.account, parts.memory, parts.pages);
    this.#domains.push(this.#self);
    this.#contextDomain = new Array<Domain | undefined>(parts.nic.contexts.length).fill(undefined);
    this.#contextChannel = parts.nic.contexts.map(() => undefined);
    this.#nextFrontEnd = contextId(parts.nic.contexts.length);
    this.#window.map(this.#window.managementPage, HYPERVISOR);
  }

  get domains(): readonly Domain[] {
    return this.#domains;
  }

  /** What becomes of a guest that faults. */
  get faultPolicy(): FaultPolicy {
    return this.#policy;
  }

  /** From the next fault on. */
  setFaultPolicy(policy: FaultPolicy): void {
    this.#policy = policy;
  }

  get hypercalls(): number {
    return this.#hypercalls;
  }

  get virtualInterrupts(): number {
    return this.#virtualInterrupts;
  }

  /** Faults since the start; the log keeps the first of them. */
  get faultCount(): number {
    return this.#faults.count;
  }

  get faultLog(): readonly FaultRecord[] {
    return this.#faults.records;
  }

  /** A new domain on a core, without memory yet. */
  createDomain(name: string, kind: DomainKind, core: number): Domain {
    const account = this.#processor.addAccount(name, core);
    const domain = new Domain(this.#domains.length, name, kind, account, this.#memory, this.#pages);
    this.#domains.push(domain);
    return domain;
  }

  /** Pages in one piece for the hypervisor's own use; returns the physical address of the first. */
  allocateOwn(kind: PageKind, bytes: number): HostPhysicalAddress {
    const outcome = this.#pages.allocate(HYPERVISOR, kind, Math.max(1, Math.ceil(bytes / PAGE_BYTES)), true);
    if (!outcome.ok)
      throw new ParameterError('no memory left for the hypervisor; expected a larger host.memoryMegabytes');
    return pageAddress(present(outcome.value[0]));
  }

  /** Gives back what `allocateOwn` gave. Nothing may reach it any more. */
  freeOwn(address: HostPhysicalAddress, bytes: number): void {
    const first = pageOf(address);
    const count = Math.max(1, Math.ceil(bytes / PAGE_BYTES));
    for (let page = first; page < first + count; page = pageAfter(page)) {
      if (!this.#pages.release(HYPERVISOR, page).ok)
        throw new InvariantViolation(`page ${page} is not the hypervisor's to free`);
    }
  }

  /** Gives the NIC its vector ring. `busAddressOf` says how the device must address it. */
  attachVectorRing(busAddressOf: (physical: HostPhysicalAddress, bytes: number) => BusAddress): void {
    const { bytes } = this.#vectors;
    const ring = this.allocateOwn('hypervisor', bytes);
    this.#vectors.attach(ring, busAddressOf(ring, bytes));
  }

  /** Counts and charges one hypercall of the domain that runs. */
  enterHypercall(): void {
    this.#hypercalls += 1;
    if (this.#hypercallsAt.observed) this.#hypercallsAt.next(this.#kernel.nowNs + this.#processor.elapsedNs);
    this.#processor.chargeAccount(this.account, COST.hypercall);
  }

  /**
   * Opens a free context for a domain and maps its page. Returns its number.
   * @throws ParameterError when the card has no context left or refuses the settings.
   */
  openContext(domain: Domain, settings: ContextSettings, onVirtualInterrupt: InterruptHandler): ContextId {
    const context = this.#freeContext(settings);
    if (context === NO_CONTEXT) {
      const all = this.#nic.contexts.length;
      const unused = this.#nic.contexts.filter(({ state }) => state === 'free').length;
      throw new ParameterError(
        unused === 0
          ? `${domain.name}: all ${all} contexts are taken; expected a larger nic.contexts`
          : `${domain.name}: ${unused} of ${all} contexts are free, and this protection can use none of them; expected fewer guests`,
      );
    }
    this.#card.open(context, settings, domain.name);
    this.#contextDomain[context] = domain;
    this.#contextChannel[context] = this.openChannel(domain, onVirtualInterrupt);
    this.#window.map(context, domain.id);
    return context;
  }

  /** Makes a front end known, so that it can be revoked like a context. Returns its number, past those of the contexts. */
  registerFrontEnd(domain: Domain, onRevoked: () => void): ContextId {
    const port = this.#nextFrontEnd;
    this.#nextFrontEnd = contextAfter(port);
    this.#frontEnds.set(port, { domain, onRevoked });
    return port;
  }

  /** A virtual interrupt line into a domain. */
  openChannel(domain: Domain, handler: InterruptHandler): EventChannel {
    return new EventChannel(this.#processor, this.account, domain, handler);
  }

  /**
   * Takes a context (or front end) away: the page is unmapped, the NIC stops everything of it. Harmless when it
   * has gone before.
   */
  revokeContext(context: ContextId): void {
    const frontEnd = this.#frontEnds.get(context);
    if (frontEnd !== undefined) {
      this.#frontEnds.delete(context);
      frontEnd.onRevoked();
      return;
    }
    if (this.#contextDomain[context] === undefined) return;
    // A fault that is not read yet must not be charged to the context's next owner.
    this.#onNicFaults();
    if (this.#contextDomain[context] === undefined) return;
    this.#contextDomain[context] = undefined;
    if (context < this.#searchFrom) this.#searchFrom = context;
    this.#contextChannel[context]?.close();
    this.#contextChannel[context] = undefined;
    this.#window.unmap(context);
    this.#card.revoke(context);
    for (const listener of this.#revoked) listener(context);
  }

  /** Protections that must release what they hold for a context hear of its revocation here. */
  onRevoked(listener: (context: ContextId) => void): void {
    this.#revoked.push(listener);
  }

  /** Gives the context of a domain another weight. Nothing happens for a context that is not open. */
  setWeight(context: ContextId, weight: number): void {
    const domain = this.#domainOfOpen(context);
    if (domain !== undefined) this.#card.reweigh(context, weight, domain.name);
  }

  /** Gives it another rate limit, bits per second, or none; likewise. */
  setLimit(context: ContextId, limitBps: number | undefined): void {
    const domain = this.#domainOfOpen(context);
    if (domain !== undefined) this.#card.limit(context, limitBps, domain.name);
  }

  /** Gives it another priority; likewise. */
  setPriority(context: ContextId, priority: number): void {
    const domain = this.#domainOfOpen(context);
    if (domain !== undefined) this.#card.prioritise(context, priority, domain.name);
  }

  /** The domain that a context belongs to. */
  domainOf(context: ContextId): Domain | undefined {
    return this.#contextDomain[context];
  }

  /** A set-up gate let buffers pass, and their descriptors are in the ring. */
  noteSetUp(domain: Domain, context: ContextId, direction: SetUpEvent['direction'], count: number): void {
    if (!this.#setUps.observed) return;
    this.#setUps.next({ domain: domain.id, context, direction, count, atNs: this.#kernel.nowNs });
  }

  /** A set-up gate refused a request. */
  reportSetupFault(domain: Domain, context: ContextId, fault: SetupFault): void {
    this.#deal(domain, context, 'set-up', fault.refusal);
  }

  /** The IOMMU's driver has to stop a device: whatever the policy, its context is revoked. */
  reportUnitFault(domain: Domain, context: ContextId, reason: UnitFaultReason): void {
    this.#deal(domain, context, 'iommu', reason);
    this.revokeContext(context);
  }

  /** The physical interrupt line. */
  interrupt(): void {
    if (this.#interruptPosted) return;
    this.#interruptPosted = true;
    this.#processor.post(this.account, this.#isr);
  }

  /**
   * A device has written an interrupt message. None here is meant to: the card has its own line. So it is an interrupt
   * with a vector of the sender's choosing; the hypervisor takes and counts it. A real one would run its handler.
   */
  receiveMessage(message: InterruptMessage): void {
    this.#strayMessages += 1;
    if (this.#strayVectors.length < MAX_STRAY_VECTORS) this.#strayVectors.push(message.vector);
    this.#processor.post(this.account, this.#strayIsr);
  }

  /** Interrupt messages of devices that reached the hypervisor. */
  get strayMessages(): number {
    return this.#strayMessages;
  }

  /** Their vectors: the first of them. */
  get strayVectors(): readonly number[] {
    return this.#strayVectors;
  }

  /** Sends a virtual interrupt, unless one is pending on the channel. The handler runs on the domain's CPU time. */
  notify(channel: EventChannel): void {
    if (channel.notify()) this.#virtualInterrupts += 1;
  }

  /** Stops a domain permanently: its work is discarded and its contexts are revoked. Its memory stays as it is. */
  kill(domain: Domain): void {
    if (domain.state === 'killed') return;
    domain.state = 'killed';
    this.#processor.halt(domain.account);
    for (const { index } of this.#nic.contexts)
      if (this.#contextDomain[index] === domain) this.revokeContext(index);
    for (const [port, frontEnd] of [...this.#frontEnds])
      if (frontEnd.domain === domain) this.revokeContext(port);
  }

  /** The interrupt service routine: drains every vector that is there. */
  #onInterrupt(): void {
    this.#interruptPosted = false;
    this.#processor.charge(COST.interrupt);
    const consumer = this.#vectors.drain(this.#onContextBit, this.#onCardBit);
    this.#window.write(HYPERVISOR, this.#window.managementPage, MANAGEMENT.VECTOR_CONSUMER, consumer);
  }

  #domainOfOpen(context: ContextId): Domain | undefined {
    return this.#nic.contexts[context]?.state === 'open' ? this.#contextDomain[context] : undefined;
  }

  /** The first free context that will do, or NO_CONTEXT. */
  #freeContext(settings: ContextSettings): ContextId {
    const { contexts } = this.#nic;
    while (this.#searchFrom < contexts.length && this.#contextDomain[this.#searchFrom] !== undefined)
      this.#searchFrom = contextAfter(this.#searchFrom);
    for (let context = this.#searchFrom; context < contexts.length; context = contextAfter(context)) {
      if (contexts[context]?.state === 'free' && settings.eligible?.(context) !== false) return context;
    }
    return NO_CONTEXT;
  }

  #onNicFaults(): void {
    for (let fault = this.#card.nextFault(); fault !== undefined; fault = this.#card.nextFault()) {
      const domain = this.#contextDomain[fault.context];
      if (domain !== undefined) this.#deal(domain, fault.context, 'nic', fault.reason);
    }
  }

  #deal(
    domain: Domain,
    context: ContextId,
    caughtBy: FaultRecord['caughtBy'],
    reason: FaultRecord['reason'],
  ): void {
    const action = this.#policy;
    this.#faults.add({ atNs: this.#kernel.nowNs, domain: domain.name, context, caughtBy, reason, action });
    if (action === 'revoke') this.revokeContext(context);
    if (action === 'kill') this.kill(domain);
  }
}
