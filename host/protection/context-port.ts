import {
  addressAfter,
  type BusAddress,
  type HostPhysicalAddress,
  machineAddress,
  type PageNumber,
  pageAddress,
  pageOf,
} from '../../nic/addresses.js';
import { STATUS_BLOCK_BYTES } from '../../nic/completions.js';
import { MAILBOX } from '../../nic/registers.js';
import type { ContextId } from '../../scheduler/branded.js';
import { InvariantViolation } from '../../scheduler/errors.js';
import { present } from '../../scheduler/present.js';
import type { HostParts } from '../host-parts.js';
import type { ContextSettings } from '../hypervisor/card-control.js';
import type { Domain } from '../hypervisor/domain.js';
import { handleInterrupt, type Interrupted, type InterruptHandler } from '../hypervisor/event-channel.js';
import { PAGE_BYTES } from '../memory/physical-memory.js';
import { ContextQueue, requireSlots, type SetupGate } from './context-queue.js';
import type { GuestPort, PortOptions } from './guest-port.js';
import { ringLayout } from './ring-layout.js';

/** What is particular to an approach when it gives a guest a context of its own. */
export interface ContextPortPlan {
  readonly parts: HostParts;
  readonly domain: Domain;
  readonly options: PortOptions;
  readonly transmitGate: SetupGate;
  readonly receiveGate: SetupGate;
  /** CDNA: rings and status block belong to the hypervisor, and the NIC checks sequence numbers. */
  readonly hypervisorRings: boolean;
  /** Contexts of the card that will do; all of them if left out. */
  readonly eligible?: (context: ContextId) => boolean;
  /**
   * Rings that the driver names lie where the guest's own IOMMU says: their address is none of memory, and nobody looks at
   * them but the card. False if left out.
   */
  readonly guestTranslates?: boolean;
  /** How the device must address what lies at a physical address. */
  busAddressOf(physical: HostPhysicalAddress, bytes: number): BusAddress;
}

/** Whose memory the rings lie in: the hypervisor's, pages taken from the domain, or what its driver has named. */
type RingOwner = 'hypervisor' | 'domain' | 'driver';

/** A guest's port that is a NIC context of its own: rings, status block, the context's page. */
export class ContextPort implements GuestPort, Interrupted {
  readonly context: ContextId;
  readonly mac: number;
  readonly domain: Domain;
  readonly transmit: ContextQueue;
  readonly receive: ContextQueue;
  readonly #parts: HostParts;
  readonly #ringOwner: RingOwner;
  /** Of rings and status block. */
  readonly #ringPage: PageNumber;
  readonly #ringBytes: number;
  #handler: InterruptHandler | undefined;
  #open = true;

  /** @throws RangeError when no context is free or the card refuses the settings. */
  constructor(plan: ContextPortPlan) {
    const { parts, domain, options } = plan;
    this.#parts = parts;
    this.domain = domain;
    this.mac = options.mac;
    requireSlots('transmit', options.transmitSlots);
    requireSlots('receive', options.receiveSlots);
    const layout = ringLayout(options.transmitSlots, options.receiveSlots);
    const { bytes } = layout;
    this.#ringOwner = ringOwnerOf(plan);
    const base = this.#placeRings(options, bytes);
    const statusBlock = addressAfter(base, layout.status);
    const writtenByDriver = this.#ringOwner === 'driver';
    const inMemory = !(writtenByDriver && plan.guestTranslates === true);
    this.#ringPage = pageOf(base);
    this.#ringBytes = bytes;
    this.transmit = new ContextQueue(parts, domain, plan.transmitGate, {
      direction: 'transmit',
      slots: options.transmitSlots,
      ring: addressAfter(base, layout.transmit),
      statusWord: statusBlock,
      writtenByDriver,
      inMemory,
    });
    this.receive = new ContextQueue(parts, domain, plan.receiveGate, {
      direction: 'receive',
      slots: options.receiveSlots,
      ring: addressAfter(base, layout.receive),
      statusWord: addressAfter(statusBlock, STATUS_BLOCK_BYTES / 2),
      writtenByDriver,
      inMemory,
    });
    try {
      const bus = plan.busAddressOf(base, bytes);
      const settings: ContextSettings = {
        mac: options.mac,
        share: options.share,
        transmitRing: addressAfter(bus, layout.transmit),
        transmitSlots: options.transmitSlots,
        receiveRing: addressAfter(bus, layout.receive),
        receiveSlots: options.receiveSlots,
        statusBlock: addressAfter(bus, layout.status),
        sequenceChecking: plan.hypervisorRings,
        antiSpoofing: options.antiSpoofing,
        promiscuous: options.promiscuous,
        ...(options.trafficClass === undefined ? {} : { trafficClass: options.trafficClass }),
        ...(plan.eligible === undefined ? {} : { eligible: plan.eligible }),
      };
      this.context = parts.hypervisor.openContext(domain, settings, this);
    } catch (error) {
      this.transmit.leave();
      this.receive.leave();
      this.freeRings();
      throw error;
    }
    const modulus = present(parts.nic.contexts[this.context]).sequenceModulus;
    this.transmit.bind(this.context, modulus);
    this.receive.bind(this.context, modulus);
    this.#configure(options);
  }

  /** Physical range of rings and status block; undefined where only the guest's own IOMMU knows it. */
  get ringMemory(): { readonly address: HostPhysicalAddress; readonly bytes: number } | undefined {
    if (!this.transmit.isReadable) return undefined;
    return { address: pageAddress(this.#ringPage), bytes: this.#ringBytes };
  }

  get isOpen(): boolean {
    return this.#open;
  }

  onInterrupt(handler: InterruptHandler): void {
    this.#handler = handler;
  }

  /** A virtual interrupt of the context has come. */
  interrupted(): void {
    if (this.#handler !== undefined) handleInterrupt(this.#handler);
  }

  maskInterrupts(masked: boolean): void {
    if (this.#open) this.#mailbox(MAILBOX.INTERRUPT_MASK, masked ? 1 : 0);
  }

  /** The context is gone (closed, or revoked by the hypervisor). */
  markClosed(): void {
    this.#open = false;
    this.transmit.unbind();
    this.receive.unbind();
    this.#handler = undefined;
  }

  /** Gives the memory of rings and status block back. The device must not reach it any more. */
  freeRings(): void {
    if (this.#ringOwner === 'driver') return;
    const { address, bytes } = present(this.ringMemory);
    if (this.#ringOwner === 'hypervisor') {
      this.#parts.hypervisor.freeOwn(address, bytes);
      return;
    }
    for (let at = address; at < address + bytes; at = addressAfter(at, PAGE_BYTES))
      this.domain.release(pageOf(at));
  }

  #placeRings({ ownRings }: PortOptions, bytes: number): HostPhysicalAddress {
    // Where the driver has an IOMMU of its own this is an address of that, and nobody looks at the rings but the card.
    if (ownRings !== undefined) return machineAddress(ownRings);
    if (this.#ringOwner === 'hypervisor') return this.#parts.hypervisor.allocateOwn('descriptor-ring', bytes);
    return pageAddress(present(this.domain.allocate(bytes / PAGE_BYTES, true)[0]));
  }

  #configure(options: PortOptions): void {
    if (options.coalesceFrames !== undefined) this.#mailbox(MAILBOX.COALESCE_FRAMES, options.coalesceFrames);
    if (options.coalesceNs !== undefined) this.#mailbox(MAILBOX.COALESCE_NS, options.coalesceNs);
    if (options.promiscuous) this.#mailbox(MAILBOX.RX_MODE, 1);
  }

  #mailbox(mailbox: number, value: number): void {
    this.#parts.window.write(this.domain.id, this.context, mailbox * 4, value);
  }
}

function ringOwnerOf({ hypervisorRings, options }: ContextPortPlan): RingOwner {
  if (options.ownRings === undefined) return hypervisorRings ? 'hypervisor' : 'domain';
  if (hypervisorRings)
    throw new InvariantViolation('a guest keeps rings where only the hypervisor may write them');
  return 'driver';
}
