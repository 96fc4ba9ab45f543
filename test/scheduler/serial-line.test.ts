import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SerialLine } from '../../scheduler/serial-line.js';
import { runs } from '../support/whole.js';

/** The line in big integers: times are counted in 1/rate of a nanosecond. */
class ExactLine {
  #freeAt = 0n;
  readonly #rate: bigint;

  constructor(rateBps: number) {
    this.#rate = BigInt(rateBps);
  }

  get freeAtNs(): number {
    return Number((this.#freeAt + this.#rate - 1n) / this.#rate);
  }

  carry(bytes: number, fromNs: number): number {
    // A sender sees whole nanoseconds only: one that sends in the nanosecond in which the line becomes free loses nothing.
    if (fromNs > this.freeAtNs) this.#freeAt = BigInt(fromNs) * this.#rate;
    this.#freeAt += BigInt(bytes) * 8_000_000_000n;
    return this.freeAtNs;
  }
}

const rateBps = fc.oneof(
  fc.integer({ min: 1, max: 400 }).map((gigabits) => gigabits * 1e9),
  fc.constantFrom(1, 7, 9_600, 10_312_500_000, 25_781_250_000, 53_125_000_000, 999_999_999_989, 1e13),
  fc.integer({ min: 1_000, max: 1e12 }),
);

describe('a serial line', () => {
  it('agrees with exact arithmetic for any rate, any frames and any gaps', () => {
    const sending = fc.tuple(
      fc.integer({ min: 0, max: 9_042 }),
      fc.oneof(fc.constant(0), fc.nat(3), fc.nat(50_000)),
    );
    fc.assert(
      fc.property(rateBps, fc.array(sending, { minLength: 1, maxLength: 80 }), (rate, sendings) => {
        const [line, exact] = [new SerialLine(rate), new ExactLine(rate)];
        let nowNs = 0;
        let bytesSent = 0;
        for (const [bytes, gapNs] of sendings) {
          nowNs += gapNs;
          const endNs = exact.carry(bytes, nowNs);
          // Asked before it is booked, which books nothing.
          expect(nowNs + line.endsIn({ nowNs }, bytes, 0)).toBe(endNs);
          expect(line.carry(bytes, nowNs)).toBe(endNs);
          expect(line.freeAtNs).toBe(exact.freeAtNs);
          bytesSent += bytes;
        }
        expect(line.carriedBytes).toBe(bytesSent);
        expect(line.busyNs).toBe(new ExactLine(rate).carry(bytesSent, 0));
      }),
      { numRuns: runs(1_000) },
    );
  });

  it('a sender that waits for each frame to end loses no fraction of a nanosecond', () => {
    fc.assert(
      fc.property(
        rateBps,
        fc.array(fc.integer({ min: 60, max: 9_042 }), { minLength: 1, maxLength: 200 }),
        (rate, frames) => {
          const line = new SerialLine(rate);
          let endNs = 0;
          for (const bytes of frames) endNs = line.carry(bytes, endNs);
          const total = frames.reduce((sum, bytes) => sum + BigInt(bytes), 0n);
          expect(BigInt(endNs)).toBe((total * 8_000_000_000n + BigInt(rate) - 1n) / BigInt(rate));
        },
      ),
    );
  });

  // 1,500 bytes of payload: header 14, FCS 4, preamble 8, gap 12 make 1,538 byte-times on the wire.
  it.each([
    [1e9, 12_304, 81_274],
    [10e9, 1_231, 812_743],
    [25e9, 493, 2_031_859],
    [40e9, 308, 3_250_975],
    [100e9, 124, 8_127_438],
    [400e9, 31, 32_509_752],
  ])(
    'at %d b/s a frame of 1,538 byte-times takes %d ns, and %d of them fit into a second',
    (rate, firstNs, frames) => {
      const line = new SerialLine(rate);
      expect(line.durationNs(1_538)).toBe(firstNs);
      expect(line.carry(1_538, 0)).toBe(firstNs);
      let endNs = firstNs;
      let count = 1;
      while (count < Math.min(frames, 1_000_000)) {
        endNs = line.carry(1_538, endNs);
        count += 1;
      }
      expect(endNs).toBe(Math.ceil((count * 1_538 * 8e9) / rate));
      if (count < frames) return;
      expect(endNs).toBeLessThanOrEqual(1e9);
      expect(line.carry(1_538, endNs)).toBeGreaterThan(1e9);
    },
  );

  it('counts what has not passed in bytes of the old rate, of which one takes no whole nanosecond', () => {
    // 3 Gb/s: a byte takes 8/3 ns.
    const line = new SerialLine(3e9);
    expect(line.carry(900, 0)).toBe(2_400);
    line.changeRate(4e9, 1_200);
    // 450 bytes are left, at 2 ns each.
    expect([line.freeAtNs, line.busyNs]).toEqual([2_100, 2_100]);
  });

  it('goes on at another rate with what has not passed', () => {
    const line = new SerialLine(8e9);
    expect(line.carry(1_000, 0)).toBe(1_000);
    line.changeRate(4e9, 400);
    // 600 bytes are left, at 2 ns each.
    expect(line.freeAtNs).toBe(1_600);
    expect(line.busyNs).toBe(1_600);
    expect(line.carry(100, 0)).toBe(1_800);
    line.changeRate(1e9, 5_000);
    expect(line.carry(1, 5_000)).toBe(5_008);
    expect(line.busyNs).toBe(1_808);
    expect(line.carriedBytes).toBe(1_101);
  });

  it('that has a fraction of a nanosecond left is free at the next one when the rate changes', () => {
    const line = new SerialLine(3e9);
    // 8/3 ns.
    expect(line.carry(1, 0)).toBe(3);
    line.changeRate(8e9, 3);
    expect(line.carry(1, 3)).toBe(4);
  });

  it.each([0, -1, 0.5, 1e13 + 2, Number.NaN, Infinity])(
    'a rate of %d is refused (impossible time parameters accepted)',
    (rate) => {
      expect(() => new SerialLine(rate)).toThrow(`rateBps is ${rate}, expected a whole number`);
    },
  );
});
