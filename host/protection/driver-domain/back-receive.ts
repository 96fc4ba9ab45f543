import {
  addressAfter,
  offsetInPage,
  PAGE_BYTES,
  type PageNumber,
  pageNumber,
  pageOf,
} from '../../../nic/addresses.js';
import { FLAG_DONE, FLAG_END_OF_PACKET } from '../../../nic/descriptor.js';
import { absent } from '../../../scheduler/present.js';
import { COST } from '../../cpu/costs.js';
import type { HostParts } from '../../host-parts.js';
import type { SetupRefusal } from '../guest-port.js';
import { type BackEndFaults, MAX_CHAIN } from './back-end-faults.js';
import type { FrameParts } from './frame-parts.js';
import { PAGES_PER_SLOT } from './front-queue.js';
import type { GrantOperations } from './grant-operations.js';
import type { GrantTable } from './grant-table.js';
import type { SharedRing } from './shared-ring.js';

/** Outcome of delivering a frame to a guest. */
export type Delivery = 'delivered' | 'no-receive-buffer' | 'bad-grant' | 'port-closed';

/** The driver domain's end of a receive ring: puts frames into a guest, by copy or by exchange of pages. */
export class BackReceive {
  readonly #parts: HostParts;
  readonly #ring: SharedRing;
  readonly #table: GrantTable;
  readonly #grants: GrantOperations;
  readonly #faults: BackEndFaults;
  readonly #chosen = {
    count: 0,
    references: new Uint32Array(MAX_CHAIN),
    offsets: new Uint32Array(MAX_CHAIN),
    lengths: new Uint32Array(MAX_CHAIN),
  };
  #consumer = 0;
  #tell = false;

  constructor(
    parts: HostParts,
    ring: SharedRing,
    table: GrantTable,
    grants: GrantOperations,
    faults: BackEndFaults,
  ) {
    this.#parts = parts;
    this.#ring = ring;
    this.#table = table;
    this.#grants = grants;
    this.#faults = faults;
  }

  /** Index of the last request that was answered. */
  get lastAnswered(): number {
    return (this.#consumer - 1) >>> 0;
  }

  /** Whether responses of which the guest wants a notification have been written since the last call. */
  takeTell(): boolean {
    const tell = this.#tell;
    this.#tell = false;
    return tell;
  }

  /**
   * Puts a frame into the posted buffers. With `flip`, pages change hands where whole pages were posted
   * (`exchanged` says which came back); everything else is copied.
   */
  deliver(source: FrameParts, flip: boolean): Delivery {
    const producer = this.#ring.requestProducer;
    if ((producer - this.#consumer) >>> 0 > this.#ring.slots) {
      this.#faults.giveUp(this.#ring.slots);
      return 'port-closed';
    }
    this.#skipRefused(producer);
    if (this.#faults.closed) return 'port-closed';
    if (!this.#plan(source.total, producer)) return 'no-receive-buffer';
    const whole = flip && this.#flips(source) ? this.#flipAll(source) : this.#copyAll(source);
    if (this.#faults.closed) return 'port-closed';
    this.#push();
    return whole ? 'delivered' : 'bad-grant';
  }

  #push(): void {
    if (this.#ring.pushResponses(this.#consumer)) this.#tell = true;
  }

  /** Answers invalid requests at the head of the receive ring with length 0, so that those behind them can be used. */
  #skipRefused(producer: number): void {
    const ring = this.#ring;
    while (this.#consumer !== producer) {
      const index = this.#consumer;
      const refusal = this.#objection(index);
      if (refusal === undefined) return;
      this.#faults.report(refusal, 'receive', ring.word(index), ring.length(index));
      if (this.#faults.closed) return;
      ring.put(index, 0, 0, FLAG_DONE, 0);
      this.#consumer = (index + 1) >>> 0;
      this.#push();
    }
  }

  #objection(index: number): SetupRefusal | undefined {
    const ring = this.#ring;
    const length = ring.length(index);
    const pages = Math.ceil(((ring.offset(index) % PAGE_BYTES) + length) / PAGE_BYTES);
    if (length === 0 || pages > PAGES_PER_SLOT) return 'bad-length';
    for (let page = 0; page < pages; page += 1)
      if (this.#grants.validate(this.#table, ring.word(index) + page, true) < 0) return this.#grants.refusal;
    return undefined;
  }

  /**
   * Chooses the requests for a frame and writes them down: the frame may land in the very pages that hold the
   * rings or the grants, and what it does there must not change what was chosen.
   */
  #plan(bytes: number, producer: number): boolean {
    const ring = this.#ring;
    const plan = this.#chosen;
    plan.count = 0;
    let left = bytes;
    for (let index = this.#consumer; left > 0; index = (index + 1) >>> 0) {
      if (index === producer || plan.count === MAX_CHAIN || this.#objection(index) !== undefined)
        return false;
      plan.references[plan.count] = ring.word(index);
      plan.offsets[plan.count] = ring.offset(index) % PAGE_BYTES;
      plan.lengths[plan.count] = ring.length(index);
      plan.count += 1;
      left -= ring.length(index);
    }
    return true;
  }

  /** Whether each piece is alone on its page and has a whole posted page to change with. */
  #flips(source: FrameParts): boolean {
    const plan = this.#chosen;
    if (plan.count !== source.count) return false;
    for (let piece = 0; piece < source.count; piece += 1) {
      if (offsetInPage(source.address(piece)) !== 0) return false;
      if (plan.offsets[piece] !== 0 || plan.lengths[piece] !== PAGE_BYTES) return false;
      const page = this.#table.page(plan.references[piece] ?? absent());
      const { pages } = this.#parts;
      if (pages.count(page) > 0 || pages.isSetAside(page)) return false;
    }
    return true;
  }

  /** False if the guest's grants proved invalid after all (one page named twice). */
  #flipAll(source: FrameParts): boolean {
    const { memory, processor } = this.#parts;
    for (let piece = 0; piece < source.count; piece += 1) {
      const address = source.address(piece);
      const length = source.lengths[piece] ?? absent();
      // This guest must not see what earlier frames left on the page.
      memory.fill(addressAfter(address, length), PAGE_BYTES - length, 0);
      processor.charge(COST.clearByte, PAGE_BYTES - length);
      const given = pageOf(address);
      const taken = this.#grants.flip(this.#table, this.#chosen.references[piece] ?? absent(), given);
      if (taken < 0) return this.#cutShort();
      source.exchanged[piece] = taken;
      this.#answer(given, 0, length, piece + 1 === source.count);
    }
    return true;
  }

  #copyAll(source: FrameParts): boolean {
    const plan = this.#chosen;
    let piece = 0;
    let within = 0;
    let left = source.total;
    for (let step = 0; step < plan.count; step += 1) {
      const room = Math.min(left, plan.lengths[step] ?? absent());
      const offset = plan.offsets[step] ?? absent();
      const first = plan.references[step] ?? absent();
      const page = this.#table.page(first);
      for (let done = 0; done < room; ) {
        const at = (offset + done) % PAGE_BYTES;
        const run = Math.min(room - done, (source.lengths[piece] ?? absent()) - within, PAGE_BYTES - at);
        const from = addressAfter(source.address(piece), within);
        const reference = first + Math.floor((offset + done) / PAGE_BYTES);
        if (!this.#grants.copyIn(this.#table, reference, at, run, from)) return this.#cutShort();
        done += run;
        within += run;
        if (within < (source.lengths[piece] ?? absent())) continue;
        piece += 1;
        within = 0;
      }
      left -= room;
      this.#answer(page, offset, room, left === 0);
    }
    return true;
  }

  #answer(page: PageNumber, offset: number, length: number, last: boolean): void {
    this.#ring.put(this.#consumer, page, offset, FLAG_DONE | (last ? FLAG_END_OF_PACKET : 0), length);
    this.#consumer = (this.#consumer + 1) >>> 0;
  }

  /** The frame is lost on the way; the buffer at which it happened comes back empty and ends it. */
  #cutShort(): false {
    const index = this.#consumer;
    this.#answer(pageNumber(0), 0, 0, true);
    this.#faults.report(this.#grants.refusal, 'receive', this.#ring.word(index), 0);
    return false;
  }
}
