import { type IoPageNumber, ioPageNumber, type PageNumber, pageNumber } from '../../../../nic/addresses.js';
import { absent } from '../../../../scheduler/present.js';
import type { GuestSpace } from '../guest-space.js';
import { IOVA_ERAS } from '../iova-eras.js';
import { type IovaOptions, RangePerBuffer } from './range-per-buffer.js';

export interface DeferredOptions extends IovaOptions {
  /**
   * Entries of the queue of unmapped ranges, one of which stays free: the unmap that finds the others taken flushes
   * them. @defaultValue 256 (Linux, IOVA_DEFAULT_FQ_SIZE)
   */
  readonly queueEntries: number;
  /**
   * From the first unmap to the flush that no full queue cancels, ns. @defaultValue 10 ms (Linux,
   * IOVA_DEFAULT_FQ_TIMEOUT)
   */
  readonly timeoutNs: number;
  /**
   * The page's reference stays until the flush, so that it cannot have another owner inside the window. Linux gives
   * no such promise: the page is free when it is unmapped. @defaultValue false
   */
  readonly pinUntilFlush: boolean;
}

/** Ranges that wait for one flush. Batches come again and again, so they are used again. */
class Batch {
  readonly first: Float64Array;
  readonly pages: Int32Array;
  readonly firstPage: Int32Array;
  count = 0;

  constructor(entries: number) {
    this.first = new Float64Array(entries);
    this.pages = new Int32Array(entries);
    this.firstPage = new Int32Array(entries);
  }

  add(first: IoPageNumber, pages: number, firstPage: PageNumber): void {
    this.first[this.count] = first;
    this.pages[this.count] = pages;
    this.firstPage[this.count] = firstPage;
    this.count += 1;
  }
}

/**
 * Deferred (Linux's lazy mode): an unmap takes the page out of the tables and queues the rest; one invalidation covers
 * all of the queue, when it is full or 10 ms after the first unmap. Cheap, and until then the device still reaches
 * what its caches remember: the stale window. A page can be given away inside it.
 *
 * The timer is Linux's (queue_iova, fq_flush_timeout in drivers/iommu/dma-iommu.c): armed by the first unmap, and not
 * cancelled when a full queue is flushed, so it often finds a queue that is young. Recorded traces of two kernels
 * have 178 unmaps per flush, not 256 (test/host/protection/iommu/linux-traces.test.ts).
 */
export class Deferred extends RangePerBuffer {
  readonly #options: DeferredOptions;
  readonly #onTimer: number;
  readonly #timerWork: () => void;
  readonly #spare: Batch[] = [];
  #queue: Batch;
  #timer: number | undefined;
  #flushes = 0;
  #timerFlushes = 0;

  constructor(space: GuestSpace, options: DeferredOptions) {
    super(space, IOVA_ERAS[options.iovaAllocator].deferred);
    this.#options = options;
    this.#queue = new Batch(options.queueEntries);
    const { kernel, processor, hypervisor } = space.parts;
    this.#timerWork = () => {
      if (this.#queue.count === 0) return;
      this.#timerFlushes += 1;
      this.#flush();
    };
    this.#onTimer = kernel.register('host.iommu.deferred', () => {
      this.#timer = undefined;
      processor.post(hypervisor.account, this.#timerWork);
    });
  }

  retire(first: IoPageNumber, pages: number, firstPage: PageNumber): void {
    const space = this.space;
    space.clear(first, pages);
    // The operating system takes the page for free now; only the address waits for the flush.
    if (!this.#options.pinUntilFlush) space.unpin(firstPage, pages);
    if (this.#queue.count >= Math.max(1, this.#options.queueEntries - 1)) this.#flush();
    this.#queue.add(first, pages, firstPage);
    this.#timer ??= space.parts.kernel.schedule(this.#options.timeoutNs, this.#onTimer);
  }

  settle(): void {}

  counters(): Readonly<Record<string, number>> {
    return {
      deferredFlushes: this.#flushes,
      deferredTimerFlushes: this.#timerFlushes,
      staleRanges: this.#queue.count,
    };
  }

  protected override dropWaiting(): void {
    if (this.#timer !== undefined) this.space.parts.kernel.cancel(this.#timer);
    this.#timer = undefined;
    const batch = this.#takeQueue();
    this.space.whenGone(() => this.#release(batch));
  }

  #flush(): void {
    const batch = this.#takeQueue();
    this.#flushes += 1;
    this.space.invalidateAll(() => this.#release(batch));
    this.space.driver.waitCharged();
  }

  #takeQueue(): Batch {
    const batch = this.#queue;
    this.#queue = this.#spare.pop() ?? new Batch(this.#options.queueEntries);
    return batch;
  }

  #release(batch: Batch): void {
    for (let index = 0; index < batch.count; index += 1) {
      const pages = batch.pages[index] ?? absent();
      this.space.address.iovas.free(ioPageNumber(batch.first[index] ?? absent()), pages);
      if (this.#options.pinUntilFlush)
        this.space.unpin(pageNumber(batch.firstPage[index] ?? absent()), pages);
    }
    batch.count = 0;
    this.#spare.push(batch);
  }
}
