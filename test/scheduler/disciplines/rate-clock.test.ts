import { describe, expect, it } from 'vitest';
import { contextId } from '../../../scheduler/branded.js';
import { RateClock } from '../../../scheduler/disciplines/rate-clock.js';

const own = contextId(3);

/** A clock of so many bits per second; 8,000,000 are a byte per microsecond. */
function clock(rateBps: number | 'none' = 8e6) {
  const rate = new RateClock();
  const setRate = (bps: number | undefined) => rate.setRate('rate', own, bps, 64);
  setRate(rateBps === 'none' ? undefined : rateBps);
  return { rate, setRate };
}

// ITU-T I.371, the generic cell rate algorithm: the theoretical arrival time.
describe('the instant up to which a rate is used up', () => {
  it('advances by the time that the bytes take, without losing a fraction of a nanosecond', () => {
    // 3 Mb/s: a byte takes 2,666 2/3 ns.
    const { rate } = clock(3e6);
    expect([rate.durationNs(own, 1), rate.durationNs(own, 3), rate.afterNs(own, 3)]).toEqual([
      2_667, 8_000, 8_000,
    ]);
    const after: number[] = [];
    for (let byte = 0; byte < 6; byte += 1) {
      rate.spend(own, 1);
      after.push(rate.afterNs(own, 0));
    }
    expect(after).toEqual([2_667, 5_334, 8_000, 10_667, 13_334, 16_000]);
    // A bucket is bytes that have not to be waited for.
    expect([rate.afterNs(own, -3), rate.afterNs(own, -1), rate.afterNs(own, 1)]).toEqual([
      8_000, 13_334, 18_667,
    ]);
  });

  it('is exact over a million frames at any rate', () => {
    for (const bps of [1, 7, 9_600, 999_999_999_989, 1e13]) {
      const { rate } = clock(bps);
      for (let frame = 0; frame < 100; frame += 1) rate.spend(own, 1_514);
      const exact = (100n * 1_514n * 8_000_000_000n + BigInt(bps) - 1n) / BigInt(bps);
      if (exact < 2n ** 53n) expect([bps, rate.afterNs(own, 0)]).toEqual([bps, Number(exact)]);
    }
  });

  it('is not before now, from which on there is no fraction: idle time is not saved', () => {
    const { rate } = clock(3e6);
    rate.spend(own, 1);
    rate.notBefore(own, 2_666);
    rate.spend(own, 2);
    expect(rate.afterNs(own, 0)).toBe(8_000);
    const idle = clock(3e6).rate;
    idle.spend(own, 1);
    idle.notBefore(own, 2_667);
    idle.spend(own, 2);
    expect(idle.afterNs(own, 0)).toBe(2_667 + 5_334);
    idle.notBefore(own, 8_002);
    expect(idle.afterNs(own, 0)).toBe(8_002);
  });
});

describe('a rate that is changed', () => {
  it.each([
    ['bytes that were sent in advance stay owed, at the new rate', 4_000, 4_000 + 6 * 100],
    ['rounded up to a byte', 4_500, 4_500 + 6 * 100],
    ['nothing is owed of what lies behind', 12_000, 12_000],
    ['and nothing of what ends now', 10_000, 10_000],
  ])('%s', (_what, nowNs, afterNs) => {
    const { rate, setRate } = clock();
    rate.spend(own, 10);
    setRate(8e7);
    rate.settle(own, nowNs);
    expect(rate.afterNs(own, 0)).toBe(afterNs);
    // Settled once.
    rate.settle(own, 50_000);
    expect(rate.afterNs(own, 0)).toBe(afterNs);
  });

  it('keeps a fraction of the old rate in what is owed', () => {
    const { rate, setRate } = clock(3e6);
    rate.spend(own, 1);
    setRate(8e6);
    rate.settle(own, 0);
    expect(rate.afterNs(own, 0)).toBe(1_000);
  });

  it('to itself changes nothing', () => {
    const { rate, setRate } = clock();
    rate.spend(own, 10);
    setRate(8e6);
    rate.settle(own, 4_500);
    expect(rate.afterNs(own, 0)).toBe(10_000);
  });

  it.each<[string, (number | undefined)[]]>([
    ['twice', [8e8, 8e7]],
    ['over none at all', [undefined, 8e7]],
    ['over none, and back', [undefined, 8e8, undefined, 8e7]],
  ])('%s before it is settled owes by the rate at which the bytes were sent', (_how, rates) => {
    const { rate, setRate } = clock();
    rate.spend(own, 10);
    for (const bps of rates) {
      setRate(bps);
      if (bps === undefined) rate.settle(own, 1_000);
    }
    rate.settle(own, 4_000);
    expect([rate.hasRate(own), rate.afterNs(own, 0)]).toEqual([true, 4_600]);
  });

  it('from none owes nothing', () => {
    const { rate, setRate } = clock('none');
    expect(rate.hasRate(own)).toBe(false);
    setRate(8e6);
    rate.settle(own, 700);
    expect([rate.hasRate(own), rate.afterNs(own, 2)]).toEqual([true, 2_000]);
  });

  it('is refused by name unless it is a whole number from 1 to 10^13', () => {
    for (const bps of [0, -1, 0.5, 1e13 + 2, Number.NaN])
      expect(() => clock(bps)).toThrow(`rate of context 3 is ${bps}, expected a whole number`);
    for (const bps of [1, 1e13]) clock(bps);
  });

  it('is that of one context', () => {
    const { rate } = clock();
    rate.setRate('rate', contextId(200), 8e7, 256);
    rate.spend(own, 1);
    rate.spend(contextId(200), 1);
    expect([rate.afterNs(own, 0), rate.afterNs(contextId(200), 0)]).toEqual([1_000, 100]);
  });
});
