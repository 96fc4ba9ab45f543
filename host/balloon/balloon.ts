import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import type { RandomGenerator } from 'pure-rand/types/RandomGenerator';
import { type PageNumber, pageNumber } from '../../nic/addresses.js';
import { InvariantViolation, ParameterError } from '../../scheduler/errors.js';
import { present } from '../../scheduler/present.js';
import type { HostParts } from '../host-parts.js';
import type { Domain } from '../hypervisor/domain.js';
import type { DomainId, OwnershipObserver } from '../memory/page-ownership.js';
import type { Protection } from '../protection/protection.js';
import { NewOwner } from './new-owner.js';

/** How memory is asked back. */
export interface BalloonParameters {
  /** Pages that are wanted, of all guests together. */
  readonly pages: number;
  /** One request every so many ns, of a guest by chance. */
  readonly everyNs: number;
  /** First request, ns. */
  readonly startNs: number;
  /** Requests out of 100 that are for a page with buffers in it; the others are for pages that the guest never used. */
  readonly bufferPercent: number;
  readonly seed: number;
  /** Whether requests come every `everyNs` by themselves. With false they come from `ask` alone. @defaultValue true */
  readonly isPeriodic?: boolean;
}

/** A guest as the balloon sees it. */
export interface BalloonGuest {
  readonly domain: Domain;
  /** Pages in which its driver has buffers now, finished with or not. */
  bufferPages(): readonly PageNumber[];
}

/** What came of the requests. */
export interface BalloonReport {
  /** Pages that a guest was asked for; each is reclaimed, waiting, or refused. */
  readonly asked: number;
  readonly reclaimed: number;
  /** Released, and kept by references until the device is done or the unit has reported their invalidation. */
  readonly waiting: number;
  readonly refused: number;
  /** From request to free page, ns, in the order in which they became free. */
  readonly reclaimNs: readonly number[];
}

interface LeavingFrame {
  readonly guest: string;
  readonly askedNs: number;
  /** When it was free, by the clock of what freed it. */
  freedNs: number;
}

/**
 * The hypervisor takes memory back from guests while traffic runs. A request runs on the guest's CPU time and ends
 * in a hypercall; the approach is asked whether it can do without the page (see `relinquish`), and then the page is
 * released. As soon as it is free the new owner has it, and watches whether any device still reaches it.
 */
export class Balloon implements OwnershipObserver {
  readonly newOwner: NewOwner;
  readonly #parts: HostParts;
  readonly #protection: Protection;
  readonly #guests: readonly BalloonGuest[];
  readonly #parameters: BalloonParameters;
  readonly #random: RandomGenerator;
  readonly #onTick: number;
  readonly #onFree: number;
  readonly #work: (guest: number) => void;
  // When each guest was asked, ns; -1 when it has answered.
  readonly #askedNs: number[];
  /** Pages for which each guest is still to be asked, one after the other. */
  readonly #wanted: number[];
  // Pages that were released and that the new owner does not have yet.
  readonly #leaving = new Map<PageNumber, LeavingFrame>();
  readonly #reclaimNs: number[] = [];
  #asked = 0;
  #refused = 0;

  /** @throws ParameterError for parameters that make no sense. */
  constructor(
    parts: HostParts,
    protection: Protection,
    guests: readonly BalloonGuest[],
    parameters: BalloonParameters,
  ) {
    assertParameters(parameters);
    const { kernel } = parts;
    this.#parts = parts;
    this.#protection = protection;
    this.#guests = guests;
    this.#parameters = parameters;
    this.#random = xoroshiro128plus(parameters.seed);
    this.#askedNs = guests.map(() => -1);
    this.#wanted = guests.map(() => 0);
    this.newOwner = new NewOwner(parts);
    this.#onTick = kernel.register('host.balloon', () => this.#tick());
    this.#onFree = kernel.register('host.balloon', (page) => this.#take(pageNumber(page)));
    this.#work = (guest) => this.#answer(guest);
    parts.pages.observe(this);
    if (parameters.isPeriodic !== false) kernel.schedule(parameters.startNs, this.#onTick);
  }

  /** Asks one guest for `pages` pages from now on, the next one when it has answered. */
  ask(domain: Domain, pages: number): void {
    const guest = this.#guests.findIndex((one) => one.domain === domain);
    if (guest < 0 || domain.state === 'killed') return;
    this.#wanted[guest] = present(this.#wanted[guest]) + pages;
    if (this.#askedNs[guest] === -1) this.#post(guest);
  }

  report(): BalloonReport {
    const reclaimed = this.#reclaimNs.length;
    const waiting = this.#leaving.size;
    return {
      asked: this.#asked,
      reclaimed,
      waiting,
      refused: this.#refused,
      reclaimNs: this.#reclaimNs,
    };
  }

  given(): void {
    // Who gets pages is not of interest, but for the new owner, and that is its own affair.
  }

  taken(pages: readonly PageNumber[], _domain: DomainId): void {
    const { kernel, processor } = this.#parts;
    for (const page of pages) {
      const entry = this.#leaving.get(page);
      if (entry === undefined) continue;
      entry.freedNs = kernel.nowNs + processor.elapsedNs;
      // The table is in the middle of a change: the page is taken when it has finished.
      kernel.schedule(0, this.#onFree, page);
    }
  }

  checkInvariants(): void {
    const { asked, reclaimed, waiting, refused } = this.report();
    if (asked !== reclaimed + waiting + refused) {
      throw new InvariantViolation(
        `${asked} pages asked for, ${reclaimed} + ${waiting} + ${refused} accounted for`,
      );
    }
    if (this.newOwner.pages > reclaimed)
      throw new InvariantViolation('the new owner has pages that no guest released');
  }

  #tick(): void {
    const { kernel } = this.#parts;
    const { pages, everyNs } = this.#parameters;
    if (this.#reclaimNs.length + this.#leaving.size >= pages) return;
    kernel.schedule(everyNs, this.#onTick);
    if (this.#guests.length === 0) return;
    const guest = uniformInt(this.#random, 0, this.#guests.length - 1);
    const domain = this.#guests[guest]?.domain;
    if (domain === undefined || domain.state === 'killed' || this.#askedNs[guest] !== -1) return;
    this.#post(guest);
  }

  #post(number: number): void {
    const guest = this.#guests[number];
    if (guest === undefined || guest.domain.state === 'killed') return;
    this.#askedNs[number] = this.#parts.kernel.nowNs;
    this.#parts.processor.post(guest.domain.account, this.#work, number);
  }

  /** The guest's balloon driver: picks a page and releases it, if possible. */
  #answer(number: number): void {
    const guest = this.#guests[number];
    const askedNs = this.#askedNs[number] ?? -1;
    this.#askedNs[number] = -1;
    if (guest === undefined) throw new InvariantViolation(`guest ${number} does not exist`);
    const wanted = present(this.#wanted[number]);
    if (wanted > 0) {
      this.#wanted[number] = wanted - 1;
      if (wanted > 1) this.#post(number);
    }
    const page = this.#pick(guest);
    if (page === undefined) return;
    const { hypervisor } = this.#parts;
    const { domain } = guest;
    hypervisor.enterHypercall();
    this.#asked += 1;
    // A page that is on its way already is not given twice.
    if (this.#leaving.has(page) || !this.#protection.relinquish(domain, page)) {
      this.#refused += 1;
      return;
    }
    this.#leaving.set(page, { guest: domain.name, askedNs, freedNs: askedNs });
    if (domain.release(page) !== 'refused') return;
    this.#leaving.delete(page);
    this.#refused += 1;
  }

  #pick({ domain, bufferPages }: BalloonGuest): PageNumber | undefined {
    const wantsBuffer = uniformInt(this.#random, 0, 99) < this.#parameters.bufferPercent;
    const buffers = wantsBuffer ? bufferPages() : [];
    if (buffers.length === 0) return domain.lastUnusedPage;
    return buffers[uniformInt(this.#random, 0, buffers.length - 1)];
  }

  #take(page: PageNumber): void {
    const entry = this.#leaving.get(page);
    if (entry === undefined) return;
    this.#leaving.delete(page);
    // If another domain was given it in this instant it is reclaimed all the same, but not ours to watch.
    this.newOwner.take(page, entry.guest);
    this.#reclaimNs.push(entry.freedNs - entry.askedNs);
  }
}

function assertParameters(parameters: BalloonParameters): void {
  const whole = (name: Exclude<keyof BalloonParameters, 'isPeriodic'>, low: number, high: number) => {
    const value = parameters[name];
    if (!Number.isInteger(value) || value < low || value > high) {
      throw new ParameterError(`balloon.${name} is ${value}, expected a whole number from ${low} to ${high}`);
    }
  };
  whole('pages', 1, 2 ** 26);
  whole('everyNs', 1, 1e12);
  whole('startNs', 0, 1e15);
  whole('bufferPercent', 0, 100);
}
