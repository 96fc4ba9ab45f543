import type { EventKernel } from '../scheduler/event-kernel.js';
import type { Context, Direction } from './context.js';
import type { Counters, FaultReason } from './counters.js';
import type { DmaEngine } from './dma-engine.js';
import type { FrameLedger } from './frame-ledger.js';
import type { NicInstruments } from './host-port.js';
import type { NicParameters } from './parameters.js';
import type { NicSubjects } from './streams.js';

/** What the components of one card share: its clock, its contexts, its way to memory, and its records. */
export interface CardCore {
  readonly kernel: EventKernel;
  readonly parameters: NicParameters;
  readonly contexts: readonly Context[];
  readonly dma: DmaEngine;
  readonly counters: Counters;
  readonly ledger: FrameLedger;
  readonly subjects: NicSubjects;
  readonly instruments: NicInstruments | undefined;
}

/** Where components report a context that has violated a rule. */
export interface FaultSink {
  /** Stops the context. @param detail what was refused: the index, address or length that the reason is about. */
  fault(context: Context, direction: Direction, reason: FaultReason, detail: number): void;
}

/** Events that the components of the data path report; `FrameFlow` passes each to the next component. */
export interface DataPath extends FaultSink {
  /** `count` descriptors of a ring have arrived on the card, from index `first` on. */
  fetched(context: Context, direction: Direction, first: number, count: number): void;
  /** The destination of a frame that waits has been read: its exit is known. */
  destinationKnown(context: Context): void;
  /** Whether a frame is short of descriptors that are posted and not on the card. */
  starved(context: Context, direction: Direction): boolean;
  /** A frame was granted and its descriptors taken: more may be fetched. */
  took(context: Context, direction: Direction): void;
  /** A frame is finished, sent or dropped, and `descriptors` with it. `urgent`: its guest asked for immediate completion. */
  completed(context: Context, direction: Direction, descriptors: number, urgent: boolean): void;
  /** A received frame of `bytes` is finished: its scheduler has the credit back. */
  released(bytes: number): void;
  /** A whole frame of `bytes` (padded) has joined a context's queue for the wire. */
  queued(context: Context, bytes: number): void;
  /** A frame has arrived for a context. `bytes` is borrowed. */
  deliver(context: Context, bytes: Uint8Array, offset: number, length: number, switched: boolean): void;
  /** The guest should be interrupted. */
  interrupt(context: Context): void;
}
