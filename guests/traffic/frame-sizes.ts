import {
  MAX_FRAME_BYTES,
  MIN_FRAME_BYTES,
  PADDED_FRAME_BYTES,
  WIRE_OVERHEAD_BYTES,
} from '../../nic/descriptor.js';
import { present } from '../../scheduler/present.js';
import { RandomStream } from './random-stream.js';
import { checkWhole, TrafficError } from './traffic-source.js';

/**
 * How long the frames of a source are, one after the other. Bytes from the destination address to the end of
 * the payload, without FCS. It has a state, so each source needs its own.
 */
export interface FrameSizes {
  /** The shortest and the longest that `next` can give. */
  readonly minBytes: number;
  readonly maxBytes: number;
  /** Mean time on the wire of a frame, in bytes: padding, FCS, preamble and gap counted. */
  readonly meanWireBytes: number;
  next(): number;
}

/** One kind of frame in a mix: how long, and how many of them in each round. */
export interface SizeShare {
  readonly bytes: number;
  readonly count: number;
}

/**
 * "Simple IMIX": 7 packets of 40 bytes to 4 of 576 to 1 of 1,500 (of IP; see RFC 6985 for mixes and their
 * names), as Ethernet frames without FCS. The shortest are padded to 60 by the NIC.
 */
export const IMIX: readonly SizeShare[] = [
  { bytes: 54, count: 7 },
  { bytes: 590, count: 4 },
  { bytes: 1514, count: 1 },
];

const MAX_ROUND_FRAMES = 4096;

/** What a frame occupies of the wire, in byte times: padded to 60, with FCS, preamble and inter-frame gap. */
export function wireBytes(frameBytes: number): number {
  return Math.max(frameBytes, PADDED_FRAME_BYTES) + WIRE_OVERHEAD_BYTES;
}

/** @throws TrafficError unless a frame can have `bytes` bytes. */
export function checkFrameBytes(name: string, field: string, bytes: number): number {
  return checkWhole(name, field, bytes, MIN_FRAME_BYTES, MAX_FRAME_BYTES);
}

/** All the same. */
export function fixedSize(name: string, bytes: number): FrameSizes {
  checkFrameBytes(name, 'bytes', bytes);
  return new FixedSize(bytes);
}

class FixedSize implements FrameSizes {
  readonly minBytes: number;

  constructor(bytes: number) {
    this.minBytes = bytes;
  }

  get maxBytes(): number {
    return this.minBytes;
  }

  get meanWireBytes(): number {
    return wireBytes(this.minBytes);
  }

  next(): number {
    return this.minBytes;
  }
}

/**
 * A mix of sizes, dealt as from a deck: each round holds every share exactly `count` times, in an order of its
 * own. So the proportions are exact after each round, not only in the long run.
 */
export function mixedSizes(name: string, shares: readonly SizeShare[], seed: number): FrameSizes {
  const cards: number[] = [];
  for (const [index, { bytes, count }] of shares.entries()) {
    checkFrameBytes(name, `sizes[${index}].bytes`, bytes);
    checkWhole(name, `sizes[${index}].count`, count, 1, MAX_ROUND_FRAMES);
    for (let card = 0; card < count; card += 1) cards.push(bytes);
  }
  if (cards.length === 0 || cards.length > MAX_ROUND_FRAMES) {
    throw new TrafficError(
      name,
      'sizes',
      `${cards.length} frames a round`,
      `1 to ${MAX_ROUND_FRAMES} in all`,
    );
  }
  return new DealtSizes(cards, new RandomStream(seed));
}

class DealtSizes implements FrameSizes {
  readonly minBytes: number;
  readonly maxBytes: number;
  readonly meanWireBytes: number;
  readonly #deck: Uint16Array;
  readonly #random: RandomStream;
  #undealt = 0;

  constructor(cards: readonly number[], random: RandomStream) {
    this.#deck = Uint16Array.from(cards);
    this.#random = random;
    this.minBytes = Math.min(...cards);
    this.maxBytes = Math.max(...cards);
    this.meanWireBytes = cards.reduce((sum, bytes) => sum + wireBytes(bytes), 0) / cards.length;
  }

  next(): number {
    const deck = this.#deck;
    if (this.#undealt === 0) this.#undealt = deck.length;
    // Fisher and Yates, one step per card: the drawn card changes places with the last undealt one.
    const drawn = this.#random.below(this.#undealt);
    this.#undealt -= 1;
    const bytes = present(deck[drawn]);
    deck[drawn] = present(deck[this.#undealt]);
    deck[this.#undealt] = bytes;
    return bytes;
  }
}
