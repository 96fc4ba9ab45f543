import { InvariantViolation } from '../scheduler/errors.js';
import { present } from '../scheduler/present.js';
import { type BusAddress, busAddress, offsetInPage, PAGE_BYTES, WIDE_ADDRESS } from './addresses.js';
import { DESCRIPTOR_BYTES, encodeDescriptor, FLAG_END_OF_PACKET, flagsOf, lengthOf } from './descriptor.js';

/**
 * The descriptors that the card holds, of all its rings: a run of `slots` for each. One address and two words each:
 * length and flags as in the ring, and the sequence number.
 */
export class DescriptorCache {
  /** Slots of a ring, a power of two: descriptors kept on the card, and so the longest chain. */
  readonly slots: number;
  readonly addresses: Float64Array;
  /** Of an address from 2^53 on: its offset in the page that `addresses` names. */
  readonly wideOffsets: Uint16Array;
  readonly words: Int32Array;

  constructor(slots: number, rings: number) {
    this.slots = slots;
    this.addresses = new Float64Array(slots * rings);
    this.wideOffsets = new Uint16Array(slots * rings);
    this.words = new Int32Array(slots * rings * 2);
  }
}

/** Where a transfer begins, as a channel of the DMA engine has it. */
interface Aimed {
  address: BusAddress;
  wideOffset: number;
}

/**
 * The card's side of one ring: its indices, and the descriptors that it has fetched and no frame has taken.
 *
 * All indices run freely modulo 2^32 and keep this order:
 * `consumer <= taken <= fetched <= requested <= producer`. A slot is an index modulo the ring's size; a
 * fetched descriptor waits in a cache of `cacheSlots`.
 */
export class DescriptorRing {
  readonly cacheSlots: number;
  /** Bytes from `base` to slot 0: 0, but for a base from 2^53 on. */
  baseOffset = 0;
  /** Slots, a power of two; 0 while no ring is attached. */
  slots = 0;
  /** One past the last descriptor that the driver has posted. */
  producer = 0;
  /** One past the last descriptor whose fetch was requested. */
  requested = 0;
  /** One past the last descriptor that has arrived and been accepted. */
  fetched = 0;
  /** One past the last descriptor that a frame has taken. */
  taken = 0;
  /** One past the last descriptor that is finished: the consumer index. */
  consumer = 0;
  /** The sequence number that the next fetched descriptor must carry. */
  expectedSequence = 1;

  // The base, as a page and what lies before it there: an address is no integer to the engine, and would be an object of its own.
  #basePage = 0;
  #baseWithin = 0;
  readonly #addresses: Float64Array;
  readonly #wideOffsets: Uint16Array;
  readonly #words: Int32Array;
  readonly #first: number;
  readonly #mask: number;

  /** @param ring which run of the cache is this ring's. */
  constructor(cache: DescriptorCache, ring: number) {
    this.cacheSlots = cache.slots;
    this.#addresses = cache.addresses;
    this.#wideOffsets = cache.wideOffsets;
    this.#words = cache.words;
    this.#first = ring * cache.slots;
    this.#mask = cache.slots - 1;
  }

  /** Bus address of slot 0, or 0 while no ring is attached. From 2^53 on it is that of the page of slot 0. */
  get base(): BusAddress {
    return busAddress(this.#basePage * PAGE_BYTES + this.#baseWithin);
  }

  /** Whether there is a ring. */
  get attached(): boolean {
    return this.slots > 0;
  }

  /** A new ring, empty. @param baseOffset bytes from `base` to slot 0, for a base from 2^53 on */
  attach(base: BusAddress, slots: number, baseOffset = 0): void {
    this.#basePage = Math.floor(base / PAGE_BYTES);
    this.#baseWithin = offsetInPage(base);
    this.baseOffset = baseOffset;
    this.slots = slots;
    this.#restart();
  }

  detach(): void {
    this.#basePage = 0;
    this.#baseWithin = 0;
    this.baseOffset = 0;
    this.slots = 0;
    this.#restart();
  }

  /** Posted by the driver and not yet finished. */
  get outstanding(): number {
    return (this.producer - this.consumer) >>> 0;
  }

  /** Asked for and not yet taken by a frame. */
  get ahead(): number {
    return (this.requested - this.taken) >>> 0;
  }

  /** Posted and not yet taken by a frame. */
  get untaken(): number {
    return (this.producer - this.taken) >>> 0;
  }

  /** Fetched and not yet taken by a frame. */
  get available(): number {
    return (this.fetched - this.taken) >>> 0;
  }

  /** Descriptors to fetch next: what is posted, fits the cache, lies before the ring's end, at most `batch`. */
  fetchable(batch: number): number {
    const posted = (this.producer - this.requested) >>> 0;
    const room = this.cacheSlots - ((this.requested - this.taken) >>> 0);
    return Math.max(0, Math.min(posted, room, this.contiguous, batch));
  }

  /** Descriptors from the next one to ask for to the end of the ring, or of the cache that they land in. */
  get contiguous(): number {
    const untilRingEnd = this.slots - (this.requested & (this.slots - 1));
    const untilCacheEnd = this.cacheSlots - (this.requested & (this.cacheSlots - 1));
    return Math.min(untilRingEnd, untilCacheEnd);
  }

  /** Bus address of the slot that an index falls on; from 2^53 on, that of its page. For messages of faults. */
  addressOf(index: number): BusAddress {
    const at = this.offsetOf(index);
    return busAddress(this.base + (this.base < WIDE_ADDRESS ? at : at - offsetInPage(at)));
  }

  /** Bytes from `base` to the slot that an index falls on. */
  offsetOf(index: number): number {
    return this.baseOffset + (index & (this.slots - 1)) * DESCRIPTOR_BYTES;
  }

  /** As `accept`, for an address from 2^53 on: `offset` bytes into the page at `page`. */
  acceptWide(page: BusAddress, offset: number, length: number, flags: number, sequence: number): void {
    this.#wideOffsets[this.#first + (this.fetched & this.#mask)] = offset;
    this.accept(page, length, flags, sequence);
  }

  /** Keeps a descriptor that has arrived, as the one at `fetched`. */
  accept(address: BusAddress, length: number, flags: number, sequence: number): void {
    const at = this.#first + (this.fetched & this.#mask);
    this.#addresses[at] = address;
    this.#words[at * 2] = length | (flags << 16);
    this.#words[at * 2 + 1] = sequence;
    this.fetched = (this.fetched + 1) >>> 0;
  }

  /** Bus address of the buffer; from 2^53 on, that of its page. */
  address(index: number): BusAddress {
    return busAddress(present(this.#addresses[this.#first + (index & this.#mask)]));
  }

  /** The next transfer of a channel begins where the buffer of a descriptor does. */
  aimAt(index: number, channel: Aimed): void {
    const at = this.#first + (index & this.#mask);
    const address = busAddress(present(this.#addresses[at]));
    channel.address = address;
    if (address >= WIDE_ADDRESS) channel.wideOffset = present(this.#wideOffsets[at]);
  }

  /** It begins where a slot of the ring lies. */
  aimAtSlot(index: number, channel: Aimed): void {
    const bytes = this.offsetOf(index);
    if (this.base < WIDE_ADDRESS) {
      channel.address = busAddress(this.base + bytes);
    } else {
      channel.wideOffset = offsetInPage(bytes);
      channel.address = busAddress(this.base + (bytes - channel.wideOffset));
    }
  }

  /** Writes a descriptor as it goes back to the ring. */
  encode(index: number, target: Uint8Array, offset: number, length: number, flags: number): void {
    const at = this.#first + (index & this.#mask);
    const address = present(this.#addresses[at]);
    const wideOffset = address < WIDE_ADDRESS ? 0 : present(this.#wideOffsets[at]);
    const high = Math.floor(address / 2 ** 32) | 0;
    encodeDescriptor(target, offset, (address | 0) + wideOffset, high, length, flags, this.sequence(index));
  }

  /** Bytes from `address` to the buffer. To be asked for addresses from 2^53 on, and 0 below. */
  wideOffset(index: number): number {
    return present(this.#wideOffsets[this.#first + (index & this.#mask)]);
  }

  length(index: number): number {
    return lengthOf(present(this.#words[(this.#first + (index & this.#mask)) * 2]));
  }

  flags(index: number): number {
    return flagsOf(present(this.#words[(this.#first + (index & this.#mask)) * 2]));
  }

  sequence(index: number): number {
    return present(this.#words[(this.#first + (index & this.#mask)) * 2 + 1]) >>> 0;
  }

  /** Descriptors of the frame that begins at `taken`, up to and with its end of packet; 0 while it is not all there. */
  headChain(): number {
    const available = this.available;
    for (let count = 0; count < available; count += 1) {
      if ((this.flags(this.taken + count) & FLAG_END_OF_PACKET) !== 0) return count + 1;
    }
    return 0;
  }

  checkInvariants(): void {
    const order = [this.consumer, this.taken, this.fetched, this.requested, this.producer];
    for (let index = 1; index < order.length; index += 1) {
      const step = (present(order[index]) - present(order[index - 1])) >>> 0;
      if (step > Math.max(this.slots, this.cacheSlots))
        throw new InvariantViolation(`ring indices out of order: ${order.join(' ')}`);
    }
    if (this.slots > 0 && this.outstanding > this.slots)
      throw new InvariantViolation('more posted than the ring holds');
    if ((this.requested - this.taken) >>> 0 > this.cacheSlots)
      throw new InvariantViolation('descriptor cache overrun');
  }

  #restart(): void {
    this.producer = 0;
    this.requested = 0;
    this.fetched = 0;
    this.taken = 0;
    this.consumer = 0;
    this.expectedSequence = 1;
  }
}
