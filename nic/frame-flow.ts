import type { BookedLine } from '../scheduler/booked-line.js';
import type { ContextId } from '../scheduler/branded.js';
import { type Discipline, type Share, STARVED } from '../scheduler/discipline.js';
import { DeficitRoundRobin } from '../scheduler/disciplines/deficit-round-robin.js';
import { BEHIND, DmaScheduler } from '../scheduler/dma-scheduler.js';
import { InvariantViolation } from '../scheduler/errors.js';
import type { HandlerId } from '../scheduler/event-kernel.js';
import { present } from '../scheduler/present.js';
import type { CardCore, DataPath, FaultSink } from './card-core.js';
import type { ClassPauses, PausedSender } from './class-pauses.js';
import { Completions } from './completions.js';
import type { Context, Direction } from './context.js';
import type { FaultReason } from './counters.js';
import type { Demultiplexer } from './demultiplexer.js';
import { DescriptorFetcher } from './descriptor-fetcher.js';
import { DestinationLookup, INNER_EXIT, WIRE_EXIT } from './destination-lookup.js';
import { Forwarding } from './forwarding.js';
import type { WirePort } from './host-port.js';
import type { InterruptVectors } from './interrupt-vectors.js';
import { PriorityFlowControl } from './priority-flow-control.js';
import { ReceivePath } from './receive-path.js';
import { TransmitHeads } from './transmit-heads.js';
import { TransmitOrder } from './transmit-order.js';
import { TransmitPath } from './transmit-path.js';

/** The environment of the data path. */
export interface FlowNeighbours {
  readonly faults: FaultSink;
  readonly vectors: InterruptVectors;
  readonly demultiplexer: Demultiplexer;
  readonly line: BookedLine;
  readonly wire: WirePort;
  readonly transmitDiscipline: Discipline;
  readonly receiveDiscipline: Discipline;
}

/**
 * The data path: a descriptor from doorbell to completion, a frame from the guest to the wire and back. Each
 * component reports here, and each report is passed to the next one in one method.
 */
export class FrameFlow implements DataPath, PausedSender {
  /** To the wire. */
  readonly transmit: TransmitPath;
  /** To other contexts of the card. */
  readonly inner: TransmitPath;
  readonly receive: ReceivePath;
  /** Absent where no traffic class has it. */
  readonly flowControl: PriorityFlowControl | undefined;
  readonly forwarding: Forwarding;
  readonly transmitScheduler: DmaScheduler;
  readonly innerScheduler: DmaScheduler;
  readonly receiveScheduler: DmaScheduler;
  readonly #core: CardCore;
  readonly #faults: FaultSink;
  readonly #vectors: InterruptVectors;
  readonly #fetcher: DescriptorFetcher;
  readonly #completions: Completions;
  readonly #lookup: DestinationLookup;
  readonly #heads: TransmitHeads;
  readonly #order: TransmitOrder;
  readonly #line: BookedLine;
  readonly #wire: WirePort;
  readonly #newRate: HandlerId;
  /** When the event of a new rate comes that has been posted, ns. */
  #newRateAtNs: number | undefined;
  /** Whether the inner exit has been given its credit: at the first doorbell with switching on. */
  #innerOpen = false;
  readonly #descriptorsCompleted: Float64Array;
  readonly #interruptRequests: Float64Array;

  constructor(core: CardCore, neighbours: FlowNeighbours) {
    const { kernel, parameters, counters } = core;
    this.#core = core;
    this.#faults = neighbours.faults;
    this.#line = neighbours.line;
    this.#wire = neighbours.wire;
    this.#newRate = kernel.register('nic.wire-rate', () => {
      if (this.#newRateAtNs === kernel.nowNs) this.#onNewRate();
    });
    this.#vectors = neighbours.vectors;
    this.#descriptorsCompleted = counters.row('descriptorsCompleted');
    this.#interruptRequests = counters.row('interruptRequests');
    this.forwarding = new Forwarding(core, neighbours.demultiplexer, neighbours.wire, this);
    this.#lookup = new DestinationLookup(core, this.forwarding, this);
    this.#heads = new TransmitHeads(core.contexts, this.#lookup, this);
    this.#order = new TransmitOrder(core, this);
    const { forwarding: exit } = this;
    const shared = { exit, heads: this.#heads, completions: this.#order, path: this };
    this.transmit = new TransmitPath(core, {
      ...shared,
      name: 'nic.mac',
      fifoBytes: parameters.transmitFifoBytes,
      line: neighbours.line,
      released: (bytes) => this.transmitScheduler.credit(bytes),
    });
    this.inner = new TransmitPath(core, {
      ...shared,
      name: 'nic.inner-exit',
      fifoBytes: parameters.switchFifoBytes,
      line: undefined,
      released: (bytes) => this.innerScheduler.credit(bytes),
    });
    this.#order.add(this.transmit);
    this.#order.add(this.inner);
    if (parameters.pfcClasses !== 0)
      this.flowControl = new PriorityFlowControl(core, { ...neighbours, sender: this });
    this.receive = new ReceivePath(core, this, this.flowControl?.pressure);
    this.#fetcher = new DescriptorFetcher(core, this);
    this.#completions = new Completions(core, this);

    this.transmitScheduler = new DmaScheduler(kernel, {
      name: 'nic.transmit',
      discipline: neighbours.transmitDiscipline,
      heads: { headBytes: this.#headBytesForWire(this.flowControl?.pauses) },
      onGrant: (index) => this.#take(index, this.transmit),
      overheadBytes: parameters.overheadBytes,
      waitsForStarved: true,
    });
    this.innerScheduler = new DmaScheduler(kernel, {
      name: 'nic.inner',
      // A context counts with its weight alone here: limits, minimums and priorities are those of the wire.
      discipline: new DeficitRoundRobin(),
      heads: { headBytes: (index) => this.#heads.bytes(index, INNER_EXIT) },
      onGrant: (index) => this.#take(index, this.inner),
      waitsForStarved: true,
      // The FIFO of this exit is empty as soon as its reads are over, and a fetch comes behind them.
      isHeldUp: (index) => this.#heads.fillsCache(index),
    });
    this.receiveScheduler = new DmaScheduler(kernel, {
      name: 'nic.receive',
      discipline: neighbours.receiveDiscipline,
      heads: this.receive,
      onGrant: (index) => this.receive.take(present(core.contexts[index])),
      waitsForStarved: true,
    });
    this.transmitScheduler.credit(parameters.transmitFifoBytes);
    this.receiveScheduler.credit(parameters.receiveDmaBytes);
  }

  /** A context takes part from now on. */
  join(context: Context, share: Share): void {
    this.transmitScheduler.join(context.index, share);
    this.innerScheduler.join(context.index, share);
    this.receiveScheduler.join(context.index, share);
  }

  reweigh(context: Context, share: Share): void {
    this.transmitScheduler.reweigh(context.index, share);
    this.innerScheduler.reweigh(context.index, share);
    this.receiveScheduler.reweigh(context.index, share);
  }

  /** Frames that begin to leave from now on go at another rate. All else has it when the frame that is under way has left. */
  changeRate(rateBps: number): void {
    const { kernel } = this.#core;
    const sinceNs = this.#line.changeRate(rateBps);
    if (sinceNs === kernel.nowNs) this.#onNewRate();
    else if (sinceNs !== this.#newRateAtNs) {
      // One event for all changes under one frame: it tells the rate that the line has then.
      this.#newRateAtNs = sinceNs;
      kernel.post(sinceNs - kernel.nowNs, this.#newRate);
    }
  }

  /** The context was stopped: nothing of it that has not left yet ever will. */
  forget(context: Context): void {
    this.#fetcher.forget(context);
    this.#heads.forget(context);
    this.#lookup.forget(context);
    this.#order.forget(context);
    this.transmit.forget(context);
    this.inner.forget(context);
    this.#completions.forget(context);
    this.receive.forget(context);
    this.transmitScheduler.leave(context.index);
    this.innerScheduler.leave(context.index);
    this.receiveScheduler.leave(context.index);
  }

  /** The guest has posted `count` descriptors. */
  posted(context: Context, direction: Direction, count: number): void {
    const first = (context.ring(direction).producer - count) >>> 0;
    const { instruments, kernel, subjects } = this.#core;
    subjects.descriptor(context.index, direction, first, count, 'posted');
    if (direction === 'transmit') instruments?.posted?.(context.index, first, count, kernel.nowNs);
    this.#fetcher.consider(context, direction);
  }

  /** Whether a context has posted a frame for the wire that no grant has taken, on the card or not. */
  hasPosted(context: ContextId): boolean {
    const bytes = this.#heads.bytes(context, WIRE_EXIT);
    return bytes > 0 || bytes === STARVED;
  }

  /** Whether the far end has paused the traffic class of a context. */
  isPaused(context: ContextId): boolean {
    return this.flowControl?.pauses.has(present(this.#core.contexts[context]).trafficClass) === true;
  }

  /** The far end has paused a traffic class: what is granted still goes, nothing more is. */
  paused(trafficClass: number): void {
    this.#core.instruments?.paused?.(trafficClass, this.#core.kernel.nowNs);
    for (const context of this.#core.contexts)
      if (context.trafficClass === trafficClass) this.transmitScheduler.pause(context.index);
  }

  resumed(trafficClass: number): void {
    this.#core.instruments?.resumed?.(trafficClass, this.#core.kernel.nowNs);
    for (const context of this.#core.contexts)
      if (context.trafficClass === trafficClass) this.transmitScheduler.ring(context.index);
  }

  /** The guest has unmasked its interrupts. */
  unmasked(context: Context): void {
    this.#completions.unmasked(context);
  }

  /** The guest has changed how its completions are coalesced. */
  coalesced(context: Context): void {
    this.#completions.coalesced(context);
  }

  fetched(context: Context, direction: Direction, first: number, count: number): void {
    if (direction === 'receive') {
      this.#refill(context);
      this.#ringReceive(context);
      return;
    }
    const { instruments, kernel } = this.#core;
    const waited = this.#heads.paddedBytes(context.index) > 0;
    this.#lookup.arrived(context, first, count);
    if (this.#heads.refresh(context)) this.#heads.noteQueued(context);
    instruments?.fetched?.(context.index, first, count, kernel.nowNs);
    if (!waited) this.#ringTransmit(context);
  }

  destinationKnown(context: Context): void {
    if (!this.#heads.waitsForExit(context.index)) {
      this.#heads.noteQueued(context);
      return;
    }
    if (!this.#heads.refresh(context)) return;
    this.#heads.noteQueued(context);
    this.#ringTransmit(context);
  }

  starved(context: Context, direction: Direction): boolean {
    if (direction === 'transmit') return this.#heads.paddedBytes(context.index) === 0;
    return this.receive.headBytes(context.index) === STARVED;
  }

  took(context: Context, direction: Direction): void {
    if (direction === 'receive') this.#refill(context);
    else this.#fetcher.consider(context, direction);
  }

  completed(context: Context, _direction: Direction, descriptors: number, urgent: boolean): void {
    const row = this.#descriptorsCompleted;
    row[context.index] = present(row[context.index]) + descriptors;
    this.#completions.note(context, urgent);
  }

  released(bytes: number): void {
    this.receiveScheduler.credit(bytes);
  }

  queued(context: Context, bytes: number): void {
    this.transmitScheduler.arrived(context.index, bytes);
  }

  deliver(context: Context, bytes: Uint8Array, offset: number, length: number, switched: boolean): void {
    if (!this.receive.arrive(context, bytes, offset, length, switched)) return;
    this.#refill(context);
    this.#ringReceive(context);
  }

  interrupt(context: Context): void {
    const row = this.#interruptRequests;
    row[context.index] = present(row[context.index]) + 1;
    this.#vectors.request(context.index);
  }

  fault(context: Context, direction: Direction, reason: FaultReason, detail: number): void {
    this.#faults.fault(context, direction, reason, detail);
  }

  checkInvariants(): void {
    const { inner, innerScheduler, receive, receiveScheduler, transmit, transmitScheduler } = this;
    const { receiveDmaBytes, switchFifoBytes, transmitFifoBytes } = this.#core.parameters;
    for (const component of [
      this.#fetcher,
      this.#lookup,
      transmit,
      inner,
      this.#order,
      receive,
      this.#completions,
    ])
      component.checkInvariants();
    this.#line.checkInvariants();
    transmitScheduler.checkInvariants();
    innerScheduler.checkInvariants();
    receiveScheduler.checkInvariants();
    if (transmitScheduler.creditBytes + transmit.inFlightBytes !== transmitFifoBytes)
      throw new InvariantViolation('credit for the transmit FIFO is lost');
    if (innerScheduler.creditBytes + inner.inFlightBytes !== (this.#innerOpen ? switchFifoBytes : 0))
      throw new InvariantViolation('credit for the inner exit is lost');
    if (receiveScheduler.creditBytes + receive.inFlightBytes !== receiveDmaBytes)
      throw new InvariantViolation('credit for received frames is lost');
  }

  /** No frame is under way that goes at an earlier rate. */
  #onNewRate(): void {
    const { rateBps } = this.#line;
    this.#newRateAtNs = undefined;
    this.flowControl?.changeRate(rateBps);
    this.transmitScheduler.linkRateChanged(rateBps);
    this.receiveScheduler.linkRateChanged(rateBps);
    this.#wire.rateChanged?.(rateBps);
  }

  /** How the wire's scheduler sees the head of a queue. */
  #headBytesForWire(pauses: ClassPauses | undefined): (index: ContextId) => number {
    const heads = this.#heads;
    if (pauses === undefined) return (index) => heads.bytes(index, WIRE_EXIT);
    const { contexts } = this.#core;
    return (index) => {
      const bytes = heads.bytes(index, WIRE_EXIT);
      return bytes !== 0 && pauses.has(present(contexts[index]).trafficClass) ? BEHIND : bytes;
    };
  }

  /** Fetches receive descriptors if it is worth it; drops frames that can never have enough of them. */
  #refill(context: Context): void {
    let dropped = true;
    while (dropped) dropped = this.receive.dropUnwritable(context);
    this.#fetcher.consider(context, 'receive');
  }

  /** The schedulers of both exits look at the head of a context's queue. */
  #ringTransmit({ index }: Context): void {
    this.transmitScheduler.ring(index);
    if (!this.forwarding.switching && !this.#innerOpen) return;
    if (!this.#innerOpen) {
      this.#innerOpen = true;
      this.innerScheduler.credit(this.#core.parameters.switchFifoBytes);
    }
    this.innerScheduler.ring(index);
  }

  /** A context was granted: its head frame goes to this exit, and the next one may be for the other. */
  #take(index: ContextId, exit: TransmitPath): void {
    const context = present(this.#core.contexts[index]);
    exit.take(context);
    if (!this.#innerOpen) return;
    this.#heads.noteQueued(context);
    (exit === this.transmit ? this.innerScheduler : this.transmitScheduler).ring(index);
  }

  #ringReceive(context: Context): void {
    this.receiveScheduler.ring(context.index);
  }
}
