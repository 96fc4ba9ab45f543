import type { Counters } from '../../nic/counters.js';
import type { ContextId } from '../../scheduler/branded.js';
import { present } from '../../scheduler/present.js';
import { tallyIn } from '../../scheduler/tally.js';
import { PAGE_COUNTERS } from './call-registers.js';

/** The card's counters of one guest, whatever contexts it has had: a context changes hands, these counters do not. */
export class PageCounters {
  readonly #counters: Counters;
  readonly #before = new Float64Array(PAGE_COUNTERS.length);
  readonly #atOpen = new Float64Array(PAGE_COUNTERS.length);
  #context: ContextId | undefined;

  constructor(counters: Counters) {
    this.#counters = counters;
  }

  opened(context: ContextId): void {
    this.#context = context;
    for (let index = 0; index < PAGE_COUNTERS.length; index += 1)
      this.#atOpen[index] = this.#ofContext(context, index);
  }

  closed(): void {
    for (let index = 0; index < PAGE_COUNTERS.length; index += 1)
      tallyIn(this.#before, index, this.#sinceOpen(index));
    this.#context = undefined;
  }

  /** The counter in a place of the page. */
  value(index: number): number {
    return present(this.#before[index]) + this.#sinceOpen(index);
  }

  /** The counter of a name. */
  named(name: (typeof PAGE_COUNTERS)[number]['name']): number {
    return this.value(PAGE_COUNTERS.findIndex((entry) => entry.name === name));
  }

  #sinceOpen(index: number): number {
    if (this.#context === undefined) return 0;
    return this.#ofContext(this.#context, index) - present(this.#atOpen[index]);
  }

  #ofContext(context: ContextId, index: number): number {
    const { counter, drop } = present(PAGE_COUNTERS[index]);
    return counter === undefined ? this.#counters.drops(drop, context) : this.#counters.get(counter, context);
  }
}
