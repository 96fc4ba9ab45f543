import type { Observable } from 'rxjs';
import type { Discipline } from '../scheduler/discipline.js';
import { DmaScheduler, type Grant } from '../scheduler/dma-scheduler.js';
import type { EventKernel, HandlerId } from '../scheduler/event-kernel.js';
import { Outlet } from '../scheduler/outlet.js';
import { SerialLine } from '../scheduler/serial-line.js';
import { Completions } from './completions.js';
import { CONTEXT_STATES, Context, type Direction } from './context.js';
import { ContextPages } from './context-pages.js';
import { Counters, type DropReason, type FaultReason } from './counters.js';
import { Demultiplexer, isGroup, readMac } from './demultiplexer.js';
import { MAX_FRAME_BYTES, MIN_FRAME_BYTES, PADDED_FRAME_BYTES } from './descriptor.js';
import { DescriptorFetcher } from './descriptor-fetcher.js';
import { DmaEngine } from './dma-engine.js';
import { EventVector } from './event-vector.js';
import type { HostPort, NicInstruments, WirePort } from './host-port.js';
import { InterruptVectors } from './interrupt-vectors.js';
import { ManagementPage } from './management-page.js';
import { type NicParameters, validateNicParameters } from './parameters.js';
import { PcieLink } from './pcie-link.js';
import { ReceivePath } from './receive-path.js';
import { ALL_ONES, barBytes, type CommandStatus, MAILBOX, PAGE_BYTES } from './registers.js';
import { NicOutlets, type NicStreams } from './streams.js';
import { TransmitPath, type TransmitRoute } from './transmit-path.js';

/** What a NIC is plugged into, and who shares it out. */
export interface NicAttachments {
  readonly port: HostPort;
  readonly wire: WirePort;
  /** Decides whose frame is read and sent next. */
  readonly transmitDiscipline: Discipline;
  /** Decides whose received frame is written to memory next. */
  readonly receiveDiscipline: Discipline;
  readonly instruments?: NicInstruments;
}

/**
 * A NIC with a register context a guest. Its parts are wired here and nowhere else: this file is the block
 * diagram, and the path of a frame can be followed through it from doorbell to wire and back.
 */
export class Nic {
  readonly parameters: NicParameters;
  readonly link: PcieLink;
  readonly line: SerialLine;
  readonly dma: DmaEngine;
  readonly counters: Counters;
  readonly contexts: readonly Context[];
  readonly streams: NicStreams;
  /** Decisions of the transmit scheduler. */
  readonly grants$: Observable<Grant>;
  /** Decisions of the receive scheduler. */
  readonly receiveGrants$: Observable<Grant>;
  readonly transmitScheduler: DmaScheduler;
  readonly receiveScheduler: DmaScheduler;

  readonly #kernel: EventKernel;
  readonly #wire: WirePort;
  readonly #instruments: NicInstruments | undefined;
  readonly #outlets: NicOutlets;
  readonly #events: EventVector;
  readonly #pages: ContextPages;
  readonly #management: ManagementPage;
  readonly #fetcher: DescriptorFetcher;
  readonly #transmit: TransmitPath;
  readonly #receive: ReceivePath;
  readonly #completions: Completions;
  readonly #vectors: InterruptVectors;
  readonly #demultiplexer = new Demultiplexer();
  readonly #transmitDoorbells: Outlet<number>;
  readonly #receiveDoorbells: Outlet<number>;
  readonly #decode: HandlerId;
  readonly #switchDeliver: HandlerId;
  readonly #switchQueue: { context: Context; bytes: Uint8Array }[] = [];
  #switching = false;

  readonly #doorbellRow: Float64Array;
  readonly #framesTransmittedRow: Float64Array;
  readonly #bytesTransmittedRow: Float64Array;
  readonly #framesReceivedRow: Float64Array;
  readonly #bytesReceivedRow: Float64Array;
  readonly #interruptRow: Float64Array;

  constructor(kernel: EventKernel, parameters: NicParameters, attachments: NicAttachments) {
    validateNicParameters(parameters);
    this.parameters = parameters;
    this.#kernel = kernel;
    this.#wire = attachments.wire;
    this.#instruments = attachments.instruments;
    const count = parameters.contexts;
    this.contexts = Array.from(
      { length: count },
      (_, index) => new Context(index, parameters.requesterBase + index, parameters.descriptorCacheSlots),
    );
    this.link = new PcieLink(parameters.pcie);
    this.line = new SerialLine(parameters.rateBps);
    this.counters = new Counters(count);
    this.#outlets = new NicOutlets(kernel);
    this.streams = this.#outlets.streams;
    this.dma = new DmaEngine(kernel, this.link, attachments.port, count, {
      maxInFlight: parameters.dmaInFlight,
    });
    this.#events = new EventVector(count);
    this.#transmitDoorbells = new Outlet('nic.transmit.doorbells$', kernel);
    this.#receiveDoorbells = new Outlet('nic.receive.doorbells$', kernel);
    const transmitReady = new Outlet<number>('nic.transmit.linkReady$', kernel);
    const receiveReady = new Outlet<number>('nic.receive.linkReady$', kernel);

    this.#transmit = new TransmitPath(
      kernel,
      this.dma,
      this.line,
      this.contexts,
      {
        route: (context, bytes, offset) => this.#route(context, bytes, offset),
        departed: (context, bytes, offset, length, index, startNs, endNs, route) =>
          this.#departed(context, bytes, offset, length, index, startNs, endNs, route),
        completed: (context, urgent) => this.#completed(context, 'transmit', urgent),
        dropped: (context, reason, bytes) => this.#drop(context.index, 'transmit', reason, bytes),
        fault: (context, reason, detail) => this.#fault(context, 'transmit', reason, detail),
        took: (context) => this.#fetcher.consider(context, 'transmit'),
      },
      this.#outlets,
      transmitReady,
      parameters.transmitFifoBytes,
    );
    this.#receive = new ReceivePath(
      this.dma,
      this.contexts,
      {
        received: (context, bytes, offset, length, lastIndex, arrivedNs) =>
          this.#received(context, bytes, offset, length, lastIndex, arrivedNs),
        completed: (context, urgent) => this.#completed(context, 'receive', urgent),
        dropped: (context, reason, bytes) => this.#drop(context.index, 'receive', reason, bytes),
        fault: (context, reason, detail) => this.#fault(context, 'receive', reason, detail),
        took: (context) => {
          this.#fetcher.consider(context, 'receive');
          this.#dropUnwritable(context);
        },
      },
      this.#outlets,
      receiveReady,
      parameters.receiveShareBytes,
    );
    this.#fetcher = new DescriptorFetcher(
      this.dma,
      this.contexts,
      {
        fetched: (context, direction) => this.#fetched(context, direction),
        fault: (context, direction, reason, detail) => this.#fault(context, direction, reason, detail),
      },
      this.#outlets,
      this.counters.row('descriptorsFetched'),
      parameters.descriptorBatch,
    );
    this.#completions = new Completions(
      kernel,
      this.dma,
      this.contexts,
      {
        interrupt: (context) => this.#requestInterrupt(context),
        fault: (context, reason, detail) => this.#fault(context, 'transmit', reason, detail),
      },
      this.#outlets,
      this.counters.row('writeBacks'),
    );
    this.#vectors = new InterruptVectors(
      kernel,
      this.dma,
      attachments.port,
      this.#outlets,
      parameters.managementRequesterId,
      count,
      parameters.interruptGapNs,
    );
    this.#pages = new ContextPages(this.contexts, this.#events);
    this.#management = new ManagementPage(this.contexts, this.#vectors, {
      open: (context) => this.#open(context),
      revoke: (context) => this.#revoke(context),
      switching: (on) => {
        this.#switching = on;
      },
    });
    this.transmitScheduler = new DmaScheduler(kernel, {
      room: 'nic.transmit',
      discipline: attachments.transmitDiscipline,
      heads: this.#transmit,
      doorbells$: this.#transmitDoorbells.stream$,
      linkReady$: transmitReady.stream$,
    });
    this.receiveScheduler = new DmaScheduler(kernel, {
      room: 'nic.receive',
      discipline: attachments.receiveDiscipline,
      heads: this.#receive,
      doorbells$: this.#receiveDoorbells.stream$,
      linkReady$: receiveReady.stream$,
    });
    this.grants$ = this.transmitScheduler.grants$;
    this.receiveGrants$ = this.receiveScheduler.grants$;
    this.#listen(this.transmitScheduler.granted$, this.#transmit);
    this.#listen(this.receiveScheduler.granted$, this.#receive);
    this.transmitScheduler.start();
    this.receiveScheduler.start();
    transmitReady.next(parameters.transmitFifoBytes);
    receiveReady.next(parameters.receiveDmaBytes);

    this.#decode = kernel.register('nic.firmware', () => this.#onDecode());
    this.#switchDeliver = kernel.register('nic.switch', () => this.#onSwitchDeliver());
    this.#doorbellRow = this.counters.row('doorbells');
    this.#framesTransmittedRow = this.counters.row('framesTransmitted');
    this.#bytesTransmittedRow = this.counters.row('bytesTransmitted');
    this.#framesReceivedRow = this.counters.row('framesReceived');
    this.#bytesReceivedRow = this.counters.row('bytesReceived');
    this.#interruptRow = this.counters.row('interruptRequests');
  }

  /** Bytes of the BAR: the context pages, then the management page. */
  get barBytes(): number {
    return barBytes(this.contexts.length);
  }

  /** Physical interrupts raised since the start. */
  get interruptsRaised(): number {
    return this.#vectors.raised;
  }

  /** Register read of `width` bytes (1, 2 or 4) at an offset of the BAR. Anything undefined reads as ones. */
  read(offset: number, width: number): number {
    const page = Math.floor(offset / PAGE_BYTES);
    const within = offset % PAGE_BYTES;
    const ones = width === 1 ? 0xff : width === 2 ? 0xffff : ALL_ONES;
    if (offset < 0 || offset % width !== 0 || page > this.contexts.length) return ones;
    if (page < this.contexts.length) return this.#pages.read(page, within, width);
    return width === 4 ? this.#management.read(within) : ones;
  }

  /** Register write. False if nothing at that offset, width and alignment can be written; nothing has changed then. */
  write(offset: number, width: number, value: number): boolean {
    const page = Math.floor(offset / PAGE_BYTES);
    const within = offset % PAGE_BYTES;
    if (offset < 0 || offset % width !== 0 || page > this.contexts.length) return false;
    if (page === this.contexts.length) return width === 4 && this.#management.write(within, value);
    const wasEmpty = this.#events.empty;
    if (!this.#pages.write(page, within, width, value)) return false;
    if (within < 96) {
      this.#doorbellRow[page] = (this.#doorbellRow[page] ?? 0) + 1;
      if (this.#outlets.doorbells.observed) {
        this.#outlets.doorbells.next({ context: page, mailbox: within / 4, value, atNs: this.#kernel.nowNs });
      }
      if (wasEmpty && !this.#events.empty) this.#kernel.schedule(this.parameters.decodeNs, this.#decode);
    }
    return true;
  }

  /** A frame has arrived from the wire: its last bit is here now. `bytes` is borrowed. */
  receive(bytes: Uint8Array, offset: number, length: number): void {
    this.#deliver(bytes, offset, length, undefined);
  }

  /** Throws when a part is not in the state that it should be in. */
  checkInvariants(): void {
    this.dma.checkInvariants();
    this.#events.checkInvariants();
    this.#transmit.checkInvariants();
    this.#receive.checkInvariants();
    this.transmitScheduler.checkInvariants();
    this.receiveScheduler.checkInvariants();
    for (const context of this.contexts) {
      context.transmit.checkInvariants();
      context.receive.checkInvariants();
    }
  }

  /** Frames that are somewhere inside: granted and not departed, arrived and not completed, being switched. */
  get framesInside(): { readonly transmit: number; readonly receive: number; readonly switching: number } {
    return {
      transmit: this.#transmit.inFlight,
      receive: this.#receive.inFlight,
      switching: this.#switchQueue.length,
    };
  }

  #listen(granted$: Observable<number>, path: { take(context: Context): void }): void {
    granted$.subscribe((index) => {
      try {
        const context = this.contexts[index];
        if (context !== undefined) path.take(context);
      } catch (error) {
        this.#kernel.fail(error);
      }
    });
  }

  /** The firmware: decodes the first level, then the second, and clears all events of a context at once. */
  #onDecode(): void {
    for (let index = this.#events.nextContext(0); index >= 0; index = this.#events.nextContext(index + 1)) {
      const mailboxes = this.#events.take(index);
      const context = this.contexts[index];
      if (context === undefined || context.state !== 'open') continue;
      if ((mailboxes & (1 << MAILBOX.TX_PRODUCER)) !== 0) this.#onProducer(context, 'transmit');
      if (context.state === 'open' && (mailboxes & (1 << MAILBOX.RX_PRODUCER)) !== 0) {
        this.#onProducer(context, 'receive');
      }
      if ((mailboxes & (1 << MAILBOX.INTERRUPT_MASK)) !== 0 && !context.interruptsMasked) {
        this.#completions.unmasked(context);
      }
      if ((mailboxes & (1 << MAILBOX.RX_MODE)) !== 0) this.#demultiplexer.recount();
      if ((mailboxes & (1 << MAILBOX.GROUP_HIGH)) !== 0) this.#onGroup(context);
    }
  }

  #onProducer(context: Context, direction: Direction): void {
    const ring = direction === 'transmit' ? context.transmit : context.receive;
    const value = this.#pages.mailbox(
      context.index,
      direction === 'transmit' ? MAILBOX.TX_PRODUCER : MAILBOX.RX_PRODUCER,
    );
    if (value === ring.producer) return;
    // The ring cannot hold more than its slots: an index further on (or back) is not one that was posted.
    const outstanding = (value - ring.consumer) >>> 0;
    const advance = (value - ring.producer) >>> 0;
    if (outstanding > ring.slots || advance > ring.slots) {
      this.#fault(context, direction, 'producer-out-of-range', value);
      return;
    }
    this.#outlets.descriptor(context.index, direction, ring.producer, advance, 'posted');
    ring.producer = value;
    this.#fetcher.consider(context, direction);
  }

  #onGroup(context: Context): void {
    const low = this.#pages.mailbox(context.index, MAILBOX.GROUP_LOW);
    const high = this.#pages.mailbox(context.index, MAILBOX.GROUP_HIGH);
    const group = (high & 0xffff) * 0x100000000 + low;
    if ((high & (1 << 30)) !== 0) this.#demultiplexer.join(context, group);
    if (high >>> 31 !== 0) this.#demultiplexer.leave(context, group);
  }

  #fetched(context: Context, direction: Direction): void {
    if (direction === 'transmit') {
      const before = this.#transmit.headBytes(context.index);
      if (!this.#transmit.refreshHead(context)) return;
      if (before === 0) this.#transmitDoorbells.next(context.index);
      return;
    }
    this.#dropUnwritable(context);
    if (this.#receive.waiting(context.index)) this.#receiveDoorbells.next(context.index);
  }

  #route(context: Context, bytes: Uint8Array, offset: number): TransmitRoute {
    if (context.antiSpoofing && readMac(bytes, offset + 6) !== context.mac) return 'spoofed';
    if (!this.#switching) return 'wire';
    const destination = readMac(bytes, offset);
    if (isGroup(destination)) return 'both';
    return this.#demultiplexer.owner(destination) === undefined ? 'wire' : 'switch';
  }

  #departed(
    context: Context,
    bytes: Uint8Array,
    offset: number,
    length: number,
    lastIndex: number,
    startNs: number,
    endNs: number,
    route: TransmitRoute,
  ): void {
    const index = context.index;
    this.#framesTransmittedRow[index] = (this.#framesTransmittedRow[index] ?? 0) + 1;
    this.#bytesTransmittedRow[index] = (this.#bytesTransmittedRow[index] ?? 0) + length;
    if (this.#outlets.frames.observed) {
      this.#outlets.frames.next({
        direction: 'transmit',
        context: index,
        bytes: bytes.slice(offset, offset + length),
        startNs,
        endNs,
        switched: route === 'switch',
      });
    }
    if (route !== 'wire') this.#switchFrame(context, bytes, offset, length);
    if (route !== 'switch') this.#wire.transmitted(bytes, offset, length, index, lastIndex, startNs, endNs);
  }

  /** Off the wire's path, so it may keep a copy of its own. */
  #switchFrame(context: Context, bytes: Uint8Array, offset: number, length: number): void {
    const row = this.counters.row('framesSwitched');
    row[context.index] = (row[context.index] ?? 0) + 1;
    this.#switchQueue.push({ context, bytes: bytes.slice(offset, offset + length) });
    this.#kernel.schedule(this.parameters.switchNs, this.#switchDeliver);
  }

  #onSwitchDeliver(): void {
    const next = this.#switchQueue.shift();
    if (next !== undefined) this.#deliver(next.bytes, 0, next.bytes.length, next.context);
  }

  #deliver(bytes: Uint8Array, offset: number, length: number, from: Context | undefined): void {
    if (length < PADDED_FRAME_BYTES || length < MIN_FRAME_BYTES) {
      this.#drop(-1, 'receive', 'frame-too-short', length);
      return;
    }
    if (length > MAX_FRAME_BYTES) {
      this.#drop(-1, 'receive', 'frame-too-long', length);
      return;
    }
    const destinations = this.#demultiplexer.destinations(readMac(bytes, offset), from);
    if (destinations.length === 0) {
      this.#drop(-1, 'receive', 'unknown-destination', length);
      return;
    }
    for (let index = 0; index < destinations.length; index += 1) {
      const context = destinations[index];
      if (context === undefined || !this.#receive.arrive(context, bytes, offset, length, this.#kernel.nowNs))
        continue;
      this.#dropUnwritable(context);
      if (this.#receive.waiting(context.index)) this.#receiveDoorbells.next(context.index);
    }
  }

  #dropUnwritable(context: Context): void {
    while (this.#receive.dropUnwritable(context)) {
      // each turn gives up one frame that the posted buffers cannot hold
    }
  }

  #received(
    context: Context,
    bytes: Uint8Array,
    offset: number,
    length: number,
    lastIndex: number,
    arrivedNs: number,
  ): void {
    const index = context.index;
    const nowNs = this.#kernel.nowNs;
    this.#instruments?.received(index, lastIndex, length, arrivedNs, nowNs);
    this.#framesReceivedRow[index] = (this.#framesReceivedRow[index] ?? 0) + 1;
    this.#bytesReceivedRow[index] = (this.#bytesReceivedRow[index] ?? 0) + length;
    if (!this.#outlets.frames.observed) return;
    this.#outlets.frames.next({
      direction: 'receive',
      context: index,
      bytes: bytes.slice(offset, offset + length),
      startNs: arrivedNs,
      endNs: nowNs,
      switched: false,
    });
  }

  #completed(context: Context, direction: Direction, urgent: boolean): void {
    this.#completions.note(context, urgent);
    // A finished descriptor leaves the card's cache: there may be room for the next batch.
    this.#fetcher.consider(context, direction);
  }

  #requestInterrupt(context: Context): void {
    this.#interruptRow[context.index] = (this.#interruptRow[context.index] ?? 0) + 1;
    this.#vectors.request(context.index);
  }

  #drop(context: number, direction: Direction, reason: DropReason, bytes: number): void {
    const row = this.counters.dropRow(reason);
    const cell = context >= 0 ? context : this.contexts.length;
    row[cell] = (row[cell] ?? 0) + 1;
    if (this.#outlets.drops.observed) {
      this.#outlets.drops.next({ context, direction, reason, bytes, atNs: this.#kernel.nowNs });
    }
  }

  #open(context: Context): CommandStatus {
    if (context.mac === 0 || isGroup(context.mac) || !this.#demultiplexer.add(context))
      return 'mac-missing-or-taken';
    context.state = 'open';
    this.#pages.reset(context.index);
    this.transmitScheduler.join(context.index, { weight: context.weight });
    this.receiveScheduler.join(context.index, { weight: context.weight });
    return 'done';
  }

  /** Stops a context: whatever of it has not touched memory yet never will. The others do not notice. */
  #stop(context: Context): void {
    this.dma.stop(context.index);
    this.#fetcher.forget(context);
    this.#transmit.forget(context);
    this.#completions.forget(context);
    this.#receive.forget(context);
    this.#demultiplexer.remove(context);
    this.transmitScheduler.leave(context.index);
    this.receiveScheduler.leave(context.index);
  }

  #revoke(context: Context): void {
    if (context.state === 'open') this.#stop(context);
    context.reset();
    this.#pages.reset(context.index);
  }

  #fault(context: Context, direction: Direction, reason: FaultReason, detail: number): void {
    if (context.state !== 'open') return;
    this.#stop(context);
    context.state = 'faulted';
    context.faultReason = reason;
    this.#management.reportFault(context.index, reason);
    this.#vectors.request(this.contexts.length);
    if (this.#outlets.faults.observed) {
      this.#outlets.faults.next({
        context: context.index,
        direction,
        reason,
        detail,
        atNs: this.#kernel.nowNs,
      });
    }
  }
}

/** The state that a STATUS register value stands for. */
export function contextStateOf(status: number): (typeof CONTEXT_STATES)[number] | undefined {
  return CONTEXT_STATES[status];
}
