import { InvariantViolation } from '../scheduler/errors.js';
import { present } from '../scheduler/present.js';
import { type BusAddress, busAddress } from './addresses.js';
import { DESCRIPTOR_BYTES, FLAG_END_OF_PACKET } from './descriptor.js';

const NO_ADDRESS = new Float64Array(0);
const NO_WORDS = new Uint32Array(0);
const NO_HALVES = new Uint16Array(0);

/**
 * The card's side of one ring: its indices, and the descriptors that it has fetched and no frame has taken.
 *
 * All indices run freely modulo 2^32 and keep this order:
 * `consumer <= taken <= fetched <= requested <= producer`. A slot is an index modulo the ring's size; a
 * fetched descriptor waits in a cache of `cacheSlots`.
 */
export class DescriptorRing {
  readonly cacheSlots: number;
  /** Bus address of slot 0, or 0 while no ring is attached. */
  base = busAddress(0);
  /** Slots, a power of two; 0 while no ring is attached. */
  slots = 0;
  /** One past the last descriptor that the driver has posted. */
  producer = 0;
  /** One past the last descriptor whose fetch was asked for. */
  requested = 0;
  /** One past the last descriptor that has arrived and been accepted. */
  fetched = 0;
  /** One past the last descriptor that a frame has taken. */
  taken = 0;
  /** One past the last descriptor that is finished: the consumer index. */
  consumer = 0;
  /** The sequence number that the next fetched descriptor must carry. */
  expectedSequence = 1;

  #addresses = NO_ADDRESS;
  #lengths = NO_WORDS;
  #sequences = NO_WORDS;
  #flags = NO_HALVES;

  /** @param cacheSlots a power of two: descriptors kept on the card, and so the longest chain. */
  constructor(cacheSlots: number) {
    this.cacheSlots = cacheSlots;
  }

  /** Whether there is a ring. */
  get attached(): boolean {
    return this.slots > 0;
  }

  /** A new ring, empty. The cache is allocated with the first one. */
  attach(base: BusAddress, slots: number): void {
    this.base = base;
    this.slots = slots;
    this.#restart();
    if (this.#addresses.length === 0) {
      this.#addresses = new Float64Array(this.cacheSlots);
      this.#lengths = new Uint32Array(this.cacheSlots);
      this.#sequences = new Uint32Array(this.cacheSlots);
      this.#flags = new Uint16Array(this.cacheSlots);
    }
  }

  detach(): void {
    this.base = busAddress(0);
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

  /** Descriptors to ask for next: what is posted, fits the cache, lies before the ring's end, at most `batch`. */
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

  /** Bus address of the slot that an index falls on. */
  addressOf(index: number): BusAddress {
    return busAddress(this.base + (index & (this.slots - 1)) * DESCRIPTOR_BYTES);
  }

  /** Keeps a descriptor that has arrived, as the one at `fetched`. */
  accept(address: BusAddress, length: number, flags: number, sequence: number): void {
    const at = this.fetched & (this.cacheSlots - 1);
    this.#addresses[at] = address;
    this.#lengths[at] = length;
    this.#flags[at] = flags;
    this.#sequences[at] = sequence;
    this.fetched = (this.fetched + 1) >>> 0;
  }

  address(index: number): BusAddress {
    return busAddress(present(this.#addresses[index & (this.cacheSlots - 1)]));
  }

  length(index: number): number {
    return present(this.#lengths[index & (this.cacheSlots - 1)]);
  }

  flags(index: number): number {
    return present(this.#flags[index & (this.cacheSlots - 1)]);
  }

  sequence(index: number): number {
    return present(this.#sequences[index & (this.cacheSlots - 1)]);
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
