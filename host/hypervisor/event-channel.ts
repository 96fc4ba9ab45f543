import { COST } from '../cpu/costs.js';
import type { Processor, Worker } from '../cpu/processor.js';
import type { Domain } from './domain.js';

/** What hears of an interrupt: it is called, or its `interrupted` is. */
export type InterruptHandler = (() => void) | Interrupted;

export interface Interrupted {
  interrupted(): void;
}

/** Has an interrupt handled. */
export function handleInterrupt(handler: InterruptHandler): void {
  if (typeof handler === 'function') handler();
  else handler.interrupted();
}

/**
 * A virtual interrupt line into a domain, as Xen's event channels are: one pending bit. While it is set,
 * further events say nothing new; it is cleared when the domain's handler begins, so an event that comes
 * during the handler brings it back.
 */
export class EventChannel implements Worker {
  readonly domain: Domain;
  readonly #processor: Processor;
  readonly #payer: number;
  #handler: InterruptHandler | undefined;
  #pending = false;
  #delivered = 0;

  /** @param payer the account charged for posting (the hypervisor), a number on the processor. */
  constructor(processor: Processor, payer: number, domain: Domain, handler: InterruptHandler) {
    this.#processor = processor;
    this.#payer = payer;
    this.domain = domain;
    this.#handler = handler;
  }

  /** Virtual interrupts that were posted; those that found the bit set are not among them. */
  get delivered(): number {
    return this.#delivered;
  }

  /** Sets the bit; true if it was not set and the domain will run its handler for it. */
  notify(): boolean {
    if (this.#pending || this.#handler === undefined || this.domain.state === 'killed') return false;
    this.#pending = true;
    this.#delivered += 1;
    this.#processor.chargeAccount(this.#payer, COST.virtualInterrupt);
    this.#processor.post(this.domain.account, this);
    return true;
  }

  /** The domain's handler runs, on its time. */
  work(): void {
    this.#pending = false;
    if (this.#handler !== undefined) handleInterrupt(this.#handler);
  }

  /** The handler never runs again, not even for an event that is pending. */
  close(): void {
    this.#handler = undefined;
  }
}
