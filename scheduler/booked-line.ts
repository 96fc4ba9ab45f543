import { InvariantViolation } from './errors.js';
import type { EventKernel, EventPlace, HandlerId } from './event-kernel.js';
import { absent, present } from './present.js';
import { SerialLine } from './serial-line.js';

// The record of a booking.
const SHIFT = 3;
const BYTES = 0;
/** It does not begin before this, ns. */
const FROM = 1;
/** Its last bit passes, ns. */
const END = 2;
const HANDLER = 3;
const FIRST_ARGUMENT = 4;
const SECOND_ARGUMENT = 5;
/** From its end to its event, ns. */
const TAIL = 6;
/** Where its event lies in the kernel. */
const PLACE = 7;

/** Looks at a booking that has not ended. */
export type BookingVisitor = (handler: HandlerId, a: number, b: number, endNs: number) => void;

/**
 * A line on which frames are booked as they come, with an event for each when its last bit has passed. Its rate may
 * change: a frame that began before that ends at the rate at which it began, all others go at the new one, and their
 * events come when they then end.
 */
export class BookedLine {
  readonly #kernel: EventKernel;
  readonly #line: SerialLine;
  // Bookings in their order, in a ring, without those that are known to have ended.
  #records = new Float64Array(16 << SHIFT);
  #slots = 16;
  #first = 0;
  #count = 0;
  /** When the last one ended that is not in the ring any more, ns. */
  #lastEndNs = Number.NEGATIVE_INFINITY;
  /** Rates of the line, and since when each holds, ns. */
  readonly #rates: number[];
  readonly #sinceNs: number[] = [0];

  /** @param rateBps bits per second, a whole number from 1 to 10^13. */
  constructor(kernel: EventKernel, rateBps: number) {
    this.#kernel = kernel;
    this.#line = new SerialLine(rateBps);
    this.#rates = [rateBps];
  }

  /** Rate of what begins from now on, bits per second. */
  get rateBps(): number {
    return this.#line.rateBps;
  }

  /** Bytes given to the line since the start. */
  get carriedBytes(): number {
    return this.#line.carriedBytes;
  }

  /** Time that the line has spent (or is booked to spend) carrying bytes, ns, rounded up. */
  get busyNs(): number {
    return this.#line.busyNs;
  }

  /** First whole nanosecond at which the line is free: the end of what was booked last. */
  get freeAtNs(): number {
    return this.#line.freeAtNs;
  }

  /**
   * Books `bytes` behind everything booked already, not before `waitNs` from now on. `handler` is called with `a` and `b` when
   * the last bit has passed, or `tailNs` after that. (Times are differences: an instant as an argument is a large number,
   * which the engine may have to allocate.)
   */
  book(bytes: number, waitNs: number, handler: HandlerId, a = 0, b = 0, tailNs = 0): void {
    const { nowNs } = this.#kernel;
    this.#forgetEnded();
    const endsInNs = this.#line.carryIn(this.#kernel, bytes, waitNs);
    if (this.#count === this.#slots) this.#grow();
    const records = this.#records;
    const record = ((this.#first + this.#count) & (this.#slots - 1)) << SHIFT;
    this.#count += 1;
    records[record + BYTES] = bytes;
    records[record + FROM] = nowNs + waitNs;
    records[record + END] = nowNs + endsInNs;
    records[record + HANDLER] = handler;
    records[record + FIRST_ARGUMENT] = a;
    records[record + SECOND_ARGUMENT] = b;
    records[record + TAIL] = tailNs;
    records[record + PLACE] = this.#kernel.place(endsInNs + tailNs, handler, a, b);
  }

  /** Looks at every booking that has not ended, in their order. */
  forEachBooked(visit: BookingVisitor): void {
    this.#forgetEnded();
    for (let index = 0; index < this.#count; index += 1) {
      const record = this.#recordOf(index);
      visit(
        this.#cell(record, HANDLER),
        this.#cell(record, FIRST_ARGUMENT),
        this.#cell(record, SECOND_ARGUMENT),
        this.#cell(record, END),
      );
    }
  }

  /**
   * Changes the rate of what begins now or later. Returns from when on the line has it: now, or the end of the frame that is
   * under way.
   *
   * @param fromOf when a booking may begin that was not to begin before an instant which is still to come, ns
   */
  changeRate(rateBps: number, fromOf: (fromNs: number) => number = (fromNs) => fromNs): number {
    const { nowNs } = this.#kernel;
    if (rateBps === this.rateBps) return Math.max(nowNs, present(this.#sinceNs.at(-1)));
    this.#forgetEnded();
    let begun = 0;
    let freeAtNs = this.#lastEndNs;
    let waitingBytes = 0;
    for (let index = 0; index < this.#count; index += 1) {
      const record = this.#recordOf(index);
      if (waitingBytes === 0 && Math.max(this.#cell(record, FROM), freeAtNs) < nowNs) {
        begun += 1;
        freeAtNs = this.#cell(record, END);
      } else waitingBytes += this.#cell(record, BYTES);
    }
    const sinceNs = Math.max(nowNs, freeAtNs);
    if (waitingBytes > 0) this.#line.takeBack(waitingBytes, Math.max(0, freeAtNs));
    this.#line.changeRate(rateBps, sinceNs);
    this.#note(rateBps, sinceNs);
    for (let index = begun; index < this.#count; index += 1) this.#bookAgain(this.#recordOf(index), fromOf);
    return sinceNs;
  }

  /** Bytes that the line can have carried between two instants, at the rates that it had. */
  capacityBytes(fromNs: number, toNs: number): number {
    let bytes = 0;
    let untilNs = toNs;
    for (let index = this.#rates.length - 1; index >= 0 && untilNs > fromNs; index -= 1) {
      const sinceNs = Math.max(present(this.#sinceNs[index]), fromNs);
      if (sinceNs >= untilNs) continue;
      bytes += (present(this.#rates[index]) * (untilNs - sinceNs)) / 8e9;
      untilNs = sinceNs;
    }
    return bytes;
  }

  /** Time that a frame of `bytes` has taken whose last bit passes now, ns, rounded up. */
  durationNs(bytes: number): number {
    // A rate from 2^31 bit/s on is allocated when it is returned: not for a line whose rate never changed.
    if (this.#rates.length === 1) return this.#line.durationNs(bytes);
    const rateBps = this.rateBefore(this.#kernel.nowNs);
    return rateBps === this.rateBps ? this.#line.durationNs(bytes) : Math.ceil((bytes * 8e9) / rateBps);
  }

  /** The rate at which a frame was carried whose last bit passed at `endNs`: it began before that. */
  rateBefore(endNs: number): number {
    let index = this.#rates.length - 1;
    while (index > 0 && present(this.#sinceNs[index]) >= endNs) index -= 1;
    return present(this.#rates[index]);
  }

  checkInvariants(): void {
    let lastNs = this.#lastEndNs;
    for (let index = 0; index < this.#count; index += 1) {
      const record = this.#recordOf(index);
      const endNs = this.#cell(record, END);
      if (endNs < lastNs || endNs < this.#cell(record, FROM))
        throw new InvariantViolation(
          `a line ends at ${endNs} ns what is behind something that ends at ${lastNs} ns`,
        );
      lastNs = endNs;
    }
  }

  #recordOf(index: number): number {
    return ((this.#first + index) & (this.#slots - 1)) << SHIFT;
  }

  #cell(record: number, field: number): number {
    return present(this.#records[record + field]);
  }

  /** Cancels the event of a booking that has not begun, and gives the line its bytes anew. */
  #bookAgain(record: number, fromOf: (fromNs: number) => number): void {
    const { nowNs } = this.#kernel;
    const records = this.#records;
    this.#kernel.cancelAt(this.#cell(record, PLACE) as EventPlace);
    const fromNs = this.#cell(record, FROM);
    if (fromNs > nowNs) records[record + FROM] = fromOf(fromNs);
    const endNs = this.#line.carry(this.#cell(record, BYTES), this.#cell(record, FROM));
    records[record + END] = endNs;
    records[record + PLACE] = this.#kernel.place(
      endNs - nowNs + this.#cell(record, TAIL),
      this.#cell(record, HANDLER),
      this.#cell(record, FIRST_ARGUMENT),
      this.#cell(record, SECOND_ARGUMENT),
    );
  }

  /** What ended in this nanosecond goes as well: it has begun, and nothing of it can change. */
  #forgetEnded(): void {
    const { nowNs } = this.#kernel;
    const records = this.#records;
    while (this.#count > 0) {
      const endNs = records[(this.#first << SHIFT) + END] ?? absent();
      if (endNs > nowNs) return;
      this.#lastEndNs = endNs;
      this.#first = (this.#first + 1) & (this.#slots - 1);
      this.#count -= 1;
    }
  }

  /** A rate that never held, because another one comes before it does, is forgotten. */
  #note(rateBps: number, sinceNs: number): void {
    while (present(this.#sinceNs.at(-1)) >= sinceNs && this.#sinceNs.length > 1) {
      this.#sinceNs.pop();
      this.#rates.pop();
    }
    if (present(this.#sinceNs.at(-1)) >= sinceNs) {
      this.#rates[0] = rateBps;
      return;
    }
    this.#sinceNs.push(sinceNs);
    this.#rates.push(rateBps);
  }

  #grow(): void {
    const records = new Float64Array((this.#slots * 2) << SHIFT);
    for (let index = 0; index < this.#count; index += 1) {
      const record = this.#recordOf(index);
      records.set(this.#records.subarray(record, record + (1 << SHIFT)), index << SHIFT);
    }
    this.#records = records;
    this.#first = 0;
    this.#slots *= 2;
  }
}
