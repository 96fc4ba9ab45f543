import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NO_SLOT, TagStore } from '../../../../host/iommu/translation/tag-store.js';
import { ioPageNumber } from '../../../../nic/addresses.js';
import { NaiveCache } from './naive-cache.js';

/** Tags that meet often: few domains, two page sizes, near pages and one beyond 32 bits. */
const tag = fc.record({
  domain: fc.constantFrom(1, 2, 0xffff),
  bits: fc.constantFrom(12, 21),
  page: fc.oneof(fc.nat(24), fc.constantFrom(2 ** 32 + 3, 2 ** 40 - 1)),
});
const shape = fc.constantFrom([1, 1], [8, 1], [8, 2], [8, 4], [8, 8], [6, 3], [16, 16]) as fc.Arbitrary<
  [number, number]
>;
const command = fc.oneof(
  { weight: 6, arbitrary: tag.map((of) => ({ kind: 'add' as const, ...of })) },
  { weight: 4, arbitrary: tag.map((of) => ({ kind: 'find' as const, ...of })) },
  { weight: 1, arbitrary: tag.map((of) => ({ kind: 'domain' as const, ...of })) },
  { weight: 1, arbitrary: tag.map((of) => ({ kind: 'range' as const, ...of })) },
  { weight: 1, arbitrary: tag.map((of) => ({ kind: 'clear' as const, ...of })) },
);

describe('the tags of a cache', () => {
  it('hold what a list a set holds, under lru and fifo', () => {
    fc.assert(
      fc.property(
        shape,
        fc.constantFrom('lru' as const, 'fifo' as const),
        fc.array(command, { maxLength: 80 }),
        ([entries, ways], replacement, commands) => {
          const store = new TagStore(entries, ways, replacement, 1);
          const naive = new NaiveCache(entries, ways, replacement);
          for (const { kind, domain, bits, page } of commands) {
            if (kind === 'add') {
              store.insert(domain, bits, page);
              naive.add(domain, bits, page);
            } else if (kind === 'find') {
              expect(store.find(domain, bits, page) >= 0).toBe(naive.has(domain, bits, page));
            } else if (kind === 'domain') {
              store.removeDomain(domain);
              naive.drop((of) => of === domain);
            } else if (kind === 'range') {
              const [from, to] = [page * 2 ** 12, (page + 4) * 2 ** 12];
              store.removeRange(domain, ioPageNumber(page), page + 4);
              naive.drop((of, b, p) => of === domain && p * 2 ** b < to && (p + 1) * 2 ** b > from);
            } else {
              store.clear();
              naive.drop(() => true);
            }
            store.checkInvariants();
            expect(store.size).toBe(naive.size);
          }
        },
      ),
    );
  });

  it('lose one tag of the same set, and only when it is full, under random', () => {
    fc.assert(
      fc.property(shape, fc.array(tag, { maxLength: 60 }), fc.nat(), ([entries, ways], tags, seed) => {
        const store = new TagStore(entries, ways, 'random', seed);
        const sets = entries / ways;
        let held: typeof tags = [];
        for (const next of tags) {
          const known = held.some((one) => JSON.stringify(one) === JSON.stringify(next));
          const mates = held.filter(({ page }) => page % sets === next.page % sets);
          store.insert(next.domain, next.bits, next.page);
          store.checkInvariants();
          const left = held.filter(({ domain, bits, page }) => store.find(domain, bits, page) >= 0);
          const lost = held.filter((one) => !left.includes(one));
          expect(lost.length).toBe(!known && mates.length === ways ? 1 : 0);
          expect(lost.every((one) => mates.includes(one))).toBe(true);
          expect(store.find(next.domain, next.bits, next.page)).toBeGreaterThanOrEqual(0);
          held = known ? left : [...left, next];
        }
      }),
    );
  });

  it('choose random victims evenly: each of 8 ways goes about as often', () => {
    const store = new TagStore(8, 8, 'random', 5);
    const gone = new Array<number>(8).fill(0);
    const where: number[] = [];
    for (let page = 0; page < 8; page += 1) where[store.insert(1, 12, page)] = page;
    for (let page = 8; page < 8_008; page += 1) {
      const slot = store.insert(1, 12, page);
      gone[slot] = (gone[slot] ?? 0) + 1;
    }
    for (const count of gone) expect(Math.abs(count - 1_000)).toBeLessThan(150);
  });

  it('are refused without whole sets', () => {
    expect(() => new TagStore(6, 4, 'lru', 1)).toThrow('6 entries in sets of 4');
  });
});

describe('a range of pages', () => {
  // A single tag of its size is looked at by itself, a range of many pages being longer; several are looked up.
  it.each([1, 20])('takes its first and last page and no neighbour, with %d tags held', (tags) => {
    for (const inRange of [[10], [19], [9], [20]]) {
      const store = new TagStore(64, 64, 'lru', 1);
      for (const page of inRange) store.insert(1, 12, page);
      for (let other = 1; other < tags; other += 1) store.insert(1, 12, 1000 + other);
      store.removeRange(1, ioPageNumber(10), 20);
      expect(store.size).toBe(tags - (inRange[0] === 10 || inRange[0] === 19 ? 1 : 0));
      store.checkInvariants();
    }
  });
});

describe('replacement', () => {
  const victimOf = (replacement: 'lru' | 'fifo') => {
    const store = new TagStore(2, 2, replacement, 1);
    store.insert(1, 12, 1);
    store.insert(1, 12, 2);
    store.find(1, 12, 1);
    store.insert(1, 12, 3);
    return store.find(1, 12, 1) === NO_SLOT ? 1 : 2;
  };

  it('takes the least recently used under lru, the first that came under fifo', () => {
    expect([victimOf('lru'), victimOf('fifo')]).toEqual([2, 1]);
  });

  it.each([
    [0, 1],
    [1, 0],
    [4, 3],
    [Number.NaN, 1],
  ])('%d entries in sets of %d are refused', (entries, ways) => {
    expect(() => new TagStore(entries, ways, 'lru', 1)).toThrow(
      `cache of ${entries} entries in sets of ${ways}, expected whole sets`,
    );
  });
});
