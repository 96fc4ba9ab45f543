import { InvariantViolation } from '../scheduler/errors.js';
import type { EventKernel, HandlerId } from '../scheduler/event-kernel.js';
import { present } from '../scheduler/present.js';
import { busAddress, offsetInPage, PAGE_BYTES, type RequesterId, requesterId } from './addresses.js';
import { ABORT, type HostPort } from './host-port.js';
import type { PcieLink } from './pcie-link.js';

const READ = 0;
const WRITE = 1;
const NO_BYTES = new Uint8Array(0);
/** The owner of a channel until its client names another one. */
const CARD: DmaOwner = { index: -1, requesterId: requesterId(0) };

/** How a transfer ended. */
export const DMA_OK = 0;
/** The host refused it. */
export const DMA_ABORTED = 1;
/** Its context was stopped before the transfer touched memory. */
export const DMA_CANCELLED = 2;
export type DmaStatus = typeof DMA_OK | typeof DMA_ABORTED | typeof DMA_CANCELLED;

/** Told when a transfer is over: the cookie that came with it, and how it ended. */
export type DmaClient = (cookie: number, status: DmaStatus) => void;

/** What a transfer belongs to: a context of the card, or the card itself, whose index is -1. */
export interface DmaOwner {
  readonly index: number;
  readonly requesterId: RequesterId;
}

/**
 * One client's way to the engine, and the request that it is about to make. The client sets the fields that differ
 * from its last request and calls `read` or `write`, which copies them: nothing is built per transfer.
 */
export class DmaChannel {
  owner: DmaOwner;
  /** Handed back to the client when the transfer is over. */
  cookie = 0;
  address = busAddress(0);
  /** Bytes. */
  length = 0;
  /** Where the bytes come from or go to on the card, and the offset in it. */
  buffer: Uint8Array = NO_BYTES;
  bufferOffset = 0;
  readonly number: number;
  readonly #submit: (kind: number, channel: DmaChannel) => void;

  /** Made by `DmaEngine.open`. */
  constructor(number: number, owner: DmaOwner, submit: (kind: number, channel: DmaChannel) => void) {
    this.number = number;
    this.owner = owner;
    this.#submit = submit;
  }

  /** Reads host memory into the buffer. The bytes are there when the client is told DMA_OK. */
  read(): void {
    this.#submit(READ, this);
  }

  /** Writes the buffer to host memory. Its bytes must stay as they are until the client is told. */
  write(): void {
    this.#submit(WRITE, this);
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
 * A bounded number is in flight; the others wait their turn, and none is forgotten.
 *
 * Writes reach memory in the order in which they were asked for (posted writes do not pass each other). A gate
 * may keep the NIC waiting longer for one than for the next, so they need not be over in that order.
 */
export class DmaEngine {
  readonly #kernel: EventKernel;
  readonly #link: PcieLink;
  readonly #port: HostPort;
  readonly #maxInFlight: number;
  readonly #arrive: HandlerId;
  readonly #finish: HandlerId;
  readonly #clients: DmaClient[] = [];
  // Stopping a context moves its epoch on; a transfer of an older epoch never touches memory.
  readonly #epochs: Int32Array;

  // One slot a transfer, in flight or waiting.
  #kind = new Uint8Array(0);
  #client = new Uint8Array(0);
  #status = new Uint8Array(0);
  #requester = new Uint16Array(0);
  #owner = new Int32Array(0);
  #epoch = new Int32Array(0);
  #cookie = new Float64Array(0);
  #address = new Float64Array(0);
  #length = new Int32Array(0);
  #bufferOffset = new Int32Array(0);
  #next = new Int32Array(0);
  readonly #buffer: Uint8Array[] = [];
  #free = -1;

  // Waiting transfers, first come first served, a queue for reads and one for writes.
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
    this.#grow();
  }

  /** Opens a channel for a client, which is told of the end of each of its transfers. */
  open(client: DmaClient): DmaChannel {
    this.#clients.push(client);
    return new DmaChannel(this.#clients.length - 1, CARD, (kind, channel) => this.#submit(kind, channel));
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

  /** What of this context has not reached memory yet never will; its clients are told DMA_CANCELLED. */
  stop(context: number): void {
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
    let free = 0;
    for (let slot = this.#free; slot >= 0; slot = present(this.#next[slot])) free += 1;
    if (free + this.outstanding !== this.#kind.length) throw new InvariantViolation('a DMA slot is lost');
  }

  #submit(kind: number, channel: DmaChannel): void {
    if (this.#free < 0) this.#grow();
    const slot = this.#free;
    const { owner } = channel;
    const { index } = owner;
    this.#free = present(this.#next[slot]);
    this.#kind[slot] = kind;
    this.#client[slot] = channel.number;
    this.#status[slot] = DMA_OK;
    this.#requester[slot] = owner.requesterId;
    this.#owner[slot] = index;
    this.#epoch[slot] = index >= 0 ? present(this.#epochs[index]) : 0;
    this.#cookie[slot] = channel.cookie;
    this.#address[slot] = channel.address;
    this.#length[slot] = channel.length;
    this.#bufferOffset[slot] = channel.bufferOffset;
    this.#buffer[slot] = channel.buffer;
    this.#next[slot] = -1;
    this.#transfers += 1;
    if (present(this.#inFlight[kind]) < this.#maxInFlight) {
      this.#start(kind, slot);
      return;
    }
    this.#backpressured += 1;
    this.#waiting += 1;
    if (this.#waiting > this.#peakWaiting) this.#peakWaiting = this.#waiting;
    const tail = present(this.#waitingTail[kind]);
    if (tail < 0) this.#waitingHead[kind] = slot;
    else this.#next[tail] = slot;
    this.#waitingTail[kind] = slot;
  }

  #start(kind: number, slot: number): void {
    this.#inFlight[kind] = present(this.#inFlight[kind]) + 1;
    if (this.#cancelled(slot)) {
      // Stopped while it waited: it takes no time of the link from the others.
      this.#kernel.post(0, this.#finish, slot);
      return;
    }
    const length = present(this.#length[slot]);
    const nowNs = this.#kernel.nowNs;
    const arrivesNs =
      kind === READ
        ? this.#link.requestRead(present(this.#address[slot]), length, nowNs)
        : this.#link.write(present(this.#address[slot]), length, nowNs);
    this.#kernel.post(arrivesNs - nowNs, this.#arrive, slot);
  }

  #cancelled(slot: number): boolean {
    const context = present(this.#owner[slot]);
    return context >= 0 && this.#epoch[slot] !== this.#epochs[context];
  }

  #onArrive(slot: number): void {
    const nowNs = this.#kernel.nowNs;
    const isRead = this.#kind[slot] === READ;
    if (this.#cancelled(slot)) {
      this.#status[slot] = DMA_CANCELLED;
      this.#onFinish(slot);
      return;
    }
    const delayNs = this.#access(slot, isRead);
    if (isRead) {
      const address = present(this.#address[slot]);
      const length = present(this.#length[slot]);
      const doneNs =
        this.#status[slot] === DMA_OK
          ? this.#link.completeRead(address, length, nowNs + delayNs)
          : this.#link.completeAbort(nowNs + delayNs);
      this.#kernel.post(doneNs - nowNs, this.#finish, slot);
    } else if (delayNs > 0) {
      this.#kernel.post(delayNs, this.#finish, slot);
    } else {
      this.#onFinish(slot);
    }
  }

  /** Moves the bytes, page by page; returns how long gates and memory take in all, ns. */
  #access(slot: number, isRead: boolean): number {
    const requester = requesterId(present(this.#requester[slot]));
    const buffer = this.#buffer[slot];
    if (buffer === undefined) throw new InvariantViolation('a transfer without a buffer');
    let address: number = present(this.#address[slot]);
    let offset = present(this.#bufferOffset[slot]);
    let left = present(this.#length[slot]);
    let delayNs = 0;
    while (left > 0) {
      const inPage = PAGE_BYTES - offsetInPage(address);
      const piece = Math.min(left, inPage);
      const takesNs = isRead
        ? this.#port.read(requester, busAddress(address), piece, buffer, offset)
        : this.#port.write(requester, busAddress(address), piece, buffer, offset);
      if (takesNs === ABORT) {
        this.#status[slot] = DMA_ABORTED;
        return delayNs;
      }
      // The pieces are separate requests: they wait side by side, so the slowest one counts.
      if (takesNs > delayNs) delayNs = takesNs;
      address += piece;
      offset += piece;
      left -= piece;
    }
    return delayNs;
  }

  #onFinish(slot: number): void {
    const kind = present(this.#kind[slot]);
    const client = this.#clients[present(this.#client[slot])];
    const cookie = present(this.#cookie[slot]);
    if (this.#cancelled(slot)) this.#status[slot] = DMA_CANCELLED;
    const status = present(this.#status[slot]) as DmaStatus;
    this.#next[slot] = this.#free;
    this.#free = slot;
    this.#inFlight[kind] = present(this.#inFlight[kind]) - 1;
    const waiting = present(this.#waitingHead[kind]);
    if (waiting >= 0) {
      const next = present(this.#next[waiting]);
      this.#waitingHead[kind] = next;
      if (next < 0) this.#waitingTail[kind] = -1;
      this.#waiting -= 1;
      this.#start(kind, waiting);
    }
    client?.(cookie, status);
  }

  #grow(): void {
    const old = this.#kind.length;
    const size = old === 0 ? 64 : old * 2;
    const wider = <T extends Uint8Array | Uint16Array | Int32Array | Float64Array>(from: T, to: T): T => {
      to.set(from);
      return to;
    };
    this.#kind = wider(this.#kind, new Uint8Array(size));
    this.#client = wider(this.#client, new Uint8Array(size));
    this.#status = wider(this.#status, new Uint8Array(size));
    this.#requester = wider(this.#requester, new Uint16Array(size));
    this.#owner = wider(this.#owner, new Int32Array(size));
    this.#epoch = wider(this.#epoch, new Int32Array(size));
    this.#cookie = wider(this.#cookie, new Float64Array(size));
    this.#address = wider(this.#address, new Float64Array(size));
    this.#length = wider(this.#length, new Int32Array(size));
    this.#bufferOffset = wider(this.#bufferOffset, new Int32Array(size));
    this.#next = wider(this.#next, new Int32Array(size));
    for (let slot = size - 1; slot >= old; slot -= 1) {
      this.#next[slot] = this.#free;
      this.#free = slot;
    }
  }
}
