import type { DmaScheduler } from '../scheduler/dma-scheduler.js';
import { present } from '../scheduler/present.js';
import type { Completions } from './completions.js';
import type { Context, Direction } from './context.js';
import type { DescriptorFetcher } from './descriptor-fetcher.js';
import type { ReceivePath } from './receive-path.js';
import type { NicSubjects } from './streams.js';
import type { TransmitPath } from './transmit-path.js';

/** The parts that a frame and its descriptors pass through. */
export interface FlowParts {
  readonly fetcher: DescriptorFetcher;
  readonly transmit: TransmitPath;
  readonly receive: ReceivePath;
  readonly completions: Completions;
  readonly transmitScheduler: DmaScheduler;
  readonly receiveScheduler: DmaScheduler;
  readonly subjects: NicSubjects;
  /** Row of the counter. */
  readonly descriptorsCompleted: Float64Array;
}

/** What the news of one part means for the next: the steps of a descriptor from doorbell to completion. */
export class FrameFlow {
  readonly #parts: FlowParts;

  constructor(parts: FlowParts) {
    this.#parts = parts;
  }

  /** The guest has posted `count` descriptors. */
  posted(context: Context, direction: Direction, count: number): void {
    const first = (context[direction].producer - count) >>> 0;
    this.#parts.subjects.descriptor(context.index, direction, first, count, 'posted');
    this.#parts.fetcher.consider(context, direction);
  }

  /** `count` of them have arrived on the card, from index `first` on: there may be a frame to grant. */
  fetched(context: Context, direction: Direction, first: number, count: number): void {
    if (direction === 'receive') {
      this.refill(context);
      this.#ringReceive(context);
      return;
    }
    const { transmit, transmitScheduler } = this.#parts;
    const waited = transmit.headBytes(context.index) > 0;
    if (!transmit.refreshHead(context)) return;
    transmit.noteArrivals(context, first, count);
    if (!waited) transmitScheduler.ring(context.index);
  }

  /** Whether a frame is short of descriptors that are posted and not on the card. */
  starved(context: Context, direction: Direction): boolean {
    const { transmit, receive } = this.#parts;
    if (direction === 'transmit') return transmit.headBytes(context.index) === 0;
    return receive.waiting(context.index) && receive.headBytes(context.index) === 0;
  }

  /** A frame has arrived for a context. */
  deliver(
    context: Context,
    bytes: Uint8Array,
    offset: number,
    length: number,
    nowNs: number,
    switched: boolean,
  ): void {
    if (!this.#parts.receive.arrive(context, bytes, offset, length, nowNs, switched)) return;
    this.refill(context);
    this.#ringReceive(context);
  }

  /** Fetches receive descriptors if it is worth it; gives up frames that can never have enough of them. */
  refill(context: Context): void {
    const { fetcher, receive } = this.#parts;
    let dropped = true;
    while (dropped) dropped = receive.dropUnwritable(context);
    fetcher.consider(context, 'receive');
  }

  /** A frame is done with, and `descriptors` with it. */
  completed(context: Context, direction: Direction, descriptors: number, urgent: boolean): void {
    const { completions, descriptorsCompleted, fetcher } = this.#parts;
    descriptorsCompleted[context.index] = present(descriptorsCompleted[context.index]) + descriptors;
    completions.note(context, urgent);
    // A finished descriptor leaves the card's cache: there may be room for the next batch.
    fetcher.consider(context, direction);
  }

  #ringReceive(context: Context): void {
    const { receive, receiveScheduler } = this.#parts;
    if (receive.waiting(context.index)) receiveScheduler.ring(context.index);
  }
}
