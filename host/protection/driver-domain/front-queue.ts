import {
  addressAfter,
  type GuestPhysicalAddress,
  guestAddress,
  guestPhysicalAddress,
  machineAddress,
  offsetInPage,
  PAGE_BYTES,
  type PageNumber,
  pageAddress,
  pageAfter,
  pageNumber,
  pageOf,
} from '../../../nic/addresses.js';
import { MAX_FRAME_BYTES } from '../../../nic/descriptor.js';
import { InvariantViolation } from '../../../scheduler/errors.js';
import { absent } from '../../../scheduler/present.js';
import { COST } from '../../cpu/costs.js';
import type { HostParts } from '../../host-parts.js';
import type { Domain } from '../../hypervisor/domain.js';
import type { DomainId } from '../../memory/page-ownership.js';
import { requireSlots } from '../context-queue.js';
import type { BufferBatch, PortQueue, SetupFault, SetupRefusal } from '../guest-port.js';
import type { GrantTable } from './grant-table.js';
import { SharedRing, sharedRingBytes } from './shared-ring.js';

/** Pages that one buffer may touch, and so references of a slot. */
export const PAGES_PER_SLOT = Math.ceil((MAX_FRAME_BYTES - 1) / PAGE_BYTES) + 1;
/** Page numbers have 32 bits in a grant. */
const ADDRESS_LIMIT = 2 ** 32 * PAGE_BYTES;
/** Longest buffer that a request can describe wherever in a page it starts, bytes. */
const MAX_REQUEST_BYTES = (PAGES_PER_SLOT - 1) * PAGE_BYTES;

/** A front queue's interface to its front end. */
export interface FrontQueuePlan {
  readonly direction: 'transmit' | 'receive';
  readonly slots: number;
  readonly domain: Domain;
  readonly grants: GrantTable;
  /** First of its references in the table. */
  readonly firstReference: number;
  /** Whom buffers are granted to. */
  readonly grantee: DomainId;
  /** Sends the back end an event. */
  readonly notify: () => void;
  /** Told of `count` requests from index `first` on that the back end can see from now on. */
  readonly onPosted?: (first: number, count: number) => void;
}

/**
 * One direction of a front end, and the guest's code: it grants the pages of each buffer, writes requests into
 * the shared ring and reads responses from it. It checks nothing that it does not need itself; what is wrong
 * with a request is found at the other end, and comes back as an empty response and a fault.
 */
export class FrontQueue implements PortQueue {
  readonly slots: number;
  readonly shared: SharedRing;
  readonly plan: FrontQueuePlan;
  readonly #parts: HostParts;
  readonly #ringPages: readonly PageNumber[];
  readonly #pages: Uint8Array;
  #producer = 0;
  // One past the last request that the back end can see.
  #pushed = 0;
  #finished = 0;
  #consumerRead = 0;
  #refusal: SetupFault | undefined;
  #accepted = 0;
  #refused = 0;
  #finalConsumer = 0;
  #closed = false;

  /** @throws RangeError for slots that no port can have, or when the guest has no memory left. */
  constructor(parts: HostParts, plan: FrontQueuePlan) {
    requireSlots(plan.direction, plan.slots);
    this.#parts = parts;
    this.plan = plan;
    this.slots = plan.slots;
    this.#ringPages = plan.domain.allocate(sharedRingBytes(plan.slots) / PAGE_BYTES, true);
    this.shared = new SharedRing(parts.memory, pageAddress(this.#ringPages[0] ?? absent()), plan.slots);
    this.shared.reset();
    this.#pages = new Uint8Array(plan.slots);
  }

  get producer(): number {
    return this.#producer;
  }

  get refusal(): SetupFault | undefined {
    return this.#refusal;
  }

  /** Buffers put into the ring, and those that the guest's own code refused. */
  get accepted(): number {
    return this.#accepted;
  }

  get refused(): number {
    return this.#refused;
  }

  /** One past the last response that the driver has looked at. */
  get consumerRead(): number {
    return this.#consumerRead;
  }

  /** Whether there are responses that the driver has not looked at. */
  get hasResponses(): boolean {
    return this.shared.responseProducer !== this.#consumerRead;
  }

  /** Pages of its shared ring. */
  get ringPages(): readonly PageNumber[] {
    return this.#ringPages;
  }

  post(batch: BufferBatch): number {
    this.#refusal = undefined;
    const room = this.slots - ((this.#producer - this.#finished) >>> 0);
    const count = Math.min(batch.count, room);
    for (let index = 0; index < count; index += 1) {
      const address = batch.address(index);
      const length = batch.lengths[index] ?? absent();
      const refusal = this.#unspeakable(address, length);
      if (refusal !== undefined) {
        this.#refuse(refusal, address, length);
        return index;
      }
      this.#request(address, length, batch.flags[index] ?? absent());
    }
    return count;
  }

  ring(): void {
    if (this.#closed) return;
    const first = this.#pushed;
    this.#pushed = this.#producer;
    this.plan.onPosted?.(first, (this.#producer - first) >>> 0);
    if (this.shared.pushRequests(this.#producer)) this.plan.notify();
  }

  consumer(): number {
    if (this.#closed) return this.#finalConsumer;
    this.#consumerRead = this.shared.responseProducer;
    return this.#consumerRead;
  }

  completedLength(index: number): number {
    return this.#closed ? 0 : this.shared.length(index);
  }

  completedFlags(index: number): number {
    return this.#closed ? 0 : this.shared.flags(index);
  }

  completedAddress(index: number): GuestPhysicalAddress {
    if (this.#closed) return guestPhysicalAddress(0);
    const page = pageAddress(pageNumber(this.shared.word(index)));
    return guestAddress(addressAfter(page, this.shared.offset(index)));
  }

  finish(consumer: number): void {
    const count = (consumer - this.#finished) >>> 0;
    if (this.#closed || count === 0 || count > (this.#producer - this.#finished) >>> 0) return;
    for (; this.#finished !== consumer; this.#finished = (this.#finished + 1) >>> 0) {
      const pages = this.#pages[this.#finished & (this.slots - 1)] ?? absent();
      const first = this.#referenceOf(this.#finished);
      for (let page = 0; page < pages; page += 1) this.plan.grants.revoke(first + page);
      this.#parts.processor.chargeAccount(this.plan.domain.account, COST.grantEntry, pages);
    }
  }

  /** Asks for an event when about half of what is outstanding is done (transmit), or with the next frame (receive). */
  askForEvent(from: number): void {
    const outstanding = this.plan.direction === 'transmit' ? (this.#producer - from) >>> 0 : 0;
    this.shared.responseEvent = (from + (outstanding >>> 1) + 1) >>> 0;
  }

  /** The port is gone: nothing is accepted, nothing more will be finished, and the ring's memory goes back. */
  close(): void {
    // Frames that were sent stay sent; frames received and not taken are lost with the ring.
    this.#finalConsumer = this.plan.direction === 'transmit' ? this.shared.responseProducer : this.#finished;
    this.#closed = true;
    for (const page of this.#ringPages) this.plan.domain.release(page);
  }

  checkInvariants(): void {
    if ((this.#producer - this.#finished) >>> 0 > this.slots)
      throw new InvariantViolation('a front queue holds more than its slots');
  }

  /** Buffers that no request can express. */
  #unspeakable(address: GuestPhysicalAddress, length: number): SetupRefusal | undefined {
    if (this.#closed) return 'port-closed';
    if (!Number.isInteger(address) || address < 0 || address >= ADDRESS_LIMIT) return 'not-ram';
    return length === 0 || length > MAX_REQUEST_BYTES ? 'bad-length' : undefined;
  }

  #refuse(refusal: SetupRefusal, address: GuestPhysicalAddress, length: number): void {
    this.#refused += 1;
    const { domain, direction } = this.plan;
    this.#refusal = {
      domain: domain.id,
      direction,
      refusal,
      address,
      length,
      atNs: this.#parts.kernel.nowNs,
    };
  }

  #request(address: GuestPhysicalAddress, length: number, flags: number): void {
    const index = this.#producer;
    const offset = offsetInPage(address);
    const firstPage = pageOf(machineAddress(address));
    const pages = Math.ceil((offset + length) / PAGE_BYTES);
    const first = this.#referenceOf(index);
    const { grants, grantee, direction, domain } = this.plan;
    for (let page = 0; page < pages; page += 1)
      grants.grant(first + page, grantee, pageAfter(firstPage, page), direction === 'transmit');
    this.#parts.processor.chargeAccount(domain.account, COST.grantEntry, pages);
    this.shared.put(index, first, offset, flags, length);
    this.#pages[index & (this.slots - 1)] = pages;
    this.#producer = (index + 1) >>> 0;
    this.#accepted += 1;
  }

  #referenceOf(index: number): number {
    return this.plan.firstReference + (index & (this.slots - 1)) * PAGES_PER_SLOT;
  }
}
