import { NO_CONTEXT } from '../scheduler/branded.js';
import type { EventKernel, HandlerId } from '../scheduler/event-kernel.js';
import { present } from '../scheduler/present.js';
import type { CardCore, DataPath } from './card-core.js';
import type { Context } from './context.js';
import type { Demultiplexer } from './demultiplexer.js';
import { MAX_FRAME_BYTES, PADDED_FRAME_BYTES } from './descriptor.js';
import type { FrameLedger } from './frame-ledger.js';
import type { WirePort, WireTimes } from './host-port.js';
import { isMacControl } from './mac-control.js';
import { isGroupAt } from './station-address.js';
import type { TransmitRoute } from './transmit-path.js';

/**
 * Between the contexts and the wire: where a frame that leaves goes, and which context a frame that arrives is for. With
 * switching on, a frame for another context of this NIC never sees the wire, and one for a group goes both
 * ways; neither comes back to its sender.
 */
export class Forwarding {
  /** Whether frames between contexts stay inside. */
  switching = false;
  readonly #kernel: EventKernel;
  readonly #demultiplexer: Demultiplexer;
  readonly #ledger: FrameLedger;
  readonly #wire: WirePort;
  readonly #path: DataPath;
  readonly #switchNs: number;
  readonly #framesSwitched: Float64Array;
  readonly #arrive: HandlerId;
  readonly #crossing: { from: Context; bytes: Uint8Array }[] = [];

  constructor(core: CardCore, demultiplexer: Demultiplexer, wire: WirePort, path: DataPath) {
    const { kernel } = core;
    this.#kernel = kernel;
    this.#demultiplexer = demultiplexer;
    this.#ledger = core.ledger;
    this.#wire = wire;
    this.#path = path;
    this.#switchNs = core.parameters.switchNs;
    this.#framesSwitched = core.counters.row('framesSwitched');
    this.#arrive = kernel.register('nic.switch', () => this.#onCrossed());
  }

  /** Frames on their way from one context to others. */
  get crossing(): number {
    return this.#crossing.length;
  }

  /** A whole frame is at the head of the transmit FIFO: may it go, and where? */
  route(context: Context, bytes: Uint8Array, offset: number): TransmitRoute {
    if (context.antiSpoofing && !context.isMacAt(bytes, offset + 6)) return 'spoofed';
    if (isMacControl(bytes, offset)) return 'control';
    if (!this.switching) return 'wire';
    if (isGroupAt(bytes, offset)) return 'both';
    return this.staysInside(bytes, offset) ? 'switch' : 'wire';
  }

  /** Whether a frame that begins with these bytes goes to another context of this card and to no other station. */
  staysInside(bytes: Uint8Array, offset: number): boolean {
    if (!this.switching) return false;
    return !isGroupAt(bytes, offset) && this.#demultiplexer.owner(bytes, offset) !== undefined;
  }

  /** The frame has left. */
  departed(
    context: Context,
    bytes: Uint8Array,
    offset: number,
    length: number,
    lastIndex: number,
    times: WireTimes,
    route: TransmitRoute,
  ): void {
    this.#ledger.transmitted(context, bytes, offset, length, times, route === 'switch');
    if (route !== 'wire') this.#cross(context, bytes.slice(offset, offset + length));
    if (route !== 'switch') this.#wire.transmitted(bytes, offset, length, context.index, lastIndex, times);
  }

  /** A frame is here, from the wire or from a context: a copy for each context that it is addressed to. */
  arrived(bytes: Uint8Array, offset: number, length: number, from: Context | undefined): void {
    if (length < PADDED_FRAME_BYTES) {
      this.#dropUndelivered('frame-too-short', length);
      return;
    }
    if (length > MAX_FRAME_BYTES) {
      this.#dropUndelivered('frame-too-long', length);
      return;
    }
    // What a switch has sent back to all must not come back to its sender (IEEE 802.1Qbg, reflective relay).
    const sender = from ?? (isGroupAt(bytes, offset) ? this.#demultiplexer.owner(bytes, offset + 6) : from);
    const destinations = this.#demultiplexer.destinations(bytes, offset, sender);
    if (destinations.length === 0) {
      this.#dropUndelivered('unknown-destination', length);
      return;
    }
    this.#ledger.copied(destinations.length - 1);
    for (let index = 0; index < destinations.length; index += 1) {
      const context = destinations[index];
      if (context === undefined) continue;
      this.#ledger.takenOn('receive');
      this.#path.deliver(context, bytes, offset, length, from !== undefined);
    }
  }

  #dropUndelivered(
    reason: 'frame-too-short' | 'frame-too-long' | 'unknown-destination',
    length: number,
  ): void {
    this.#ledger.takenOn('receive');
    this.#ledger.dropped(NO_CONTEXT, 'receive', reason, length);
  }

  /** Off the wire's path, so a copy may be made. */
  #cross(from: Context, bytes: Uint8Array): void {
    this.#framesSwitched[from.index] = present(this.#framesSwitched[from.index]) + 1;
    this.#crossing.push({ from, bytes });
    this.#kernel.post(this.#switchNs, this.#arrive);
  }

  #onCrossed(): void {
    const next = this.#crossing.shift();
    if (next !== undefined) this.arrived(next.bytes, 0, next.bytes.length, next.from);
  }
}
