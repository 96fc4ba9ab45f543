import {
  addressAfter,
  type BusAddress,
  type BusPageNumber,
  busAddress,
  busPageAddress,
  busPageNumber,
  type GuestPhysicalAddress,
  guestPhysicalAddress,
  type HostPhysicalAddress,
  offsetInPage,
  PAGE_BYTES,
  type PageNumber,
  pageAddress,
  pageNumber,
  pageOf,
} from '../../nic/addresses.js';
import {
  DESCRIPTOR_BYTES,
  flagsOf,
  LENGTH_AND_FLAGS_OFFSET,
  lengthOf,
  storeDescriptor,
} from '../../nic/descriptor.js';
import { MAILBOX } from '../../nic/registers.js';
import { type ContextId, NO_CONTEXT } from '../../scheduler/branded.js';
import { InvariantViolation, ParameterError } from '../../scheduler/errors.js';
import { absent } from '../../scheduler/present.js';
import { COST } from '../cpu/costs.js';
import type { HostParts } from '../host-parts.js';
import type { Domain } from '../hypervisor/domain.js';
import type { BufferBatch, PortQueue, SetupFault, SetupRefusal } from './guest-port.js';
import { POSTED_SLOTS, type PostedSlots } from './posted-slots.js';

/** The set-up gate of one queue: what an approach does with buffers before they are passed to the device. */
export interface SetupGate {
  /**
   * Looks at the first `count` buffers of a batch and returns how many may go; for each it has
   * called `queue.admitAt` or `queue.admitInPage`. If it stops early it has called `queue.refuse`, or it sees less space than the driver
   * does. The refusal may have cost the guest its context; then nothing goes.
   */
  admit(queue: ContextQueue, batch: BufferBatch, count: number): number;
  /** Who writes descriptors, and pays for it: a number on the processor. */
  readonly writer: number;
  /** Buffers `from` to `to` (not included) are finished, as reported by the driver. */
  finish(queue: ContextQueue, from: number, to: number): void;
}

/** Where a queue's ring and indices lie. */
export interface QueuePlacement {
  readonly direction: 'transmit' | 'receive';
  readonly slots: number;
  /** Physical address of the ring, for the CPU. */
  readonly ring: HostPhysicalAddress;
  /** Physical address of the word that the NIC writes its consumer index to. */
  readonly statusWord: HostPhysicalAddress;
  /** The guest's driver writes the descriptors, at the addresses that the gate has admitted them under. */
  readonly writtenByDriver: boolean;
  /** The addresses are of memory; where the guest has an IOMMU of its own they are that one's, and mean nothing here. */
  readonly inMemory: boolean;
}

/**
 * A queue that ends in a ring of a NIC context. It keeps the driver's side of the ring (indices, what was
 * posted in each slot) and leaves to the approach what is particular to it: the set-up gate.
 */
export class ContextQueue implements PortQueue {
  readonly domain: Domain;
  readonly slots: number;
  readonly direction: 'transmit' | 'receive';
  readonly #parts: HostParts;
  readonly #gate: SetupGate;
  // Where ring and status word lie, each as a page and what lies before it there: an address is no integer to the engine, and
  // would be an object of its own.
  readonly #ringPage: PageNumber;
  readonly #ringOffset: number;
  readonly #statusPage: PageNumber;
  readonly #statusOffset: number;
  readonly #mailbox: number;
  readonly #writtenByDriver: boolean;
  readonly #inMemory: boolean;
  // What was posted in each slot: its rows begin at `#first`.
  #posted: PostedSlots;
  #first: number;
  #batch: BufferBatch | undefined;
  #context = NO_CONTEXT;
  #producer = 0;
  #finished = 0;
  #sequence = 1;
  #sequenceModulus = 0;
  #refusal: SetupFault | undefined;
  #accepted = 0;
  #refused = 0;
  #finalConsumer = 0;

  constructor(parts: HostParts, domain: Domain, gate: SetupGate, placement: QueuePlacement) {
    requireSlots(placement.direction, placement.slots);
    this.#parts = parts;
    this.domain = domain;
    this.#gate = gate;
    this.direction = placement.direction;
    this.slots = placement.slots;
    this.#ringPage = pageOf(placement.ring);
    this.#ringOffset = offsetInPage(placement.ring);
    this.#statusPage = pageOf(placement.statusWord);
    this.#statusOffset = offsetInPage(placement.statusWord);
    this.#writtenByDriver = placement.writtenByDriver;
    this.#inMemory = placement.inMemory;
    this.#mailbox = placement.direction === 'transmit' ? MAILBOX.TX_PRODUCER : MAILBOX.RX_PRODUCER;
    const { columns, first } = POSTED_SLOTS.of(parts).take(placement.slots);
    this.#posted = columns;
    this.#first = first;
  }

  /** The context is open: descriptors go there from now on. */
  bind(context: ContextId, sequenceModulus: number): void {
    this.#context = context;
    this.#sequenceModulus = sequenceModulus;
  }

  /** The context is gone: nothing more is accepted, nothing more will be finished. */
  unbind(): void {
    this.#context = NO_CONTEXT;
    // What was sent is sent; what was received and not taken is gone with the ring.
    const readsStatus = this.direction === 'transmit' && !this.#writtenByDriver;
    this.#finalConsumer = readsStatus ? this.consumerInMemory() : this.#finished;
    this.leave();
  }

  /** Rows that the queue shares with others are theirs; what it had posted can still be read. */
  leave(): void {
    const shared = this.#posted;
    const first = this.#first;
    this.#posted = shared.rows(first, this.slots);
    this.#first = 0;
    POSTED_SLOTS.of(this.#parts).giveBack(shared, first, this.slots);
  }

  get context(): ContextId {
    return this.#context;
  }

  get producer(): number {
    return this.#producer;
  }

  /** One past the last buffer that the driver has finished with. */
  get finished(): number {
    return this.#finished;
  }

  get refusal(): SetupFault | undefined {
    return this.#refusal;
  }

  get accepted(): number {
    return this.#accepted;
  }

  get refused(): number {
    return this.#refused;
  }

  /** Whether the ring can be read here; where the guest's own IOMMU translates its address, only the card can. */
  get isReadable(): boolean {
    return this.#inMemory;
  }

  /** Physical address of the ring. @throws InvariantViolation where only the guest's own IOMMU knows it */
  get ringAddress(): HostPhysicalAddress {
    return this.#inMemory ? this.#slotAddress(0) : absent();
  }

  /** Address and length of the buffer in a slot, as the guest gave them, and as the device got them. */
  postedAddress(index: number): GuestPhysicalAddress {
    return guestPhysicalAddress(this.#posted.addresses[this.#rowOf(index)] ?? absent());
  }

  postedLength(index: number): number {
    return this.#posted.lengths[this.#rowOf(index)] ?? absent();
  }

  postedBusAddress(index: number): BusAddress {
    return busAddress(this.#posted.busAddresses[this.#rowOf(index)] ?? absent());
  }

  /** Pages in which the buffer in a slot begins, of memory and on the bus, and how many it touches. */
  // They read the columns themselves: an address that another method returns is allocated unless that one is inlined.
  postedPage(index: number): PageNumber {
    return pageNumber(Math.floor((this.#posted.addresses[this.#rowOf(index)] ?? absent()) / PAGE_BYTES));
  }

  postedBusPage(index: number): BusPageNumber {
    return busPageNumber(
      Math.floor((this.#posted.busAddresses[this.#rowOf(index)] ?? absent()) / PAGE_BYTES),
    );
  }

  postedPages(index: number): number {
    const row = this.#rowOf(index);
    const offset = offsetInPage(this.#posted.addresses[row] ?? absent());
    return Math.ceil((offset + (this.#posted.lengths[row] ?? absent())) / PAGE_BYTES);
  }

  post(batch: BufferBatch): number {
    this.#refusal = undefined;
    if (this.#context < 0) {
      this.refuse('port-closed', batch.address(0), batch.lengths[0] ?? absent());
      return 0;
    }
    const room = this.slots - ((this.#producer - this.#finished) >>> 0);
    const count = Math.min(batch.count, room);
    if (count === 0) return 0;
    this.#batch = batch;
    const admitted = this.#gate.admit(this, batch, count);
    this.#batch = undefined;
    if (this.#context < 0) return 0;
    for (let index = 0; index < admitted; index += 1) this.#write(batch, index);
    if (admitted > 0 && !this.#writtenByDriver)
      this.#parts.processor.chargeAccount(this.#gate.writer, COST.writeDescriptor, admitted);
    this.#accepted += admitted;
    if (admitted > 0) this.#parts.hypervisor.noteSetUp(this.domain, this.#context, this.direction, admitted);
    return admitted;
  }

  /** For the gate: the device is to find the buffer at this place of the batch at `address`. */
  admitAt(index: number, address: BusAddress): void {
    (this.#batch ?? absent()).admitted[index] = address;
  }

  /** The same by page and offset, for addresses beyond those of memory: each call that took one would allocate it. */
  admitInPage(index: number, page: BusPageNumber, offset: number): void {
    (this.#batch ?? absent()).admitted[index] = addressAfter(busPageAddress(page), offset);
  }

  /** The gate turns down a buffer of the batch that is being posted: the guest's mistake, logged as such. */
  refuse(refusal: SetupRefusal, address: GuestPhysicalAddress, length: number): void {
    this.#refused += 1;
    const fault: SetupFault = {
      domain: this.domain.id,
      direction: this.direction,
      refusal,
      address,
      length,
      atNs: this.#parts.kernel.nowNs,
    };
    this.#refusal = fault;
    if (refusal !== 'port-closed') this.#parts.hypervisor.reportSetupFault(this.domain, this.#context, fault);
  }

  ring(): void {
    if (this.#context >= 0) {
      this.#parts.window.write(this.domain.id, this.#context, this.#mailbox * 4, this.#producer);
    }
  }

  consumer(): number {
    return this.#context < 0 ? this.#finalConsumer : this.consumerInMemory();
  }

  /** What the NIC has written to the status block. @throws InvariantViolation where only the guest's own IOMMU knows it */
  consumerInMemory(): number {
    if (!this.#inMemory) return absent();
    return this.#parts.memory.readU32(addressAfter(pageAddress(this.#statusPage), this.#statusOffset));
  }

  completedLength(index: number): number {
    if (this.#context < 0) return 0;
    return lengthOf(this.#lengthAndFlags(index));
  }

  completedFlags(index: number): number {
    if (this.#context < 0) return 0;
    return flagsOf(this.#lengthAndFlags(index));
  }

  completedAddress(index: number): GuestPhysicalAddress {
    return this.postedAddress(index);
  }

  finish(consumer: number): void {
    const count = (consumer - this.#finished) >>> 0;
    if (count === 0 || count > (this.#producer - this.#finished) >>> 0) return;
    this.#gate.finish(this, this.#finished, consumer);
    this.#finished = consumer;
  }

  checkInvariants(): void {
    if ((this.#producer - this.#finished) >>> 0 > this.slots)
      throw new InvariantViolation('a queue holds more than its slots');
  }

  #rowOf(index: number): number {
    return this.#first + (index & (this.slots - 1));
  }

  #lengthAndFlags(index: number): number {
    return this.#parts.memory.readU32(addressAfter(this.#slotAddress(index), LENGTH_AND_FLAGS_OFFSET));
  }

  #slotAddress(index: number): HostPhysicalAddress {
    const offset = this.#ringOffset + (index & (this.slots - 1)) * DESCRIPTOR_BYTES;
    return addressAfter(pageAddress(this.#ringPage), offset);
  }

  /** Writes the descriptor of an admitted buffer. It reads the addresses itself: as arguments they would be allocated. */
  #write(batch: BufferBatch, index: number): void {
    const bus = busAddress(batch.admitted[index] ?? absent());
    const length = batch.lengths[index] ?? absent();
    const flags = batch.flags[index] ?? absent();
    const posted = this.#posted;
    const row = this.#rowOf(this.#producer);
    posted.addresses[row] = batch.address(index);
    posted.busAddresses[row] = bus;
    posted.lengths[row] = length;
    if (!this.#writtenByDriver)
      storeDescriptor(
        this.#parts.memory,
        this.#slotAddress(this.#producer),
        bus | 0,
        Math.floor(bus / 2 ** 32) | 0,
        length,
        flags,
        this.#sequence,
      );
    this.#sequence = this.#sequence + 1 === this.#sequenceModulus ? 0 : this.#sequence + 1;
    this.#producer = (this.#producer + 1) >>> 0;
  }
}

/** @throws ParameterError for a ring that no port can have. */
export function requireSlots(direction: string, slots: number): void {
  if (!Number.isInteger(slots) || slots < 2 || slots > 32_768 || (slots & (slots - 1)) !== 0) {
    throw new ParameterError(`port.${direction}Slots is ${slots}, expected a power of two from 2 to 32,768`);
  }
}
