import type { Card } from './card.js';
import { macOf } from './frames.js';
import {
  ALLOCATE,
  DESCRIPTOR_BYTES,
  DESCRIPTOR_DONE,
  END_OF_PACKET,
  M_MAC_HIGH,
  M_MAC_LOW,
  M_PERMISSIONS,
  M_RX_RING_HIGH,
  M_RX_RING_LOW,
  M_RX_RING_SIZE,
  M_SEQUENCE,
  M_SEQUENCE_MODULUS,
  M_STATUS_HIGH,
  M_STATUS_LOW,
  M_TRAFFIC_CLASS,
  M_TX_RING_HIGH,
  M_TX_RING_LOW,
  M_TX_RING_SIZE,
  M_WEIGHT,
  OPEN,
  PAGE,
  RX_PRODUCER,
  TX_PRODUCER,
} from './registers.js';

export interface GuestOptions {
  /** log2 of the slots of both rings. */
  readonly slotsLog2?: number;
  readonly weight?: number;
  /** log2 of N; sequence numbers are checked if it is given. */
  readonly modulusLog2?: number;
  readonly permissions?: number;
  readonly mac?: number;
  /** Where its memory begins; behind each other in the flat memory otherwise. */
  readonly base?: number;
  /** Size of each slot's buffer, bytes. */
  readonly bufferBytes?: number;
  readonly statusBlock?: boolean;
  readonly trafficClass?: number;
}

/** The least driver of one context: rings in flat memory, one buffer per slot, no interrupts of its own. */
export class Guest {
  readonly card: Card;
  readonly context: number;
  readonly slots: number;
  readonly bufferBytes: number;
  readonly txRing: number;
  readonly rxRing: number;
  readonly statusBlock: number;
  readonly txBuffers: number;
  readonly rxBuffers: number;
  readonly mac: number;
  txProducer = 0;
  rxProducer = 0;
  txSequence = 1;
  rxSequence = 1;
  rxSeen = 0;
  readonly modulus: number;

  constructor(card: Card, context: number, options: GuestOptions = {}) {
    const { slotsLog2 = 4, bufferBytes = 2048, modulusLog2 = 16 } = options;
    this.card = card;
    this.context = context;
    this.slots = 2 ** slotsLog2;
    this.bufferBytes = bufferBytes;
    this.modulus = 2 ** modulusLog2;
    this.mac = options.mac ?? macOf(context);
    const base = options.base ?? 0x10000 + context * 0x20000;
    this.txRing = base;
    this.rxRing = base + this.slots * DESCRIPTOR_BYTES;
    this.statusBlock = this.rxRing + this.slots * DESCRIPTOR_BYTES;
    this.txBuffers = base + 0x1000;
    this.rxBuffers = this.txBuffers + this.slots * bufferBytes;
    card.host.bytes.fill(0, this.txRing, this.statusBlock + 8);
    card.command(context, ALLOCATE);
    card.manage(M_MAC_LOW, this.mac % 2 ** 32);
    card.manage(M_MAC_HIGH, Math.floor(this.mac / 2 ** 32));
    card.manage(M_WEIGHT, options.weight ?? 1);
    card.manage(M_SEQUENCE, options.modulusLog2 === undefined ? 0 : 1);
    card.manage(M_SEQUENCE_MODULUS, modulusLog2);
    card.manage(M_TX_RING_LOW, this.txRing);
    card.manage(M_TX_RING_HIGH, 0);
    card.manage(M_TX_RING_SIZE, slotsLog2);
    card.manage(M_RX_RING_LOW, this.rxRing);
    card.manage(M_RX_RING_HIGH, 0);
    card.manage(M_RX_RING_SIZE, slotsLog2);
    card.manage(M_STATUS_LOW, options.statusBlock === false ? 0 : this.statusBlock);
    card.manage(M_STATUS_HIGH, 0);
    card.manage(M_PERMISSIONS, options.permissions ?? 0);
    card.manage(M_TRAFFIC_CLASS, options.trafficClass ?? 0);
    const status = card.command(context, OPEN);
    if (status !== 0) throw new Error(`open of context ${context} ended with ${status}`);
  }

  /** Writes a mailbox. */
  mailbox(offset: number, value: number): boolean {
    return this.card.nic.write(this.context * PAGE + offset, 4, value);
  }

  /** Reads a mailbox. */
  peek(offset: number): number {
    return this.card.nic.read(this.context * PAGE + offset, 4);
  }

  /** Puts a frame into the transmit ring, in pieces of the lengths given (the last takes what is left). */
  post(frame: Uint8Array, pieces: readonly number[] = [], flags = 0): void {
    let at = 0;
    const lengths = [...pieces];
    lengths.push(frame.length - lengths.reduce((sum, length) => sum + length, 0));
    lengths.forEach((length, index) => {
      const buffer = this.txBuffers + (this.txProducer % this.slots) * this.bufferBytes;
      this.card.host.bytes.set(frame.subarray(at, at + length), buffer);
      at += length;
      const last = index === lengths.length - 1;
      this.describeTransmit(buffer, length, last ? END_OF_PACKET | flags : 0);
    });
  }

  /** Writes the next transmit descriptor, as it is told. */
  describeTransmit(address: number, length: number, flags: number, sequence = this.txSequence): void {
    this.#describe(this.txRing, this.txProducer, address, length, flags, sequence);
    this.txProducer = (this.txProducer + 1) >>> 0;
    this.txSequence = (this.txSequence + 1) % this.modulus;
  }

  /** Rings the transmit doorbell. */
  ring(producer = this.txProducer): void {
    this.mailbox(TX_PRODUCER, producer);
  }

  /** Posts a frame and rings. */
  send(frame: Uint8Array, pieces: readonly number[] = [], flags = 0): void {
    this.post(frame, pieces, flags);
    this.ring();
  }

  /** Posts `count` receive buffers of `length` bytes and rings. */
  offer(count: number, length = this.bufferBytes, flags = 0): void {
    for (let index = 0; index < count; index += 1) {
      this.describeReceive(this.rxBuffer(this.rxProducer), length, flags);
    }
    this.mailbox(RX_PRODUCER, this.rxProducer);
  }

  describeReceive(address: number, length: number, flags = 0, sequence = this.rxSequence): void {
    this.#describe(this.rxRing, this.rxProducer, address, length, flags, sequence);
    this.rxProducer = (this.rxProducer + 1) >>> 0;
    this.rxSequence = (this.rxSequence + 1) % this.modulus;
  }

  /** Address of the buffer of a receive slot. */
  rxBuffer(index: number): number {
    return this.rxBuffers + (index % this.slots) * this.bufferBytes;
  }

  /** Consumer indices as the card wrote them back. */
  get txConsumer(): number {
    return this.card.host.u32(this.statusBlock);
  }

  get rxConsumer(): number {
    return this.card.host.u32(this.statusBlock + 4);
  }

  /** Frames that have come since the last call, put together from the descriptors that are done. */
  collect(): Uint8Array[] {
    const frames: Uint8Array[] = [];
    const { view, bytes } = this.card.host;
    let pieces: number[] = [];
    while (this.rxSeen !== this.rxConsumer) {
      const at = this.rxRing + (this.rxSeen % this.slots) * DESCRIPTOR_BYTES;
      const address = Number(view.getBigUint64(at, true));
      const length = view.getUint16(at + 8, true);
      const flags = view.getUint16(at + 10, true);
      if ((flags & DESCRIPTOR_DONE) === 0) throw new Error(`receive descriptor ${this.rxSeen} is not done`);
      pieces.push(...bytes.subarray(address, address + length));
      this.rxSeen = (this.rxSeen + 1) >>> 0;
      if ((flags & END_OF_PACKET) === 0) continue;
      frames.push(Uint8Array.from(pieces));
      pieces = [];
    }
    if (pieces.length > 0) throw new Error('the consumer index stands inside a frame');
    return frames;
  }

  #describe(
    ring: number,
    index: number,
    address: number,
    length: number,
    flags: number,
    sequence: number,
  ): void {
    const at = ring + (index % this.slots) * DESCRIPTOR_BYTES;
    const { view } = this.card.host;
    view.setBigUint64(at, BigInt(address), true);
    view.setUint16(at + 8, length, true);
    view.setUint16(at + 10, flags, true);
    view.setUint32(at + 12, sequence, true);
  }
}
