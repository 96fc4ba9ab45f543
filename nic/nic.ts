import type { Observable } from 'rxjs';
import { BookedLine } from '../scheduler/booked-line.js';
import { type ContextId, contextId, storedContextId } from '../scheduler/branded.js';
import type { Discipline, Share } from '../scheduler/discipline.js';
import type { DmaScheduler, Grant } from '../scheduler/dma-scheduler.js';
import { InvariantViolation } from '../scheduler/errors.js';
import type { EventKernel } from '../scheduler/event-kernel.js';
import { present } from '../scheduler/present.js';
import { requesterId } from './addresses.js';
import type { CardCore } from './card-core.js';
import { Context } from './context.js';
import { ContextLifecycle } from './context-lifecycle.js';
import { ContextPages } from './context-pages.js';
import { Counters } from './counters.js';
import { Demultiplexer } from './demultiplexer.js';
import { DescriptorCache } from './descriptor-ring.js';
import { DmaEngine } from './dma-engine.js';
import { EventVector } from './event-vector.js';
import { FaultQueue } from './fault-queue.js';
import { Firmware } from './firmware.js';
import { FrameFlow } from './frame-flow.js';
import { FrameLedger, type FrameTally } from './frame-ledger.js';
import type { HostPort, NicInstruments, WirePort } from './host-port.js';
import { InterruptVectors } from './interrupt-vectors.js';
import { ManagementPage } from './management-page.js';
import { type NicParameters, validateNicParameters, validateRate } from './parameters.js';
import { PcieLink } from './pcie-link.js';
import type { PriorityFlowControl } from './priority-flow-control.js';
import { ALL_ONES, barBytes, PAGE_BYTES, SHARED_MEMORY_OFFSET } from './registers.js';
import { type NicStreams, NicSubjects } from './streams.js';

/** The environment of a NIC, and the disciplines that divide it. */
export interface NicAttachments {
  readonly port: HostPort;
  readonly wire: WirePort;
  /** Decides from which context the next frame is read and sent. */
  readonly transmitDiscipline: Discipline;
  /** Decides for which context the next received frame is written to memory. */
  readonly receiveDiscipline: Discipline;
  readonly instruments?: NicInstruments;
}

/**
 * A NIC with a register context per guest. This file is its block diagram: registers, firmware and the life of
 * contexts are connected here, the data path from doorbell to wire and back in `frame-flow.ts`.
 */
export class Nic {
  readonly link: PcieLink;
  readonly line: BookedLine;
  readonly dma: DmaEngine;
  readonly counters: Counters;
  readonly contexts: readonly Context[];
  /** What has happened in the card: taps, all of them. */
  readonly streams: NicStreams;
  /** Decisions of the transmit scheduler, which shares the wire: a tap. */
  readonly grants$: Observable<Grant>;
  /** Decisions about frames that stay inside the card: a tap. */
  readonly innerGrants$: Observable<Grant>;
  /** Decisions of the receive scheduler: a tap. */
  readonly receiveGrants$: Observable<Grant>;
  readonly transmitScheduler: DmaScheduler;
  readonly innerScheduler: DmaScheduler;
  readonly receiveScheduler: DmaScheduler;

  readonly #core: CardCore;
  readonly #demultiplexer = new Demultiplexer();
  readonly #pages: ContextPages;
  readonly #firmware: Firmware;
  readonly #management: ManagementPage;
  readonly #vectors: InterruptVectors;
  readonly #flow: FrameFlow;
  readonly #doorbells: Float64Array;
  #parameters: NicParameters;

  constructor(kernel: EventKernel, parameters: NicParameters, attachments: NicAttachments) {
    validateNicParameters(parameters);
    const { contexts: count } = parameters;
    const subjects = new NicSubjects(kernel);
    this.#parameters = parameters;
    const cache = new DescriptorCache(parameters.descriptorCacheSlots, count * 2);
    this.contexts = Array.from(
      { length: count },
      (_, index) => new Context(contextId(index), requesterId(parameters.requesterBase + index), cache),
    );
    this.counters = new Counters(count);
    this.#doorbells = this.counters.row('doorbells');
    this.streams = subjects.streams;
    this.link = new PcieLink(parameters.pcie);
    this.line = new BookedLine(kernel, parameters.rateBps);
    this.dma = new DmaEngine(kernel, this.link, attachments.port, count, {
      maxInFlight: parameters.dmaInFlight,
    });
    this.#core = {
      kernel,
      parameters,
      contexts: this.contexts,
      dma: this.dma,
      counters: this.counters,
      ledger: new FrameLedger(kernel, this.counters, subjects, attachments.instruments, count),
      subjects,
      instruments: attachments.instruments,
    };

    const events = new EventVector(count);
    const faults = new FaultQueue();
    this.#vectors = new InterruptVectors(this.#core, attachments.port);
    this.#pages = new ContextPages(this.contexts, events, this.#demultiplexer);
    const lifecycle = new ContextLifecycle(this.#core, {
      pages: this.#pages,
      demultiplexer: this.#demultiplexer,
      vectors: this.#vectors,
      faults,
    });
    this.#flow = new FrameFlow(this.#core, {
      faults: lifecycle,
      vectors: this.#vectors,
      demultiplexer: this.#demultiplexer,
      line: this.line,
      wire: attachments.wire,
      transmitDiscipline: attachments.transmitDiscipline,
      receiveDiscipline: attachments.receiveDiscipline,
    });
    lifecycle.add(this.#flow);
    this.#firmware = new Firmware(this.#core, events, this.#pages, this.#flow);
    this.#management = new ManagementPage({
      contexts: this.contexts,
      vectors: this.#vectors,
      faults,
      lifecycle,
      forwarding: this.#flow.forwarding,
      pfcClasses: parameters.pfcClasses,
      flowControl: this.#flow.flowControl,
    });

    this.transmitScheduler = this.#flow.transmitScheduler;
    this.innerScheduler = this.#flow.innerScheduler;
    this.receiveScheduler = this.#flow.receiveScheduler;
    this.grants$ = this.transmitScheduler.grants$;
    this.innerGrants$ = this.innerScheduler.grants$;
    this.receiveGrants$ = this.receiveScheduler.grants$;
  }

  /** What the card is like, with the rate that its wire has now. */
  get parameters(): NicParameters {
    return this.#parameters;
  }

  /**
   * The wire has another rate from now on. The frame that is leaving ends at the rate at which it began; when it has left,
   * the far end is told (`WirePort.rateChanged`), the disciplines are, and pauses are counted in bits of the new rate.
   * @throws ParameterError for a rate that no wire of the card has.
   */
  changeRate(rateBps: number): void {
    validateRate(rateBps);
    if (rateBps === this.#parameters.rateBps) return;
    this.#parameters = { ...this.#parameters, rateBps };
    this.#flow.changeRate(rateBps);
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
      transmit: this.#flow.transmit.inFlight + this.#flow.inner.inFlight,
      receive: this.#flow.receive.inFlight,
      switching: this.#flow.forwarding.crossing,
    };
  }

  /** Received frames of a context that wait in the card for their grant. */
  framesWaiting(context: ContextId): number {
    return this.#flow.receive.waiting(context);
  }

  /** Frames dropped in each direction, and the copies made of arrived ones. */
  get frameTally(): FrameTally {
    return this.#core.ledger;
  }

  /** Register read of `width` bytes (1, 2 or 4) at an offset of the BAR. Anything undefined reads as ones. */
  read(offset: number, width: number): number {
    const ones = width === 1 ? 0xff : width === 2 ? 0xffff : ALL_ONES;
    if (!this.#decodes(offset, width)) return ones;
    const page = pageOfContext(offset);
    const within = offset % PAGE_BYTES;
    if (page < this.contexts.length) return this.#pages.read(page, within, width);
    return width === 4 ? this.#management.read(within) : ones;
  }

  /**
   * Register write. False if nothing at that offset, width and alignment can be written, or the value is
   * refused; nothing has changed then. A write of a context's mailbox is a doorbell: it is counted, told by
   * `doorbells$`, and wakes the firmware. Bits of `value` beyond the width are not on the bus.
   */
  write(offset: number, width: number, value: number): boolean {
    if (!this.#decodes(offset, width)) return false;
    const page = pageOfContext(offset);
    const within = offset % PAGE_BYTES;
    const word = value >>> 0;
    if (page === this.contexts.length) return width === 4 && this.#management.write(within, word);
    if (!this.#pages.write(page, within, width, word)) return false;
    if (within < SHARED_MEMORY_OFFSET) {
      this.#doorbells[page] = present(this.#doorbells[page]) + 1;
      const { kernel, subjects } = this.#core;
      if (subjects.doorbells.observed) {
        const atNs = kernel.nowNs;
        subjects.doorbells.next({ context: page, mailbox: within / 4, value: word, atNs });
      }
      this.#firmware.wake();
    }
    return true;
  }

  /**
   * The share of a context that is being set up. The management page has a register for the weight alone, which
   * the open command takes; the rest of the share is known from here. Freeing the context forgets all of it.
   * @throws InvariantViolation unless the context is allocated and not open yet.
   */
  entitle(index: ContextId, share: Share): void {
    const context = this.contexts[index];
    if (context?.state !== 'allocated')
      throw new InvariantViolation(
        `context ${index} is ${context?.state ?? 'not there'}, expected allocated to be entitled to a share`,
      );
    context.share = share;
  }

  /** Whether a context has posted a frame for the wire that no grant has taken, whether the card has fetched it or not. */
  hasPosted(context: ContextId): boolean {
    return this.#flow.hasPosted(context);
  }

  /** Whether the far end has paused the traffic class of a context. */
  isPaused(context: ContextId): boolean {
    return this.#flow.isPaused(context);
  }

  /** What priority flow control has done; undefined where no traffic class has it. */
  get flowControl(): Omit<PriorityFlowControl, 'pauses' | 'pressure' | 'take'> | undefined {
    return this.#flow.flowControl;
  }

  /** A frame has arrived from the wire: its last bit is here now. `bytes` is borrowed. */
  receive(bytes: Uint8Array, offset: number, length: number): void {
    if (this.#flow.flowControl?.take(bytes, offset, length) === true) return;
    this.#flow.forwarding.arrived(bytes, offset, length, undefined);
  }

  /** @throws InvariantViolation when a component is not in the state that it should be in. */
  checkInvariants(): void {
    const registers = [this.#pages, this.#management, this.#firmware];
    for (const component of [...registers, this.#demultiplexer, this.dma, this.#vectors, this.#flow])
      component.checkInvariants();
    for (const context of this.contexts) context.checkInvariants();
    this.#core.ledger.checkInvariants(this.framesInside);
  }

  /** Whether the BAR answers at all at an offset with such a width. */
  #decodes(offset: number, width: number): boolean {
    if (width !== 1 && width !== 2 && width !== 4) return false;
    return offset >= 0 && offset < (this.contexts.length + 1) * PAGE_BYTES && offset % width === 0;
  }
}

/** The context whose page of the BAR holds an offset; past the last one, the management page. */
function pageOfContext(offset: number): ContextId {
  return storedContextId(Math.floor(offset / PAGE_BYTES));
}
