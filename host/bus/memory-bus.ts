import type { Observable } from 'rxjs';
import {
  addressAfter,
  type BusAddress,
  type BusPageNumber,
  busPageAddress,
  type HostPhysicalAddress,
  PAGE_BYTES,
  type PageNumber,
  pageAddress,
  type RequesterId,
  WIDE_ADDRESS,
} from '../../nic/addresses.js';
import { abortAfter, type HostPort } from '../../nic/host-port.js';
import { InvariantViolation, ParameterError } from '../../scheduler/errors.js';
import type { EventKernel } from '../../scheduler/event-kernel.js';
import { GuardedSubject } from '../../scheduler/guarded-subject.js';
import { isInterruptPage } from '../iommu/table-walker.js';
import type { PhysicalMemory } from '../memory/physical-memory.js';
import {
  type AccessGate,
  CLOSED_GATE,
  DENIED,
  type InterruptMessage,
  messageThrough,
} from './access-gate.js';
import { BusMasters } from './bus-masters.js';
import { RequestOrder } from './request-order.js';

/** Time from the root complex to DRAM and back, ns. */
export interface MemoryTimings {
  readonly readNs: number;
  readonly writeNs: number;
}

/**
 * With the default link (nic/pcie-link.ts) a read of 64 bytes takes 557 ns without an IOMMU, as on a Broadwell Xeon
 * (pcie-bench, LAT_DMA_RD with a warm cache; docs/iommu-hardware.md). The measurement cannot tell root complex, memory and
 * the card's engine apart: what is not the link is here. Posted writes are not waited for.
 */
export const DEFAULT_MEMORY_TIMINGS: MemoryTimings = { readNs: 241, writeNs: 0 };

/** An access that the gate or the northbridge refused. */
export interface DeniedAccess {
  readonly requesterId: RequesterId;
  readonly address: BusAddress;
  /** Bytes from `address` to the access: 0, but for an address from 2^53 on, of which `address` is the page. */
  readonly offset: number;
  readonly length: number;
  readonly write: boolean;
  /** Whether the gate let it pass and there was no RAM behind it. */
  readonly beyondMemory: boolean;
  /** Whether it never came to the gate, because a request may not cross a page (PCI Express). */
  readonly crossesPage: boolean;
  readonly atNs: number;
}

/** An access that the gate let pass, at the instant at which its bytes moved. */
export interface BusAccess {
  readonly requesterId: number;
  /** As the device put it on the bus. */
  readonly address: number;
  /** Bytes from `address` to the access: 0, but for an address from 2^53 on, of which `address` is the page. */
  readonly offset: number;
  /** Where the gate sent it. */
  readonly physical: number;
  readonly length: number;
  readonly write: boolean;
  /** What the gate took, ns. */
  readonly gateNs: number;
  readonly atNs: number;
}

/** A look at every access that reaches memory, for proofs in experiments. */
export interface AccessWitness {
  accessed(requesterId: RequesterId, physical: HostPhysicalAddress, length: number, write: boolean): void;
}

/**
 * Carries the device's reads and writes to memory, through the access gate, and keeps the order of each requester's
 * requests (`RequestOrder`). A denied write moves no byte, a denied read gives all ones; either way the device gets an
 * abort. So does a request that crosses a page: PCI Express has no such request (base specification, 2.2.7), and what
 * checks page by page would check only its first.
 */
export class MemoryBus implements HostPort {
  readonly denied$: Observable<DeniedAccess>;
  /** Every access that reaches memory: a tap, for which nothing is built while it is not observed. */
  readonly accesses$: Observable<BusAccess>;
  readonly #kernel: EventKernel;
  readonly #memory: PhysicalMemory;
  readonly #timings: MemoryTimings;
  readonly #denied: GuardedSubject<DeniedAccess>;
  readonly #accesses: GuardedSubject<BusAccess>;
  readonly #onInterrupt: () => void;
  #gate: AccessGate = CLOSED_GATE;
  #attached: AccessGate = CLOSED_GATE;
  #masters: BusMasters | undefined;
  #onMessage: (message: InterruptMessage) => void = () => {};
  #messages = 0;
  #witness: AccessWitness | undefined;
  #reads = 0;
  #writes = 0;
  #deniedCount = 0;
  #gateNs = 0;
  #orderNs = 0;
  readonly #order: RequestOrder;

  constructor(kernel: EventKernel, memory: PhysicalMemory, timings: MemoryTimings, onInterrupt: () => void) {
    for (const field of ['readNs', 'writeNs'] as const) {
      const value = timings[field];
      if (!Number.isInteger(value) || value < 0 || value > 1e6) {
        throw new ParameterError(`memory.${field} is ${value}, expected a whole number from 0 to 1,000,000`);
      }
    }
    this.#kernel = kernel;
    this.#order = new RequestOrder(kernel);
    this.#memory = memory;
    this.#timings = timings;
    this.#onInterrupt = onInterrupt;
    this.#denied = new GuardedSubject('host.bus.denied$', kernel);
    this.denied$ = this.#denied.stream$;
    this.#accesses = new GuardedSubject('host.bus.accesses$', kernel);
    this.accesses$ = this.#accesses.stream$;
  }

  get reads(): number {
    return this.#reads;
  }

  get writes(): number {
    return this.#writes;
  }

  /** Accesses refused since the start. */
  get denied(): number {
    return this.#deniedCount;
  }

  /** Time that the gate has added to accesses, ns in all. */
  get gateNs(): number {
    return this.#gateNs;
  }

  /** Time that accesses waited for earlier ones of their requester after the gate had let them pass, ns in all. */
  get orderNs(): number {
    return this.#orderNs;
  }

  /** No read takes less, ns. */
  get leastReadNs(): number {
    return this.#timings.readNs;
  }

  /** The gate that every access goes through from now on. Until the first is attached every access is denied. */
  attachGate(gate: AccessGate): void {
    this.#attached = gate;
    this.#masters = undefined;
    this.#gate = gate;
  }

  /**
   * Switches Bus Master Enable of a function. While it is off the function's requests are aborted before the gate sees
   * them. All functions have it when a gate is attached.
   */
  setBusMaster(requesterId: RequesterId, enabled: boolean): void {
    if (enabled && this.#masters === undefined) return;
    this.#masters ??= new BusMasters(this.#attached);
    this.#masters.set(requesterId, enabled);
    if (this.#masters.count === 0) this.#masters = undefined;
    this.#gate = this.#masters ?? this.#attached;
  }

  /** Interrupt messages that were delivered since the start. */
  get messages(): number {
    return this.#messages;
  }

  /** Where interrupt messages of devices go. */
  deliverMessages(onMessage: (message: InterruptMessage) => void): void {
    this.#onMessage = onMessage;
  }

  /** Lets a witness look at every access from now on. */
  watch(witness: AccessWitness | undefined): void {
    this.#witness = witness;
  }

  read(
    requesterId: RequesterId,
    page: BusPageNumber,
    offset: number,
    length: number,
    target: Uint8Array,
    targetOffset: number,
  ): number {
    this.#reads += 1;
    const gate = this.#gate;
    const crosses = crossesPage(offset, length);
    const physical = crosses ? DENIED : gate.check(requesterId, page, offset, length, false);
    const gateNs = crosses ? 0 : gate.delayNs;
    if (physical < 0 || physical >= this.#memory.pageCount) {
      target.fill(0xff, targetOffset, targetOffset + length);
      this.#refuse(requesterId, page, offset, length, false, physical >= 0, crosses);
      return abortAfter(this.#order.read(requesterId, gateNs, 0));
    }
    this.#memory.readPage(physical, offset, length, target, targetOffset);
    if (this.#isWatched) this.#tell(requesterId, page, offset, physical, length, false);
    return this.#finishRead(requesterId, gateNs);
  }

  write(
    requesterId: RequesterId,
    page: BusPageNumber,
    offset: number,
    length: number,
    source: Uint8Array,
    sourceOffset: number,
  ): number {
    this.#writes += 1;
    if (isInterruptPage(page)) return this.#message(requesterId, page, offset, length, source, sourceOffset);
    const gate = this.#gate;
    const crosses = crossesPage(offset, length);
    const physical = crosses ? DENIED : gate.check(requesterId, page, offset, length, true);
    const gateNs = crosses ? 0 : gate.delayNs;
    if (physical < 0 || physical >= this.#memory.pageCount) {
      this.#refuse(requesterId, page, offset, length, true, physical >= 0, crosses);
      return abortAfter(this.#order.write(requesterId, gateNs));
    }
    this.#memory.writePage(physical, offset, length, source, sourceOffset);
    if (this.#isWatched) this.#tell(requesterId, page, offset, physical, length, true);
    return this.#finishWrite(requesterId, gateNs);
  }

  raise(): void {
    this.#onInterrupt();
  }

  checkInvariants(): void {
    if (this.#deniedCount + this.#messages > this.#reads + this.#writes)
      throw new InvariantViolation(
        `${this.#deniedCount} accesses denied and ${this.#messages} messages, of ${this.#reads + this.#writes} accesses`,
      );
    if (this.#gateNs < 0 || this.#orderNs < 0)
      throw new InvariantViolation(
        `accesses waited ${this.#gateNs} ns at the gate, ${this.#orderNs} ns in order`,
      );
    this.#order.checkInvariants();
  }

  /** A read that the gate let pass in `gateNs` has been carried out: when its data leaves for the device, ns from now. */
  #finishRead(requesterId: RequesterId, gateNs: number): number {
    const { readNs } = this.#timings;
    const takesNs = this.#order.read(requesterId, gateNs, readNs);
    this.#gateNs += gateNs;
    this.#orderNs += takesNs - gateNs - readNs;
    return takesNs;
  }

  /** As `#finishRead`, for a write: when it has been performed. */
  #finishWrite(requesterId: RequesterId, gateNs: number): number {
    const { writeNs } = this.#timings;
    const takesNs = this.#order.write(requesterId, gateNs + writeNs);
    this.#gateNs += gateNs;
    this.#orderNs += takesNs - gateNs - writeNs;
    return takesNs;
  }

  /** A write to the interrupt window is a message if it is 4 aligned bytes, and nothing that any part knows otherwise. */
  #message(
    requesterId: RequesterId,
    page: BusPageNumber,
    offset: number,
    length: number,
    source: Uint8Array,
    sourceOffset: number,
  ): number {
    const gate = this.#gate;
    let message: InterruptMessage | undefined;
    if (length === 4 && offset % 4 === 0) {
      const data = new DataView(source.buffer, source.byteOffset + sourceOffset, 4).getUint32(0, true);
      message = messageThrough(gate, requesterId, addressAfter(busPageAddress(page), offset), data);
    }
    if (message === undefined) {
      this.#refuse(requesterId, page, offset, length, true, false, false);
      return abortAfter(this.#order.write(requesterId, 0));
    }
    this.#messages += 1;
    this.#onMessage(message);
    return this.#order.write(requesterId, this.#timings.writeNs);
  }

  /** Whether somebody looks on at accesses that reach memory. */
  get #isWatched(): boolean {
    return this.#witness !== undefined || this.#accesses.observed;
  }

  /** Shows them an access. */
  #tell(
    requesterId: RequesterId,
    page: BusPageNumber,
    offset: number,
    physicalPage: PageNumber,
    length: number,
    write: boolean,
  ): void {
    const physical = addressAfter(pageAddress(physicalPage), offset);
    this.#witness?.accessed(requesterId, physical, length, write);
    if (!this.#accesses.observed) return;
    const { delayNs: gateNs } = this.#gate;
    const atNs = this.#kernel.nowNs;
    this.#accesses.next({
      requesterId,
      ...placeOf(page, offset),
      physical,
      length,
      write,
      gateNs,
      atNs,
    });
  }

  #refuse(
    requesterId: RequesterId,
    page: BusPageNumber,
    offset: number,
    length: number,
    write: boolean,
    beyondMemory: boolean,
    crossesPage: boolean,
  ): void {
    this.#deniedCount += 1;
    if (!this.#denied.observed) return;
    const atNs = this.#kernel.nowNs;
    const place = placeOf(page, offset);
    this.#denied.next({ requesterId, ...place, length, write, beyondMemory, crossesPage, atNs });
  }
}

/** A place on the bus as those who look on are told of it. */
function placeOf(
  page: BusPageNumber,
  offset: number,
): { readonly address: BusAddress; readonly offset: number } {
  const first = busPageAddress(page);
  return first < WIDE_ADDRESS
    ? { address: addressAfter(first, offset), offset: 0 }
    : { address: first, offset };
}

/** Whether a request of `length` bytes goes beyond the page in which it begins at `offset`. */
function crossesPage(offset: number, length: number): boolean {
  return offset + length > PAGE_BYTES;
}
