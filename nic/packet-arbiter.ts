import { InvariantViolation } from '../scheduler/errors.js';
import type { EventHandle, EventKernel, HandlerId } from '../scheduler/event-kernel.js';
import { present } from '../scheduler/present.js';
import type { SerialLine } from '../scheduler/serial-line.js';

/** The two kinds of packets that a device sends: requests for reads, which are answered, and posted writes. */
export const NON_POSTED = 0;
export const POSTED = 1;
export type PacketKind = typeof NON_POSTED | typeof POSTED;

const NONE = -1;

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
  // Per transfer: the one behind it, its packets and how many of them have passed, bytes on the link and of payload.
  #next = new Int32Array(0);
  #packets = new Int32Array(0);
  #passed = new Int32Array(0);
  #bytes = new Int32Array(0);
  #payload = new Int32Array(0);
  readonly #head = [NONE, NONE];
  readonly #tail = [NONE, NONE];
  /** Bytes of payload that each kind has moved, or has no claim to. */
  readonly #moved = [0, 0];
  // What is on the link: packets of the head of one queue. They are booked on the line when they have passed.
  #running: PacketKind | typeof NONE = NONE;
  #runPackets = 0;
  #runFromNs = 0;
  #runEndNs = 0;
  /** The arrival of the transfer that ends with the run. */
  #arrival: EventHandle | undefined;
  #freeing: EventHandle | undefined;

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
    if (this.#running !== NONE && this.#freeing === undefined && this.#runEndNs <= this.#kernel.nowNs)
      this.#endRun();
    if (transfer >= this.#next.length) this.#grow(transfer);
    this.#next[transfer] = NONE;
    this.#packets[transfer] = packets;
    this.#passed[transfer] = 0;
    this.#bytes[transfer] = bytes;
    this.#payload[transfer] = payload;
    if (this.#running !== NONE && kind !== this.#running) this.#cutRun();
    const tail = present(this.#tail[kind]);
    if (tail === NONE) {
      this.#head[kind] = transfer;
      this.#moved[kind] = Math.max(present(this.#moved[kind]), this.#movedByOther(kind));
    } else {
      this.#next[tail] = transfer;
    }
    this.#tail[kind] = transfer;
    if (this.#running === NONE) {
      this.#beginRun();
      return;
    }
    this.#freeing ??= this.#kernel.schedule(this.#runEndNs - this.#kernel.nowNs, this.#free);
  }

  /** Bytes that have passed, and those on the link when they have passed by now. */
  get carriedBytes(): number {
    const isOver = this.#running !== NONE && this.#runEndNs <= this.#kernel.nowNs;
    const running = isOver ? this.#bytesOf(present(this.#head[this.#running]), this.#runPackets) : 0;
    return this.#line.carriedBytes + running;
  }

  checkInvariants(): void {
    const waits = present(this.#head[NON_POSTED]) !== NONE || present(this.#head[POSTED]) !== NONE;
    if (this.#running === NONE && waits) throw new InvariantViolation('a packet waits, the link is idle');
    if (this.#running !== NONE && present(this.#head[this.#running]) === NONE)
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
    const left = present(this.#packets[transfer]) - present(this.#passed[transfer]);
    const nowNs = this.#kernel.nowNs;
    this.#running = kind;
    this.#runPackets = both ? 1 : left;
    this.#runFromNs = nowNs;
    this.#runEndNs = this.#endOf(transfer, this.#runPackets);
    if (this.#runPackets === left)
      this.#arrival = this.#kernel.schedule(
        this.#runEndNs + this.#propagationNs - nowNs,
        this.#arrive,
        transfer,
      );
    if (both || this.#runPackets < left || present(this.#next[transfer]) !== NONE)
      this.#freeing = this.#kernel.schedule(this.#runEndNs - nowNs, this.#free);
  }

  /** What the other kind has moved by now, but for the packet that is on the link; its run has been cut. */
  #movedByOther(kind: PacketKind): number {
    const other = kind === POSTED ? NON_POSTED : POSTED;
    const moved = present(this.#moved[other]);
    if (this.#running !== other) return moved;
    const transfer = present(this.#head[other]);
    return (
      moved + (present(this.#payload[transfer]) * (this.#runPackets - 1)) / present(this.#packets[transfer])
    );
  }

  /** Ends the run with the packet that is on the link now. */
  #cutRun(): void {
    if (this.#running === NONE || this.#runPackets === 1) return;
    const transfer = present(this.#head[this.#running]);
    const nowNs = this.#kernel.nowNs;
    let packets = 1;
    while (packets < this.#runPackets && this.#endOf(transfer, packets) <= nowNs) packets += 1;
    if (packets === this.#runPackets) return;
    this.#runPackets = packets;
    this.#runEndNs = this.#endOf(transfer, packets);
    if (this.#arrival !== undefined) this.#kernel.cancel(this.#arrival);
    this.#arrival = undefined;
    if (this.#freeing !== undefined) this.#kernel.cancel(this.#freeing);
    this.#freeing = undefined;
  }

  #onFree(): void {
    this.#freeing = undefined;
    this.#endRun();
    this.#beginRun();
  }

  /** What was on the link has passed. */
  #endRun(): void {
    const kind = this.#running;
    if (kind === NONE) return;
    const transfer = present(this.#head[kind]);
    const packets = this.#runPackets;
    this.#line.carry(this.#bytesOf(transfer, packets), this.#runFromNs);
    this.#moved[kind] =
      present(this.#moved[kind]) +
      (present(this.#payload[transfer]) * packets) / present(this.#packets[transfer]);
    this.#passed[transfer] = present(this.#passed[transfer]) + packets;
    this.#running = NONE;
    this.#arrival = undefined;
    if (present(this.#passed[transfer]) < present(this.#packets[transfer])) return;
    const next = present(this.#next[transfer]);
    this.#head[kind] = next;
    if (next === NONE) this.#tail[kind] = NONE;
  }

  /** When the next so many packets of a transfer have passed, from the beginning of the run. */
  #endOf(transfer: number, packets: number): number {
    return this.#line.endOf(this.#bytesOf(transfer, packets), this.#runFromNs);
  }

  /** Bytes of the next so many packets of a transfer. */
  #bytesOf(transfer: number, packets: number): number {
    const bytes = present(this.#bytes[transfer]);
    const all = present(this.#packets[transfer]);
    const passed = present(this.#passed[transfer]);
    return Math.floor((bytes * (passed + packets)) / all) - Math.floor((bytes * passed) / all);
  }

  #grow(transfer: number): void {
    let size = 64;
    while (size <= transfer) size *= 2;
    const grown = (column: Int32Array): Int32Array<ArrayBuffer> => {
      const wider = new Int32Array(size);
      wider.set(column);
      return wider;
    };
    this.#next = grown(this.#next);
    this.#packets = grown(this.#packets);
    this.#passed = grown(this.#passed);
    this.#bytes = grown(this.#bytes);
    this.#payload = grown(this.#payload);
  }
}
