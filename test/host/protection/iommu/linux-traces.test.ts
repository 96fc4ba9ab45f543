import { describe, expect, it } from 'vitest';
import { COSTS } from '../../../../host/cpu/costs.js';
import type { GuestSpace } from '../../../../host/protection/iommu/guest-space.js';
import { Deferred } from '../../../../host/protection/iommu/strategies/deferred.js';
import type { Placement, Teardown } from '../../../../host/protection/iommu/strategies/per-transfer.js';
import { SingleUse } from '../../../../host/protection/iommu/strategies/single-use.js';
import { type IoPageNumber, ioPageAfter, pageNumber } from '../../../../nic/addresses.js';
import { type DmaOperation as Operation, sectionsOf } from '../../../support/linux-dma-traces.js';
import { turnOf } from '../../../support/whole.js';
import { IommuLab } from './lab.js';

const PAGE = 4096;
/** Linux's timer of the lazy mode, as it is set (IOVA_DEFAULT_FQ_TIMEOUT). */
const TIMEOUT_NS = 10_000_000;
const FREE = Object.fromEntries(Object.keys(COSTS).map((name) => [name, 0]));

/** A flush for which the queue was full follows its unmap at once; one by the timer comes out of the blue. */
function isByFullQueue(operations: readonly Operation[], index: number): boolean {
  const before = operations[index - 1];
  return before?.op === 'unmap' && (operations[index]?.tNs ?? 0) - before.tNs < 100_000;
}

/** Hands a kernel's calls to a strategy of ours: the same buffers mapped and unmapped in the same order. */
class Replay {
  readonly lab: IommuLab;
  readonly strategy: Deferred | SingleUse;
  readonly #space: GuestSpace;
  readonly #domainPage: () => number;
  // Ours for an address of theirs.
  readonly #mapped = new Map<
    string,
    { readonly iova: IoPageNumber; readonly pages: number; readonly page: number }
  >();

  constructor(strategy: 'deferred' | 'single-use', options: { linuxKernel?: '6.1' | '6.12' } = {}) {
    this.lab = new IommuLab({ strategy, strategyOptions: options }, { host: { costs: FREE } });
    const guest = this.lab.guest(1);
    const port = this.lab.iommu.ports.get(guest.port.context);
    if (!(port?.strategy instanceof Deferred || port?.strategy instanceof SingleUse))
      throw new Error('not the strategy that was asked for');
    this.strategy = port.strategy;
    this.#space = port.space;
    this.#domainPage = () => guest.page() / PAGE;
  }

  map({ iova, len }: Operation): void {
    const pages = len / PAGE;
    const placement: Placement = this.strategy;
    const at = placement.place(pages);
    const page = this.#domainPage();
    for (let more = 1; more < pages; more += 1) this.#domainPage();
    for (let offset = 0; offset < pages; offset += 1)
      this.#space.map(ioPageAfter(at, offset), pageNumber(page + offset), 1);
    this.#mapped.set(iova, { iova: at, pages, page });
  }

  unmap(operation: Operation): void {
    // What was mapped before the recording began is mapped now.
    if (!this.#mapped.has(operation.iova)) this.map(operation);
    const { iova, pages, page } = this.#mapped.get(operation.iova) as {
      iova: IoPageNumber;
      pages: number;
      page: number;
    };
    this.#mapped.delete(operation.iova);
    const teardown: Teardown = this.strategy;
    teardown.retire(iova, pages, pageNumber(page));
    teardown.settle();
  }

  runUntil(ns: number): void {
    this.lab.machine.run(ns - this.lab.machine.kernel.nowNs);
  }
}

/** Sections of a recording; of two recordings, each has one of them in the short form. */
const sections = (turn: number) => turnOf([0, 1], turn, 2);

describe.each([
  ['linux-viommu-lazy', 0],
  ['linux-viommu-lazy-6.12', 1],
])('deferred makes the flushes that Linux made: %s', (file, turn) => {
  it.each(sections(turn))(
    'for the same calls, after as many unmaps and for the same reason (section %i)',
    (section) => {
      const operations = sectionsOf(file)[section] ?? [];
      const isTimer = (index: number) => operations[index]?.op === 'inv' && !isByFullQueue(operations, index);
      // A flush by the timer leaves an empty queue and no timer: from there on the state is known.
      const first = operations.findIndex((_, index) => index > 0 && isTimer(index));
      expect(first).toBeGreaterThan(0);

      const replay = new Replay('deferred');
      const theirs: string[] = [];
      const ours: string[] = [];
      let [theirUnmaps, ourUnmaps] = [0, 0];
      let [flushes, byTimer] = [0, 0];
      const look = () => {
        const details = replay.strategy.counters();
        if (details.deferredFlushes === flushes) return;
        flushes = details.deferredFlushes ?? 0;
        ours.push(`${details.deferredTimerFlushes === byTimer ? 'full' : 'timer'} after ${ourUnmaps}`);
        byTimer = details.deferredTimerFlushes ?? 0;
        ourUnmaps = 0;
      };
      // Linux's timer fires on a tick of its kernel and after what runs then: 14 to 21 ms after it is armed, not 10. So
      // time from its arming to its firing is scaled, and everything keeps its order.
      const startNs = replay.lab.machine.kernel.nowNs + 1_000_000;
      let fromNs = operations[first]?.tNs ?? 0;
      let toNs = startNs;
      let scale = 1;
      let armed = false;
      for (let index = first + 1; index < operations.length; index += 1) {
        const operation = operations[index] as Operation;
        if (!armed && operation.op === 'unmap') {
          const fires = operations.findIndex((_, later) => later > index && isTimer(later));
          // The recording ends before the timer fires.
          if (fires < 0) break;
          toNs += operation.tNs - fromNs;
          fromNs = operation.tNs;
          scale = TIMEOUT_NS / ((operations[fires]?.tNs ?? 0) - fromNs);
          expect(scale).toBeLessThan(1);
          armed = true;
        }
        const atNs = toNs + (operation.tNs - fromNs) * scale;
        if (operation.op === 'inv') {
          const timer = isTimer(index);
          theirs.push(`${timer ? 'timer' : 'full'} after ${theirUnmaps}`);
          theirUnmaps = 0;
          if (!timer) continue;
          replay.runUntil(Math.ceil(atNs) + 1_000);
          look();
          [fromNs, toNs, scale, armed] = [operation.tNs, atNs, 1, false];
          continue;
        }
        replay.runUntil(Math.max(Math.ceil(atNs), replay.lab.machine.kernel.nowNs));
        look();
        if (operation.op === 'map') replay.map(operation);
        else {
          theirUnmaps += 1;
          ourUnmaps += 1;
          replay.unmap(operation);
          look();
        }
      }
      expect(theirs.length).toBeGreaterThan(3);
      expect(ours).toEqual(theirs);
    },
  );
});

describe.each([
  ['linux-viommu-strict', '6.1', false, 0],
  ['linux-viommu-strict-6.12', '6.12', true, 1],
] as const)('single-use makes the invalidations that Linux made: %s', (file, linuxKernel, leaf, turn) => {
  it.each(sections(turn))('one per unmap, of its own pages and with its hint (section %i)', (section) => {
    const operations = sectionsOf(file)[section] ?? [];
    const replay = new Replay('single-use', { linuxKernel });
    const asked: { pages: number; leafOnly: boolean }[] = [];
    const { driver } = replay.lab.iommu;
    const invalidateRange = driver.invalidateRange.bind(driver);
    driver.invalidateRange = (domainId, iova, pages, leafOnly, done, page) => {
      asked.push({ pages, leafOnly });
      invalidateRange(domainId, iova, pages, leafOnly, done, page);
    };
    let unmaps = 0;
    const unmapped: number[] = [];
    for (const operation of operations) {
      if (operation.op === 'map') replay.map(operation);
      if (operation.op === 'unmap') {
        unmaps += 1;
        unmapped.push(operation.len / PAGE);
        replay.unmap(operation);
        replay.lab.settle(20_000);
      }
      if (operation.op === 'inv') expect([operation.scope, operation.leaf]).toEqual(['pages', leaf]);
    }
    const invalidations = operations.filter(({ op }) => op === 'inv').length;
    // The recording may end between an unmap and its invalidation.
    expect(unmaps - invalidations === 0 || unmaps - invalidations === 1).toBe(true);
    expect(asked.map(({ pages }) => pages)).toEqual(unmapped);
    expect(asked.every(({ leafOnly }) => leafOnly === leaf)).toBe(true);
  });
});
