import type { ContextPort } from '../../context-port.js';
import type { GuestSpace } from '../guest-space.js';
import type { MappingStrategy } from '../mapping-strategy.js';
import { PerTransferGate, type Placement, type Teardown } from './per-transfer.js';

export interface DeferredOptions {
  /** Unmapped ranges that wait together. @defaultValue 256 (Linux, IOVA_DEFAULT_FQ_SIZE) */
  readonly queueEntries: number;
  /** Longest wait, ns. @defaultValue 10 ms (Linux, IOVA_DEFAULT_FQ_TIMEOUT) */
  readonly timeoutNs: number;
}

interface Waiting {
  readonly iova: number;
  readonly pages: number;
  readonly firstFrame: number;
}

/**
 * Deferred (Linux's lazy mode): an unmap takes the page out of the tables and queues the rest; when the queue is full
 * or its oldest entry is 10 ms old, one invalidation covers all of it. Cheap, and until then the device still
 * reaches what its caches remember: the stale window.
 *
 * With `pinUntilFlush` off the frame's reference goes with the unmap, as in an operating system that frees the page
 * at once; then a frame can be given away inside the window. That is what makes the mode unsafe, and it is the default.
 */
export class Deferred implements MappingStrategy, Placement, Teardown {
  readonly transmit: PerTransferGate;
  readonly receive: PerTransferGate;
  readonly #space: GuestSpace;
  readonly #options: DeferredOptions;
  readonly #onTimer: number;
  #queue: Waiting[] = [];
  #timer: number | undefined;
  #port: ContextPort | undefined;
  #flushes = 0;
  #timerFlushes = 0;

  constructor(space: GuestSpace, options: DeferredOptions) {
    this.#space = space;
    this.#options = options;
    this.#onTimer = space.parts.kernel.register('host.iommu.deferred', () => {
      this.#timer = undefined;
      this.#timerFlushes += 1;
      this.#flush();
    });
    this.transmit = new PerTransferGate(space, this, this);
    this.receive = new PerTransferGate(space, this, this);
  }

  opened(port: ContextPort): void {
    this.#port = port;
  }

  place(pages: number): number {
    return this.#space.iovas.allocate(pages);
  }

  begin(): void {}

  retire(iova: number, pages: number, firstFrame: number): void {
    const space = this.#space;
    space.clear(iova, pages);
    // The operating system takes the page for free now; only the address waits for the flush.
    space.unpin(firstFrame, pages);
    this.#queue.push({ iova, pages, firstFrame });
    if (this.#queue.length >= this.#options.queueEntries) this.#flush();
    else this.#timer ??= space.parts.kernel.schedule(this.#options.timeoutNs, this.#onTimer);
  }

  end(): void {}

  closed(): void {
    const port = this.#port;
    if (port === undefined) return;
    this.transmit.finish(port.transmit, port.transmit.finished, port.transmit.producer);
    this.receive.finish(port.receive, port.receive.finished, port.receive.producer);
    if (this.#queue.length > 0) this.#flush();
  }

  relinquish(frame: number): boolean {
    return this.#space.parts.frames.count(frame) === 0;
  }

  counters(): Readonly<Record<string, number>> {
    return {
      deferredFlushes: this.#flushes,
      deferredTimerFlushes: this.#timerFlushes,
      staleRanges: this.#queue.length,
    };
  }

  #flush(): void {
    const space = this.#space;
    if (this.#timer !== undefined) space.parts.kernel.cancel(this.#timer);
    this.#timer = undefined;
    const batch = this.#queue;
    if (batch.length === 0) return;
    this.#queue = [];
    this.#flushes += 1;
    space.counters.flushes += 1;
    space.driver.invalidateDomain(space.domainId, () => {
      for (const { iova, pages } of batch) space.iovas.free(iova, pages);
    });
    space.driver.waitCharged();
  }
}
