import type { Share } from '../scheduler/discipline.js';
import type { CardCore, FaultSink } from './card-core.js';
import type { Context, Direction } from './context.js';
import type { ContextPages } from './context-pages.js';
import type { FaultReason } from './counters.js';
import type { Demultiplexer } from './demultiplexer.js';
import type { FaultQueue } from './fault-queue.js';
import type { InterruptVectors } from './interrupt-vectors.js';
import type { CommandStatus } from './registers.js';
import { isGroup } from './station-address.js';

/** A component that keeps state per context: the data path. */
export interface ContextKeeper {
  /** The context takes part from now on. */
  join(context: Context, share: Share): void;
  /** The context's share has changed; its work under way stays. */
  reweigh?(context: Context, share: Share): void;
  /** The context was stopped: nothing may be left under way. */
  forget(context: Context): void;
}

/** The components that a context's life touches. */
export interface LifecycleParts {
  readonly pages: ContextPages;
  readonly demultiplexer: Demultiplexer;
  readonly vectors: InterruptVectors;
  readonly faults: FaultQueue;
}

/**
 * Opens contexts and stops them, for the hypervisor or after a fault. Stopping leaves nothing under way: what
 * has not touched memory yet never will. Other contexts are not affected.
 */
export class ContextLifecycle implements FaultSink {
  readonly #core: CardCore;
  readonly #parts: LifecycleParts;
  readonly #keepers: ContextKeeper[] = [];

  constructor(core: CardCore, parts: LifecycleParts) {
    this.#core = core;
    this.#parts = parts;
  }

  /** From now on a component is notified of contexts that open and stop, after those that were added before it. */
  add(keeper: ContextKeeper): void {
    this.#keepers.push(keeper);
  }

  /** The context is set up: it takes part from now on. */
  open(context: Context): CommandStatus {
    const { demultiplexer, pages } = this.#parts;
    if (context.mac === 0 || isGroup(context.mac) || !demultiplexer.add(context))
      return 'mac-missing-or-taken';
    context.state = 'open';
    pages.reset(context.index);
    for (const keeper of this.#keepers) keeper.join(context, context.share);
    return 'done';
  }

  /** An open context has another weight from now on. */
  reweigh(context: Context): void {
    for (const keeper of this.#keepers) keeper.reweigh?.(context, context.share);
  }

  /** The hypervisor takes the context back, in whatever state it is. */
  revoke(context: Context): void {
    if (context.state === 'open') this.#stop(context, 'discarded');
    context.reset();
    this.#parts.pages.reset(context.index);
  }

  /** Stops the context and tells the hypervisor. Only its first fault counts. */
  fault(context: Context, direction: Direction, reason: FaultReason, detail: number): void {
    if (context.state !== 'open') return;
    this.#stop(context, 'faulted');
    context.state = 'faulted';
    context.faultReason = reason;
    this.#parts.faults.report(context.index, reason);
    this.#parts.vectors.requestManagement();
    const { kernel, subjects } = this.#core;
    if (!subjects.faults.observed) return;
    subjects.faults.next({ context: context.index, direction, reason, detail, atNs: kernel.nowNs });
  }

  #stop(context: Context, state: 'faulted' | 'discarded'): void {
    const { dma, subjects } = this.#core;
    dma.stop(context.index);
    this.#parts.demultiplexer.remove(context);
    for (const keeper of this.#keepers) keeper.forget(context);
    for (const direction of ['transmit', 'receive'] as const) {
      const { consumer, outstanding } = context.ring(direction);
      subjects.descriptor(context.index, direction, consumer, outstanding, state);
    }
  }
}
