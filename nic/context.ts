import type { ContextId } from '../scheduler/branded.js';
import type { Share } from '../scheduler/discipline.js';
import { InvariantViolation } from '../scheduler/errors.js';
import { type BusAddress, busAddress, offsetInPage, PAGE_BYTES, type RequesterId } from './addresses.js';
import type { FaultReason } from './counters.js';
import { type DescriptorCache, DescriptorRing } from './descriptor-ring.js';
import { lowerHalf, lowerHalfAt, ofHalves, upperHalf, upperHalfAt } from './station-address.js';

/** Life of a context, as its STATUS register shows it (the index). */
export const CONTEXT_STATES = ['free', 'allocated', 'open', 'faulted'] as const;
export type ContextState = (typeof CONTEXT_STATES)[number];

/** Which way a ring goes. */
export type Direction = 'transmit' | 'receive';

/**
 * One set of registers, rings and buffers: the card as one guest sees it, as if it were its own (CDNA,
 * HPCA 2007, section 3). The NIC's parts keep their own state of it; this is what they share.
 */
export class Context {
  readonly index: ContextId;
  readonly requesterId: RequesterId;
  readonly transmit: DescriptorRing;
  readonly receive: DescriptorRing;
  state: ContextState = 'free';
  faultReason: FaultReason = 'none';

  /** Its share, as its schedulers get it. */
  share: Share = { weight: 1 };
  /** Bytes from `statusAddress` to them: 0, but for an address from 2^53 on, of which that is the page. */
  statusOffset = 0;
  sequenceChecking = false;
  /** log2 of N, the modulus of the sequence numbers. */
  sequenceModulusLog2 = 16;
  promiscuousAllowed = false;
  antiSpoofing = false;
  /** For priority flow control: of the frames that it sends, and of those that it receives. */
  trafficClass = 0;

  // Set by the guest in its own page.
  promiscuous = false;
  allMulticast = false;
  interruptsMasked = false;
  coalesceFrames = 8;
  coalesceNs = 20_000;

  // Where the consumer indices are written back, as a page and what lies before them in it: an address is no integer to the
  // engine, and would be an object of its own.
  #statusPage = 0;
  #statusWithin = 0;
  // The station address in two halves: a number of 48 bits is boxed wherever it is read.
  #macUpper = 0;
  #macLower = 0;

  constructor(index: ContextId, requesterId: RequesterId, cache: DescriptorCache) {
    this.index = index;
    this.requesterId = requesterId;
    this.transmit = new DescriptorRing(cache, index * 2);
    this.receive = new DescriptorRing(cache, index * 2 + 1);
  }

  /** Where the consumer indices are written back: two words, transmit then receive. 0 while none is set. */
  get statusAddress(): BusAddress {
    return busAddress(this.#statusPage * PAGE_BYTES + this.#statusWithin);
  }

  set statusAddress(address: BusAddress) {
    this.#statusPage = Math.floor(address / PAGE_BYTES);
    this.#statusWithin = offsetInPage(address);
  }

  /** 48-bit station address as a number; 0 while none is set. */
  get mac(): number {
    return ofHalves(this.#macUpper, this.#macLower);
  }

  set mac(address: number) {
    this.#macUpper = upperHalf(address);
    this.#macLower = lowerHalf(address);
  }

  /** Whether its station address lies at an offset. */
  isMacAt(bytes: Uint8Array, offset: number): boolean {
    return upperHalfAt(bytes, offset) === this.#macUpper && lowerHalfAt(bytes, offset) === this.#macLower;
  }

  /** Its ring of a direction. By name: an access by a changing key would be a look-up in a table of the engine. */
  ring(direction: Direction): DescriptorRing {
    return direction === 'transmit' ? this.transmit : this.receive;
  }

  /** N - 1: what is left of a sequence number modulo N, as bits. */
  get sequenceMask(): number {
    return 0xffffffff >>> (32 - this.sequenceModulusLog2);
  }

  /** N: sequence numbers run modulo this. */
  get sequenceModulus(): number {
    const log2 = this.sequenceModulusLog2;
    return log2 < 31 ? 1 << log2 : 2 ** log2;
  }

  checkInvariants(): void {
    this.transmit.checkInvariants();
    this.receive.checkInvariants();
    if (this.state === 'open' && !(this.transmit.attached && this.receive.attached))
      throw new InvariantViolation(`context ${this.index} is open without rings`);
    if ((this.state === 'faulted') !== (this.faultReason !== 'none'))
      throw new InvariantViolation(`context ${this.index} is ${this.state} because of ${this.faultReason}`);
  }

  /** Back to its state before it was first allocated. */
  reset(): void {
    this.state = 'free';
    this.faultReason = 'none';
    this.mac = 0;
    this.share = { weight: 1 };
    this.statusAddress = busAddress(0);
    this.statusOffset = 0;
    this.sequenceChecking = false;
    this.sequenceModulusLog2 = 16;
    this.promiscuousAllowed = false;
    this.antiSpoofing = false;
    this.trafficClass = 0;
    this.promiscuous = false;
    this.allMulticast = false;
    this.interruptsMasked = false;
    this.coalesceFrames = 8;
    this.coalesceNs = 20_000;
    this.transmit.detach();
    this.receive.detach();
  }
}
