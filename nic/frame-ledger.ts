import type { ContextId } from '../scheduler/branded.js';
import { InvariantViolation } from '../scheduler/errors.js';
import type { EventKernel } from '../scheduler/event-kernel.js';
import { present } from '../scheduler/present.js';
import type { Context, Direction } from './context.js';
import type { Counters, DropReason } from './counters.js';
import type { NicInstruments, WireTimes } from './host-port.js';
import type { NicSubjects } from './streams.js';

/** Frame counts that the counters of a card do not give. */
export interface FrameTally {
  /** Frames dropped, on their way out and on their way in: the drop counters summed, but each way by itself. */
  readonly framesDropped: Readonly<Record<Direction, number>>;
  /** How many more frames the receive path took on than arrived: one frame for three contexts is two copies. */
  readonly copies: number;
}

/**
 * Records every frame: once when the card accepts it, once when it is done with it. What was
 * taken on and is not done is inside, and nothing vanishes.
 */
export class FrameLedger implements FrameTally {
  readonly #kernel: EventKernel;
  readonly #counters: Counters;
  readonly #subjects: NicSubjects;
  readonly #instruments: NicInstruments | undefined;
  readonly #contexts: number;
  readonly #framesTransmitted: Float64Array;
  readonly #bytesTransmitted: Float64Array;
  readonly #framesReceived: Float64Array;
  readonly #bytesReceived: Float64Array;
  readonly #takenOn = { transmit: 0, receive: 0 };
  readonly #done = { transmit: 0, receive: 0 };
  readonly #dropped = { transmit: 0, receive: 0 };
  #copies = 0;

  constructor(
    kernel: EventKernel,
    counters: Counters,
    subjects: NicSubjects,
    instruments: NicInstruments | undefined,
    contexts: number,
  ) {
    this.#kernel = kernel;
    this.#counters = counters;
    this.#subjects = subjects;
    this.#instruments = instruments;
    this.#contexts = contexts;
    this.#framesTransmitted = counters.row('framesTransmitted');
    this.#bytesTransmitted = counters.row('bytesTransmitted');
    this.#framesReceived = counters.row('framesReceived');
    this.#bytesReceived = counters.row('bytesReceived');
  }

  get framesDropped(): Readonly<Record<Direction, number>> {
    return this.#dropped;
  }

  get copies(): number {
    return this.#copies;
  }

  /** Number of contexts besides the first that an arrived frame is for. */
  copied(others: number): void {
    this.#copies += others;
  }

  /** One more frame is the card's to deal with: granted, or arrived (once for each context that it is for). */
  takenOn(direction: Direction): void {
    if (direction === 'transmit') this.#takenOn.transmit += 1;
    else this.#takenOn.receive += 1;
  }

  /** A frame has left, to the wire or, `switched`, only to other contexts. */
  transmitted(
    context: Context,
    bytes: Uint8Array,
    offset: number,
    length: number,
    times: WireTimes,
    switched: boolean,
  ): void {
    const index = context.index;
    this.#done.transmit += 1;
    this.#framesTransmitted[index] = present(this.#framesTransmitted[index]) + 1;
    this.#bytesTransmitted[index] = present(this.#bytesTransmitted[index]) + length;
    if (this.#subjects.followsFrames)
      this.#tell('transmit', index, bytes, offset, length, times.startNs, times.endNs, switched);
  }

  /** A frame is complete in a context's memory. */
  received(
    context: Context,
    bytes: Uint8Array,
    offset: number,
    length: number,
    lastIndex: number,
    arrivedNs: number,
    switched: boolean,
  ): void {
    const index = context.index;
    const nowNs = this.#kernel.nowNs;
    this.#done.receive += 1;
    this.#instruments?.received(index, lastIndex, length, arrivedNs, nowNs);
    this.#framesReceived[index] = present(this.#framesReceived[index]) + 1;
    this.#bytesReceived[index] = present(this.#bytesReceived[index]) + length;
    if (this.#subjects.followsFrames)
      this.#tell('receive', index, bytes, offset, length, arrivedNs, nowNs, switched);
  }

  /** A frame was dropped. @param context NO_CONTEXT when it was for none. */
  dropped(context: ContextId, direction: Direction, reason: DropReason, bytes: number): void {
    this.#done[direction] += 1;
    this.#dropped[direction] += 1;
    const row = this.#counters.dropRow(reason);
    const cell = context >= 0 ? context : this.#contexts;
    row[cell] = present(row[cell]) + 1;
    if (this.#subjects.drops.observed) {
      this.#subjects.drops.next({ context, direction, reason, bytes, atNs: this.#kernel.nowNs });
    }
  }

  /** Throws unless the number of frames inside equals the number that the paths hold. */
  checkInvariants(inside: Readonly<Record<Direction, number>>): void {
    for (const direction of ['transmit', 'receive'] as const) {
      const expected = this.#takenOn[direction] - this.#done[direction];
      if (inside[direction] !== expected)
        throw new InvariantViolation(
          `${expected} ${direction} frames should be inside, ${inside[direction]} are`,
        );
    }
  }

  #tell(
    direction: Direction,
    context: ContextId,
    bytes: Uint8Array,
    offset: number,
    length: number,
    startNs: number,
    endNs: number,
    switched: boolean,
  ): void {
    const { frames, lentFrames } = this.#subjects;
    if (lentFrames.observed) {
      lentFrames.next({ direction, context, buffer: bytes, offset, length, startNs, endNs, switched });
    }
    if (!frames.observed) return;
    const copy = bytes.slice(offset, offset + length);
    frames.next({ direction, context, bytes: copy, startNs, endNs, switched });
  }
}
