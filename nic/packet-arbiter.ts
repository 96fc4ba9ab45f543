import { InvariantViolation } from '../scheduler/errors.js';
import type { EventKernel, EventPlace, HandlerId } from '../scheduler/event-kernel.js';
import { present } from '../scheduler/present.js';
import type { SerialLine } from '../scheduler/serial-line.js';

/** The two kinds of packets that a device sends: requests for reads, which are answered, and posted writes. */
export const NON_POSTED = 0;
export const POSTED = 1;
export type PacketKind = typeof NON_POSTED | typeof POSTED;

const NONE = -1;
/** No event is pending. */
const NO_EVENT: EventPlace = -1;

// The record of a transfer, five 32-bit integers in a row of eight.
const RECORD_SHIFT = 3;
/** The transfer behind it. */
const NEXT = 0;
const PACKETS = 1;
/** Packets of it that have passed. */
const PASSED = 2;
/** Bytes on the link, of all packets. */
const BYTES = 3;
const PAYLOAD = 4;

/**
 * Arbitration of a device's way to its host, packet by packet: read requests and posted writes wait in a queue each, and
 * the next packet is of the kind that has moved fewer bytes of payload so far (a read request counts with the bytes that
 * it asks for). So neither direction of a card's traffic waits for what the other has booked ahead, and with both
 * saturated they move the same. A kind that has had nothing to send has no claim on what it missed.
 *
 * A transfer alone on the link is one event however many packets it has. When one of the other kind comes, it is cut at
 * the end of the packet on the link. The packets of a transfer are taken to be equally long.
 */
export class PacketArbiter {
  readonly #kernel: EventKernel;
  readonly #line: SerialLine;
  readonly #propagationNs: number;
  readonly #arrive: HandlerId;
  readonly #free: HandlerId;
  #records = new Int32Array(0);
  readonly #head = new Int32Array(2).fill(NONE);
  readonly #tail = new Int32Array(2).fill(NONE);
  /** Bytes of payload that each kind has moved, or has no claim to. */
  readonly #moved = new Float64Array(2);
  // What is on the link: packets of the head of one queue. They are booked on the line when they have passed.
  #running: PacketKind | typeof NONE = NONE;
  #runPackets = 0;
  #runBytes = 0;
  #runFromNs = 0;
  #runEndNs = 0;
  /** The arrival of the transfer that ends with the run; it has not run while the run lasts. */
  #arrival = NO_EVENT;
  #freeing = NO_EVENT;

  /** @param arrive called with the number of a transfer when its last byte is at the host. */
  constructor(kernel: EventKernel, line: SerialLine, propagationNs: number, arrive: HandlerId) {
    this.#kernel = kernel;
    this.#line = line;
    this.#propagationNs = propagationNs;
    this.#arrive = arrive;
    this.#free = kernel.register('nic.pcie.free', () => this.#onFree());
  }

  /** A transfer of so many packets, `bytes` in all on the link, which move `payload` bytes. */
  submit(kind: PacketKind, transfer: number, packets: number, bytes: number, payload: number): void {
    // A run that no event ends has nothing behind it. Its transfer may be over, and its number in use again.
    if (this.#running !== NONE && this.#freeing === NO_EVENT && this.#runEndNs <= this.#kernel.nowNs)
      this.#endRun();
    const record = transfer << RECORD_SHIFT;
    if (record >= this.#records.length) this.#grow(record);
    const records = this.#records;
    records[record + NEXT] = NONE;
    records[record + PACKETS] = packets;
    records[record + PASSED] = 0;
    records[record + BYTES] = bytes;
    records[record + PAYLOAD] = payload;
    if (this.#running !== NONE && kind !== this.#running) this.#cutRun();
    const tail = present(this.#tail[kind]);
    if (tail === NONE) {
      this.#head[kind] = transfer;
      const other = this.#movedByOther(kind);
      if (other > present(this.#moved[kind])) this.#moved[kind] = other;
    } else {
      records[(tail << RECORD_SHIFT) + NEXT] = transfer;
    }
    this.#tail[kind] = transfer;
    if (this.#running === NONE) {
      // Whatever waited would have been sent when the link fell free: this transfer is alone.
      this.#send(kind, packets, bytes);
      this.#arrival = this.#scheduleArrival(transfer);
    } else if (this.#freeing === NO_EVENT) this.#freeing = this.#scheduleEnd();
  }

  /** Bytes that have passed, and those on the link when they have passed by now. */
  get carriedBytes(): number {
    const isOver = this.#running !== NONE && this.#runEndNs <= this.#kernel.nowNs;
    return this.#line.carriedBytes + (isOver ? this.#runBytes : 0);
  }

  checkInvariants(): void {
    const waits = this.#head[NON_POSTED] !== NONE || this.#head[POSTED] !== NONE;
    if (this.#running === NONE && waits) throw new InvariantViolation('a packet waits, the link is idle');
    if (this.#running !== NONE && this.#head[this.#running] === NONE)
      throw new InvariantViolation('the link carries packets of no transfer');
  }

  /** Of both kinds that wait, the one that has moved less; requests first, if they are equal. */
  #beginRun(): void {
    const request = present(this.#head[NON_POSTED]);
    const write = present(this.#head[POSTED]);
    if (request === NONE && write === NONE) return;
    const both = request !== NONE && write !== NONE;
    const lessIsPosted = present(this.#moved[POSTED]) < present(this.#moved[NON_POSTED]);
    const kind = request === NONE || (both && lessIsPosted) ? POSTED : NON_POSTED;
    const transfer = kind === POSTED ? write : request;
    const record = transfer << RECORD_SHIFT;
    const left = present(this.#records[record + PACKETS]) - present(this.#records[record + PASSED]);
    const packets = both ? 1 : left;
    this.#send(kind, packets, this.#bytesOf(transfer, packets));
    if (packets === left) this.#arrival = this.#scheduleArrival(transfer);
    if (both || this.#records[record + NEXT] !== NONE) this.#freeing = this.#scheduleEnd();
  }

  /** Packets of the head of a queue, `bytes` in all, are on the link from now on. */
  #send(kind: PacketKind, packets: number, bytes: number): void {
    const { nowNs } = this.#kernel;
    this.#running = kind;
    this.#runPackets = packets;
    this.#runBytes = bytes;
    this.#runFromNs = nowNs;
    this.#runEndNs = nowNs + this.#line.endsIn(this.#kernel, bytes, 0);
  }

  #scheduleArrival(transfer: number): EventPlace {
    const delayNs = this.#runEndNs + this.#propagationNs - this.#kernel.nowNs;
    return this.#kernel.place(delayNs, this.#arrive, transfer);
  }

  #scheduleEnd(): EventPlace {
    return this.#kernel.place(this.#runEndNs - this.#kernel.nowNs, this.#free);
  }

  /** What the other kind has moved by now, but for the packet that is on the link; its run has been cut. */
  #movedByOther(kind: PacketKind): number {
    const other = kind === POSTED ? NON_POSTED : POSTED;
    const moved = present(this.#moved[other]);
    if (this.#running !== other) return moved;
    return moved + this.#payloadOf(present(this.#head[other]), this.#runPackets - 1);
  }

  /** Ends the run with the packet that is on the link now. */
  #cutRun(): void {
    if (this.#running === NONE || this.#runPackets === 1) return;
    const transfer = present(this.#head[this.#running]);
    let packets = 1;
    let endsInNs = this.#endsIn(transfer, packets);
    while (packets < this.#runPackets && endsInNs <= 0) {
      packets += 1;
      endsInNs = this.#endsIn(transfer, packets);
    }
    if (packets === this.#runPackets) return;
    this.#runPackets = packets;
    this.#runBytes = this.#bytesOf(transfer, packets);
    this.#runEndNs = this.#kernel.nowNs + endsInNs;
    if (this.#arrival !== NO_EVENT) this.#kernel.cancelAt(this.#arrival);
    this.#arrival = NO_EVENT;
    if (this.#freeing !== NO_EVENT) this.#kernel.cancelAt(this.#freeing);
    this.#freeing = NO_EVENT;
  }

  #onFree(): void {
    this.#freeing = NO_EVENT;
    this.#endRun();
    this.#beginRun();
  }

  /** What was on the link has passed. */
  #endRun(): void {
    const kind = this.#running;
    if (kind === NONE) return;
    const transfer = present(this.#head[kind]);
    const record = transfer << RECORD_SHIFT;
    const packets = this.#runPackets;
    this.#line.carryIn(this.#kernel, this.#runBytes, this.#runFromNs - this.#kernel.nowNs);
    this.#moved[kind] = present(this.#moved[kind]) + this.#payloadOf(transfer, packets);
    const passed = present(this.#records[record + PASSED]) + packets;
    this.#records[record + PASSED] = passed;
    this.#running = NONE;
    this.#arrival = NO_EVENT;
    if (passed < present(this.#records[record + PACKETS])) return;
    const next = present(this.#records[record + NEXT]);
    this.#head[kind] = next;
    if (next === NONE) this.#tail[kind] = NONE;
  }

  /** In how many ns the next so many packets of a transfer have passed, from the beginning of the run; below 0 if they have. */
  #endsIn(transfer: number, packets: number): number {
    const bytes = this.#bytesOf(transfer, packets);
    return this.#line.endsIn(this.#kernel, bytes, this.#runFromNs - this.#kernel.nowNs);
  }

  /** Bytes of the next so many packets of a transfer. */
  #bytesOf(transfer: number, packets: number): number {
    const record = transfer << RECORD_SHIFT;
    const bytes = present(this.#records[record + BYTES]);
    const all = present(this.#records[record + PACKETS]);
    if (packets === all) return bytes;
    const passed = present(this.#records[record + PASSED]);
    return Math.floor((bytes * (passed + packets)) / all) - Math.floor((bytes * passed) / all);
  }

  /** Payload of so many packets of a transfer, bytes. */
  #payloadOf(transfer: number, packets: number): number {
    const record = transfer << RECORD_SHIFT;
    const payload = present(this.#records[record + PAYLOAD]);
    const all = present(this.#records[record + PACKETS]);
    return packets === all ? payload : (payload * packets) / all;
  }

  #grow(record: number): void {
    let size = 64 << RECORD_SHIFT;
    while (size <= record) size *= 2;
    const records = new Int32Array(size);
    records.set(this.#records);
    this.#records = records;
  }
}
