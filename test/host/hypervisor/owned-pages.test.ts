import fc from 'fast-check';
import { expect, test } from 'vitest';
import { OwnedPages } from '../../../host/hypervisor/owned-pages.js';
import { PageOwnership } from '../../../host/memory/page-ownership.js';
import { PhysicalMemory } from '../../../host/memory/physical-memory.js';
import { pageNumber } from '../../../nic/addresses.js';
import { runs } from '../../support/whole.js';

const DOMAIN = 7;
const step = fc.record({
  page: fc.nat(12).map(pageNumber),
  kind: fc.constantFrom('adopt', 'adopt', 'adopt', 'next', 'next', 'next', 'forget', 'forget'),
});

test('pages that came one by one are listed in the order in which they came, in a row or not', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const owned = new OwnedPages(new PageOwnership(new PhysicalMemory(64)), DOMAIN);
      const expected = new Set<number>();
      let next = pageNumber(20);
      for (const { page, kind } of steps) {
        const one = kind === 'next' ? next : page;
        if (kind === 'next') next = pageNumber(next + 1);
        if (kind === 'forget') {
          owned.forget(one);
          expected.delete(one);
        } else {
          owned.adopt(one);
          expected.add(one);
        }
        expect([...owned]).toEqual([...expected]);
        expect(owned.size).toBe(expected.size);
        expect(owned.has(page)).toBe(expected.has(page));
      }
    }),
    { numRuns: runs(500) },
  );
});

test('who goes over them may forget those that it has seen', () => {
  for (const gone of [0, 1, 2, 3]) {
    const owned = new OwnedPages(new PageOwnership(new PhysicalMemory(64)), DOMAIN);
    for (const page of [10, 11, 12, 13]) owned.adopt(pageNumber(page));
    const seen: number[] = [];
    for (const page of owned) {
      seen.push(page);
      if (page === 10 + gone) owned.forget(page);
    }
    expect(seen).toEqual([10, 11, 12, 13]);
    expect([...owned]).toEqual([10, 11, 12, 13].filter((page) => page !== 10 + gone));
  }
});
