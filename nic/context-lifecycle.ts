import type { Share } from '../scheduler/discipline.js';
import type { DmaScheduler } from '../scheduler/dma-scheduler.js';
import type { EventKernel } from '../scheduler/event-kernel.js';
import type { Context, Direction } from './context.js';
import type { ContextPages } from './context-pages.js';
import type { FaultReason } from './counters.js';
import { type Demultiplexer, isGroup } from './demultiplexer.js';
import type { DmaEngine } from './dma-engine.js';
import type { InterruptVectors } from './interrupt-vectors.js';
import type { CommandStatus } from './registers.js';
import type { NicSubjects } from './streams.js';

/** A part of the card that keeps something for a context and has to give it up. */
export interface ContextKeeper {
  forget(context: Context): void;
}

/** The parts that a context's life touches. */
export interface LifecycleParts {
  readonly dma: DmaEngine;
  readonly pages: ContextPages;
  readonly demultiplexer: Demultiplexer;
  readonly vectors: InterruptVectors;
  readonly schedulers: readonly DmaScheduler[];
  readonly keepers: readonly ContextKeeper[];
  readonly subjects: NicSubjects;
  /** What a context is entitled to, as its schedulers are told. */
  shareOf(context: Context): Share;
  /** Puts a fault where the hypervisor reads it. */
  reportFault(context: number, reason: FaultReason): void;
}

/**
 * Opens contexts and stops them, for the hypervisor or for a fault. Stopping leaves nothing under way:
 * whatever of the context has not touched memory yet never will. The others do not notice.
 */
export class ContextLifecycle {
  readonly #kernel: EventKernel;
  readonly #contexts: number;
  readonly #parts: LifecycleParts;

  constructor(kernel: EventKernel, contexts: number, parts: LifecycleParts) {
    this.#kernel = kernel;
    this.#contexts = contexts;
    this.#parts = parts;
  }

  /** The context is set up: it takes part from now on. */
  open(context: Context): CommandStatus {
    const { demultiplexer, pages, schedulers } = this.#parts;
    if (context.mac === 0 || isGroup(context.mac) || !demultiplexer.add(context))
      return 'mac-missing-or-taken';
    context.state = 'open';
    pages.reset(context.index);
    const share = this.#parts.shareOf(context);
    for (const scheduler of schedulers) scheduler.join(context.index, share);
    return 'done';
  }

  /** The hypervisor takes the context back, in whatever state it is. */
  revoke(context: Context): void {
    if (context.state === 'open') this.#stop(context, 'discarded');
    context.reset();
    this.#parts.pages.reset(context.index);
  }

  /** The context has done what it must not: it stops, and the hypervisor is told. Only the first one counts. */
  fault(context: Context, direction: Direction, reason: FaultReason, detail: number): void {
    if (context.state !== 'open') return;
    this.#stop(context, 'faulted');
    context.state = 'faulted';
    context.faultReason = reason;
    this.#parts.reportFault(context.index, reason);
    this.#parts.vectors.request(this.#contexts);
    const { faults } = this.#parts.subjects;
    if (!faults.observed) return;
    faults.next({ context: context.index, direction, reason, detail, atNs: this.#kernel.nowNs });
  }

  #stop(context: Context, state: 'faulted' | 'discarded'): void {
    const { dma, demultiplexer, keepers, subjects, schedulers } = this.#parts;
    dma.stop(context.index);
    demultiplexer.remove(context);
    for (const keeper of keepers) keeper.forget(context);
    for (const scheduler of schedulers) scheduler.leave(context.index);
    for (const direction of ['transmit', 'receive'] as const) {
      const { consumer, outstanding } = context[direction];
      subjects.descriptor(context.index, direction, consumer, outstanding, state);
    }
  }
}
