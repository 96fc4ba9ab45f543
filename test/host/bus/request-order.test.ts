import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RequestOrder } from '../../../host/bus/request-order.js';
import { requesterId } from '../../../nic/addresses.js';

/** A request as it reaches the root complex. */
interface Request {
  readonly requester: number;
  readonly write: boolean;
  /** After the request before it, ns. */
  readonly gapNs: number;
  readonly translationNs: number;
}

interface Done extends Request {
  readonly arrivedNs: number;
  readonly aloneNs: number;
  readonly doneNs: number;
}

const MEMORY_NS = 100;

const requests = fc.array(
  fc.record({
    // The highest requester ID, and neighbours around a power of two, where columns grow.
    requester: fc.constantFrom(0, 63, 64, 0x0500, 0xffff),
    write: fc.boolean(),
    gapNs: fc.constantFrom(0, 0, 1, 30, 400),
    translationNs: fc.constantFrom(0, 0, 0, 45, 288, 5_000),
  }),
  { minLength: 1, maxLength: 80 },
);

function carryOut(asked: readonly Request[]): Done[] {
  const clock = { nowNs: 0 };
  const order = new RequestOrder(clock);
  const done = asked.map((request) => {
    clock.nowNs += request.gapNs;
    const { nowNs } = clock;
    const { translationNs } = request;
    const id = requesterId(request.requester);
    return {
      ...request,
      arrivedNs: nowNs,
      aloneNs: nowNs + translationNs + (request.write ? 0 : MEMORY_NS),
      doneNs:
        nowNs + (request.write ? order.write(id, translationNs) : order.read(id, translationNs, MEMORY_NS)),
    };
  });
  order.checkInvariants();
  return done;
}

/** The pairs of requests of one requester, the one that was sent first in front. */
function* pairs(done: readonly Done[]): Generator<readonly [Done, Done]> {
  for (const [index, later] of done.entries()) {
    for (const earlier of done.slice(0, index))
      if (earlier.requester === later.requester) yield [earlier, later];
  }
}

describe('the order of requests in the root complex (PCI Express base specification, table 2-40)', () => {
  it('reads of one requester never complete out of order, nor do its posted writes pass each other (A2a)', () => {
    fc.assert(
      fc.property(requests, (asked) => {
        for (const [earlier, later] of pairs(carryOut(asked))) {
          if (earlier.write === later.write) expect(later.doneNs).toBeGreaterThanOrEqual(earlier.doneNs);
        }
      }),
    );
  });

  it('a read does not reach memory before the posted writes that were sent ahead of it (B2a)', () => {
    fc.assert(
      fc.property(requests, (asked) => {
        for (const [earlier, later] of pairs(carryOut(asked))) {
          if (earlier.write && !later.write)
            expect(later.doneNs - MEMORY_NS).toBeGreaterThanOrEqual(earlier.doneNs);
        }
      }),
    );
  });

  it('nothing waits longer than these rules make it wait', () => {
    fc.assert(
      fc.property(requests, (asked) => {
        const done = carryOut(asked);
        for (const [index, one] of done.entries()) {
          const before = done.slice(0, index).filter(({ requester }) => requester === one.requester);
          const causes = before.map((earlier) => {
            if (earlier.write === one.write) return earlier.doneNs;
            return earlier.write ? earlier.doneNs + MEMORY_NS : 0;
          });
          expect(one.doneNs).toBe(Math.max(one.aloneNs, ...causes));
        }
      }),
    );
  });

  it('a posted write does not wait for reads (A3)', () => {
    fc.assert(
      fc.property(requests, (asked) => {
        const writes = (done: readonly Done[]) => done.filter(({ write }) => write);
        let heldNs = 0;
        const withoutReads = asked.flatMap((request) => {
          heldNs += request.gapNs;
          if (!request.write) return [];
          const gapNs = heldNs;
          heldNs = 0;
          return [{ ...request, gapNs }];
        });
        expect(writes(carryOut(asked)).map(({ doneNs }) => doneNs)).toEqual(
          carryOut(withoutReads).map(({ doneNs }) => doneNs),
        );
      }),
    );
  });

  it('requesters do not wait for each other: one that is alone is done at the same times', () => {
    fc.assert(
      fc.property(requests, (asked) => {
        const done = carryOut(asked);
        for (const requester of new Set(asked.map((request) => request.requester))) {
          let nowNs = 0;
          const alone: Request[] = [];
          let heldNs = 0;
          for (const request of asked) {
            heldNs += request.gapNs;
            if (request.requester !== requester) continue;
            alone.push({ ...request, gapNs: heldNs });
            nowNs += heldNs;
            heldNs = 0;
          }
          expect(nowNs).toBe(done.filter((one) => one.requester === requester).at(-1)?.arrivedNs);
          expect(carryOut(alone).map(({ doneNs }) => doneNs)).toEqual(
            done.filter((one) => one.requester === requester).map(({ doneNs }) => doneNs),
          );
        }
      }),
    );
  });

  it('a read of one requester overtakes an earlier one of another whose translation takes long', () => {
    const [slow, quick] = carryOut([
      { requester: 1, write: false, gapNs: 0, translationNs: 5_000 },
      { requester: 2, write: false, gapNs: 10, translationNs: 0 },
    ]);
    expect([slow?.doneNs, quick?.doneNs]).toEqual([5_100, 110]);
  });
});
