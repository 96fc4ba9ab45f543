import { type IoPageNumber, ioPageNumber, type PageNumber, pageNumber } from '../../../nic/addresses.js';
import { absent } from '../../../scheduler/present.js';
import type { WhenReported } from './iommu-driver.js';

const INITIAL = 64;

/**
 * Waits that the unit has not reported, oldest first, each with whom to call and three numbers for it. A ring of
 * arrays: a wait for each unmapped buffer leaves nothing to collect.
 */
export class OpenWaits {
  readonly #done: (WhenReported | undefined)[] = [];
  #number = new Uint32Array(INITIAL);
  #first = new Float64Array(INITIAL);
  #pages = new Float64Array(INITIAL);
  #page = new Float64Array(INITIAL);
  #head = 0;
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** What the unit writes when it comes to the oldest. */
  get oldestNumber(): number {
    return this.#number[this.#head] ?? absent();
  }

  push(number: number, done: WhenReported, first: IoPageNumber, pages: number, page: PageNumber): void {
    if (this.#count === this.#number.length) this.#grow();
    const at = (this.#head + this.#count) & (this.#number.length - 1);
    this.#count += 1;
    this.#done[at] = done;
    this.#number[at] = number;
    this.#first[at] = first;
    this.#pages[at] = pages;
    this.#page[at] = page;
  }

  /** Takes the oldest out and calls its callback. */
  reportOldest(): void {
    const at = this.#head;
    this.#head = (at + 1) & (this.#number.length - 1);
    this.#count -= 1;
    const done = this.#done[at];
    // A free place must not keep its last callback alive.
    this.#done[at] = undefined;
    const first = ioPageNumber(this.#first[at] ?? absent());
    const pages = this.#pages[at] ?? absent();
    const page = pageNumber(this.#page[at] ?? absent());
    if (typeof done === 'function') done(first, pages, page);
    else done?.reported(first, pages, page);
  }

  #grow(): void {
    const old = this.#number.length;
    const order = Array.from({ length: old }, (_, index) => (this.#head + index) & (old - 1));
    const done = order.map((at) => this.#done[at]);
    const wider = <T extends Uint32Array | Float64Array>(from: T, to: T): T => {
      for (const [index, at] of order.entries()) to[index] = from[at] ?? absent();
      return to;
    };
    for (const [index, one] of done.entries()) if (one !== undefined) this.#done[index] = one;
    this.#number = wider(this.#number, new Uint32Array(old * 2));
    this.#first = wider(this.#first, new Float64Array(old * 2));
    this.#pages = wider(this.#pages, new Float64Array(old * 2));
    this.#page = wider(this.#page, new Float64Array(old * 2));
    this.#head = 0;
  }
}
