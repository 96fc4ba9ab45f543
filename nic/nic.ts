import type { Observable } from 'rxjs';
import type { Discipline, Entitlement } from '../scheduler/discipline.js';
import { DmaScheduler, type Grant } from '../scheduler/dma-scheduler.js';
import { InvariantViolation } from '../scheduler/errors.js';
import type { EventKernel } from '../scheduler/event-kernel.js';
import { present } from '../scheduler/present.js';
import { SerialLine } from '../scheduler/serial-line.js';
import { requesterId } from './addresses.js';
import { Completions } from './completions.js';
import { Context } from './context.js';
import { ContextLifecycle } from './context-lifecycle.js';
import { ContextPages } from './context-pages.js';
import { Counters } from './counters.js';
import { Demultiplexer } from './demultiplexer.js';
import { DescriptorFetcher } from './descriptor-fetcher.js';
import { DmaEngine } from './dma-engine.js';
import { EventVector } from './event-vector.js';
import { Firmware } from './firmware.js';
import { Forwarding } from './forwarding.js';
import { FrameFlow } from './frame-flow.js';
import { FrameLedger, type FrameTally } from './frame-ledger.js';
import type { HostPort, NicInstruments, WirePort } from './host-port.js';
import { InterruptVectors } from './interrupt-vectors.js';
import { ManagementPage } from './management-page.js';
import { type NicParameters, validateNicParameters } from './parameters.js';
import { PcieLink } from './pcie-link.js';
import { ReceivePath } from './receive-path.js';
import { ALL_ONES, barBytes, PAGE_BYTES, SHARED_MEMORY_OFFSET } from './registers.js';
import { type NicStreams, NicSubjects } from './streams.js';
import { TransmitPath } from './transmit-path.js';

/** What a NIC is plugged into, and who shares it out. */
export interface NicAttachments {
  readonly port: HostPort;
  readonly wire: WirePort;
  /** Decides whose frame is read and sent next. */
  readonly transmitDiscipline: Discipline;
  /** Decides whose received frame is written to memory next. */
  readonly receiveDiscipline: Discipline;
  /** What a station is entitled to besides its weight, for disciplines that ask for more (limits, deadlines, tenants). */
  readonly entitlementOf?: (mac: number) => Entitlement;
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
  /** Decisions of the transmit scheduler: a tap. */
  readonly grants$: Observable<Grant>;
  /** Decisions of the receive scheduler: a tap. */
  readonly receiveGrants$: Observable<Grant>;
  readonly transmitScheduler: DmaScheduler;
  readonly receiveScheduler: DmaScheduler;

  readonly #kernel: EventKernel;
  readonly #subjects: NicSubjects;
  readonly #ledger: FrameLedger;
  readonly #demultiplexer = new Demultiplexer();
  readonly #forwarding: Forwarding;
  readonly #pages: ContextPages;
  readonly #firmware: Firmware;
  readonly #management: ManagementPage;
  readonly #fetcher: DescriptorFetcher;
  readonly #transmit: TransmitPath;
  readonly #receive: ReceivePath;
  readonly #completions: Completions;
  readonly #vectors: InterruptVectors;
  readonly #flow: FrameFlow;
  readonly #lifecycle: ContextLifecycle;
  readonly #doorbells: Float64Array;
  readonly #interruptRequests: Float64Array;

  constructor(kernel: EventKernel, parameters: NicParameters, attachments: NicAttachments) {
    validateNicParameters(parameters);
    const { contexts: count } = parameters;
    this.parameters = parameters;
    this.#kernel = kernel;
    this.contexts = Array.from(
      { length: count },
      (_, index) =>
        new Context(index, requesterId(parameters.requesterBase + index), parameters.descriptorCacheSlots),
    );
    this.counters = new Counters(count);
    this.#doorbells = this.counters.row('doorbells');
    this.#interruptRequests = this.counters.row('interruptRequests');
    this.#subjects = new NicSubjects(kernel);
    this.streams = this.#subjects.streams;
    this.#ledger = new FrameLedger(kernel, this.counters, this.#subjects, attachments.instruments, count);
    this.link = new PcieLink(parameters.pcie);
    this.line = new SerialLine(parameters.rateBps);
    this.dma = new DmaEngine(kernel, this.link, attachments.port, count, {
      maxInFlight: parameters.dmaInFlight,
    });
    this.#forwarding = new Forwarding(
      kernel,
      this.#demultiplexer,
      this.#ledger,
      attachments.wire,
      (context, bytes, offset, length, switched) =>
        this.#flow.deliver(context, bytes, offset, length, kernel.nowNs, switched),
      parameters.switchNs,
      this.counters.row('framesSwitched'),
    );
    this.#transmit = this.#buildTransmitPath();
    this.#receive = this.#buildReceivePath();
    this.#fetcher = new DescriptorFetcher(
      this.dma,
      this.contexts,
      {
        fetched: (context, direction, first, number) => this.#flow.fetched(context, direction, first, number),
        starved: (context, direction) => this.#flow.starved(context, direction),
        fault: (context, direction, reason, detail) =>
          this.#lifecycle.fault(context, direction, reason, detail),
      },
      this.#subjects,
      this.counters.row('descriptorsFetched'),
      parameters.descriptorBatch,
    );
    this.#completions = new Completions(
      kernel,
      this.dma,
      this.contexts,
      {
        interrupt: (context) => this.#requestInterrupt(context),
        fault: (context, reason, detail) => this.#lifecycle.fault(context, 'transmit', reason, detail),
      },
      this.#subjects,
      this.counters.row('writeBacks'),
    );
    this.#vectors = new InterruptVectors(
      kernel,
      this.dma,
      attachments.port,
      this.#subjects,
      requesterId(parameters.managementRequesterId),
      count,
      parameters.interruptGapNs,
    );
    const events = new EventVector(count);
    this.#pages = new ContextPages(this.contexts, events, this.#demultiplexer);
    this.#firmware = new Firmware(
      kernel,
      events,
      this.#pages,
      this.contexts,
      {
        posted: (context, direction, number) => this.#flow.posted(context, direction, number),
        unmasked: (context) => this.#completions.unmasked(context),
        fault: (context, direction, reason, detail) =>
          this.#lifecycle.fault(context, direction, reason, detail),
      },
      parameters.decodeNs,
    );
    this.#management = new ManagementPage(this.contexts, this.#vectors, {
      open: (context) => this.#lifecycle.open(context),
      revoke: (context) => this.#lifecycle.revoke(context),
      switching: (on) => {
        this.#forwarding.switching = on;
      },
    });

    this.transmitScheduler = new DmaScheduler(kernel, {
      name: 'nic.transmit',
      discipline: attachments.transmitDiscipline,
      heads: this.#transmit,
      onGrant: (index) => this.#transmit.take(this.#context(index)),
    });
    this.receiveScheduler = new DmaScheduler(kernel, {
      name: 'nic.receive',
      discipline: attachments.receiveDiscipline,
      heads: this.#receive,
      onGrant: (index) => this.#receive.take(this.#context(index)),
    });
    this.#flow = new FrameFlow({
      fetcher: this.#fetcher,
      transmit: this.#transmit,
      receive: this.#receive,
      completions: this.#completions,
      transmitScheduler: this.transmitScheduler,
      receiveScheduler: this.receiveScheduler,
      subjects: this.#subjects,
      descriptorsCompleted: this.counters.row('descriptorsCompleted'),
    });
    this.#lifecycle = new ContextLifecycle(kernel, count, {
      dma: this.dma,
      pages: this.#pages,
      demultiplexer: this.#demultiplexer,
      vectors: this.#vectors,
      schedulers: [this.transmitScheduler, this.receiveScheduler],
      keepers: [this.#fetcher, this.#transmit, this.#completions, this.#receive],
      subjects: this.#subjects,
      shareOf: ({ mac, weight }) => ({ ...attachments.entitlementOf?.(mac), weight }),
      reportFault: (context, reason) => this.#management.reportFault(context, reason),
    });
    this.grants$ = this.transmitScheduler.grants$;
    this.receiveGrants$ = this.receiveScheduler.grants$;
    this.transmitScheduler.credit(parameters.transmitFifoBytes);
    this.receiveScheduler.credit(parameters.receiveDmaBytes);
  }

  /** Bytes of the BAR: the context pages, then the management page. */
  get barBytes(): number {
    return barBytes(this.contexts.length);
  }

  /** Physical interrupts raised since the start. */
  get interruptsRaised(): number {
    return this.#vectors.raised;
  }

  /** Frames that are somewhere inside: granted and not departed, arrived and not completed, being switched. */
  get framesInside(): { readonly transmit: number; readonly receive: number; readonly switching: number } {
    return {
      transmit: this.#transmit.inFlight,
      receive: this.#receive.inFlight,
      switching: this.#forwarding.crossing,
    };
  }

  /** Frames given up, each way, and the copies made of arrived ones. */
  get frameTally(): FrameTally {
    return this.#ledger;
  }

  /** Register read of `width` bytes (1, 2 or 4) at an offset of the BAR. Anything undefined reads as ones. */
  read(offset: number, width: number): number {
    const ones = width === 1 ? 0xff : width === 2 ? 0xffff : ALL_ONES;
    if (!this.#decodes(offset, width)) return ones;
    const page = Math.floor(offset / PAGE_BYTES);
    const within = offset % PAGE_BYTES;
    if (page < this.contexts.length) return this.#pages.read(page, within, width);
    return width === 4 ? this.#management.read(within) : ones;
  }

  /**
   * Register write. False if nothing at that offset, width and alignment can be written, or the value is
   * refused; nothing has changed then. Bits of `value` beyond the width are not on the bus.
   */
  write(offset: number, width: number, value: number): boolean {
    if (!this.#decodes(offset, width)) return false;
    const page = Math.floor(offset / PAGE_BYTES);
    const within = offset % PAGE_BYTES;
    const word = value >>> 0;
    if (page === this.contexts.length) return width === 4 && this.#management.write(within, word);
    if (!this.#pages.write(page, within, width, word)) return false;
    if (within < SHARED_MEMORY_OFFSET) {
      this.#doorbells[page] = present(this.#doorbells[page]) + 1;
      if (this.#subjects.doorbells.observed) {
        const atNs = this.#kernel.nowNs;
        this.#subjects.doorbells.next({ context: page, mailbox: within / 4, value: word, atNs });
      }
      this.#firmware.wake();
    }
    return true;
  }

  /** A frame has arrived from the wire: its last bit is here now. `bytes` is borrowed. */
  receive(bytes: Uint8Array, offset: number, length: number): void {
    this.#forwarding.arrived(bytes, offset, length, undefined);
  }

  /** Throws when a part is not in the state that it should be in. */
  checkInvariants(): void {
    const { dma, transmitScheduler, receiveScheduler } = this;
    const registers = [this.#pages, this.#management, this.#firmware];
    const paths = [this.#demultiplexer, this.#fetcher, this.#transmit, this.#receive];
    const others = [dma, this.#completions, this.#vectors, transmitScheduler, receiveScheduler];
    for (const part of [...registers, ...paths, ...others]) part.checkInvariants();
    for (const context of this.contexts) context.checkInvariants();
    this.#ledger.checkInvariants(this.framesInside);
    const { transmitFifoBytes, receiveDmaBytes } = this.parameters;
    if (transmitScheduler.creditBytes + this.#transmit.inFlightBytes !== transmitFifoBytes)
      throw new InvariantViolation('credit of the transmit FIFO is lost');
    if (receiveScheduler.creditBytes + this.#receive.inFlightBytes !== receiveDmaBytes)
      throw new InvariantViolation('credit for received frames is lost');
  }

  #buildTransmitPath(): TransmitPath {
    return new TransmitPath(
      this.#kernel,
      this.dma,
      this.line,
      this.contexts,
      this.#forwarding,
      this.#ledger,
      {
        completed: (context, descriptors, urgent) =>
          this.#flow.completed(context, 'transmit', descriptors, urgent),
        fault: (context, reason, detail) => this.#lifecycle.fault(context, 'transmit', reason, detail),
        arrived: (context, bytes) => this.transmitScheduler.arrived(context.index, bytes),
        took: (context) => this.#fetcher.consider(context, 'transmit'),
        released: (bytes) => this.transmitScheduler.credit(bytes),
      },
      this.#subjects,
      this.parameters.transmitFifoBytes,
    );
  }

  #buildReceivePath(): ReceivePath {
    return new ReceivePath(
      this.dma,
      this.contexts,
      this.#ledger,
      {
        completed: (context, descriptors, urgent) =>
          this.#flow.completed(context, 'receive', descriptors, urgent),
        fault: (context, reason, detail) => this.#lifecycle.fault(context, 'receive', reason, detail),
        took: (context) => this.#flow.refill(context),
        released: (bytes) => this.receiveScheduler.credit(bytes),
      },
      this.#subjects,
      this.parameters.receiveShareBytes,
    );
  }

  #context(index: number): Context {
    const context = this.contexts[index];
    if (context === undefined) throw new InvariantViolation(`there is no context ${index}`);
    return context;
  }

  /** Whether the BAR answers at all at an offset with such a width. */
  #decodes(offset: number, width: number): boolean {
    if (width !== 1 && width !== 2 && width !== 4) return false;
    return offset >= 0 && offset < (this.contexts.length + 1) * PAGE_BYTES && offset % width === 0;
  }

  #requestInterrupt(context: Context): void {
    this.#interruptRequests[context.index] = present(this.#interruptRequests[context.index]) + 1;
    this.#vectors.request(context.index);
  }
}
