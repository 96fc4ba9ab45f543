import type { Nic } from '../../nic/nic.js';
import { PAGE_BYTES } from '../../nic/registers.js';
import type { EventKernel, HandlerId } from '../../scheduler/event-kernel.js';
import { absent } from '../../scheduler/present.js';
import { COST } from '../cpu/costs.js';
import type { Processor } from '../cpu/processor.js';
import type { DomainId } from '../memory/page-ownership.js';

/**
 * An event carries offset and width in one number, and the value with the number of the mapping in another. For a word of
 * a page that has been mapped few times, as nearly all pages have, two 32-bit integers are enough: word and mapping in
 * one, the value in the other.
 */
const WIDTH_FACTOR = 16;
const VALUES = 2 ** 32;
const MAPPINGS = 2 ** 20;
const PAGE_WORDS = PAGE_BYTES / 4;
const FEW_MAPPINGS = 64;
/** Pages whose words fit this encoding: those with lower numbers. */
const FEW_PAGES = 2 ** 31 / (PAGE_WORDS * FEW_MAPPINGS);

/** Why a register access of a domain did not reach the card. */
export type WindowOutcome = 'done' | 'not-mapped';

/**
 * The CPUs' way to the card's registers. Pages of the BAR are mapped into domains like any other page, and
 * that is all that keeps guests out of each other's contexts: an access to a page that is not mapped faults
 * in the MMU and never becomes a bus cycle.
 *
 * Writes are posted: they arrive after the link's latency, those of one domain in order. A hypervisor that unmaps a page
 * would wait until nothing of the old owner is under way; here a posted write belongs to the mapping that it went
 * through and is lost with it, so it does not reach the next owner's context.
 */
export class RegisterWindow {
  readonly #kernel: EventKernel;
  readonly #processor: Processor;
  readonly #nic: Nic;
  readonly #arrive: HandlerId;
  readonly #arriveWord: HandlerId;
  readonly #mappedBy: Int32Array;
  // How often a page has been mapped or unmapped: a posted write belongs to the mapping it went through.
  readonly #mapping: Int32Array;
  #pageFaults = 0;

  constructor(kernel: EventKernel, processor: Processor, nic: Nic) {
    this.#kernel = kernel;
    this.#processor = processor;
    this.#nic = nic;
    this.#arrive = kernel.register('host.registers', (target, value) => this.#onArrive(target, value));
    this.#arriveWord = kernel.register('host.registers', (target, value) =>
      this.#onArriveWord(target, value),
    );
    this.#mappedBy = new Int32Array(nic.contexts.length + 1).fill(-1);
    this.#mapping = new Int32Array(nic.contexts.length + 1);
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
    this.#remap(page, domain);
  }

  unmap(page: number): void {
    this.#remap(page, -1);
  }

  /** Posts a write of `width` bytes (1, 2 or 4) by a domain at an offset of a page. */
  write(domain: DomainId, page: number, offset: number, value: number, width = 4): WindowOutcome {
    if (!this.#reaches(domain, page, offset, width)) return 'not-mapped';
    this.#processor.charge(COST.doorbell);
    const delayNs = this.#nic.link.writeRegister(this.#kernel, this.#processor.elapsedNs);
    const mapping = this.#mapping[page] ?? absent();
    if (width === 4 && (offset & 3) === 0 && mapping < FEW_MAPPINGS && page < FEW_PAGES) {
      const word = page * PAGE_WORDS + (offset >>> 2);
      this.#kernel.post(delayNs, this.#arriveWord, word * FEW_MAPPINGS + mapping, value | 0);
    } else {
      const target = (page * PAGE_BYTES + offset) * WIDTH_FACTOR + width;
      this.#kernel.post(delayNs, this.#arrive, target, mapping * VALUES + (value >>> 0));
    }
    return 'done';
  }

  /**
   * Reads a register of `width` bytes (1, 2 or 4) as it is now; the time that it takes is charged. Undefined if the
   * page is not mapped. Posted writes that are still under way are not pushed ahead of it, as PCI Express would:
   * nothing here reads back what it has just written.
   */
  read(domain: DomainId, page: number, offset: number, width = 4): number | undefined {
    if (!this.#reaches(domain, page, offset, width)) return undefined;
    this.#processor.charge(COST.registerRead);
    this.#occupyLink();
    return this.#nic.read(page * PAGE_BYTES + offset, width);
  }

  /**
   * An access at once and free of charge, of 4 bytes if nothing else is said: the hypervisor's own, which charges for it
   * where time runs, as CardControl does, or one that it carries out for a real guest, whose CPU time is spent elsewhere.
   * Who asks must have the page. False when the card refuses it.
   */
  writeNow(page: number, offset: number, value: number, width = 4): boolean {
    this.#nic.link.writeRegister(this.#kernel, 0);
    return this.#nic.write(page * PAGE_BYTES + offset, width, value);
  }

  /** As `writeNow`: it reads at once. */
  readNow(page: number, offset: number, width = 4): number {
    this.#occupyLink();
    return this.#nic.read(page * PAGE_BYTES + offset, width);
  }

  /** A read of a register takes the link both ways; how long the CPU waits for it is its cost. */
  #occupyLink(): void {
    this.#nic.link.requestRegister(this.#kernel);
    this.#nic.dma.answerRegisterRead();
  }

  /** What the MMU decides: the whole access lies in a page that is mapped into the domain. */
  #reaches(domain: DomainId, page: number, offset: number, width: number): boolean {
    const inside = Number.isInteger(offset) && offset >= 0 && offset + width <= PAGE_BYTES;
    if (inside && this.#mappedBy[page] === domain) return true;
    this.#pageFaults += 1;
    return false;
  }

  #remap(page: number, domain: DomainId): void {
    this.#mappedBy[page] = domain;
    this.#mapping[page] = ((this.#mapping[page] ?? absent()) + 1) % MAPPINGS;
  }

  #onArriveWord(target: number, value: number): void {
    const word = Math.floor(target / FEW_MAPPINGS);
    const page = Math.floor(word / PAGE_WORDS);
    if (target % FEW_MAPPINGS !== this.#mapping[page]) return;
    this.#nic.write(word * 4, 4, value >>> 0);
  }

  #onArrive(target: number, carried: number): void {
    const width = target % WIDTH_FACTOR;
    const offset = (target - width) / WIDTH_FACTOR;
    const value = carried % VALUES;
    if ((carried - value) / VALUES !== this.#mapping[Math.floor(offset / PAGE_BYTES)]) return;
    this.#nic.write(offset, width, value);
  }
}
