import { addressAfter, type HostPhysicalAddress, PAGE_BYTES } from '../../../nic/addresses.js';
import type { PhysicalMemory } from '../../memory/physical-memory.js';

/** Bytes before the first slot: request producer, request event, response producer, response event. */
const HEADER_BYTES = 64;
const REQUEST_PRODUCER = 0;
const REQUEST_EVENT = 4;
const RESPONSE_PRODUCER = 8;
const RESPONSE_EVENT = 12;

/**
 * A slot, 16 bytes, little-endian. The response overwrites the request.
 *
 * | bytes | request                         | response                                     |
 * |-------|---------------------------------|----------------------------------------------|
 * | 0-3   | first grant reference           | page that holds the bytes (it may be flipped)  |
 * | 4-5   | offset in its page              | offset in that page                          |
 * | 6-7   | flags, as in a descriptor       | flags, as in a descriptor                    |
 * | 8-11  | bytes; further pages follow in further references | bytes used; 0 for a request that was refused |
 */
const SLOT_BYTES = 16;

/** Bytes of a ring with this number of slots, in whole pages. */
export function sharedRingBytes(slots: number): number {
  return Math.ceil((HEADER_BYTES + slots * SLOT_BYTES) / PAGE_BYTES) * PAGE_BYTES;
}

/**
 * A ring of requests and responses in a page that two domains share (the layout follows Xen's ring.h). Indices
 * run freely modulo 2^32. Either side asks for a notification by setting an event index: the side that moves its producer
 * past it sends an event, and none otherwise.
 *
 * Values written by the other side are read unchecked, and may be anything.
 */
export class SharedRing {
  readonly base: HostPhysicalAddress;
  readonly slots: number;
  readonly #memory: PhysicalMemory;

  constructor(memory: PhysicalMemory, base: HostPhysicalAddress, slots: number) {
    this.#memory = memory;
    this.base = base;
    this.slots = slots;
  }

  /** The initial state that both sides expect: a notification for the first request and the first response. */
  reset(): void {
    this.#memory.fill(this.base, sharedRingBytes(this.slots), 0);
    this.requestEvent = 1;
    this.responseEvent = 1;
  }

  get requestProducer(): number {
    return this.#memory.readU32(addressAfter(this.base, REQUEST_PRODUCER));
  }

  get requestEvent(): number {
    return this.#memory.readU32(addressAfter(this.base, REQUEST_EVENT));
  }

  set requestEvent(value: number) {
    this.#memory.writeU32(addressAfter(this.base, REQUEST_EVENT), value);
  }

  get responseProducer(): number {
    return this.#memory.readU32(addressAfter(this.base, RESPONSE_PRODUCER));
  }

  get responseEvent(): number {
    return this.#memory.readU32(addressAfter(this.base, RESPONSE_EVENT));
  }

  set responseEvent(value: number) {
    this.#memory.writeU32(addressAfter(this.base, RESPONSE_EVENT), value);
  }

  /** Publishes requests up to `producer`; true if the back end wants a notification. */
  pushRequests(producer: number): boolean {
    const before = this.requestProducer;
    this.#memory.writeU32(addressAfter(this.base, REQUEST_PRODUCER), producer);
    return crosses(before, producer, this.requestEvent);
  }

  /** Publishes responses up to `producer`; true if the front end wants a notification. */
  pushResponses(producer: number): boolean {
    const before = this.responseProducer;
    this.#memory.writeU32(addressAfter(this.base, RESPONSE_PRODUCER), producer);
    return crosses(before, producer, this.responseEvent);
  }

  /** Writes a slot: a request, or the response in its place. */
  put(index: number, word: number, offset: number, flags: number, length: number): void {
    const at = this.addressOf(index);
    this.#memory.writeU32(at, word);
    this.#memory.writeU32(addressAfter(at, 4), (offset & 0xffff) | (flags << 16));
    this.#memory.writeU32(addressAfter(at, 8), length);
  }

  /** Request: its first grant reference. Response: its page. */
  word(index: number): number {
    return this.#memory.readU32(this.addressOf(index));
  }

  offset(index: number): number {
    return this.#memory.readU32(addressAfter(this.addressOf(index), 4)) & 0xffff;
  }

  flags(index: number): number {
    return this.#memory.readU32(addressAfter(this.addressOf(index), 4)) >>> 16;
  }

  length(index: number): number {
    return this.#memory.readU32(addressAfter(this.addressOf(index), 8));
  }

  /** Where a slot lies. */
  addressOf(index: number): HostPhysicalAddress {
    return addressAfter(this.base, HEADER_BYTES + (index & (this.slots - 1)) * SLOT_BYTES);
  }
}

/** Whether a producer that goes from `before` to `after` passes `event`. */
function crosses(before: number, after: number, event: number): boolean {
  return (after - event) >>> 0 < (after - before) >>> 0;
}
