import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BookedLine } from '../../scheduler/booked-line.js';
import { EventKernel } from '../../scheduler/event-kernel.js';
import { runs } from '../support/whole.js';

interface Frame {
  readonly bookedNs: number;
  readonly bytes: number;
  readonly waitNs: number;
}

interface RateChange {
  readonly atNs: number;
  readonly rateBps: number;
}

interface Passed {
  readonly beginNs: number;
  readonly endNs: number;
  readonly rateBps: number;
}

/**
 * When each frame passes, in one pass over all of them, with fractions in big integers: a frame has the rate that holds in
 * the nanosecond in which it begins, and a change of rate makes the line begin at a whole nanosecond.
 */
function passes(firstBps: number, frames: readonly Frame[], changes: readonly RateChange[]): Passed[] {
  // The line is free at so many (1 / denominator) ns.
  let free = { numerator: 0n, denominator: 1n };
  let lastBeginNs = -1;
  const ceil = () => Number((free.numerator + free.denominator - 1n) / free.denominator);
  return frames.map(({ bookedNs, bytes, waitNs }) => {
    const fromNs = bookedNs + waitNs;
    const freeNs = ceil();
    const beginNs = Math.max(fromNs, freeNs);
    let rateBps = firstBps;
    let hasChanged = false;
    let nowBps = firstBps;
    for (const change of changes) {
      if (change.atNs > beginNs) break;
      if (change.atNs > lastBeginNs && change.rateBps !== nowBps) hasChanged = true;
      nowBps = change.rateBps;
      rateBps = change.rateBps;
    }
    if (fromNs > freeNs || hasChanged) free = { numerator: BigInt(beginNs), denominator: 1n };
    // Counted in 1/(denominator x rate) of a nanosecond: b bytes take 8 b 10^9 / rate ns.
    const rate = BigInt(rateBps);
    free = {
      numerator: free.numerator * rate + BigInt(bytes) * 8_000_000_000n * free.denominator,
      denominator: free.denominator * rate,
    };
    lastBeginNs = beginNs;
    return { beginNs, endNs: ceil(), rateBps };
  });
}

/** From when on the line has each rate: from the end of the frame that was under way. */
function segments(firstBps: number, changes: readonly RateChange[], passed: readonly Passed[]) {
  const found = [{ sinceNs: 0, rateBps: firstBps }];
  for (const { atNs, rateBps } of changes) {
    const underWay = passed.find(({ beginNs, endNs }) => beginNs < atNs && endNs > atNs);
    found.push({ sinceNs: underWay?.endNs ?? atNs, rateBps });
  }
  return found;
}

const rateBps = fc.oneof(
  fc.constantFrom(1e6, 1e8, 1e9, 1e10, 2.5e10, 4e11, 8e11),
  fc.integer({ min: 1e6, max: 8e11 }),
);
const script = fc.array(
  fc.record({
    afterNs: fc.oneof(fc.constant(0), fc.nat(30), fc.nat(20_000)),
    bytes: fc.integer({ min: 84, max: 9042 }),
    waitNs: fc.oneof({ arbitrary: fc.constant(0), weight: 4 }, fc.nat(20_000)),
    // One step in four: more often, and hardly a frame is booked behind a change that is the only one under its frame.
    newRateBps: fc.oneof({ arbitrary: fc.constant(undefined), weight: 3 }, { arbitrary: rateBps, weight: 1 }),
  }),
  { minLength: 1, maxLength: 60 },
);

/** Plays a script on a line; returns it with what was booked, what was changed, and when each event came. */
function play(firstBps: number, steps: typeof script extends fc.Arbitrary<infer S> ? S : never) {
  const kernel = new EventKernel();
  const line = new BookedLine(kernel, firstBps);
  const events: { index: number; atNs: number; durationNs: number }[] = [];
  const sizes: number[] = [];
  const handler = kernel.register('test', (index) =>
    events.push({ index, atNs: kernel.nowNs, durationNs: line.durationNs(sizes[index] ?? 0) }),
  );
  const frames: Frame[] = [];
  const changes: RateChange[] = [];
  for (const { afterNs, bytes, waitNs, newRateBps } of steps) {
    kernel.run(kernel.nowNs + afterNs);
    if (newRateBps !== undefined) {
      changes.push({ atNs: kernel.nowNs, rateBps: newRateBps });
      line.changeRate(newRateBps);
    } else {
      sizes.push(bytes);
      line.book(bytes, waitNs, handler, frames.length);
      frames.push({ bookedNs: kernel.nowNs, bytes, waitNs });
    }
    line.checkInvariants();
  }
  kernel.drain();
  return { line, events, frames, changes };
}

describe('a line on which frames are booked', () => {
  it('ends each at the rate that it has when the frame begins, to the nanosecond, in their order', () => {
    let moved = 0;
    fc.assert(
      fc.property(rateBps, script, (firstBps, steps) => {
        const { line, events, frames, changes } = play(firstBps, steps);
        const expected = passes(firstBps, frames, changes);
        expect(events.map(({ index }) => index)).toEqual(frames.map((_, index) => index));
        expect(events.map(({ atNs }) => atNs)).toEqual(expected.map(({ endNs }) => endNs));
        if (changes.length > 0 && expected.some(({ rateBps }) => rateBps !== firstBps)) moved += 1;
        // A frame took the time of its rate, whatever rate came while it was under way.
        for (const [index, { durationNs }] of events.entries()) {
          const bits = (frames[index]?.bytes ?? 0) * 8e9;
          expect(durationNs).toBe(Math.ceil(bits / (expected[index]?.rateBps ?? 1)));
        }
        expect(line.carriedBytes).toBe(frames.reduce((sum, { bytes }) => sum + bytes, 0));
        const busyNs = frames.reduce(
          (sum, { bytes }, index) => sum + (bytes * 8e9) / (expected[index]?.rateBps ?? 1),
          0,
        );
        expect(Math.abs(line.busyNs - busyNs)).toBeLessThan(1 + 1e-9 * busyNs);
      }),
      { numRuns: runs(600) },
    );
    expect(moved).toBeGreaterThan(runs(600) / 3);
  });

  it('can have carried, between two instants, what its rates say', () => {
    fc.assert(
      fc.property(rateBps, script, fc.nat(400_000), fc.nat(400_000), (firstBps, steps, one, other) => {
        const { line, frames, changes } = play(firstBps, steps);
        const [fromNs, toNs] = [Math.min(one, other), Math.max(one, other)];
        const all = segments(firstBps, changes, passes(firstBps, frames, changes));
        let bytes = 0;
        for (const [index, { sinceNs, rateBps: bps }] of all.entries()) {
          const until = Math.min(toNs, ...all.slice(index + 1).map((later) => later.sinceNs));
          bytes += (Math.max(0, until - Math.max(sinceNs, fromNs)) * bps) / 8e9;
        }
        expect(line.capacityBytes(fromNs, toNs)).toBeCloseTo(bytes, 3);
      }),
      { numRuns: runs(400) },
    );
  });

  it('by hand: the frame under way ends at 1 Gb/s, the two behind it go at 10 Gb/s', () => {
    const kernel = new EventKernel();
    const line = new BookedLine(kernel, 1e9);
    const ends: number[] = [];
    const handler = kernel.register('test', () => ends.push(kernel.nowNs));
    for (let frame = 0; frame < 3; frame += 1) line.book(1538, 0, handler);
    kernel.run(6_000);
    expect(line.changeRate(10e9)).toBe(12_304);
    kernel.drain();
    // 1,538 bytes take 12,304 ns at 1 Gb/s and 1,230.4 at 10 Gb/s.
    expect(ends).toEqual([12_304, 12_304 + 1_231, 12_304 + 2_461]);
    expect(line.busyNs).toBe(12_304 + 2_461);
    expect(line.capacityBytes(0, 12_304)).toBe(1_538);
    expect(line.capacityBytes(12_304, 12_304 + 8)).toBe(10);
  });

  it('by hand: what is booked after the rate has changed begins when the frame under way has ended, and not in its last nanosecond', () => {
    const kernel = new EventKernel();
    const line = new BookedLine(kernel, 3e9);
    const ends: number[] = [];
    const handler = kernel.register('test', () => ends.push(kernel.nowNs));
    // 100 bytes take 266.67 ns at 3 Gb/s and 100 at 8 Gb/s.
    line.book(100, 0, handler);
    kernel.run(100);
    expect(line.changeRate(8e9)).toBe(267);
    expect(line.freeAtNs).toBe(267);
    line.book(100, 0, handler);
    kernel.drain();
    expect(ends).toEqual([267, 367]);
  });

  it('an idle line has the new rate at once, and one that is asked for the rate that it has changes nothing', () => {
    const kernel = new EventKernel();
    const line = new BookedLine(kernel, 1e9);
    const handler = kernel.register('test', () => undefined);
    kernel.run(500);
    expect(line.changeRate(2e9)).toBe(500);
    line.book(1_000, 0, handler);
    kernel.run(600);
    expect(line.changeRate(2e9)).toBe(600);
    expect(line.freeAtNs).toBe(4_500);
    expect(() => line.changeRate(0)).toThrow('rateBps is 0, expected a whole number');
  });

  it('of two rates that come while a frame is under way, the last one holds behind it', () => {
    const kernel = new EventKernel();
    const line = new BookedLine(kernel, 8e9);
    const handler = kernel.register('test', () => undefined);
    line.book(1_000, 0, handler);
    kernel.run(100);
    line.changeRate(1e6);
    kernel.run(200);
    line.changeRate(4e9);
    line.book(500, 0, handler);
    expect(line.freeAtNs).toBe(2_000);
    expect(line.capacityBytes(0, 2_000)).toBe(1_500);
  });

  it('an event that comes some time after the end keeps that time when its frame is booked anew', () => {
    const kernel = new EventKernel();
    const line = new BookedLine(kernel, 8e9);
    const events: number[] = [];
    const handler = kernel.register('test', () => events.push(kernel.nowNs));
    line.book(100, 0, handler, 0, 0, 30);
    line.book(200, 0, handler, 0, 0, 50);
    line.book(10, 0, handler);
    kernel.run(60);
    line.changeRate(4e9);
    kernel.drain();
    // The frames end at 100, 500 and 520 ns.
    expect(events).toEqual([130, 520, 550]);
  });

  it('tells what waits and when it ends', () => {
    const kernel = new EventKernel();
    const line = new BookedLine(kernel, 8e9);
    const handler = kernel.register('test', () => undefined);
    line.book(100, 0, handler, 1);
    line.book(200, 0, handler, 2, 7, 50);
    kernel.run(100);
    const seen: number[][] = [];
    line.forEachBooked((_, a, b, endNs) => seen.push([a, b, endNs]));
    expect(seen).toEqual([[2, 7, 300]]);
  });

  it('keeps its order when more are booked than there was space for, and one of them has gone by then', () => {
    const kernel = new EventKernel();
    const line = new BookedLine(kernel, 8e9);
    const passed: [frame: number, atNs: number][] = [];
    const handler = kernel.register('far end', (frame) => void passed.push([frame, kernel.nowNs]));
    for (let frame = 0; frame < 10; frame += 1) line.book(100, 0, handler, frame);
    kernel.run(150);
    for (let frame = 10; frame < 50; frame += 1) line.book(100, 0, handler, frame);
    // The second is under way until 200 ns; the others take twice as long.
    expect(line.changeRate(4e9)).toBe(200);
    const left: number[] = [];
    line.forEachBooked((_handler, frame) => left.push(frame));
    expect(left).toEqual(Array.from({ length: 49 }, (_, index) => index + 1));
    kernel.drain();
    expect(passed).toEqual(
      Array.from({ length: 50 }, (_, frame) => [frame, frame < 2 ? 100 * (frame + 1) : 200 * frame]),
    );
  });
});
