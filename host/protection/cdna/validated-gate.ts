import {
  type HostPhysicalAddress,
  lastPageOf,
  machineAddress,
  pageAfter,
  pageOf,
  untranslated,
} from '../../../nic/addresses.js';
import { InvariantViolation } from '../../../scheduler/errors.js';
import { absent } from '../../../scheduler/present.js';
import { COST } from '../../cpu/costs.js';
import type { HostParts } from '../../host-parts.js';
import type { ContextQueue, SetupGate } from '../context-queue.js';
import type { BufferBatch } from '../guest-port.js';
import { malformedBuffer, wholeFrames } from '../posted-buffers.js';
import type { PageReferences } from './page-references.js';
import type { ReleaseTimer, TimedRelease } from './release-timer.js';

/**
 * CDNA's set-up gate for one queue (Willmann et al., HPCA 2007, section 3.3): one hypercall hands over a
 * batch; of every descriptor every page must belong to the caller, and is pinned; then the hypervisor writes
 * the descriptor into a ring that only it can write.
 *
 * References go down lazily: the next hypercall first looks how far the NIC has come. A guest that falls
 * idle would keep its last pages for ever, so a timeout does the same for it.
 */
export class ValidatedGate implements SetupGate, TimedRelease {
  /** The hypervisor writes the descriptors. */
  readonly writer: number;
  readonly #parts: HostParts;
  readonly #timer: ReleaseTimer;
  /** Its number there. */
  readonly #number: number;
  readonly #references: PageReferences;
  // Descriptors below this index hold no references any more.
  #unpinned = 0;
  // Pages that the validation of one batch has looked at: charged together.
  #pagesLookedAt = 0;
  #timerArmed = false;
  #isGone = false;
  #queue: ContextQueue | undefined;
  #timeouts = 0;

  constructor(parts: HostParts, timer: ReleaseTimer, references: PageReferences) {
    this.#parts = parts;
    this.#references = references;
    this.writer = parts.hypervisor.account;
    this.#timer = timer;
    this.#number = timer.add(this);
  }

  /** Releases that came from the timeout, not from a hypercall. */
  get timeouts(): number {
    return this.#timeouts;
  }

  admit(queue: ContextQueue, batch: BufferBatch, count: number): number {
    this.#queue = queue;
    this.#parts.hypervisor.enterHypercall();
    this.releaseFinished();
    // Free slots are those that the NIC has finished, not what the driver says: a slot that is still in flight must neither
    // be overwritten nor lose its references.
    const most = Math.min(count, queue.slots - this.held);
    let valid = 0;
    this.#pagesLookedAt = 0;
    while (valid < most && this.#validate(queue, batch, valid)) valid += 1;
    this.#parts.processor.chargeAccount(this.writer, COST.validatePage, this.#pagesLookedAt);
    // The refusal may have cost the guest its context; no call would drop references taken after that.
    if (queue.context < 0) return 0;
    // A frame of which one buffer is refused is refused whole: half a chain in the ring would never end.
    const admitted = valid === most ? valid : wholeFrames(queue, batch, valid);
    for (let index = 0; index < admitted; index += 1) {
      const address = machineAddress(batch.address(index));
      this.#takePages(address, batch.lengths[index] ?? absent());
      queue.admitAt(index, untranslated(address));
    }
    if (admitted === 0) return 0;
    this.#references.settle();
    this.#armTimer();
    return admitted;
  }

  /** The driver's index is not trusted: the hypervisor reads the NIC's own. */
  finish(): void {}

  /** Drops the references of every descriptor that the NIC is done with. */
  releaseFinished(): void {
    const queue = this.#queue;
    if (queue === undefined || queue.context < 0) return;
    this.#releaseUpTo(queue, queue.consumer());
  }

  /** Drops all that is left: the context is gone, so nothing of it will reach memory. */
  releaseAll(): void {
    if (this.#queue !== undefined) this.#releaseUpTo(this.#queue, this.#queue.producer);
    if (this.#isGone) return;
    this.#isGone = true;
    if (!this.#timerArmed) this.#timer.remove(this.#number);
  }

  /** Descriptors whose pages are still referenced. */
  get held(): number {
    return this.#queue === undefined ? 0 : (this.#queue.producer - this.#unpinned) >>> 0;
  }

  /** Throws when it holds more than a ring can. Returns the references that it holds, pages. */
  checkInvariants(): number {
    const queue = this.#queue;
    if (queue === undefined) return 0;
    if (this.held > queue.slots)
      throw new InvariantViolation(`${this.held} descriptors are held in ${queue.slots} slots`);
    let pages = 0;
    for (let index = this.#unpinned; index !== queue.producer; index = (index + 1) >>> 0) {
      const address = machineAddress(queue.postedAddress(index));
      pages += lastPageOf(address, queue.postedLength(index)) - pageOf(address) + 1;
    }
    return pages;
  }

  #validate(queue: ContextQueue, batch: BufferBatch, index: number): boolean {
    const { pages } = this.#parts;
    const address = batch.address(index);
    const length = batch.lengths[index] ?? absent();
    const malformed = malformedBuffer(address, length);
    if (malformed !== undefined) {
      queue.refuse(malformed, address, length);
      return false;
    }
    const physical = machineAddress(address);
    const last = lastPageOf(physical, length);
    for (let page = pageOf(physical); page <= last; page = pageAfter(page)) {
      this.#pagesLookedAt += 1;
      const refusal = pages.refusalFor(queue.domain.id, page);
      if (refusal !== undefined) {
        queue.refuse(refusal, address, length);
        return false;
      }
    }
    return true;
  }

  #releaseUpTo(queue: ContextQueue, index: number): void {
    if (this.#unpinned === index) return;
    while (this.#unpinned !== index) {
      const address = machineAddress(queue.postedAddress(this.#unpinned));
      this.#dropPages(address, queue.postedLength(this.#unpinned));
      this.#unpinned = (this.#unpinned + 1) >>> 0;
    }
    this.#references.settle();
  }

  #takePages(address: HostPhysicalAddress, length: number): void {
    const last = lastPageOf(address, length);
    for (let page = pageOf(address); page <= last; page = pageAfter(page)) this.#references.take(page);
  }

  #dropPages(address: HostPhysicalAddress, length: number): void {
    const last = lastPageOf(address, length);
    for (let page = pageOf(address); page <= last; page = pageAfter(page)) this.#references.drop(page);
  }

  #armTimer(): void {
    if (this.#timerArmed) return;
    this.#timerArmed = true;
    this.#timer.arm(this.#number);
  }

  releaseTimedOut(): void {
    this.#timerArmed = false;
    const before = this.#unpinned;
    this.releaseFinished();
    if (this.#unpinned !== before) this.#timeouts += 1;
    // A port that was closed holds nothing: `releaseAll` came before.
    if (this.held > 0) this.#armTimer();
    else if (this.#isGone) this.#timer.remove(this.#number);
  }
}
