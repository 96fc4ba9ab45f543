import { PADDED_FRAME_BYTES } from '../../../nic/descriptor.js';
import type { NicInstruments, WirePort } from '../../../nic/host-port.js';
import { type ContextId, NO_CONTEXT, storedContextId } from '../../../scheduler/branded.js';
import type { EventKernel } from '../../../scheduler/event-kernel.js';
import { absent } from '../../../scheduler/present.js';
import { tally } from '../../../scheduler/tally.js';
import type { Processor } from '../../cpu/processor.js';
import type { GuestPort } from '../guest-port.js';
import type { Intermediary, PortTraffic } from '../intermediary.js';
import { BRIDGE_DROPS, type BridgeDrop } from './bridge-drops.js';
import { BridgeMoves } from './bridge-moves.js';

interface Account {
  framesTransmitted: number;
  bytesTransmitted: number;
  framesReceived: number;
  bytesReceived: number;
  readonly drops: Map<BridgeDrop, number>;
}

/**
 * The owner of each frame that goes through the driver domain: which port sent the frame in a slot of the card's transmit
 * ring, when what lies in a slot of its receive ring arrived, and what each guest has had in all.
 */
export class TrafficLedger implements Intermediary {
  /** The same, as it happens. */
  readonly moves: BridgeMoves;
  readonly #kernel: EventKernel;
  readonly #processor: Processor;
  readonly #mask: number;
  readonly #port: Int32Array;
  readonly #index: Uint32Array;
  readonly #arrivedNs: Float64Array;
  readonly #accounts = new Map<ContextId, Account>();
  readonly #drops = Object.fromEntries(BRIDGE_DROPS.map((reason) => [reason, 0])) as Record<
    BridgeDrop,
    number
  >;
  #to: NicInstruments | undefined;
  #taken = 0;
  #sent = 0;
  #departed = 0;
  #collected = 0;

  /** @param slots of the card's rings. */
  constructor(kernel: EventKernel, processor: Processor, slots: number) {
    this.moves = new BridgeMoves(kernel, processor);
    this.#kernel = kernel;
    this.#processor = processor;
    this.#mask = slots - 1;
    this.#port = new Int32Array(slots).fill(NO_CONTEXT);
    this.#index = new Uint32Array(slots);
    this.#arrivedNs = new Float64Array(slots);
  }

  wire(far: WirePort): WirePort {
    return {
      transmitted: (bytes, offset, length, _context, index, times) => {
        const slot = index & this.#mask;
        const port = storedContextId(this.#port[slot] ?? absent());
        const account = this.#account(port);
        account.framesTransmitted += 1;
        account.bytesTransmitted += length;
        this.#departed += 1;
        far.transmitted(bytes, offset, length, port, this.#index[slot] ?? absent(), times);
      },
      controlSent: (bytes, offset, length, startNs, endNs) =>
        far.controlSent?.(bytes, offset, length, startNs, endNs),
      rateChanged: (rateBps) => far.rateChanged?.(rateBps),
    };
  }

  instruments(to: NicInstruments | undefined): NicInstruments {
    this.#to = to;
    return {
      received: (_context, lastIndex, _length, arrivedNs) => {
        this.#arrivedNs[lastIndex & this.#mask] = arrivedNs;
      },
      paused: (trafficClass, nowNs) => to?.paused?.(trafficClass, nowNs),
      resumed: (trafficClass, nowNs) => to?.resumed?.(trafficClass, nowNs),
    };
  }

  traffic(port: GuestPort): PortTraffic {
    const { drops, ...counts } = this.#account(port.context);
    return { ...counts, drops: Object.fromEntries(drops) };
  }

  get framesBetween(): number {
    return this.#taken - this.#departed;
  }

  get framesToWire(): number {
    return this.#sent - this.#departed;
  }

  get framesCollected(): number {
    return this.#collected;
  }

  get drops(): Readonly<Record<BridgeDrop, number>> {
    return this.#drops;
  }

  get framesTaken(): number {
    return this.#taken;
  }

  /** Frames dropped in all. */
  get dropped(): number {
    return BRIDGE_DROPS.reduce((sum, reason) => sum + this.#drops[reason], 0);
  }

  /** When the frame whose last buffer is this one of the card's receive ring came in from the wire, ns. */
  arrivedNs(index: number): number {
    return this.#arrivedNs[index & this.#mask] ?? absent();
  }

  /** A guest has put `count` requests from index `first` on into its transmit ring. */
  posted(port: ContextId, first: number, count: number): void {
    if (this.moves.observed) this.moves.tell({ kind: 'requested', port, first, count });
    this.#to?.posted?.(port, first, count, this.#kernel.nowNs + this.#processor.elapsedNs);
  }

  /** A frame of `count` requests from index `first` on was taken out of a guest's transmit ring. */
  took(port: ContextId, first: number, count: number): void {
    this.#taken += 1;
    if (this.moves.observed) this.moves.tell({ kind: 'taken', port, first, count });
    this.#to?.fetched?.(port, first, count, this.#kernel.nowNs + this.#processor.elapsedNs);
  }

  /** Its last descriptor in the card's ring is this one; its last request in the guest's is that one. */
  sends(descriptor: number, port: ContextId, request: number): void {
    this.#sent += 1;
    if (this.moves.observed) this.moves.tell({ kind: 'sent', port, descriptor });
    this.#port[descriptor & this.#mask] = port;
    this.#index[descriptor & this.#mask] = request;
  }

  /** A frame was taken out of the card's receive ring, where this is its last descriptor. */
  collected(descriptor: number): void {
    this.#collected += 1;
    if (this.moves.observed) this.moves.tell({ kind: 'collected', descriptor });
  }

  /** It went to other guests and not to the wire. */
  bridged(port: ContextId, length: number): void {
    const account = this.#account(port);
    account.framesTransmitted += 1;
    account.bytesTransmitted += Math.max(length, PADDED_FRAME_BYTES);
  }

  /** A frame is complete in a guest's memory. @param arrivedNs when it came in; undefined if from another guest. */
  delivered(port: ContextId, request: number, length: number, arrivedNs: number | undefined): void {
    const account = this.#account(port);
    account.framesReceived += 1;
    account.bytesReceived += Math.max(length, PADDED_FRAME_BYTES);
    if (this.moves.observed) this.moves.tell({ kind: 'delivered', port, request, bytes: length });
    if (this.#to === undefined) return;
    const nowNs = this.#kernel.nowNs + this.#processor.elapsedNs;
    this.#to.received(port, request, length, arrivedNs ?? nowNs, nowNs);
  }

  /** A frame was dropped; `port` is its sender or receiver, or NO_CONTEXT. */
  drop(reason: BridgeDrop, port: ContextId): void {
    this.#drops[reason] += 1;
    if (this.moves.observed) this.moves.tell({ kind: 'dropped', port, reason });
    if (port === NO_CONTEXT) return;
    const { drops } = this.#account(port);
    tally(drops, reason);
  }

  #account(port: ContextId): Account {
    let account = this.#accounts.get(port);
    if (account === undefined) {
      account = {
        framesTransmitted: 0,
        bytesTransmitted: 0,
        framesReceived: 0,
        bytesReceived: 0,
        drops: new Map(),
      };
      this.#accounts.set(port, account);
    }
    return account;
  }
}
