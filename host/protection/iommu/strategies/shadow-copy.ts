import {
  deviceAddress,
  type GuestPhysicalAddress,
  type HostPhysicalAddress,
  hostPhysicalAddress,
  identityAddress,
  identityOf,
  machineAddress,
  PAGE_BYTES,
  type PageNumber,
  pageAfter,
  pageOf,
} from '../../../../nic/addresses.js';
import { absent } from '../../../../scheduler/present.js';
import { COST } from '../../../cpu/costs.js';
import { READ, WRITE } from '../../../iommu/entry-format.js';
import type { PageRefusal } from '../../../memory/page-ownership.js';
import type { ContextPort } from '../../context-port.js';
import type { ContextQueue, SetupGate } from '../../context-queue.js';
import type { BufferBatch } from '../../guest-port.js';
import { malformedBuffer, wholeFrames } from '../../posted-buffers.js';
import type { GuestSpace } from '../guest-space.js';
import type { MappingStrategy } from '../mapping-strategy.js';

/**
 * Shadow copy (Markuze, Morrison and Tsafrir, ASPLOS 2016): the device only ever sees a pool of shadow buffers that
 * is mapped permanently; pages are copied in before they are sent and out after they came. No invalidation is ever
 * needed, there is no stale window, and what shares a page with a buffer is out of reach. The price is the copy.
 *
 * The pool is the hypervisor's memory, mapped into the guest, which copies on its own time: no hypercall per batch.
 */
export class ShadowCopy implements MappingStrategy {
  readonly transmit: ShadowGate;
  readonly receive: ShadowGate;
  readonly #space: GuestSpace;

  constructor(space: GuestSpace) {
    this.#space = space;
    this.transmit = new ShadowGate(space, READ);
    this.receive = new ShadowGate(space, WRITE);
  }

  opened(port: ContextPort): void {
    this.transmit.fill(port.transmit);
    this.receive.fill(port.receive);
    this.#space.announce();
  }

  closed(): void {
    this.transmit.close();
    this.receive.close();
  }

  relinquish(page: PageNumber): boolean {
    // No guest page is ever given to the device, but for those of its rings.
    return this.#space.parts.pages.count(page) === 0;
  }

  counters(): Readonly<Record<string, number>> {
    return {
      shadowPages: this.transmit.pages + this.receive.pages,
      copiedBytes: this.transmit.copiedBytes + this.receive.copiedBytes,
    };
  }
}

/** Memory of one or more shadows, in one piece. */
interface Pool {
  readonly address: HostPhysicalAddress;
  readonly pages: number;
}

/** One direction: slot i of the ring has shadow i, of a page; a longer buffer gets a longer one when it first comes. */
class ShadowGate implements SetupGate {
  readonly writer: number;
  readonly #space: GuestSpace;
  readonly #permissions: number;
  readonly #pools: Pool[] = [];
  #shadows = new Float64Array(0);
  #bytes = new Uint32Array(0);
  #closed = false;
  copiedBytes = 0;

  constructor(space: GuestSpace, permissions: number) {
    this.#space = space;
    this.#permissions = permissions;
    this.writer = space.domain.account;
  }

  get pages(): number {
    return this.#pools.reduce((sum, { pages }) => sum + pages, 0);
  }

  /** A page for each slot. @throws RangeError when the machine has no memory left. */
  fill(queue: ContextQueue): void {
    const address = this.#pool(queue.slots);
    this.#shadows = Float64Array.from({ length: queue.slots }, (_, slot) => address + slot * PAGE_BYTES);
    this.#bytes = new Uint32Array(queue.slots).fill(PAGE_BYTES);
  }

  admit(queue: ContextQueue, batch: BufferBatch, count: number): number {
    let valid = 0;
    for (; valid < count; valid += 1) {
      const address = batch.address(valid);
      const length = batch.lengths[valid] ?? absent();
      const refusal = this.#refusalFor(address, length);
      if (refusal === undefined) continue;
      queue.refuse(refusal, address, length);
      break;
    }
    if (this.#closed) return 0;
    const admitted = valid === count ? valid : wholeFrames(queue, batch, valid);
    for (let index = 0; index < admitted; index += 1) {
      const length = batch.lengths[index] ?? absent();
      const shadow = this.#shadow(queue, (queue.producer + index) >>> 0, length);
      if (queue.direction === 'transmit') this.#copy(machineAddress(batch.address(index)), shadow, length);
      queue.admitAt(index, deviceAddress(identityAddress(shadow)));
    }
    return admitted;
  }

  finish(queue: ContextQueue, from: number, to: number): void {
    if (this.#closed || queue.direction === 'transmit') return;
    for (let index = from; index !== to; index = (index + 1) >>> 0) {
      const length = Math.min(queue.completedLength(index), queue.postedLength(index));
      const address = queue.postedAddress(index);
      // The page may have been given away while the page was on its way; then the copy faults, and is not made.
      if (this.#refusalFor(address, length) !== undefined) continue;
      this.#copy(this.#shadowAt(queue, index), machineAddress(address), length);
    }
  }

  /** The port is going: the pool goes back when no cache knows it. */
  close(): void {
    this.#closed = true;
    const { parts } = this.#space;
    for (const { address, pages } of this.#pools) {
      const first = pageOf(address);
      for (let page = first; page < first + pages; page = pageAfter(page))
        this.#space.clear(identityOf(page), 1);
      this.#space.whenGone(() => {
        this.#space.unpin(first, pages);
        parts.hypervisor.freeOwn(address, pages * PAGE_BYTES);
      });
    }
    this.#pools.length = 0;
  }

  /** Outcome of a CPU copy: the CPU can only read and write pages of its own domain. */
  #refusalFor(address: GuestPhysicalAddress, length: number): PageRefusal | 'bad-length' | undefined {
    const malformed = malformedBuffer(address, length);
    if (malformed !== undefined) return malformed;
    return this.#space.parts.pages.firstForeign(this.#space.domain.id, machineAddress(address), length)
      ?.refusal;
  }

  /** The shadow of a slot. */
  #shadowAt(queue: ContextQueue, index: number): HostPhysicalAddress {
    return hostPhysicalAddress(this.#shadows[index & (queue.slots - 1)] ?? absent());
  }

  /** The same, long enough for `length` bytes. */
  #shadow(queue: ContextQueue, index: number, length: number): HostPhysicalAddress {
    const slot = index & (queue.slots - 1);
    if (length > (this.#bytes[slot] ?? absent())) {
      const pages = Math.ceil(length / PAGE_BYTES);
      this.#space.enter();
      this.#shadows[slot] = this.#pool(pages);
      this.#bytes[slot] = pages * PAGE_BYTES;
      this.#space.announce();
    }
    return this.#shadowAt(queue, index);
  }

  /**
   * Memory of the hypervisor, mapped at its own addresses until the port is closed.
   * @throws ParameterError when the machine has none left, or none for tables; then nothing of it is kept
   */
  #pool(pages: number): HostPhysicalAddress {
    const { hypervisor } = this.#space.parts;
    const address = hypervisor.allocateOwn('shadow', pages * PAGE_BYTES);
    const first = pageOf(address);
    try {
      this.#space.mapEach(identityOf(first), first, pages, this.#permissions);
    } catch (error) {
      hypervisor.freeOwn(address, pages * PAGE_BYTES);
      throw error;
    }
    this.#pools.push({ address, pages });
    return address;
  }

  #copy(from: HostPhysicalAddress, to: HostPhysicalAddress, length: number): void {
    this.#space.parts.memory.copy(from, to, length);
    this.copiedBytes += length;
    this.#space.parts.processor.charge(COST.copyByte, length);
  }
}
