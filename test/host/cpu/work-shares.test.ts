import { describe, expect, it } from 'vitest';
import { WorkShares } from '../../../host/cpu/work-shares.js';

describe('whose time a unit of work was', () => {
  const sharesOf = (shares: WorkShares) => {
    const found: number[][] = [];
    shares.each((...share) => found.push(share));
    return found;
  };

  it('is told in the order in which it was spent, in whole nanoseconds that add up', () => {
    const shares = new WorkShares(0.5);
    const spent = [0, 0, 0, 100, 0, 0];
    // A quarter of a nanosecond, which is carried on.
    shares.begin(3);
    shares.elapsedCycles = 0.5;
    expect(shares.end(spent)).toBe(0);
    shares.begin(3);
    expect(shares.current).toBe(3);
    shares.elapsedCycles += 11;
    shares.charge(5);
    expect(shares.current).toBe(5);
    shares.elapsedCycles += 6;
    shares.charge(5);
    shares.elapsedCycles += 6;
    shares.charge(3);
    shares.elapsedCycles += 4;
    // 13.75 ns, of which 13 are whole.
    expect(shares.end(spent)).toBe(13);
    expect(sharesOf(shares)).toEqual([
      [3, 0, 5],
      [5, 5, 11],
      [3, 11, 13],
    ]);
    expect(spent).toEqual([0, 0, 0, 107, 0, 6]);
  });

  it('is known for the last of it: so much of the end as is asked for', () => {
    const shares = new WorkShares(1);
    shares.begin(0);
    shares.elapsedCycles = 10;
    shares.charge(1);
    shares.elapsedCycles = 30;
    shares.charge(0);
    shares.elapsedCycles = 35;
    shares.end([0, 0]);
    const last = (ns: number) => [shares.lastNs(0, ns), shares.lastNs(1, ns), shares.lastNs(2, ns)];
    expect([0, 3, 5, 6, 25, 27, 35].map(last)).toEqual([
      [0, 0, 0],
      [3, 0, 0],
      [5, 0, 0],
      [5, 1, 0],
      [5, 20, 0],
      [7, 20, 0],
      [15, 20, 0],
    ]);
  });

  it('has room for as many changes as there are, and begins anew with the next unit', () => {
    const shares = new WorkShares(1);
    shares.begin(0);
    for (let change = 1; change < 200; change += 1) {
      shares.elapsedCycles += 2;
      shares.charge(change % 2);
    }
    shares.elapsedCycles += 2;
    const spent = [0, 0];
    shares.end(spent);
    expect([sharesOf(shares).length, spent]).toEqual([200, [200, 200]]);
    shares.begin(1);
    shares.elapsedCycles += 7;
    shares.end(spent);
    expect([sharesOf(shares), spent]).toEqual([[[1, 0, 7]], [200, 207]]);
  });
});
