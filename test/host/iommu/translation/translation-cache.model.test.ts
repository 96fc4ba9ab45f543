import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TranslationCache } from '../../../../host/iommu/translation/translation-cache.js';
import { ioPageOf, ioVirtualAddress, requesterId } from '../../../../nic/addresses.js';
import { runs } from '../../../support/whole.js';
import { translatedBy } from '../../support/places.js';
import { MapWalker } from './map-walker.js';
import { type NaiveParameters, NaiveUnit } from './naive-unit.js';

const DEVICES = [0x0100, 0x0101, 0x0208];
const DOMAINS = [1, 2];

/** Addresses that meet often: pages 0 to 11, two 2 MB regions, and a neighbour far up. */
const address = fc.oneof(
  { weight: 6, arbitrary: fc.nat(11).map((page) => page * 4096 + 64) },
  { weight: 2, arbitrary: fc.nat(3).map((part) => 2 ** 21 + part * 2 ** 19) },
  { weight: 1, arbitrary: fc.constant(2 ** 39 + 5) },
);

const command = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      kind: fc.constant('ask' as const),
      device: fc.constantFrom(...DEVICES),
      iova: address,
      write: fc.boolean(),
      afterNs: fc.constantFrom(0, 0, 0, 3, 40, 130, 700),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('map' as const),
      domain: fc.constantFrom(...DOMAINS),
      iova: address,
      large: fc.boolean(),
      physical: fc.nat(1000),
      write: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('invalidate' as const),
      granularity: fc.constantFrom('page' as const, 'page' as const, 'domain' as const, 'global' as const),
      domain: fc.constantFrom(...DOMAINS),
      iova: address,
      order: fc.nat(10),
      leafOnly: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('context' as const),
      device: fc.constantFrom(...DEVICES),
      domain: fc.constantFrom(...DOMAINS),
      /** Whether software forgets the invalidation. */
      forgotten: fc.boolean(),
      granularity: fc.constantFrom(
        'device' as const,
        'device' as const,
        'domain' as const,
        'global' as const,
      ),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('tables' as const),
      domain: fc.constantFrom(...DOMAINS),
      root: fc.constantFrom(...DOMAINS, 3),
    }),
  },
);

const parameters: fc.Arbitrary<NaiveParameters> = fc.record({
  entries: fc.constantFrom(4, 8),
  ways: fc.constantFrom(2, 4),
  walkCacheEntries: fc.constantFrom(1, 2, 8),
  contextEntries: fc.constantFrom(1, 2, 4),
  walkers: fc.constantFrom(1, 2, 3),
  intervalNs: fc.constantFrom(0, 7, 40),
  lookupNs: fc.constantFrom(0, 5),
  overheadNs: fc.constantFrom(0, 20),
  readNs: fc.constantFrom(1, 100),
});

/** The last 2^40 bytes of 64 bits: a whole number of every page and table that these addresses meet. */
const FAR_UP = 2 ** 64 - 2 ** 40;

describe.each([
  ['from 0', 0],
  ['at the end of 64 bits, by the page', FAR_UP],
])('the timing of translations, addresses %s', (_name, base) => {
  // From 2^53 on what is translated is the first byte of a page.
  const placed = (iova: number) => (base === 0 ? iova : base + (iova - (iova % 4096)));

  it('is that of the reference, request by request, while tables change and caches are invalidated', () => {
    fc.assert(
      fc.property(parameters, fc.array(command, { maxLength: 60 }), (of, commands) => {
        const walker = new MapWalker();
        for (const [index, device] of DEVICES.entries()) walker.contexts.set(device, DOMAINS[index % 2] ?? 1);
        const clock = { nowNs: 0 };
        const unit = new TranslationCache(clock, walker, 1, {
          iotlbEntries: of.entries,
          iotlbWays: of.ways,
          walkCacheEntries: of.walkCacheEntries,
          walkCacheWays: of.walkCacheEntries,
          contextEntries: of.contextEntries,
          contextWays: of.contextEntries,
          walkers: of.walkers,
          walkIntervalNs: of.intervalNs,
          walkerAssignment: 'page',
          replacement: 'lru',
          lookupNs: of.lookupNs,
          walkOverheadNs: of.overheadNs,
          tableReadNs: of.readNs,
        });
        const naive = new NaiveUnit(walker, of);
        const seen = { hit: 0, shared: 0, walk: 0 };
        for (const drawn of commands) {
          const one = 'iova' in drawn ? { ...drawn, iova: placed(drawn.iova) } : drawn;
          if (one.kind === 'ask') {
            clock.nowNs += one.afterNs;
            const expected = naive.translate(one.device, one.iova, one.write, clock.nowNs);
            const physical = translatedBy(unit, one.device, one.iova, one.write);
            expect({ physical, delayNs: unit.delayNs }).toEqual({
              physical: expected.physical,
              delayNs: expected.delayNs,
            });
            seen[expected.how] += 1;
          } else if (one.kind === 'map') {
            const pageBits = one.large ? 21 : 12;
            const span = 2 ** pageBits;
            const physical = one.physical * span;
            walker.map(one.domain, {
              first: one.iova - (one.iova % span),
              pageBits,
              physical,
              read: true,
              write: one.write,
            });
          } else if (one.kind === 'invalidate') {
            const bytes = 4096 * 2 ** one.order;
            const from = one.iova - (one.iova % bytes);
            unit.invalidateIotlb(
              one.granularity,
              one.domain,
              ioPageOf(ioVirtualAddress(from)),
              2 ** one.order,
              one.leafOnly,
            );
            if (one.granularity === 'page') naive.invalidate(one.domain, from, from + bytes, one.leafOnly);
            else naive.invalidate(one.granularity === 'global' ? -1 : one.domain, 0, 2 ** 64, one.leafOnly);
          } else if (one.kind === 'tables') {
            // Nothing is invalidated: entries and pointers that are cached go on naming the old tables.
            walker.roots.set(one.domain, one.root);
          } else {
            walker.contexts.set(one.device, one.domain);
            if (one.forgotten) continue;
            unit.invalidateContexts(one.granularity, one.domain, requesterId(one.device), 0);
            naive.invalidateContexts((domain, requester) => {
              if (one.granularity === 'global') return true;
              return one.granularity === 'domain' ? domain === one.domain : requester === one.device;
            });
          }
          unit.checkInvariants();
        }
        const { hits, shared, walks, bypassed, ...counters } = unit.counters;
        expect({ hit: hits, shared, walk: walks }).toEqual(seen);
        expect(bypassed).toBe(0);
        expect(counters).toEqual(naive.counted);
      }),
      { numRuns: runs(500) },
    );
  });
});
