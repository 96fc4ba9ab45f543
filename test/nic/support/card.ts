import { Nic } from '../../../nic/nic.js';
import { DEFAULT_NIC, type NicParameters } from '../../../nic/parameters.js';
import type { CompletionEvent, DescriptorEvent, DropEvent, FaultEvent } from '../../../nic/streams.js';
import type { Discipline } from '../../../scheduler/discipline.js';
import { makeDiscipline } from '../../../scheduler/disciplines/index.js';
import { EventKernel } from '../../../scheduler/event-kernel.js';
import { FlatHost } from './flat-host.js';
import {
  M_COMMAND,
  M_COMMAND_STATUS,
  M_SELECT,
  M_VECTOR_BYTES,
  M_VECTOR_CONSUMER,
  M_VECTOR_RING_LOW,
  M_VECTOR_RING_SIZE,
  PAGE,
  VECTOR_RING_HEADER,
} from './registers.js';

/** A frame that left by the port. */
export interface Sent {
  readonly context: number;
  readonly bytes: Uint8Array;
  readonly startNs: number;
  readonly endNs: number;
  readonly lastIndex: number;
}

const VECTOR_RING = 0x1000;
const VECTOR_ENTRIES_LOG2 = 3;

/** A card on a bench: plugged into flat memory and a recorded wire, with the hypervisor's hand on its management page. */
export class Card {
  readonly kernel = new EventKernel();
  readonly host: FlatHost;
  readonly nic: Nic;
  readonly sent: Sent[] = [];
  /** MAC control frames of the card itself, and what is at the other end of the cable. */
  readonly controls: Omit<Sent, 'context' | 'lastIndex'>[] = [];
  onControl: ((bytes: Uint8Array) => void) | undefined;
  onRate: ((rateBps: number) => void) | undefined;
  readonly drops: DropEvent[] = [];
  readonly faults: FaultEvent[] = [];
  readonly completions: CompletionEvent[] = [];
  readonly descriptors: DescriptorEvent[] = [];
  /** Contexts of each vector that was drained. */
  readonly vectors: number[][] = [];
  readonly management: number;
  #vectorConsumer = 0;

  constructor(
    parameters: Partial<NicParameters> = {},
    memoryBytes = 1 << 20,
    disciplines: { readonly transmit?: Discipline; readonly receive?: Discipline } = {},
  ) {
    this.host = new FlatHost(this.kernel, memoryBytes);
    this.nic = new Nic(
      this.kernel,
      { ...DEFAULT_NIC, contexts: 4, ...parameters },
      {
        port: this.host,
        wire: {
          transmitted: (bytes, offset, length, context, lastIndex, { startNs, endNs }) => {
            this.sent.push({
              context,
              bytes: bytes.slice(offset, offset + length),
              startNs,
              endNs,
              lastIndex,
            });
          },
          controlSent: (bytes, offset, length, startNs, endNs) => {
            const copy = bytes.slice(offset, offset + length);
            this.controls.push({ bytes: copy, startNs, endNs });
            this.onControl?.(copy);
          },
          rateChanged: (rateBps) => this.onRate?.(rateBps),
        },
        transmitDiscipline: disciplines.transmit ?? makeDiscipline('drr'),
        receiveDiscipline: disciplines.receive ?? makeDiscipline('drr'),
      },
    );
    this.management = this.nic.contexts.length * PAGE;
    this.nic.streams.drops$.subscribe((event) => this.drops.push(event));
    this.nic.streams.faults$.subscribe((event) => this.faults.push(event));
    this.nic.streams.completions$.subscribe((event) => this.completions.push(event));
    this.nic.streams.descriptors$.subscribe((event) => this.descriptors.push(event));
  }

  /** Gives the card a ring for interrupt vectors; each physical interrupt drains it. */
  attachVectors(drain = true): void {
    this.manage(M_VECTOR_RING_LOW, VECTOR_RING);
    this.manage(M_VECTOR_RING_SIZE, VECTOR_ENTRIES_LOG2);
    if (drain) this.host.onRaise = () => this.drainVectors();
  }

  /** What the hypervisor's interrupt routine does. */
  drainVectors(): void {
    const entryBytes = this.query(M_VECTOR_BYTES);
    const producer = this.host.u32(VECTOR_RING);
    while (this.#vectorConsumer !== producer) {
      const slot = this.#vectorConsumer % 2 ** VECTOR_ENTRIES_LOG2;
      const at = VECTOR_RING + VECTOR_RING_HEADER + slot * entryBytes;
      const bits: number[] = [];
      for (let bit = 0; bit < entryBytes * 8; bit += 1) {
        if (((this.host.bytes[at + (bit >> 3)] ?? 0) >> (bit & 7)) & 1) bits.push(bit);
      }
      this.vectors.push(bits);
      this.#vectorConsumer += 1;
    }
    this.manage(M_VECTOR_CONSUMER, this.#vectorConsumer);
  }

  /** Writes a management register. */
  manage(offset: number, value: number): boolean {
    return this.nic.write(this.management + offset, 4, value);
  }

  /** Reads a management register. */
  query(offset: number): number {
    return this.nic.read(this.management + offset, 4);
  }

  /** Gives a command about a context; returns how it ended. */
  command(context: number, command: number): number {
    this.manage(M_SELECT, context);
    this.manage(M_COMMAND, command);
    return this.query(M_COMMAND_STATUS);
  }

  /** Runs until nothing is left to do, and looks whether all is well. */
  settle(): void {
    this.kernel.drain(10_000_000);
    this.nic.checkInvariants();
  }

  /** Runs for a time, ns. */
  run(ns: number): void {
    this.kernel.run(this.kernel.nowNs + ns);
    this.nic.checkInvariants();
  }

  /** A frame comes in from the wire. */
  arrive(frame: Uint8Array): void {
    this.nic.receive(frame, 0, frame.length);
  }
}
