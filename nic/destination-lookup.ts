import type { ContextId } from '../scheduler/branded.js';
import { InvariantViolation } from '../scheduler/errors.js';
import { present } from '../scheduler/present.js';
import type { CardCore, DataPath } from './card-core.js';
import type { Context } from './context.js';
import { FLAG_END_OF_PACKET } from './descriptor.js';
import { DMA_ABORTED, DMA_CANCELLED, type DmaChannel, type DmaStatus } from './dma-engine.js';

/** Where a frame leaves the transmit path: over the wire, or inside, to other contexts of the card. */
export const WIRE_EXIT = 0;
export const INNER_EXIT = 1;
/** The frame's destination has not been read yet. */
export const UNKNOWN_EXIT = 2;
export type Exit = typeof WIRE_EXIT | typeof INNER_EXIT | typeof UNKNOWN_EXIT;

/** Says which frames stay inside: `Forwarding`. */
interface InsideRule {
  /** Whether any do. */
  readonly switching: boolean;
  /** Whether a frame that begins with these bytes does. */
  staysInside(bytes: Uint8Array, offset: number): boolean;
}

/** Bytes of a station address, with which every Ethernet frame begins. */
const ADDRESS_BYTES = 6;
/** Bytes in which one of them lands. */
const LANDING_BYTES = 8;

/**
 * Finds the exit of a frame before it is granted. The wire and the inner exit are shared out separately, so while frames
 * between contexts stay inside the card reads the destination address of a frame as soon as its first descriptor has
 * arrived. (Cards with an embedded switch have the same need: mlx5 asks drivers for the Ethernet header inside the
 * descriptor, devlink-dev(8), `inline-mode`.) With switching off nothing is read, and every exit is the wire.
 *
 * A frame whose first buffer does not hold the whole address goes to the wire's exit. There, as for any frame, the
 * address is looked at again when the frame is loaded (`route` of Forwarding).
 */
export class DestinationLookup {
  readonly #channel: DmaChannel;
  readonly #contexts: readonly Context[];
  readonly #forwarding: InsideRule;
  readonly #path: DataPath;
  readonly #slots: number;
  // Per context, for each slot of its descriptor cache: the exit of the frame that begins there, and where its address
  // lands. There are none until a frame of the context is looked up.
  readonly #exits: (Uint8Array | undefined)[];
  readonly #landing: (Uint8Array | undefined)[];
  /** Whether the next descriptor to arrive continues a frame. */
  readonly #midFrame: Uint8Array;
  /** Reads of addresses that are not over. */
  #reading = 0;

  constructor(core: CardCore, forwarding: InsideRule, path: DataPath) {
    const { contexts, dma, parameters } = core;
    this.#channel = dma.open((cookie, status) => this.#onRead(cookie, status));
    this.#contexts = contexts;
    this.#forwarding = forwarding;
    this.#path = path;
    this.#slots = parameters.descriptorCacheSlots;
    this.#exits = new Array<Uint8Array | undefined>(contexts.length).fill(undefined);
    this.#landing = new Array<Uint8Array | undefined>(contexts.length).fill(undefined);
    this.#midFrame = new Uint8Array(contexts.length);
  }

  /** The exit of the frame whose first descriptor has this index. */
  exitOf(context: ContextId, index: number): Exit {
    const exits = this.#exits[context];
    return exits === undefined ? WIRE_EXIT : (present(exits[index & (this.#slots - 1)]) as Exit);
  }

  /** `count` transmit descriptors have arrived, from index `first` on: looks up the frames that begin there. */
  arrived(context: Context, first: number, count: number): void {
    const { index: number, transmit: ring } = context;
    if (this.#forwarding.switching) {
      let continues = this.#midFrame[number] === 1;
      for (let step = 0; step < count; step += 1) {
        const index = (first + step) >>> 0;
        if (!continues) this.#lookUp(context, index);
        continues = (ring.flags(index) & FLAG_END_OF_PACKET) === 0;
      }
    } else {
      const exits = this.#exits[number];
      if (exits !== undefined) {
        for (let step = 0; step < count; step += 1) exits[(first + step) & (this.#slots - 1)] = WIRE_EXIT;
      }
    }
    const last = ring.flags((first + count - 1) >>> 0);
    this.#midFrame[number] = (last & FLAG_END_OF_PACKET) === 0 ? 1 : 0;
  }

  /** The context was stopped: what it has posted is not its next life's. */
  forget(context: Context): void {
    this.#midFrame[context.index] = 0;
    this.#exits[context.index]?.fill(WIRE_EXIT);
  }

  checkInvariants(): void {
    let unknown = 0;
    for (const { index: number, state, transmit: ring } of this.#contexts) {
      if (state !== 'open' && present(this.#midFrame[number]) !== 0)
        throw new InvariantViolation(`context ${number} is not open, and is in the middle of a frame`);
      const exits = this.#exits[number];
      if (exits === undefined) continue;
      const ahead = ring.available;
      for (let slot = 0; slot < this.#slots; slot += 1) {
        if (exits[slot] !== UNKNOWN_EXIT) continue;
        if (((slot - ring.taken) & (this.#slots - 1)) >= ahead)
          throw new InvariantViolation(
            `slot ${slot} of context ${number} has no frame, and its exit is unknown`,
          );
        unknown += 1;
      }
    }
    if (unknown > this.#reading)
      throw new InvariantViolation(
        `${unknown} exits are unknown, and ${this.#reading} addresses are being read`,
      );
  }

  #lookUp(context: Context, index: number): void {
    const { index: number, transmit: ring } = context;
    const slot = index & (this.#slots - 1);
    const exits = this.#exits[number] ?? new Uint8Array(this.#slots);
    this.#exits[number] = exits;
    if (ring.length(index) < ADDRESS_BYTES) {
      exits[slot] = WIRE_EXIT;
      return;
    }
    exits[slot] = UNKNOWN_EXIT;
    const landing = this.#landing[number] ?? new Uint8Array(this.#slots * LANDING_BYTES);
    this.#landing[number] = landing;
    const channel = this.#channel;
    channel.owner = context;
    channel.cookie = number * this.#slots + slot;
    ring.aimAt(index, channel);
    channel.length = ADDRESS_BYTES;
    channel.buffer = landing;
    channel.bufferOffset = slot * LANDING_BYTES;
    this.#reading += 1;
    channel.read();
  }

  #onRead(cookie: number, status: DmaStatus): void {
    this.#reading -= 1;
    if (status === DMA_CANCELLED) return;
    const number = Math.floor(cookie / this.#slots);
    const slot = cookie % this.#slots;
    const context = present(this.#contexts[number]);
    if (status === DMA_ABORTED) {
      const { taken } = context.transmit;
      const index = (taken + ((slot - taken) & (this.#slots - 1))) >>> 0;
      this.#path.fault(context, 'transmit', 'payload-abort', index);
      return;
    }
    const inside = this.#forwarding.staysInside(present(this.#landing[number]), slot * LANDING_BYTES);
    present(this.#exits[number])[slot] = inside ? INNER_EXIT : WIRE_EXIT;
    this.#path.destinationKnown(context);
  }
}
