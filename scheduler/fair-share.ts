import { Observable, type OperatorFunction, type Subscription } from 'rxjs';
import { type ContextId, contextId } from './branded.js';
import type { Discipline, Share } from './discipline.js';
import { DmaScheduler, type Grant, type HeadsOfLine } from './dma-scheduler.js';
import type { EventKernel } from './event-kernel.js';

/** The queues that `fairShare` grants from. */
export interface FrameQueues extends HeadsOfLine {
  /** The head frame of the context was granted: it leaves its queue now, before the grant is emitted. */
  take(context: ContextId): void;
}

/** Changes of the contexts other than doorbells; each is one call of the core. */
export type ContextChange =
  | { readonly kind: 'join'; readonly context: number; readonly share: Share }
  | { readonly kind: 'leave'; readonly context: number }
  | { readonly kind: 'withdraw'; readonly context: number }
  | { readonly kind: 'arrived'; readonly context: number; readonly bytes: number };

/** How contexts share a link. */
export interface FairShareOptions {
  /** Virtual time: decisions are events of this kernel. */
  readonly kernel: EventKernel;
  readonly discipline: Discipline;
  readonly heads: FrameQueues;
  /**
   * Credit of the link, bytes. The first value is all of it, at least the longest frame; later values return what was
   * granted, in portions of any size.
   */
  readonly linkReady$: Observable<number>;
  /**
   * Contexts that join, leave and fault while the stream runs. Without it a context joins with its first doorbell.
   */
  readonly changes$?: Observable<ContextChange>;
  /** What a context that joins with its first doorbell is entitled to. @defaultValue a weight of 1 */
  readonly shareOf?: (context: ContextId) => Share;
  /** Name of the stream in errors. @defaultValue `fairShare` */
  readonly name?: string;
}

/**
 * Doorbells in, grants out: `doorbells$.pipe(fairShare({ kernel, discipline, heads, linkReady$ }))`. It grants
 * exactly what `DmaScheduler` grants, which it is built on.
 *
 * - Cold: each subscriber gets a scheduler of its own, so `discipline` and `heads` serve one subscriber.
 * - It completes when no grant can follow: `doorbells$` has completed and the queues of all contexts that rang are
 *   empty, or all inputs have completed and the frame at the head will never get its credit.
 * - It errors with what an input errors with, and with what `discipline` or `heads` throw.
 * - Unsubscribing unsubscribes from every input, and nothing more is granted.
 */
export function fairShare(options: FairShareOptions): OperatorFunction<number, Grant> {
  return (doorbells$) =>
    new Observable<Grant>((subscriber) => {
      const { kernel, discipline, heads, linkReady$, changes$, name = 'fairShare' } = options;
      const shareOf = options.shareOf ?? (() => ({ weight: 1 }));
      const open = new Set<'doorbells' | 'credit' | 'changes'>(['doorbells', 'credit']);
      if (changes$ !== undefined) open.add('changes');
      const fail = (error: unknown) => subscriber.error(error);

      const scheduler = new DmaScheduler(kernel, {
        name,
        discipline,
        heads,
        onGrant: (context, bytes) => {
          heads.take(context);
          const { creditBytes } = scheduler;
          subscriber.next({ context, bytes, atNs: kernel.nowNs, creditBytes, reason: discipline.name });
        },
        onSettled: () => completeIfOver(),
        onError: fail,
      });
      const completeIfOver = () => {
        if (open.has('doorbells') || scheduler.willDecide) return;
        if (scheduler.backlogged === 0 || open.size === 0) subscriber.complete();
      };

      /** Feeds one input to the scheduler; what it throws becomes an error of the stream. */
      const hear = <T>(
        input: 'doorbells' | 'credit' | 'changes',
        input$: Observable<T>,
        tell: (value: T) => void,
      ): Subscription =>
        input$.subscribe({
          next: (value) => {
            try {
              tell(value);
            } catch (error) {
              fail(error);
            }
          },
          error: fail,
          complete: () => {
            open.delete(input);
            completeIfOver();
          },
        });

      subscriber.add(() => scheduler.stop());
      // Contexts join before they ring, and credit is there before it is asked for.
      if (changes$ !== undefined)
        subscriber.add(hear('changes', changes$, (change) => apply(scheduler, change)));
      if (subscriber.closed) return;
      subscriber.add(hear('credit', linkReady$, (bytes) => scheduler.credit(bytes)));
      if (subscriber.closed) return;
      subscriber.add(
        hear('doorbells', doorbells$, (number) => {
          const context = contextId(number);
          if (changes$ === undefined && !scheduler.has(context)) scheduler.join(context, shareOf(context));
          scheduler.ring(context);
        }),
      );
    });
}

function apply(scheduler: DmaScheduler, change: ContextChange): void {
  const context = contextId(change.context);
  switch (change.kind) {
    case 'join':
      scheduler.join(context, change.share);
      return;
    case 'leave':
      scheduler.leave(context);
      return;
    case 'withdraw':
      scheduler.withdraw(context);
      return;
    case 'arrived':
      scheduler.arrived(context, change.bytes);
  }
}
