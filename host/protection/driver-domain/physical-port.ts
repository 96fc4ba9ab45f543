import {
  guestAddress,
  type HostPhysicalAddress,
  PAGE_BYTES,
  type PageNumber,
  pageAddress,
  pageNumber,
  untranslated,
} from '../../../nic/addresses.js';
import { FLAG_END_OF_PACKET, MAX_FRAME_BYTES } from '../../../nic/descriptor.js';
import { type ContextId, NO_CONTEXT, storedContextId } from '../../../scheduler/branded.js';
import { InvariantViolation } from '../../../scheduler/errors.js';
import { absent } from '../../../scheduler/present.js';
import { COST } from '../../cpu/costs.js';
import type { HostParts } from '../../host-parts.js';
import type { Domain } from '../../hypervisor/domain.js';
import { ContextPort } from '../context-port.js';
import { BufferBatch } from '../guest-port.js';
import { OpenSetupGate } from '../open-setup-gate.js';
import { type FrameParts, NO_PAGE } from './frame-parts.js';

const STAGING_BYTES = Math.ceil(MAX_FRAME_BYTES / PAGE_BYTES) * PAGE_BYTES;

/** Told what has become of sent frames. */
export interface SentListener {
  /** A frame of a front end whose requests wait for their answer has left. */
  sent(front: ContextId, firstRequest: number, requests: number): void;
  /** The NIC is done with a mapped page. */
  done(page: PageNumber): void;
}

/** The driver domain's own driver of the NIC: the only context of it that is open. */
export class PhysicalPort {
  readonly port: ContextPort;
  readonly slots: number;
  readonly #parts: HostParts;
  readonly #staging: readonly HostPhysicalAddress[];
  readonly #receivePages: PageNumber[];
  readonly #batch: BufferBatch;
  // What to do when a transmit slot is done: unmap a page, answer a frame's requests.
  readonly #mapped: Int32Array;
  readonly #front: Int32Array;
  readonly #request: Uint32Array;
  readonly #requests: Uint32Array;
  #reclaimed = 0;
  #received = 0;
  #malformed = 0;
  #rang = 0;
  #mappedInFlight = 0;

  /** @param staged whether frames are copied before they are sent: then each slot has a buffer of its own. */
  constructor(parts: HostParts, domain: Domain, mac: number, slots: number, staged: boolean) {
    this.#parts = parts;
    this.slots = slots;
    const gate = new OpenSetupGate(domain);
    this.port = new ContextPort({
      parts,
      domain,
      options: {
        mac,
        share: { weight: 1 },
        transmitSlots: slots,
        receiveSlots: slots,
        antiSpoofing: false,
        promiscuous: true,
      },
      transmitGate: gate,
      receiveGate: gate,
      hypervisorRings: false,
      busAddressOf: untranslated,
    });
    const buffers = staged ? slots : 0;
    this.#staging = Array.from({ length: buffers }, () =>
      pageAddress(domain.allocate(STAGING_BYTES / PAGE_BYTES, true)[0] ?? absent()),
    );
    this.#receivePages = domain.allocate(slots);
    this.#batch = new BufferBatch(slots);
    this.#mapped = new Int32Array(slots).fill(NO_PAGE);
    this.#front = new Int32Array(slots).fill(NO_CONTEXT);
    this.#request = new Uint32Array(slots);
    this.#requests = new Uint32Array(slots);
    this.#refill();
  }

  /** Received frames that were dropped because the card described them as no frame can be. */
  get malformed(): number {
    return this.#malformed;
  }

  get isOpen(): boolean {
    return this.port.isOpen;
  }

  /** Descriptors that can be posted now. */
  get freeSlots(): number {
    return this.slots - ((this.port.transmit.producer - this.#reclaimed) >>> 0);
  }

  /** Guests' pages that the NIC may still read. */
  get mappedInFlight(): number {
    return this.#mappedInFlight;
  }

  /** Where the next frame may be put together. */
  get stagingAddress(): HostPhysicalAddress {
    return this.#staging[this.port.transmit.producer & (this.slots - 1)] ?? absent();
  }

  /**
   * Sends a frame. `front` (or NO_CONTEXT) gets the completion of its requests when it has left; mapped pages are handed back then.
   * Returns the index of its last descriptor.
   */
  send(frame: FrameParts, front: ContextId, firstRequest: number, requests: number): number {
    const mask = this.slots - 1;
    const first = this.port.transmit.producer;
    this.#batch.clear();
    for (let piece = 0; piece < frame.count; piece += 1) {
      const last = piece + 1 === frame.count;
      this.#batch.add(
        guestAddress(frame.address(piece)),
        frame.lengths[piece] ?? absent(),
        last ? FLAG_END_OF_PACKET : 0,
      );
      this.#front[(first + piece) & mask] = NO_CONTEXT;
      this.#mapped[(first + piece) & mask] = frame.mappedPage(piece);
      if (frame.mapped[piece] !== NO_PAGE) this.#mappedInFlight += 1;
    }
    const end = (first + frame.count - 1) & mask;
    this.#front[end] = front;
    this.#request[end] = firstRequest;
    this.#requests[end] = requests;
    if (this.port.transmit.post(this.#batch) !== frame.count)
      throw new InvariantViolation('the driver domain sent a frame for which its ring has no space');
    return (first + frame.count - 1) >>> 0;
  }

  /** Rings for what was sent since the last time. */
  flush(): void {
    const { transmit } = this.port;
    if (this.#rang === transmit.producer) return;
    this.#rang = transmit.producer;
    transmit.ring();
  }

  /** Takes back slots that the NIC is done with; all of them when the context is gone. */
  reclaim(listener: SentListener): void {
    const { transmit } = this.port;
    const until = this.isOpen ? transmit.consumer() : transmit.producer;
    const mask = this.slots - 1;
    let frames = 0;
    for (; this.#reclaimed !== until; this.#reclaimed = (this.#reclaimed + 1) >>> 0) {
      const slot = this.#reclaimed & mask;
      const mapped = pageNumber(this.#mapped[slot] ?? absent());
      if (mapped !== NO_PAGE) {
        this.#mapped[slot] = NO_PAGE;
        this.#mappedInFlight -= 1;
        listener.done(mapped);
      }
      const front = storedContextId(this.#front[slot] ?? absent());
      if (front === NO_CONTEXT) continue;
      this.#front[slot] = NO_CONTEXT;
      frames += 1;
      listener.sent(front, this.#request[slot] ?? absent(), this.#requests[slot] ?? absent());
    }
    this.#parts.processor.charge(COST.reclaimPacket, frames);
    transmit.finish(until);
  }

  /**
   * Hands over up to `budget` received frames. A piece for which `exchanged` names a page afterwards has gone,
   * and that page is in its place. Returns how many there were.
   */
  receive(budget: number, parts: FrameParts, take: (frame: FrameParts) => void): number {
    const { receive } = this.port;
    const mask = this.slots - 1;
    const consumer = receive.consumer();
    let frames = 0;
    while (frames < budget && this.#received !== consumer) {
      parts.clear();
      const first = this.#received;
      const whole = this.#collect(consumer, parts);
      frames += 1;
      if (!whole) {
        this.#malformed += 1;
        continue;
      }
      parts.lastIndex = (this.#received - 1) >>> 0;
      take(parts);
      for (let piece = 0; piece < parts.count; piece += 1) {
        const exchanged = pageNumber(parts.exchanged[piece] ?? absent());
        if (exchanged !== NO_PAGE) this.#receivePages[(first + piece) & mask] = exchanged;
      }
    }
    if (frames > 0 && this.isOpen) this.#refill();
    return frames;
  }

  /**
   * Collects the pieces of the next frame. What the card says of them is not to be trusted with the driver domain's
   * memory: false for a frame without an end, in more pieces than any frame has, or with a piece that is empty or longer
   * than its buffer.
   */
  #collect(consumer: number, parts: FrameParts): boolean {
    const { receive } = this.port;
    let sound = true;
    for (let flags = 0; (flags & FLAG_END_OF_PACKET) === 0; ) {
      if (this.#received === consumer) return false;
      const page = this.#receivePages[this.#received & (this.slots - 1)] ?? absent();
      const length = receive.completedLength(this.#received);
      flags = receive.completedFlags(this.#received);
      this.#received = (this.#received + 1) >>> 0;
      sound = sound && length > 0 && length <= PAGE_BYTES && !parts.full;
      if (sound) parts.add(pageAddress(page), length);
    }
    return sound;
  }

  /** Throws when a page that the NIC may write is not the driver domain's any more. */
  checkInvariants(): void {
    const { pages } = this.#parts;
    for (const page of this.#receivePages) {
      if (pages.owner(page) !== this.port.domain.id || pages.isReleasing(page))
        throw new InvariantViolation(`receive page ${page} belongs to domain ${pages.owner(page)}`);
    }
  }

  /** Every receive slot has its page; those that are free are posted again. */
  #refill(): void {
    const { receive } = this.port;
    receive.finish(this.#received);
    const free = this.slots - ((receive.producer - this.#received) >>> 0);
    this.#batch.clear();
    for (let step = 0; step < free; step += 1) {
      const page = this.#receivePages[(receive.producer + step) & (this.slots - 1)] ?? absent();
      this.#batch.add(guestAddress(pageAddress(page)), PAGE_BYTES, 0);
    }
    this.#parts.processor.charge(COST.refillBuffer, free);
    receive.post(this.#batch);
    receive.ring();
  }
}
