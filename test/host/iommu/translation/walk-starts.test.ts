import { describe, expect, it } from 'vitest';
import { WalkStarts } from '../../../../host/iommu/translation/walk-starts.js';

describe('the starts of walks', () => {
  it('keep the interval to every start that is booked, before and behind them', () => {
    const starts = new WalkStarts({ nowNs: 0 }, 10);
    expect([100, 100, 95, 130, 115, 90, 80].map((earliest) => starts.book(earliest, 0))).toEqual([
      100, 110, 120, 130, 140, 90, 80,
    ]);
    starts.checkInvariants();
  });

  it('are free a whole interval after one, and not a nanosecond earlier', () => {
    const starts = new WalkStarts({ nowNs: 0 }, 10);
    expect([0, 9, 20].map((now) => starts.book(now, now))).toEqual([0, 10, 20]);
    expect(starts.book(30, 30)).toBe(30);
  });

  it('do not wait for each other without an interval', () => {
    const starts = new WalkStarts({ nowNs: 0 }, 0);
    expect([5, 5, 5].map((now) => starts.book(now, now))).toEqual([5, 5, 5]);
  });

  it('are kept, however many are booked ahead', () => {
    const starts = new WalkStarts({ nowNs: 0 }, 3);
    expect(Array.from({ length: 200 }, () => starts.book(0, 0))).toEqual(
      Array.from({ length: 200 }, (_, walk) => walk * 3),
    );
    // A gap of one interval is no space for one more.
    expect(starts.book(1, 0)).toBe(600);
    starts.checkInvariants();
  });
});
