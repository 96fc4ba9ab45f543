import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { pageNumber } from '../../../../nic/addresses.js';
import { runs, turnOf, WHOLE } from '../../../support/whole.js';
import { frame, macOf, PAGE, STRANGER, type TestGuest } from '../../support/machine.js';
import { IommuLab, SETTLE_NS, VENDORS } from './lab.js';

const SLOTS = 16;
const QUEUE_ENTRIES = 8;
const CHUNK = 64;
const pageOf = (address: number) => Math.floor(address / PAGE);

/** A buffer that the device was told of: bytes of the guest at an address of the device's. */
interface Buffer {
  readonly direction: 'transmit' | 'receive';
  readonly bus: number;
  readonly address: number;
  /** Its number among the buffers of its direction. */
  readonly sequence: number;
  done: boolean;
}

/**
 * What may be reached according to the papers, kept as a list of buffers and nothing else. A strategy's rule says
 * for each buffer that there ever was whether the device still has it.
 */
class Paper {
  readonly buffers: Buffer[] = [];
  /** Buffers that caches may still know (deferred), and how many wait for the flush. */
  readonly stale = new Set<Buffer>();
  waiting = 0;
  readonly #posted = { transmit: 0, receive: 0 };
  readonly #finished = { transmit: 0, receive: 0 };

  post(direction: Buffer['direction'], bus: number, address: number): void {
    // A page of addresses that is used again belongs to the new buffer.
    const before = this.buffers.findIndex((buffer) => pageOf(buffer.bus) === pageOf(bus) && buffer.done);
    if (before >= 0 && bus >= 2 ** 40) this.buffers.splice(before, 1);
    this.buffers.push({ direction, bus, address, sequence: this.#posted[direction], done: false });
    this.#posted[direction] += 1;
  }

  finish(direction: Buffer['direction'], upTo: number): void {
    let flushed = false;
    for (const buffer of this.buffers) {
      if (buffer.direction !== direction || buffer.done || buffer.sequence >= upTo) continue;
      buffer.done = true;
      this.stale.add(buffer);
      this.waiting += 1;
      if (this.waiting < QUEUE_ENTRIES) continue;
      this.waiting = 0;
      flushed = true;
    }
    // The unit comes to a flush a moment after the batch, and clears what was unmapped behind it as well.
    if (flushed) this.stale.clear();
    this.#finished[direction] = upTo;
  }

  /** All buffers of the range of 64 that this one is in are done. */
  rangeDone({ direction, sequence }: Buffer): boolean {
    return this.#finished[direction] >= (Math.floor(sequence / CHUNK) + 1) * CHUNK;
  }
}

type Rule = (paper: Paper, buffer: Buffer) => boolean;

/** The rules, in the words of Willmann et al. (2008), Linux, and Rubin et al. (2024). */
const RULES: Readonly<Record<string, { readonly rule: Rule; readonly oneWay: boolean }>> = {
  'single-use': { rule: (_, { done }) => !done, oneWay: true },
  shared: {
    rule: ({ buffers }, { address }) =>
      buffers.some((other) => pageOf(other.address) === pageOf(address) && !other.done),
    oneWay: false,
  },
  persistent: { rule: () => true, oneWay: false },
  'direct-map': { rule: () => true, oneWay: false },
  deferred: { rule: ({ stale }, buffer) => !buffer.done || stale.has(buffer), oneWay: true },
  contiguous: { rule: (paper, buffer) => !paper.rangeDone(buffer), oneWay: true },
};

type Step =
  | {
      readonly kind: 'send' | 'offer';
      readonly count: number;
      readonly page: number;
      readonly offset: number;
    }
  | { readonly kind: 'reclaim' | 'arrive' | 'wait' };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constantFrom('send' as const, 'offer' as const),
      count: fc.integer({ min: 1, max: 8 }),
      page: fc.nat(5),
      offset: fc.nat(PAGE - 256),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('reclaim' as const, 'arrive' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('wait' as const) }) },
);

const anyWalk = fc.array(step, { minLength: 1, maxLength: 30 });
/** Long enough to use ranges of 64 pages up, which others' mappings have no need of. */
const longWalk = fc
  .tuple(anyWalk, fc.integer({ min: 8, max: 20 }))
  .map(([steps, rounds]): Step[] => [
    ...steps.slice(0, 15),
    ...Array.from({ length: rounds }, (_, page): Step[] => [
      { kind: 'send', count: 8, page, offset: 0 },
      { kind: 'reclaim' },
    ]).flat(),
  ]);

/** A driver that does one step, and a recorder that logs it. */
class Walk {
  readonly lab: IommuLab;
  readonly guest: TestGuest;
  readonly paper = new Paper();
  readonly pages: number[];
  #sent = 0;
  #offered = 0;
  #received = 0;

  constructor(lab: IommuLab) {
    this.lab = lab;
    this.guest = lab.guest(1, { transmitSlots: SLOTS, receiveSlots: SLOTS });
    this.pages = Array.from({ length: 6 }, () => this.guest.page());
  }

  take(one: Step): void {
    const { lab, guest, paper } = this;
    if (one.kind === 'send' || one.kind === 'offer') {
      for (let turn = 0; turn < one.count; turn += 1) {
        const address = (this.pages[(one.page + turn) % this.pages.length] ?? 0) + one.offset;
        if (one.kind === 'send') this.#send(address);
        else this.#offer(address);
      }
    } else if (one.kind === 'reclaim') {
      guest.reclaim();
      paper.finish('transmit', guest.port.transmit.consumer());
    } else if (one.kind === 'arrive') {
      if (this.#received < this.#offered) {
        lab.machine.arrive(frame(macOf(1), STRANGER, 80, this.#received));
        lab.settle();
        expect(guest.receive().length).toBe(1);
        this.#received += 1;
        paper.finish('receive', this.#received);
      }
    } else {
      lab.settle(11_000_000);
      paper.stale.clear();
      paper.waiting = 0;
    }
    lab.settle();
  }

  #send(address: number): void {
    this.guest.store(address, frame(STRANGER, macOf(1), 64, this.#sent));
    if (this.guest.post({ address, length: 64 }) === 0) return;
    this.paper.post('transmit', this.lab.busAddress(this.guest, 'transmit', this.#sent), address);
    this.#sent += 1;
    this.lab.settle();
  }

  #offer(address: number): void {
    if (this.guest.postReceive({ address, length: 200 }) === 0) return;
    this.paper.post('receive', this.lab.busAddress(this.guest, 'receive', this.#offered), address);
    this.#offered += 1;
  }
}

describe('what a device reaches, at every step of its driver', () => {
  // Each strategy on both vendors' units; on one of them in the short form.
  const cases = VENDORS.flatMap((vendor, turn) =>
    turnOf(Object.keys(RULES), turn, 2).map((name) => ({ vendor, name })),
  );
  it.each(cases)('$name on $vendor: exactly what the strategy is known to leave open', ({ vendor, name }) => {
    const { rule, oneWay } = RULES[name] ?? { rule: () => false, oneWay: false };
    let reached = 0;
    let stopped = 0;
    fc.assert(
      fc.property(name === 'contiguous' ? longWalk : anyWalk, (steps) => {
        const lab = IommuLab.with(name, vendor, { queueEntries: QUEUE_ENTRIES });
        const walk = new Walk(lab);
        for (const one of steps) {
          walk.take(one);
          for (const buffer of walk.paper.buffers) {
            const writes = buffer.direction === 'receive';
            const open = rule(walk.paper, buffer);
            expect(lab.reach(walk.guest, buffer.bus, writes)).toBe(open ? buffer.address : undefined);
            // A transfer's mapping is for its direction alone (Linux, dma_info_to_prot).
            if (oneWay) expect(lab.reach(walk.guest, buffer.bus, !writes)).toBeUndefined();
            if (open) reached += 1;
            else stopped += 1;
          }
          lab.settle();
        }
        lab.machine.host.protection.closePort(walk.guest.port);
        lab.settle(SETTLE_NS);
        expect(lab.machine.host.pages.pinnedPages).toBe(0);
      }),
      { numRuns: runs(name === 'contiguous' ? 5 : 15) },
    );
    expect(reached).toBeGreaterThan(WHOLE ? 100 : 25);
    if (name !== 'persistent' && name !== 'direct-map') expect(stopped).toBeGreaterThan(WHOLE ? 20 : 4);
  });

  it.each(VENDORS)('shadow-copy on %s: no page of the guest, ever', (vendor) => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 25 }), (steps) => {
        const lab = IommuLab.with('shadow-copy', vendor);
        const walk = new Walk(lab);
        const { pages } = lab.machine.host;
        for (const one of steps) {
          walk.take(one);
          for (const { bus, direction } of walk.paper.buffers) {
            const physical = lab.reach(walk.guest, bus, direction === 'receive');
            expect(pages.kind(pageNumber(Math.floor((physical ?? 0) / PAGE)))).toBe('shadow');
          }
          for (const page of walk.pages) {
            expect(lab.reach(walk.guest, page, false)).toBeUndefined();
            expect(lab.reach(walk.guest, page, true)).toBeUndefined();
          }
        }
      }),
      { numRuns: runs(12) },
    );
  });
});
