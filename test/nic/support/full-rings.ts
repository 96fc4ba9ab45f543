import { ABORT, type HostPort } from '../../../nic/host-port.js';
import { Nic } from '../../../nic/nic.js';
import { DEFAULT_NIC, type NicParameters } from '../../../nic/parameters.js';
import { makeDiscipline } from '../../../scheduler/disciplines/index.js';
import { EventKernel } from '../../../scheduler/event-kernel.js';
import {
  M_COMMAND,
  M_COMMAND_STATUS,
  M_MAC_HIGH,
  M_MAC_LOW,
  M_RX_RING_LOW,
  M_RX_RING_SIZE,
  M_SELECT,
  M_STATUS_LOW,
  M_SWITCHING,
  M_TRAFFIC_CLASS,
  M_TX_RING_LOW,
  M_TX_RING_SIZE,
  M_WEIGHT,
  PAGE,
  TX_PRODUCER,
} from './registers.js';

/** What a context sends. */
export interface Sender {
  readonly frameBytes: number;
  readonly weight: number;
  /** Contexts that its frames go to in turn, slot by slot; 'wire' is a station outside. Default: all go outside. */
  readonly to?: readonly (number | 'wire')[];
  /** For priority flow control. Default: 0. */
  readonly trafficClass?: number;
}

/** Preamble and delimiter 8, FCS 4, inter-frame gap 12 (IEEE 802.3). */
const OVERHEAD = 24;
const READ_NS = 120;

/** Memory that holds only what the card writes and the rings, and answers payload reads with zeros. */
class RingMemory implements HostPort {
  readonly bytes: Uint8Array;

  constructor(bytes: number) {
    this.bytes = new Uint8Array(bytes);
  }

  read(
    _requesterId: number,
    page: number,
    offset: number,
    length: number,
    target: Uint8Array,
    at: number,
  ): number {
    const address = page * 4096 + offset;
    if (address + length > this.bytes.length) return ABORT;
    for (let index = 0; index < length; index += 1) target[at + index] = this.bytes[address + index] ?? 0;
    return READ_NS;
  }

  write(
    _requesterId: number,
    page: number,
    offset: number,
    length: number,
    source: Uint8Array,
    at: number,
  ): number {
    const address = page * 4096 + offset;
    if (address + length > this.bytes.length) return ABORT;
    for (let index = 0; index < length; index += 1) this.bytes[address + index] = source[at + index] ?? 0;
    return 0;
  }

  raise(): void {}
}

/**
 * A card all of whose transmit rings are kept full from the first doorbell on: a slot is posted again when its frame
 * has left. Nothing but the card limits what is sent.
 */
export class FullRings {
  readonly kernel = new EventKernel();
  readonly nic: Nic;
  readonly wireBytes: Float64Array;
  readonly frames: Float64Array;
  /** Bytes of frames that each context has sent to others inside the card. */
  readonly insideBytes: Float64Array;
  readonly #slots: number;
  readonly #producers: Uint32Array;
  readonly #touched = new Set<number>();

  constructor(
    senders: readonly Sender[],
    {
      slots = 256,
      discipline = 'drr',
      ...parameters
    }: Partial<NicParameters> & {
      slots?: number;
      discipline?: string;
    } = {},
  ) {
    const count = senders.length;
    const ringBytes = slots * 16;
    // A payload for each context, then both rings, then the status block.
    const payloads = 0x10000;
    const rings = payloads + count * 64;
    const buffers = rings + count * (2 * ringBytes + 64);
    // A payload for stations outside, then one for each context that is sent to.
    const mostTo = senders.reduce(
      (most, { to = [] }) => Math.max(most, ...to.map((one) => (one === 'wire' ? 0 : one + 1))),
      0,
    );
    const memory = new RingMemory(buffers + (mostTo + 1) * 16_384);
    const view = new DataView(memory.bytes.buffer);
    this.#slots = slots;
    this.#producers = new Uint32Array(count);
    this.wireBytes = new Float64Array(count);
    this.frames = new Float64Array(count);
    this.insideBytes = new Float64Array(count);
    this.nic = new Nic(
      this.kernel,
      { ...DEFAULT_NIC, contexts: count, ...parameters },
      {
        port: memory,
        wire: {
          transmitted: (_bytes, _offset, length, context) => {
            this.wireBytes[context] = (this.wireBytes[context] ?? 0) + length + OVERHEAD;
            this.frames[context] = (this.frames[context] ?? 0) + 1;
            this.#touched.add(context);
          },
        },
        transmitDiscipline: makeDiscipline(
          discipline,
          discipline === 'wfq' ? { linkBps: parameters.rateBps ?? DEFAULT_NIC.rateBps } : {},
        ),
        receiveDiscipline: makeDiscipline('drr'),
      },
    );
    memory.bytes.fill(0x02, buffers, buffers + 6);
    for (let to = 0; to < mostTo; to += 1) {
      view.setUint16(buffers + (to + 1) * 16_384, 0x0200);
      view.setUint32(buffers + (to + 1) * 16_384 + 2, to + 1);
    }
    const payloadFor = (to: number | 'wire' = 'wire') => buffers + (to === 'wire' ? 0 : (to + 1) * 16_384);
    const management = count * PAGE;
    const manage = (offset: number, value: number) => this.nic.write(management + offset, 4, value);
    if (mostTo > 0) manage(M_SWITCHING, 1);
    this.nic.streams.lentFrames$.subscribe(({ direction, context, length, switched }) => {
      if (direction !== 'transmit' || !switched) return;
      this.insideBytes[context] = (this.insideBytes[context] ?? 0) + length;
      this.#touched.add(context);
    });
    senders.forEach(({ frameBytes, weight, to = [], trafficClass = 0 }, index) => {
      const transmit = Math.ceil((rings + index * (2 * ringBytes + 64)) / 16) * 16;
      for (let slot = 0; slot < slots; slot += 1) {
        view.setUint32(transmit + slot * 16, payloadFor(to[slot % Math.max(1, to.length)]), true);
        view.setUint16(transmit + slot * 16 + 8, frameBytes, true);
        view.setUint16(transmit + slot * 16 + 10, 1, true);
      }
      manage(M_SELECT, index);
      manage(M_COMMAND, 1);
      manage(M_MAC_LOW, index + 1);
      manage(M_MAC_HIGH, 0x0200);
      manage(M_WEIGHT, weight);
      manage(M_TRAFFIC_CLASS, trafficClass);
      manage(M_TX_RING_LOW, transmit);
      manage(M_TX_RING_SIZE, Math.log2(slots));
      manage(M_RX_RING_LOW, transmit + ringBytes);
      manage(M_RX_RING_SIZE, Math.log2(slots));
      manage(M_STATUS_LOW, transmit + 2 * ringBytes);
      manage(M_COMMAND, 2);
      if (this.nic.read(management + M_COMMAND_STATUS, 4) !== 0)
        throw new Error(`context ${index} did not open`);
    });
    const again = this.kernel.register('test.repost', () => {
      for (const context of this.#touched) this.#post(context);
      this.#touched.clear();
      this.kernel.post(200, again);
    });
    for (let context = 0; context < count; context += 1) this.#post(context);
    this.kernel.post(200, again);
  }

  /** Runs for so long; returns the wire bytes that each context sent in that time. */
  run(ns: number): Float64Array {
    const before = this.wireBytes.slice();
    this.kernel.run(this.kernel.nowNs + ns);
    return this.wireBytes.map((bytes, context) => bytes - (before[context] ?? 0));
  }

  /** As a driver that reads the consumer index: every finished slot is posted again. */
  #post(context: number): void {
    const consumer = this.nic.contexts[context]?.transmit.consumer ?? 0;
    const producer = (consumer + this.#slots) >>> 0;
    if (producer === this.#producers[context]) return;
    this.#producers[context] = producer;
    this.nic.write(context * PAGE + TX_PRODUCER, 4, producer);
  }
}

/** Jain's index of what each got per unit of its weight. */
export function jain(shares: ArrayLike<number>, senders: readonly Sender[]): number {
  let sum = 0;
  let squares = 0;
  senders.forEach(({ weight }, index) => {
    const share = (shares[index] ?? 0) / weight;
    sum += share;
    squares += share * share;
  });
  return squares === 0 ? 0 : (sum * sum) / (senders.length * squares);
}
