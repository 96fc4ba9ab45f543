import type { Observable } from 'rxjs';
import type { ContextId } from '../scheduler/branded.js';
import type { EventKernel } from '../scheduler/event-kernel.js';
import { GuardedSubject } from '../scheduler/guarded-subject.js';
import type { Direction } from './context.js';
import type { DropReason, FaultReason } from './counters.js';
import type { DescriptorState } from './descriptor.js';

/** A mailbox was written. */
export interface Doorbell {
  readonly context: ContextId;
  readonly mailbox: number;
  readonly value: number;
  readonly atNs: number;
}

/** A frame has left the wire side of the NIC (transmit) or reached a context (receive). */
export interface FrameEvent {
  readonly direction: Direction;
  readonly context: ContextId;
  /** A copy, the observer's to keep. */
  readonly bytes: Uint8Array;
  readonly startNs: number;
  readonly endNs: number;
  /** Whether it went from context to context inside the NIC. */
  readonly switched: boolean;
}

/** The same, lent: for observers that copy what they need before they return. */
export interface LentFrame {
  readonly direction: Direction;
  readonly context: ContextId;
  /** The card's own buffer, in which the frame lies at `offset`; other frames will lie there. */
  readonly buffer: Uint8Array;
  readonly offset: number;
  /** Bytes of the frame. */
  readonly length: number;
  readonly startNs: number;
  readonly endNs: number;
  readonly switched: boolean;
}

/** A frame has arrived for a context, and waits in the receive buffer for its grant. */
export interface ArrivalEvent {
  readonly context: ContextId;
  readonly bytes: number;
  /** Station addresses in it, 48-bit numbers, most significant byte first. */
  readonly destination: number;
  readonly source: number;
  /** Whether it came from another context of the card. */
  readonly switched: boolean;
  /** Frames of the context that wait before it. */
  readonly ahead: number;
  readonly atNs: number;
}

/** Descriptors changed state together. */
export interface DescriptorEvent {
  readonly context: ContextId;
  readonly direction: Direction;
  readonly index: number;
  readonly count: number;
  readonly state: DescriptorState;
  readonly atNs: number;
}

/** The consumer indices were written back. */
export interface CompletionEvent {
  readonly context: ContextId;
  readonly transmitConsumer: number;
  readonly receiveConsumer: number;
  readonly atNs: number;
}

/** One physical interrupt, after its vector is in memory. */
export interface InterruptEvent {
  /** Contexts whose bit is set. */
  readonly contexts: readonly ContextId[];
  /** Whether the NIC itself has something to report (faults). */
  readonly management: boolean;
  readonly atNs: number;
}

/** A context was stopped. */
export interface FaultEvent {
  readonly context: ContextId;
  readonly direction: Direction;
  readonly reason: FaultReason;
  /** The refused value: the index, address or length that the reason is about. */
  readonly detail: number;
  readonly atNs: number;
}

/** A frame was dropped. */
export interface DropEvent {
  /** NO_CONTEXT when the frame was for none. */
  readonly context: ContextId;
  readonly direction: Direction;
  readonly reason: DropReason;
  readonly bytes: number;
  readonly atNs: number;
}

/** A frame of flow control that the port sent or took: it is of no context. */
export interface ControlFrameEvent {
  readonly direction: Direction;
  /** The observer's to keep. */
  readonly bytes: Uint8Array;
  readonly atNs: number;
}

/**
 * Everything that a NIC tells about itself. Each stream is a tap: no part of the card, the host or a driver is driven by
 * it, a run is the same with and without observers, and nothing is built for a stream that has none.
 */
export interface NicStreams {
  readonly doorbells$: Observable<Doorbell>;
  readonly frames$: Observable<FrameEvent>;
  /** Every frame of `frames$`, not copied. */
  readonly lentFrames$: Observable<LentFrame>;
  /** Received frames as they come in; `lentFrames$` tells of them when they are complete in memory. */
  readonly arrivals$: Observable<ArrivalEvent>;
  readonly descriptors$: Observable<DescriptorEvent>;
  readonly completions$: Observable<CompletionEvent>;
  readonly interrupts$: Observable<InterruptEvent>;
  readonly faults$: Observable<FaultEvent>;
  readonly drops$: Observable<DropEvent>;
  readonly controlFrames$: Observable<ControlFrameEvent>;
}

/** The feeding side of NicStreams, shared by the parts of one NIC. */
export class NicSubjects {
  readonly doorbells: GuardedSubject<Doorbell>;
  readonly frames: GuardedSubject<FrameEvent>;
  readonly lentFrames: GuardedSubject<LentFrame>;
  readonly arrivals: GuardedSubject<ArrivalEvent>;
  readonly descriptors: GuardedSubject<DescriptorEvent>;
  readonly completions: GuardedSubject<CompletionEvent>;
  readonly interrupts: GuardedSubject<InterruptEvent>;
  readonly faults: GuardedSubject<FaultEvent>;
  readonly drops: GuardedSubject<DropEvent>;
  readonly controlFrames: GuardedSubject<ControlFrameEvent>;
  readonly #kernel: EventKernel;

  constructor(kernel: EventKernel) {
    this.#kernel = kernel;
    this.doorbells = new GuardedSubject('nic.doorbells$', kernel);
    this.frames = new GuardedSubject('nic.frames$', kernel);
    this.lentFrames = new GuardedSubject('nic.lentFrames$', kernel);
    this.arrivals = new GuardedSubject('nic.arrivals$', kernel);
    this.descriptors = new GuardedSubject('nic.descriptors$', kernel);
    this.completions = new GuardedSubject('nic.completions$', kernel);
    this.interrupts = new GuardedSubject('nic.interrupts$', kernel);
    this.faults = new GuardedSubject('nic.faults$', kernel);
    this.drops = new GuardedSubject('nic.drops$', kernel);
    this.controlFrames = new GuardedSubject('nic.controlFrames$', kernel);
  }

  get streams(): NicStreams {
    return {
      doorbells$: this.doorbells.stream$,
      frames$: this.frames.stream$,
      lentFrames$: this.lentFrames.stream$,
      arrivals$: this.arrivals.stream$,
      descriptors$: this.descriptors.stream$,
      completions$: this.completions.stream$,
      interrupts$: this.interrupts.stream$,
      faults$: this.faults.stream$,
      drops$: this.drops.stream$,
      controlFrames$: this.controlFrames.stream$,
    };
  }

  /** Whether `descriptor` has a subscriber to tell: asked first where it is called for each frame. */
  get followsDescriptors(): boolean {
    return this.descriptors.observed;
  }

  /** Whether frames have a subscriber, lent or copied. */
  get followsFrames(): boolean {
    return this.lentFrames.observed || this.frames.observed;
  }

  /** Tells of descriptors that changed state, if there is a subscriber. */
  descriptor(
    context: ContextId,
    direction: Direction,
    index: number,
    count: number,
    state: DescriptorState,
  ): void {
    if (!this.descriptors.observed || count === 0) return;
    this.descriptors.next({ context, direction, index, count, state, atNs: this.#kernel.nowNs });
  }
}
