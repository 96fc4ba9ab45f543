import { present } from '../scheduler/present.js';
import { powerOfTwoFrom } from '../scheduler/whole-logarithm.js';
import type { Context } from './context.js';
import { DESCRIPTOR_BYTES, FLAG_DONE, FLAG_END_OF_PACKET } from './descriptor.js';
import type { DmaChannel } from './dma-engine.js';

/**
 * Receive descriptors on their way back to the ring, with the bytes used and FLAG_DONE set. A copy of each is kept
 * until its write is over, so there are as many as descriptors were ever taken and not finished at once, rounded up
 * to a power of two; a chain goes in as few writes as its pieces allow.
 */
export class DescriptorWriteBack {
  readonly #channel: DmaChannel;
  readonly #copies: (Uint8Array | undefined)[];

  /** @param channel where the writes go; its client is notified when they end. */
  constructor(channel: DmaChannel, contexts: number) {
    this.#channel = channel;
    this.#copies = new Array<Uint8Array | undefined>(contexts).fill(undefined);
  }

  /** Makes space for copies of `chain` descriptors more. What is being written stays where it is. */
  reserve(context: Context, chain: number): void {
    const { cacheSlots, consumer, taken } = context.receive;
    const unfinished = ((taken - consumer) >>> 0) + chain;
    const known = this.#copies[context.index];
    if (known !== undefined && known.length >= unfinished * DESCRIPTOR_BYTES) return;
    const slots = powerOfTwoFrom(Math.max(cacheSlots, unfinished));
    this.#copies[context.index] = new Uint8Array(slots * DESCRIPTOR_BYTES);
  }

  /** Writes down that `used` bytes of a descriptor's buffer hold a piece of a frame, the last one or not. */
  fill(context: Context, index: number, used: number, last: boolean): void {
    const ring = context.receive;
    const copies = this.#copiesOf(context);
    const at = (index * DESCRIPTOR_BYTES) & (copies.length - 1);
    ring.encode(index, copies, at, used, last ? FLAG_DONE | FLAG_END_OF_PACKET : FLAG_DONE);
  }

  /** Writes that `chain` descriptors from `first` on take: a piece lies whole both in the ring and in our copy. */
  pieces(context: Context, first: number, chain: number): number {
    let pieces = 1;
    for (let step = 1; step < chain; step += 1) if (this.#parts(context, first + step)) pieces += 1;
    return pieces;
  }

  /** Sends them, each with `cookie`. */
  send(context: Context, first: number, chain: number, cookie: number): void {
    const ring = context.receive;
    const copies = this.#copiesOf(context);
    let start = 0;
    for (let step = 1; step <= chain; step += 1) {
      if (step < chain && !this.#parts(context, first + step)) continue;
      const from = (first + start) >>> 0;
      const channel = this.#channel;
      channel.owner = context;
      channel.cookie = cookie;
      ring.aimAtSlot(from, channel);
      channel.length = (step - start) * DESCRIPTOR_BYTES;
      channel.buffer = copies;
      channel.bufferOffset = (from * DESCRIPTOR_BYTES) & (copies.length - 1);
      channel.write();
      start = step;
    }
  }

  /** Whether an index is the first of the ring or of our copy. */
  #parts(context: Context, index: number): boolean {
    const atCopyStart = ((index * DESCRIPTOR_BYTES) & (this.#copiesOf(context).length - 1)) === 0;
    return (index & (context.receive.slots - 1)) === 0 || atCopyStart;
  }

  #copiesOf(context: Context): Uint8Array {
    return present(this.#copies[context.index]);
  }
}
