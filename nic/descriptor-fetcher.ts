import { InvariantViolation } from '../scheduler/errors.js';
import { present } from '../scheduler/present.js';
import { busAddress } from './addresses.js';
import type { CardCore, DataPath } from './card-core.js';
import type { Context, Direction } from './context.js';
import { DESCRIPTOR_BYTES, FLAG_END_OF_PACKET, flagsOf, lengthOf, MAX_BUFFER_BYTES } from './descriptor.js';
import type { DescriptorRing } from './descriptor-ring.js';
import { DMA_ABORTED, DMA_CANCELLED, type DmaChannel, type DmaStatus } from './dma-engine.js';
import type { NicSubjects } from './streams.js';

/**
 * Brings descriptors from the rings in host memory to the card, a batch at a time, ahead of the frames that
 * need them; checks each one as it arrives. One batch per ring is under way at once, so descriptors arrive in
 * order, which is what the sequence check builds on.
 */
export class DescriptorFetcher {
  readonly #channel: DmaChannel;
  readonly #path: DataPath;
  readonly #subjects: NicSubjects;
  readonly #contexts: readonly Context[];
  readonly #batch: number;
  // A place for each ring: one batch of it is under way at most.
  readonly #words: Uint32Array;
  readonly #counts: Int32Array;
  readonly #underWay: Uint8Array;
  readonly #fetchedRow: Float64Array;

  constructor(core: CardCore, path: DataPath) {
    const { contexts, parameters } = core;
    const batch = parameters.descriptorBatch;
    this.#channel = core.dma.open((place, status) => this.#onDone(place, status));
    this.#contexts = contexts;
    this.#path = path;
    this.#subjects = core.subjects;
    this.#batch = batch;
    this.#fetchedRow = core.counters.row('descriptorsFetched');
    const bytes = new Uint8Array(contexts.length * 2 * batch * DESCRIPTOR_BYTES);
    this.#words = new Uint32Array(bytes.buffer);
    this.#counts = new Int32Array(contexts.length * 2);
    this.#underWay = new Uint8Array(contexts.length * 2);
    this.#channel.buffer = bytes;
  }

  /** Asks for the next batch of a ring if it is worth a transfer now. Called whenever its indices have moved. */
  consider(context: Context, direction: Direction): void {
    const ring = direction === 'transmit' ? context.transmit : context.receive;
    const place = placeOf(context, direction);
    if (this.#underWay[place] === 1 || context.state !== 'open') return;
    const count = ring.fetchable(this.#batch);
    if (count === 0) return;
    // Enough on the card to go on with: wait for a full batch, unless the ring's end cuts it short.
    const untilEnd = ring.slots - (ring.requested & (ring.slots - 1));
    const enough = ring.available >= this.#batch && !this.#path.starved(context, direction);
    if (count < this.#batch && count < untilEnd && enough) return;

    this.#counts[place] = count;
    this.#underWay[place] = 1;
    const channel = this.#channel;
    channel.owner = context;
    channel.cookie = place;
    channel.address = ring.addressOf(ring.requested);
    channel.length = count * DESCRIPTOR_BYTES;
    channel.bufferOffset = this.#offsetOf(place);
    ring.requested = (ring.requested + count) >>> 0;
    channel.read();
  }

  /** The context was stopped: what is under way for it will be cancelled. */
  forget(context: Context): void {
    this.#underWay[placeOf(context, 'transmit')] = 0;
    this.#underWay[placeOf(context, 'receive')] = 0;
  }

  checkInvariants(): void {
    for (const context of this.#contexts) {
      for (const direction of ['transmit', 'receive'] as const) {
        const ring = context[direction];
        const coming = ring.requested !== ring.fetched;
        if (context.state === 'open' && coming !== (this.#underWay[placeOf(context, direction)] === 1))
          throw new InvariantViolation(
            `descriptors of context ${context.index} are on their way and were not requested`,
          );
      }
    }
  }

  #offsetOf(place: number): number {
    return place * this.#batch * DESCRIPTOR_BYTES;
  }

  #onDone(place: number, status: DmaStatus): void {
    if (status === DMA_CANCELLED) return;
    const context = this.#contexts[place >>> 1];
    if (context === undefined) throw new InvariantViolation('descriptors of a context that does not exist');
    const direction: Direction = (place & 1) === 0 ? 'transmit' : 'receive';
    const ring = direction === 'transmit' ? context.transmit : context.receive;
    this.#underWay[place] = 0;
    if (status === DMA_ABORTED) {
      this.#path.fault(context, direction, 'descriptor-fetch-abort', ring.addressOf(ring.fetched));
      return;
    }
    const count = present(this.#counts[place]);
    const offset = this.#offsetOf(place);
    const firstIndex = ring.fetched;
    for (let index = 0; index < count; index += 1) {
      if (!this.#acceptOne(context, direction, ring, offset + index * DESCRIPTOR_BYTES)) return;
    }
    this.#fetchedRow[context.index] = present(this.#fetchedRow[context.index]) + count;
    this.#subjects.descriptor(context.index, direction, firstIndex, count, 'fetched');
    this.#path.fetched(context, direction, firstIndex, count);
    this.consider(context, direction);
  }

  #acceptOne(context: Context, direction: Direction, ring: DescriptorRing, at: number): boolean {
    const words = this.#words;
    const word = at >>> 2;
    const sequence = present(words[word + 3]);
    if (context.sequenceChecking) {
      // CDNA: the one after the last, modulo N. Any other number is a descriptor that was not validated for this use.
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
    const address = busAddress(present(words[word + 1]) * 2 ** 32 + present(words[word]));
    ring.accept(address, length, flags, sequence);
    const longest = Math.min(ring.cacheSlots, ring.slots);
    const mayGoOn = direction === 'receive' || (flags & FLAG_END_OF_PACKET) !== 0;
    if (mayGoOn || ring.available < longest || ring.headChain() > 0) return true;
    // The card is full of one frame that does not end: it never could.
    this.#path.fault(context, direction, 'chain-too-long', longest);
    return false;
  }
}

/** Number of a ring: two a context. */
function placeOf(context: Context, direction: Direction): number {
  return context.index * 2 + (direction === 'transmit' ? 0 : 1);
}
