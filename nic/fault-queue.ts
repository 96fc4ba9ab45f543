import type { ContextId } from '../scheduler/branded.js';
import { InvariantViolation } from '../scheduler/errors.js';
import type { Context } from './context.js';
import type { FaultReason } from './counters.js';

/** A context that was stopped, until the hypervisor has read of it. */
export interface ReportedFault {
  readonly context: ContextId;
  readonly reason: FaultReason;
}

/** Faults in the order in which they occurred, as the management page shows them. */
export class FaultQueue {
  #faults: ReportedFault[] = [];

  /** The oldest unread fault. */
  get oldest(): ReportedFault | undefined {
    return this.#faults[0];
  }

  report(context: ContextId, reason: FaultReason): void {
    this.#faults.push({ context, reason });
  }

  /** The oldest fault has been read. */
  pop(): void {
    this.#faults.shift();
  }

  /** The context is revoked: its next owner must not get the faults queued here. */
  forget(context: ContextId): void {
    this.#faults = this.#faults.filter((fault) => fault.context !== context);
  }

  checkInvariants(contexts: readonly Context[]): void {
    const reported = new Set(this.#faults.map((fault) => fault.context));
    if (reported.size !== this.#faults.length)
      throw new InvariantViolation('a context has two faults in the queue');
    for (const { context, reason } of this.#faults) {
      if (contexts[context]?.faultReason !== reason)
        throw new InvariantViolation(
          `the fault queue holds ${reason} of context ${context}, which has not faulted so`,
        );
    }
  }
}
