import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type SlotColumns, SlotRuns } from '../../host/slot-runs.js';
import { runs } from '../support/whole.js';

class Owners implements SlotColumns {
  readonly owner: Int32Array;

  constructor(rows: number) {
    this.owner = new Int32Array(rows);
  }

  clear(first: number, slots: number): void {
    this.owner.fill(0, first, first + slots);
  }
}

const step = fc.record({ slots: fc.nat(15).map((bits) => 2 ** bits), giveBack: fc.boolean(), at: fc.nat() });

test('no two rings have a row in common, a new ring finds its rows empty, and what is given back is used again', () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 60 }), (steps) => {
      let made = 0;
      const all = new SlotRuns((rows) => {
        made += rows;
        return new Owners(rows);
      });
      const open: { columns: Owners; first: number; slots: number; owner: number }[] = [];
      for (const [number, { slots, giveBack, at }] of steps.entries()) {
        if (giveBack && open.length > 0) {
          const [run] = open.splice(at % open.length, 1);
          if (run === undefined) continue;
          all.giveBack(run.columns, run.first, run.slots);
          const before = made;
          const again = all.take(run.slots);
          expect([again.columns, again.first, made]).toEqual([run.columns, run.first, before]);
          all.giveBack(again.columns, again.first, run.slots);
          continue;
        }
        const { columns, first } = all.take(slots);
        const rows = columns.owner.subarray(first, first + slots);
        expect(rows.length).toBe(slots);
        expect(rows.every((owner) => owner === 0)).toBe(true);
        rows.fill(number + 1);
        open.push({ columns, first, slots, owner: number + 1 });
      }
      for (const { columns, first, slots, owner } of open)
        expect(columns.owner.subarray(first, first + slots).every((one) => one === owner)).toBe(true);
    }),
    { numRuns: runs(100) },
  );
});
