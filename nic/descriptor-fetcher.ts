import { InvariantViolation } from '../scheduler/errors.js';
import { present } from '../scheduler/present.js';
import { busAddress, offsetInPage, WIDE_ADDRESS_HIGH } from './addresses.js';
import type { CardCore, DataPath } from './card-core.js';
import type { Context, Direction } from './context.js';
import { DESCRIPTOR_BYTES, FLAG_END_OF_PACKET, flagsOf, lengthOf, MAX_BUFFER_BYTES } from './descriptor.js';
import type { DescriptorRing } from './descriptor-ring.js';
import { DMA_ABORTED, type DmaChannel, type DmaStatus } from './dma-engine.js';
import { FetchTable, NO_ENTRY } from './fetch-table.js';
import type { NicSubjects } from './streams.js';

/** Words of a descriptor. */
const DESCRIPTOR_WORDS = DESCRIPTOR_BYTES / 4;

/** How far a fetch is, as `FetchTable.landed` holds it. */
const UNDER_WAY = 0;
const LANDED = 1;
const ABORTED = 2;

/**
 * Brings descriptors from the rings in host memory to the card, in batches, as far ahead of the frames that need them
 * as the card has slots; checks each one as it arrives. Several batches of a ring may be under way; their
 * descriptors are accepted in order, which is what the sequence check builds on.
 */
export class DescriptorFetcher {
  readonly #channel: DmaChannel;
  readonly #path: DataPath;
  readonly #subjects: NicSubjects;
  readonly #contexts: readonly Context[];
  readonly #batch: number;
  readonly #fetches: FetchTable;
  // Where the bytes of descriptors land, of all rings in one piece: a slot for each one that the card keeps.
  readonly #landing: Uint32Array;
  readonly #landingBytes: Uint8Array;
  /** Slots of a ring there. */
  readonly #cacheSlots: number;
  readonly #fetchedRow: Float64Array;

  constructor(core: CardCore, path: DataPath) {
    const { contexts, parameters } = core;
    this.#channel = core.dma.open((entry, status) => this.#onDone(entry, status));
    this.#contexts = contexts;
    this.#path = path;
    this.#subjects = core.subjects;
    this.#batch = parameters.descriptorBatch;
    this.#fetchedRow = core.counters.row('descriptorsFetched');
    this.#fetches = new FetchTable(contexts.length * 2);
    this.#cacheSlots = parameters.descriptorCacheSlots;
    this.#landing = new Uint32Array(contexts.length * 2 * this.#cacheSlots * DESCRIPTOR_WORDS);
    this.#landingBytes = new Uint8Array(this.#landing.buffer);
  }

  /** Asks for the next batches of a ring if they are worth a transfer now. Called whenever its indices have moved. */
  consider(context: Context, direction: Direction): void {
    if (context.state !== 'open') return;
    const ring = context.ring(direction);
    for (;;) {
      const count = ring.fetchable(this.#batch);
      if (count === 0) return;
      // Enough is here or on its way: wait for a full batch, unless an end cuts it short.
      const enough = ring.ahead >= this.#batch && !this.#path.starved(context, direction);
      if (count < this.#batch && count < ring.contiguous && enough) return;
      this.#fetch(context, direction, count);
    }
  }

  /** The context was stopped: what is under way for it will be cancelled. */
  forget(context: Context): void {
    this.#fetches.forget(ringNumber(context, 'transmit'));
    this.#fetches.forget(ringNumber(context, 'receive'));
  }

  checkInvariants(): void {
    this.#fetches.checkInvariants();
    for (const context of this.#contexts) {
      for (const direction of ['transmit', 'receive'] as const) {
        const ring = context.ring(direction);
        const coming = (ring.requested - ring.fetched) >>> 0;
        if (context.state === 'open' && coming !== this.#fetches.underWay(ringNumber(context, direction)))
          throw new InvariantViolation(
            `context ${context.index} has asked for ${coming} descriptors that are not under way`,
          );
      }
    }
  }

  #fetch(context: Context, direction: Direction, count: number): void {
    const ring = context.ring(direction);
    const number = ringNumber(context, direction);
    const channel = this.#channel;
    channel.owner = context;
    channel.cookie = this.#fetches.begin(number, count);
    ring.aimAtSlot(ring.requested, channel);
    channel.length = count * DESCRIPTOR_BYTES;
    channel.buffer = this.#landingBytes;
    channel.bufferOffset = this.#placeOf(number, ring.requested) * DESCRIPTOR_BYTES;
    ring.requested = (ring.requested + count) >>> 0;
    channel.read();
  }

  /** The slot in which the descriptor of an index lands. */
  #placeOf(number: number, index: number): number {
    return number * this.#cacheSlots + (index & (this.#cacheSlots - 1));
  }

  #onDone(entry: number, status: DmaStatus): void {
    const number = present(this.#fetches.ring[entry]);
    if (number === NO_ENTRY) {
      this.#fetches.release(entry);
      return;
    }
    // A stopped context's entries have no ring: this one's end is awaited still, so it was not cancelled.
    this.#fetches.landed[entry] = status === DMA_ABORTED ? ABORTED : LANDED;
    if (entry !== this.#fetches.oldest(number)) return;
    const context = present(this.#contexts[number >>> 1]);
    const direction: Direction = (number & 1) === 0 ? 'transmit' : 'receive';
    this.#acceptLanded(context, direction, number);
    this.consider(context, direction);
  }

  /** Accepts fetches that have completed, up to the first that has not. */
  #acceptLanded(context: Context, direction: Direction, number: number): void {
    const fetches = this.#fetches;
    const ring = context.ring(direction);
    for (let entry = fetches.oldest(number); entry !== NO_ENTRY; entry = fetches.oldest(number)) {
      const landed = present(fetches.landed[entry]);
      if (landed === UNDER_WAY) return;
      if (landed === ABORTED) {
        this.#path.fault(context, direction, 'descriptor-fetch-abort', ring.addressOf(ring.fetched));
        return;
      }
      const count = present(fetches.count[entry]);
      const firstIndex = ring.fetched;
      fetches.shift(number);
      for (let index = 0; index < count; index += 1) {
        const word = this.#placeOf(number, ring.fetched) * DESCRIPTOR_WORDS;
        if (!this.#acceptOne(context, direction, ring, word)) return;
      }
      this.#fetchedRow[context.index] = present(this.#fetchedRow[context.index]) + count;
      this.#subjects.descriptor(context.index, direction, firstIndex, count, 'fetched');
      this.#path.fetched(context, direction, firstIndex, count);
    }
  }

  #acceptOne(context: Context, direction: Direction, ring: DescriptorRing, word: number): boolean {
    const words = this.#landing;
    const sequence = present(words[word + 3]);
    if (context.sequenceChecking) {
      // CDNA: the one after the last, modulo N. Anything else is a descriptor that was not validated for this slot now.
      if (sequence !== ring.expectedSequence) {
        this.#path.fault(context, direction, 'sequence-break', ring.fetched);
        return false;
      }
      ring.expectedSequence = ((ring.expectedSequence + 1) & context.sequenceMask) >>> 0;
    }
    const lengthAndFlags = present(words[word + 2]);
    const length = lengthOf(lengthAndFlags);
    if (length === 0 || length > MAX_BUFFER_BYTES) {
      this.#path.fault(context, direction, 'descriptor-length', length);
      return false;
    }
    const flags = flagsOf(lengthAndFlags);
    const low = present(words[word]);
    const high = present(words[word + 1]);
    if (high < WIDE_ADDRESS_HIGH) {
      ring.accept(busAddress(high * 2 ** 32 + low), length, flags, sequence);
    } else {
      const offset = offsetInPage(low);
      ring.acceptWide(busAddress(high * 2 ** 32 + (low - offset)), offset, length, flags, sequence);
    }
    const longest = Math.min(ring.cacheSlots, ring.slots);
    const mayGoOn = direction === 'receive' || (flags & FLAG_END_OF_PACKET) !== 0;
    if (mayGoOn || ring.available < longest || ring.headChain() > 0) return true;
    // The card is full of one frame that does not end: it never could.
    this.#path.fault(context, direction, 'chain-too-long', longest);
    return false;
  }
}

/** Number of a ring: two per context. */
function ringNumber(context: Context, direction: Direction): number {
  return context.index * 2 + (direction === 'transmit' ? 0 : 1);
}
