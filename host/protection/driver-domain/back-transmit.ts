import { addressAfter, type HostPhysicalAddress, PAGE_BYTES, pageAddress } from '../../../nic/addresses.js';
import { FLAG_DONE, FLAG_END_OF_PACKET, MAX_FRAME_BYTES, MIN_FRAME_BYTES } from '../../../nic/descriptor.js';
import type { SetupRefusal } from '../guest-port.js';
import { type BackEndFaults, MAX_CHAIN } from './back-end-faults.js';
import { type FrameParts, NO_PAGE } from './frame-parts.js';
import type { GrantOperations } from './grant-operations.js';
import type { GrantTable } from './grant-table.js';
import type { SharedRing } from './shared-ring.js';

/** Result of reading a guest's transmit ring. */
export type Taken = 'nothing' | 'frame' | 'bad-grant' | 'bad-frame';

/** The driver domain's end of a transmit ring: takes frames out of a guest, by copy or by mapping. */
export class BackTransmit {
  readonly #ring: SharedRing;
  readonly #table: GrantTable;
  readonly #grants: GrantOperations;
  readonly #faults: BackEndFaults;
  readonly #done: Uint8Array;
  #consumer = 0;
  #responses = 0;
  #first = 0;
  #count = 0;

  constructor(ring: SharedRing, table: GrantTable, grants: GrantOperations, faults: BackEndFaults) {
    this.#ring = ring;
    this.#table = table;
    this.#grants = grants;
    this.#faults = faults;
    this.#done = new Uint8Array(ring.slots);
  }

  /** First request of the frame that was taken last, and how many it has. */
  get first(): number {
    return this.#first;
  }

  get count(): number {
    return this.#count;
  }

  /** Whether there are requests to look at. */
  get hasRequests(): boolean {
    return this.#ring.requestProducer !== this.#consumer;
  }

  /** Asks for an event with the next request that comes. */
  sleep(): void {
    this.#ring.requestEvent = (this.#ring.requestProducer + 1) >>> 0;
  }

  /**
   * Takes the next frame: copied to `staging`, or mapped where it lies when that is undefined. Its requests are
   * consumed, whatever comes of it; `complete` answers them.
   */
  takeFrame(target: FrameParts, staging: HostPhysicalAddress | undefined): Taken {
    target.clear();
    const ring = this.#ring;
    const producer = ring.requestProducer;
    const available = (producer - this.#consumer) >>> 0;
    if ((producer - this.#responses) >>> 0 > ring.slots) {
      this.#faults.giveUp(available);
      return 'nothing';
    }
    let count = 0;
    while (count < available && count < MAX_CHAIN) {
      count += 1;
      if ((ring.flags(this.#consumer + count - 1) & FLAG_END_OF_PACKET) !== 0)
        return this.#gather(count, target, staging);
    }
    // No end in sight. If more requests can come, they may bring it.
    if (count === MAX_CHAIN || available === ring.slots) this.#faults.giveUp(count);
    return 'nothing';
  }

  /** Answers requests; true if the guest wants a notification. It sees them finish in order. */
  complete(first: number, count: number): boolean {
    const mask = this.#done.length - 1;
    for (let step = 0; step < count; step += 1) this.#done[(first + step) & mask] = 1;
    while (this.#done[this.#responses & mask] === 1) {
      this.#done[this.#responses & mask] = 0;
      this.#ring.put(this.#responses, 0, 0, FLAG_DONE, 0);
      this.#responses = (this.#responses + 1) >>> 0;
    }
    return this.#ring.pushResponses(this.#responses);
  }

  #gather(count: number, target: FrameParts, staging: HostPhysicalAddress | undefined): Taken {
    const ring = this.#ring;
    this.#first = this.#consumer;
    this.#count = count;
    this.#consumer = (this.#consumer + count) >>> 0;
    let total = 0;
    for (let step = 0; step < count; step += 1) {
      const length = ring.length(this.#first + step);
      if (length === 0) return this.#refuse('bad-length', this.#first + step);
      total += length;
    }
    if (total < MIN_FRAME_BYTES || total > MAX_FRAME_BYTES) return this.#refuse('bad-length', this.#first);
    for (let step = 0; step < count; step += 1) {
      const refusal = this.#take(this.#first + step, target, staging);
      if (refusal === undefined) continue;
      for (let index = 0; index < target.count; index += 1)
        if (target.mapped[index] !== NO_PAGE) this.#grants.unmap(target.mappedPage(index));
      return this.#refuse(refusal, this.#first + step);
    }
    return 'frame';
  }

  /** Copies or maps the pages of one request. */
  #take(
    index: number,
    target: FrameParts,
    staging: HostPhysicalAddress | undefined,
  ): SetupRefusal | undefined {
    const ring = this.#ring;
    let reference = ring.word(index);
    let offset = ring.offset(index) % PAGE_BYTES;
    let left = ring.length(index);
    for (; left > 0; reference += 1) {
      const piece = Math.min(left, PAGE_BYTES - offset);
      if (staging !== undefined) {
        const at = addressAfter(staging, target.total);
        if (!this.#grants.copyOut(this.#table, reference, offset, piece, at)) return this.#grants.refusal;
        target.extend(at, piece);
      } else {
        const page = this.#grants.map(this.#table, reference, false);
        if (page < 0) return this.#grants.refusal;
        target.add(addressAfter(pageAddress(page), offset), piece, page);
      }
      left -= piece;
      offset = 0;
    }
    return undefined;
  }

  #refuse(refusal: SetupRefusal, index: number): Taken {
    this.#faults.report(refusal, 'transmit', this.#ring.word(index), this.#ring.length(index));
    return refusal === 'bad-length' ? 'bad-frame' : 'bad-grant';
  }
}
