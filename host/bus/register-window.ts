import type { Nic } from '../../nic/nic.js';
import { PAGE_BYTES } from '../../nic/registers.js';
import type { EventKernel, HandlerId } from '../../scheduler/event-kernel.js';
import type { Processor } from '../cpu/processor.js';
import type { DomainId } from '../memory/frame-table.js';

/** An event carries offset and width in one number. */
const WIDTH_FACTOR = 8;

/** Why a register access of a domain did not reach the card. */
export type WindowOutcome = 'done' | 'not-mapped';

/**
 * The CPUs' way to the card's registers. Pages of the BAR are mapped into domains like any other page, and
 * that is all that keeps guests out of each other's contexts: an access to a page that is not mapped faults
 * in the MMU and never becomes a bus cycle.
 *
 * Writes are posted: they arrive after the link's latency, those of one domain in order. Reads wait for the
 * answer.
 */
export class RegisterWindow {
  readonly #kernel: EventKernel;
  readonly #processor: Processor;
  readonly #nic: Nic;
  readonly #arrive: HandlerId;
  readonly #mappedBy: Int32Array;
  #pageFaults = 0;

  constructor(kernel: EventKernel, processor: Processor, nic: Nic) {
    this.#kernel = kernel;
    this.#processor = processor;
    this.#nic = nic;
    this.#arrive = kernel.register('host.registers', (target, value) => this.#onArrive(target, value));
    this.#mappedBy = new Int32Array(nic.contexts.length + 1).fill(-1);
  }

  /** Accesses that ended in a page fault. */
  get pageFaults(): number {
    return this.#pageFaults;
  }

  /** Offset of the management page. */
  get managementPage(): number {
    return this.#nic.contexts.length;
  }

  /** Maps a page of the BAR into one domain, and into no other. */
  map(page: number, domain: DomainId): void {
    this.#mappedBy[page] = domain;
  }

  unmap(page: number): void {
    this.#mappedBy[page] = -1;
  }

  /** Posts a write of `width` bytes by a domain. */
  write(domain: DomainId, page: number, offset: number, value: number, width = 4): WindowOutcome {
    if (this.#mappedBy[page] !== domain) {
      this.#pageFaults += 1;
      return 'not-mapped';
    }
    this.#processor.charge('doorbell');
    const fromNs = this.#kernel.nowNs + this.#processor.elapsedNs;
    const arrivesNs = fromNs + this.#nic.link.parameters.propagationNs;
    this.#kernel.scheduleAt(
      arrivesNs,
      this.#arrive,
      (page * PAGE_BYTES + offset) * WIDTH_FACTOR + width,
      value,
    );
    return 'done';
  }

  /** Reads a register now; the time that it takes is charged. Undefined if the page is not mapped. */
  read(domain: DomainId, page: number, offset: number, width = 4): number | undefined {
    if (this.#mappedBy[page] !== domain) {
      this.#pageFaults += 1;
      return undefined;
    }
    this.#processor.charge('registerRead');
    return this.#nic.read(page * PAGE_BYTES + offset, width);
  }

  /** The hypervisor's own access, at once: for set-up, before time has begun to matter. */
  writeNow(page: number, offset: number, value: number): boolean {
    return this.#nic.write(page * PAGE_BYTES + offset, 4, value);
  }

  readNow(page: number, offset: number): number {
    return this.#nic.read(page * PAGE_BYTES + offset, 4);
  }

  #onArrive(target: number, value: number): void {
    const width = target % WIDTH_FACTOR;
    this.#nic.write((target - width) / WIDTH_FACTOR, width, value);
  }
}
