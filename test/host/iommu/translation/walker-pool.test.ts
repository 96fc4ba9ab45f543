import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { WalkerAssignment } from '../../../../host/iommu/translation/parameters.js';
import { WalkerPool } from '../../../../host/iommu/translation/walker-pool.js';

interface Walk {
  readonly page: number;
  readonly askedNs: number;
  readonly startNs: number;
  readonly endNs: number;
}

const asked = fc.array(
  fc.record({
    page: fc.integer({ min: 0, max: 40 }),
    gapNs: fc.constantFrom(0, 0, 3, 20, 300),
    durationNs: fc.constantFrom(1, 50, 288, 1_000),
  }),
  { minLength: 1, maxLength: 60 },
);
const walkers = fc.integer({ min: 1, max: 9 });
const intervals = fc.constantFrom(0, 1, 45, 400);

function walk(
  requests: readonly { readonly page: number; readonly gapNs: number; readonly durationNs: number }[],
  count: number,
  assignment: WalkerAssignment,
  intervalNs: number,
): Walk[] {
  const clock = { nowNs: 0 };
  const pool = new WalkerPool(clock, count, assignment, intervalNs);
  return requests.map(({ page, gapNs, durationNs }) => {
    clock.nowNs += gapNs;
    const { nowNs } = clock;
    const endNs = nowNs + pool.book(page, 0, durationNs);
    pool.checkInvariants();
    return { page, askedNs: nowNs, startNs: endNs - durationNs, endNs };
  });
}

const underWay = (walks: readonly Walk[], atNs: number) =>
  walks.filter(({ startNs, endNs }) => startNs <= atNs && atNs < endNs);

describe('page walkers', () => {
  it.each(['page', 'any'] as const)(
    'are never more at work than there are, and none begins before it is asked for (%s)',
    (assignment) => {
      fc.assert(
        fc.property(asked, walkers, intervals, (requests, count, intervalNs) => {
          const walks = walk(requests, count, assignment, intervalNs);
          for (const { startNs, askedNs } of walks) {
            expect(startNs).toBeGreaterThanOrEqual(askedNs);
            expect(underWay(walks, startNs).length).toBeLessThanOrEqual(count);
          }
        }),
      );
    },
  );

  it('begin no two walks closer together than the interval', () => {
    fc.assert(
      fc.property(asked, walkers, fc.constantFrom('page', 'any'), intervals, (requests, count, how, ns) => {
        const starts = walk(requests, count, how as WalkerAssignment, ns).map(({ startNs }) => startNs);
        starts.sort((one, other) => one - other);
        for (const [index, startNs] of starts.entries()) {
          if (index > 0) expect(startNs - (starts[index - 1] ?? 0)).toBeGreaterThanOrEqual(ns);
        }
      }),
    );
  });

  it('own the pages of one remainder each: no two of them are walked at once, and they are walked in order', () => {
    fc.assert(
      fc.property(asked, walkers, intervals, (requests, count, intervalNs) => {
        const walks = walk(requests, count, 'page', intervalNs);
        for (const [index, later] of walks.entries()) {
          for (const earlier of walks.slice(0, index)) {
            if (earlier.page % count === later.page % count)
              expect(later.startNs).toBeGreaterThanOrEqual(earlier.endNs);
          }
        }
      }),
    );
  });

  it('wait, without an interval, only while all that may take the walk are at work', () => {
    fc.assert(
      fc.property(
        asked,
        walkers,
        fc.constantFrom<WalkerAssignment>('page', 'any'),
        (requests, count, assignment) => {
          const walks = walk(requests, count, assignment, 0);
          for (const [index, { page, askedNs, startNs }] of walks.entries()) {
            if (startNs === askedNs) continue;
            const rivals = walks
              .slice(0, index)
              .filter((other) => assignment === 'any' || other.page % count === page % count);
            // One that was asked for earlier ends as this one begins; a nanosecond before, no walker was free.
            expect(rivals.some(({ endNs }) => endNs === startNs)).toBe(true);
            const busy = underWay(rivals, startNs - 1).length;
            expect(busy).toBe(assignment === 'any' ? count : 1);
          }
        },
      ),
    );
  });
});
