import type { ContextId } from '../../../scheduler/branded.js';
import type { Worker } from '../../cpu/processor.js';
import type { HostParts } from '../../host-parts.js';
import type { Domain } from '../../hypervisor/domain.js';
import {
  type EventChannel,
  handleInterrupt,
  type Interrupted,
  type InterruptHandler,
} from '../../hypervisor/event-channel.js';
import type { DomainId } from '../../memory/page-ownership.js';
import { requireSlots } from '../context-queue.js';
import type { GuestPort, PortOptions } from '../guest-port.js';
import { FrontQueue, PAGES_PER_SLOT } from './front-queue.js';
import { GrantTable } from './grant-table.js';

/** How a front end reaches the driver domain. */
export interface BackEndLine {
  /** The driver domain's number: whom the guest grants its pages to. */
  readonly grantee: DomainId;
  /** Sends it an event for this front end: a hypercall of the guest. */
  notify(): void;
  /** The back end can see `count` more transmit requests from index `first` on. */
  posted(first: number, count: number): void;
  /** The port was closed, or taken away. */
  onRevoked(): void;
}

/**
 * The paravirtual card of a guest: two shared rings, a grant table, and an event channel each way. It looks
 * like a context of the NIC to the driver above it, and there is no NIC behind it that the guest could reach.
 */
export class FrontEnd implements GuestPort, Worker, Interrupted {
  readonly context: ContextId;
  readonly mac: number;
  readonly domain: Domain;
  readonly options: PortOptions;
  readonly grants: GrantTable;
  readonly transmit: FrontQueue;
  readonly receive: FrontQueue;
  readonly #parts: HostParts;
  readonly #channel: EventChannel;
  #handler: InterruptHandler | undefined;
  #masked = false;
  #open = true;

  /** @throws RangeError for options that no port can have. */
  constructor(parts: HostParts, domain: Domain, options: PortOptions, line: BackEndLine) {
    this.#parts = parts;
    this.domain = domain;
    this.options = options;
    this.mac = options.mac;
    requireSlots('transmit', options.transmitSlots);
    requireSlots('receive', options.receiveSlots);
    const slots = options.transmitSlots + options.receiveSlots;
    const before = new Set(domain.ownedPages);
    try {
      this.grants = new GrantTable(parts.memory, domain, slots * PAGES_PER_SLOT);
      const shared = { domain, grants: this.grants, grantee: line.grantee };
      this.transmit = new FrontQueue(parts, {
        ...shared,
        direction: 'transmit',
        slots: options.transmitSlots,
        firstReference: 0,
        notify: () => line.notify(),
        onPosted: (first, count) => line.posted(first, count),
      });
      this.receive = new FrontQueue(parts, {
        ...shared,
        direction: 'receive',
        slots: options.receiveSlots,
        firstReference: options.transmitSlots * PAGES_PER_SLOT,
        // The back end looks for buffers when it has a frame, not before.
        notify: () => {},
      });
    } catch (error) {
      for (const frame of [...domain.ownedPages]) if (!before.has(frame)) domain.release(frame);
      throw error;
    }
    this.#channel = parts.hypervisor.openChannel(domain, this);
    this.context = parts.hypervisor.registerFrontEnd(domain, () => line.onRevoked());
  }

  get isOpen(): boolean {
    return this.#open;
  }

  onInterrupt(handler: InterruptHandler): void {
    this.#handler = handler;
  }

  maskInterrupts(masked: boolean): void {
    this.#masked = masked;
    if (masked || !this.#open) return;
    const { transmit, receive } = this;
    transmit.askForEvent(transmit.consumerRead);
    receive.askForEvent(receive.consumerRead);
    // Responses that came after the driver last looked would raise no event any more.
    if (transmit.hasResponses || receive.hasResponses) this.#parts.processor.post(this.domain.account, this);
  }

  /** The back end has responses for which this side asked for a notification. */
  notify(): void {
    this.#parts.hypervisor.notify(this.#channel);
  }

  /** The port is gone. */
  close(): void {
    this.#open = false;
    this.#channel.close();
    this.transmit.close();
    this.receive.close();
    this.grants.free();
  }

  checkInvariants(): void {
    this.transmit.checkInvariants();
    this.receive.checkInvariants();
  }

  /** Responses are there that the driver has not seen, and whose event would not come any more. */
  work(): void {
    this.interrupted();
  }

  interrupted(): void {
    if (!this.#open) return;
    if (this.#handler !== undefined) handleInterrupt(this.#handler);
    if (this.#masked) return;
    this.transmit.askForEvent(this.transmit.shared.responseProducer);
    this.receive.askForEvent(this.receive.shared.responseProducer);
  }
}
