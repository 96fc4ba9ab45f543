import { type ContextId, NO_CONTEXT } from '../scheduler/branded.js';
import { InvariantViolation } from '../scheduler/errors.js';
import type { EventKernel, HandlerId } from '../scheduler/event-kernel.js';
import { present } from '../scheduler/present.js';
import {
  type BusAddress,
  busAddress,
  busPageNumber,
  busPageOf,
  offsetInPage,
  PAGE_BYTES,
  type RequesterId,
  requesterId,
  WIDE_ADDRESS,
} from './addresses.js';
import { abortedAfterNs, type HostPort } from './host-port.js';
import { NON_POSTED, PacketArbiter, POSTED } from './packet-arbiter.js';
import type { PcieLink } from './pcie-link.js';

const READ = 0;
const WRITE = 1;
/** A write that is a message to the host. */
const MESSAGE = 2;
/** Data of a message signalled interrupt (PCI Express base specification, section 6.1.4), and of a register. */
const MESSAGE_BYTES = 4;
/** The register reads of the CPU that the card answers; no client waits for the completion. */
const NO_CLIENT = -1;

// The record of a transfer, twelve 32-bit integers in a row of sixteen.
const RECORD_SHIFT = 4;
/** The transfer that waits behind it, or the next free slot. */
const NEXT = 0;
const KIND = 1;
const CHANNEL = 2;
const STATUS = 3;
/** The context that it belongs to, and which life of it; -1 for the card's own. */
const CONTEXT = 4;
const EPOCH = 5;
const REQUESTER = 6;
const COOKIE = 7;
const LENGTH = 8;
const BUFFER_OFFSET = 9;
const IS_MESSAGE = 10;
/** Where in its page it begins. */
const OFFSET = 11;

const NO_BYTES = new Uint8Array(0);
/** The owner of a channel until its client names another one. */
const CARD: DmaOwner = { index: NO_CONTEXT, requesterId: requesterId(0) };

/** How a transfer ended. */
export const DMA_OK = 0;
/** The host refused it. */
export const DMA_ABORTED = 1;
/** Its context was stopped before the transfer touched memory. */
export const DMA_CANCELLED = 2;
export type DmaStatus = typeof DMA_OK | typeof DMA_ABORTED | typeof DMA_CANCELLED;

/** Called when a transfer is over, with its cookie and how it ended. */
export type DmaClient = (cookie: number, status: DmaStatus) => void;

/** What a transfer belongs to: a context of the card, or the card itself, whose index is NO_CONTEXT. */
export interface DmaOwner {
  readonly index: ContextId;
  readonly requesterId: RequesterId;
}

/**
 * One client's way to the engine, and the request that it is about to make. The client sets the fields that differ
 * from its last request and calls `read` or `write`, which copies them: nothing is built per transfer.
 */
export class DmaChannel {
  owner: DmaOwner;
  /** Handed back to the client when the transfer is over, a whole number of 32 bits. */
  cookie = 0;
  address = busAddress(0);
  /** Bytes from `address` on, if that is 2^53 or more: then it is the first byte of a page. `aim` sets both. */
  wideOffset = 0;
  /** Bytes. */
  length = 0;
  /** Where the bytes come from or go to on the card, and the offset in it. */
  buffer: Uint8Array = NO_BYTES;
  bufferOffset = 0;
  readonly number: number;
  readonly #engine: DmaEngine;

  /** Made by `DmaEngine.open`. */
  constructor(number: number, owner: DmaOwner, engine: DmaEngine) {
    this.number = number;
    this.owner = owner;
    this.#engine = engine;
  }

  /** The next transfer begins `bytes` after `base`, which is an address below 2^53 or the first byte of a page. */
  aim(base: BusAddress, bytes: number): void {
    if (base < WIDE_ADDRESS) {
      this.address = busAddress(base + bytes);
    } else {
      this.wideOffset = offsetInPage(bytes);
      this.address = busAddress(base + (bytes - this.wideOffset));
    }
  }

  /** Reads host memory into the buffer. The bytes are there when the client gets DMA_OK. */
  read(): void {
    this.#engine.submit(READ, this);
  }

  /** Sends a message signalled interrupt: a posted write of 4 bytes behind all earlier ones, which is no access to memory. */
  message(): void {
    this.length = MESSAGE_BYTES;
    this.#engine.submit(MESSAGE, this);
  }

  /** Writes the buffer to host memory. Its bytes must not change until the client is notified. */
  write(): void {
    this.#engine.submit(WRITE, this);
  }
}

export interface DmaEngineOptions {
  /** Transfers in flight at once, reads and writes each (tags, credits). */
  readonly maxInFlight: number;
}

/**
 * Moves bytes between the NIC and host memory over the PCIe link.
 *
 * A transfer has two moments: when its request reaches the host (the gates are asked and the bytes are
 * moved, in one instant, so that what was checked is what is moved) and when the NIC knows that it is over.
 * A bounded number is in flight; the others wait in order, and none is lost.
 *
 * On the way to the host, read requests and writes take turns packet by packet (`PacketArbiter`). Writes reach memory in
 * the order in which they were requested (posted writes do not pass each other). The host says how long each takes, and
 * so which transfer is over first. The link back is booked for data in the order in which it is ready.
 */
export class DmaEngine {
  readonly #kernel: EventKernel;
  readonly #link: PcieLink;
  readonly #port: HostPort;
  readonly #maxInFlight: number;
  readonly #arrive: HandlerId;
  readonly #finish: HandlerId;
  readonly #ready: HandlerId;
  /** The link back is booked this long before data is ready: no read takes less, ns. */
  readonly #aheadNs: number;
  /** Reads whose data is ready later than that, and which have not booked the link yet. */
  #unready = 0;
  readonly #arbiter: PacketArbiter;
  readonly #answers = new DmaChannel(NO_CLIENT, CARD, this);
  readonly #clients: DmaClient[] = [];
  // Stopping a context moves its epoch on; a transfer of an older epoch never touches memory.
  readonly #epochs: Int32Array;

  // One record per transfer, in flight or waiting, and beside it the page in which it begins, which may have 52 bits.
  #records = new Int32Array(0);
  #pages = new Float64Array(0);
  readonly #buffers: Uint8Array[] = [];
  #slots = 0;
  #free = -1;

  // Waiting transfers, first come first served, one queue for reads and one for writes.
  readonly #waitingHead = [-1, -1];
  readonly #waitingTail = [-1, -1];
  readonly #inFlight = [0, 0];
  #waiting = 0;
  #peakWaiting = 0;
  #backpressured = 0;
  #transfers = 0;

  /** @param contexts highest context number + 1; context -1 (the NIC's own transfers) is never stopped. */
  constructor(
    kernel: EventKernel,
    link: PcieLink,
    port: HostPort,
    contexts: number,
    options: DmaEngineOptions,
  ) {
    if (!Number.isInteger(options.maxInFlight) || options.maxInFlight < 1 || options.maxInFlight > 65536) {
      throw new RangeError(
        `dma.maxInFlight is ${options.maxInFlight}, expected a whole number from 1 to 65,536`,
      );
    }
    this.#kernel = kernel;
    this.#link = link;
    this.#port = port;
    this.#maxInFlight = options.maxInFlight;
    this.#epochs = new Int32Array(contexts);
    this.#arrive = kernel.register('nic.dma.arrived', (slot) => this.#onArrive(slot));
    this.#finish = kernel.register('nic.dma.finished', (slot) => this.#onFinish(slot));
    this.#ready = kernel.register('nic.dma.ready', (slot) => {
      this.#unready -= 1;
      this.#complete(slot, this.#aheadNs);
    });
    this.#aheadNs = port.leastReadNs ?? 0;
    this.#arbiter = new PacketArbiter(kernel, link.upstream, link.parameters.propagationNs, this.#arrive);
    this.#grow();
  }

  /** Opens a channel for a client, which is notified of the end of each of its transfers. */
  open(client: DmaClient): DmaChannel {
    this.#clients.push(client);
    return new DmaChannel(this.#clients.length - 1, CARD, this);
  }

  /** The card answers a read of one of its registers: 4 bytes that take their time of the link. */
  answerRegisterRead(): void {
    this.#answers.message();
  }

  /** Bytes that the card has sent to the host, packet headers included. */
  get sentBytes(): number {
    return this.#arbiter.carriedBytes;
  }

  /** Transfers that are in flight or waiting. */
  get outstanding(): number {
    return present(this.#inFlight[READ]) + present(this.#inFlight[WRITE]) + this.#waiting;
  }

  /** Transfers that had to wait for a free tag, since the start. */
  get backpressured(): number {
    return this.#backpressured;
  }

  /** Transfers accepted since the start. */
  get transfers(): number {
    return this.#transfers;
  }

  /** Most transfers that ever waited at once. */
  get peakWaiting(): number {
    return this.#peakWaiting;
  }

  /** What of this context has not reached memory yet never will; its clients get DMA_CANCELLED. */
  stop(context: ContextId): void {
    this.#epochs[context] = present(this.#epochs[context]) + 1;
  }

  checkInvariants(): void {
    for (const kind of [READ, WRITE]) {
      const inFlight = present(this.#inFlight[kind]);
      if (inFlight < 0 || inFlight > this.#maxInFlight)
        throw new InvariantViolation(`${inFlight} transfers in flight`);
      if (present(this.#waitingHead[kind]) >= 0 && inFlight < this.#maxInFlight) {
        throw new InvariantViolation('a transfer waits although a tag is free');
      }
    }
    if (this.#unready < 0 || this.#unready > present(this.#inFlight[READ]))
      throw new InvariantViolation(`${this.#unready} reads wait for their data`);
    this.#arbiter.checkInvariants();
    let free = 0;
    for (let slot = this.#free; slot >= 0; slot = this.#field(slot, NEXT)) free += 1;
    if (free + this.outstanding !== this.#slots) throw new InvariantViolation('a DMA slot is lost');
  }

  /** For the channels: a transfer as a channel describes it. */
  submit(request: number, channel: DmaChannel): void {
    const kind = request === MESSAGE ? WRITE : request;
    if (this.#free < 0) this.#grow();
    const slot = this.#free;
    const records = this.#records;
    const record = slot << RECORD_SHIFT;
    const { owner } = channel;
    const { index } = owner;
    this.#free = present(records[record]);
    records[record] = -1;
    records[record + KIND] = kind;
    records[record + IS_MESSAGE] = request === MESSAGE ? 1 : 0;
    records[record + CHANNEL] = channel.number;
    records[record + STATUS] = DMA_OK;
    records[record + CONTEXT] = index;
    records[record + EPOCH] = index >= 0 ? present(this.#epochs[index]) : 0;
    records[record + REQUESTER] = owner.requesterId;
    records[record + COOKIE] = channel.cookie;
    records[record + LENGTH] = channel.length;
    records[record + BUFFER_OFFSET] = channel.bufferOffset;
    const { address } = channel;
    this.#pages[slot] = busPageOf(address);
    records[record + OFFSET] = address < WIDE_ADDRESS ? offsetInPage(address) : channel.wideOffset;
    if (this.#buffers[slot] !== channel.buffer) this.#buffers[slot] = channel.buffer;
    if (request !== MESSAGE) this.#transfers += 1;
    if (present(this.#inFlight[kind]) < this.#maxInFlight) {
      this.#start(kind, slot);
      return;
    }
    this.#backpressured += 1;
    this.#waiting += 1;
    if (this.#waiting > this.#peakWaiting) this.#peakWaiting = this.#waiting;
    const tail = present(this.#waitingTail[kind]);
    if (tail < 0) this.#waitingHead[kind] = slot;
    else records[tail << RECORD_SHIFT] = slot;
    this.#waitingTail[kind] = slot;
  }

  #field(slot: number, field: number): number {
    return present(this.#records[(slot << RECORD_SHIFT) + field]);
  }

  #start(kind: number, slot: number): void {
    this.#inFlight[kind] = present(this.#inFlight[kind]) + 1;
    if (this.#cancelled(slot)) {
      // Stopped while it waited: it takes no time of the link from the others.
      this.#kernel.post(0, this.#finish, slot);
      return;
    }
    const offset = this.#field(slot, OFFSET);
    const length = this.#field(slot, LENGTH);
    const packets =
      kind === READ ? this.#link.readRequests(offset, length) : this.#link.writes(offset, length);
    const headerBytes = packets * this.#link.requestHeaderBytes;
    if (kind === READ) this.#arbiter.submit(NON_POSTED, slot, packets, headerBytes, length);
    else this.#arbiter.submit(POSTED, slot, packets, headerBytes + length, length);
  }

  #cancelled(slot: number): boolean {
    const context = this.#field(slot, CONTEXT);
    return context >= 0 && this.#field(slot, EPOCH) !== this.#epochs[context];
  }

  #onArrive(slot: number): void {
    const record = slot << RECORD_SHIFT;
    const isRead = this.#records[record + KIND] === READ;
    if (this.#cancelled(slot)) {
      this.#records[record + STATUS] = DMA_CANCELLED;
      this.#onFinish(slot);
      return;
    }
    if (this.#records[record + IS_MESSAGE] === 1) {
      this.#onFinish(slot);
      return;
    }
    const length = present(this.#records[record + LENGTH]);
    const delayNs = this.#access(slot, isRead, length);
    if (isRead) {
      // While one waits to be ready, those of the same instant follow through the kernel, behind it.
      if (delayNs > this.#aheadNs || (delayNs === this.#aheadNs && this.#unready > 0)) {
        this.#unready += 1;
        this.#kernel.post(delayNs - this.#aheadNs, this.#ready, slot);
      } else {
        this.#complete(slot, delayNs);
      }
    } else if (delayNs > 0) {
      this.#kernel.post(delayNs, this.#finish, slot);
    } else {
      this.#onFinish(slot);
    }
  }

  /** Sends the completions of a read whose data is ready in so many ns. */
  #complete(slot: number, readyInNs: number): void {
    const kernel = this.#kernel;
    const doneInNs =
      this.#field(slot, STATUS) === DMA_OK
        ? this.#link.completeRead(kernel, this.#field(slot, OFFSET), this.#field(slot, LENGTH), readyInNs)
        : this.#link.completeAbort(kernel, readyInNs);
    kernel.post(doneInNs, this.#finish, slot);
  }

  /** Moves the bytes, page by page; returns how long gates and memory take in all, ns. */
  #access(slot: number, isRead: boolean, length: number): number {
    const requester = requesterId(this.#field(slot, REQUESTER));
    const buffer = present(this.#buffers[slot]);
    const from = this.#field(slot, BUFFER_OFFSET);
    let page = busPageNumber(present(this.#pages[slot]));
    let offset = this.#field(slot, OFFSET);
    let done = 0;
    let delayNs = 0;
    while (done < length) {
      const piece = Math.min(length - done, PAGE_BYTES - offset);
      const takesNs = isRead
        ? this.#port.read(requester, page, offset, piece, buffer, from + done)
        : this.#port.write(requester, page, offset, piece, buffer, from + done);
      if (takesNs < 0) {
        this.#records[(slot << RECORD_SHIFT) + STATUS] = DMA_ABORTED;
        return Math.max(delayNs, abortedAfterNs(takesNs));
      }
      // The pieces are separate requests: they wait side by side, so the slowest one counts.
      if (takesNs > delayNs) delayNs = takesNs;
      done += piece;
      page = busPageNumber(page + 1);
      offset = 0;
    }
    return delayNs;
  }

  #onFinish(slot: number): void {
    const records = this.#records;
    const record = slot << RECORD_SHIFT;
    const kind = present(records[record + KIND]);
    const channel = present(records[record + CHANNEL]);
    const cookie = present(records[record + COOKIE]);
    const status = this.#cancelled(slot) ? DMA_CANCELLED : (present(records[record + STATUS]) as DmaStatus);
    records[record] = this.#free;
    this.#free = slot;
    this.#inFlight[kind] = present(this.#inFlight[kind]) - 1;
    const waiting = present(this.#waitingHead[kind]);
    if (waiting >= 0) {
      const next = this.#field(waiting, NEXT);
      this.#waitingHead[kind] = next;
      if (next < 0) this.#waitingTail[kind] = -1;
      this.#waiting -= 1;
      this.#start(kind, waiting);
    }
    if (channel !== NO_CLIENT) present(this.#clients[channel])(cookie, status);
  }

  #grow(): void {
    const old = this.#slots;
    const size = old === 0 ? 64 : old * 2;
    const records = new Int32Array(size << RECORD_SHIFT);
    records.set(this.#records);
    const pages = new Float64Array(size);
    pages.set(this.#pages);
    this.#records = records;
    this.#pages = pages;
    this.#slots = size;
    while (this.#buffers.length < size) this.#buffers.push(NO_BYTES);
    for (let slot = size - 1; slot >= old; slot -= 1) {
      records[slot << RECORD_SHIFT] = this.#free;
      this.#free = slot;
    }
  }
}
