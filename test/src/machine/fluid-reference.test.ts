import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FluidReference } from '../../../src/machine/fluid-reference.js';
import { maxMinFair } from '../../../src/machine/max-min-fair.js';

/** A byte per nanosecond. */
const LINK_BPS = 8e9;

/**
 * The same in small steps: what waits is divided by water filling, step by step. Slow, and with nothing in common with
 * the levels of the code under test.
 */
class StepwiseLink {
  readonly served: number[];
  readonly #backlog: number[];
  readonly #weights: number[];
  readonly #paused = new Set<number>();
  #bytesPerNs = 1;

  constructor(weights: readonly number[]) {
    this.#weights = [...weights];
    this.served = weights.map(() => 0);
    this.#backlog = weights.map(() => 0);
  }

  add(member: number, bytes: number): void {
    this.#backlog[member] = (this.#backlog[member] ?? 0) + bytes;
  }

  clear(member: number): void {
    this.#backlog[member] = 0;
  }

  reweigh(member: number, weight: number): void {
    this.#weights[member] = weight;
  }

  pause(member: number): void {
    this.#paused.add(member);
  }

  resume(member: number): void {
    this.#paused.delete(member);
  }

  /** So many bytes per nanosecond from now on. */
  pace(bytesPerNs: number): void {
    this.#bytesPerNs = bytesPerNs;
  }

  serve(ns: number): void {
    const wanted = this.#backlog.map((bytes, member) => (this.#paused.has(member) ? 0 : bytes));
    const given = maxMinFair(wanted, this.#weights, ns * this.#bytesPerNs);
    for (const [member, bytes] of given.entries()) {
      this.served[member] = (this.served[member] ?? 0) + bytes;
      this.#backlog[member] = (this.#backlog[member] ?? 0) - bytes;
    }
  }
}

const weights = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 8 });
const moves = fc.array(
  fc.record({
    afterNs: fc.integer({ min: 0, max: 400 }),
    kind: fc.constantFrom(
      'arrive',
      'arrive',
      'arrive',
      'wants',
      'withdraw',
      'reweigh',
      'rate',
      'pause',
      'resume',
    ),
    member: fc.nat(7),
    bytes: fc.integer({ min: 60, max: 1538 }),
  }),
  { maxLength: 40 },
);

describe('a fluid link', () => {
  test('serves what step by step water filling serves, whatever arrives, begins, is withdrawn, paused, changes its weight or the rate', () => {
    fc.assert(
      fc.property(weights, moves, (shares, script) => {
        const fluid = new FluidReference(shares, LINK_BPS);
        const stepwise = new StepwiseLink(shares);
        let nowNs = 0;
        for (const { afterNs, kind, member: any, bytes } of script) {
          const member = any % shares.length;
          nowNs += afterNs;
          for (let ns = 0; ns < afterNs; ns += 1) stepwise.serve(1);
          if (kind === 'arrive') {
            fluid.arrived(member, bytes, nowNs);
            stepwise.add(member, bytes);
          } else if (kind === 'wants') {
            fluid.wants(member, nowNs);
            stepwise.add(member, Number.POSITIVE_INFINITY);
          } else if (kind === 'reweigh') {
            fluid.change(member, { weight: 1 + (bytes % 7) }, nowNs);
            stepwise.reweigh(member, 1 + (bytes % 7));
          } else if (kind === 'pause' || kind === 'resume') {
            fluid[kind](member, nowNs);
            stepwise[kind](member);
          } else if (kind === 'rate') {
            // A quarter of a byte per nanosecond to one and three quarters.
            const bytesPerNs = (1 + (bytes % 7)) / 4;
            fluid.changeRate(bytesPerNs * LINK_BPS, nowNs);
            stepwise.pace(bytesPerNs);
          } else {
            fluid.withdraw(member, nowNs);
            stepwise.clear(member);
          }
          fluid.checkInvariants();
        }
        fluid.advance(nowNs + 500);
        for (let ns = 0; ns < 500; ns += 1) stepwise.serve(1);
        for (const [member, bytes] of fluid.served().entries()) {
          // Within a step the stepwise link may serve a queue before one that runs dry in it.
          expect(Math.abs(bytes - (stepwise.served[member] ?? 0))).toBeLessThan(2 + script.length);
        }
      }),
    );
  });

  test('serves all that has arrived and not a byte more, and is never idle while something waits', () => {
    fc.assert(
      fc.property(weights, moves, (shares, script) => {
        const fluid = new FluidReference(shares, LINK_BPS);
        let nowNs = 0;
        const arrived = shares.map(() => 0);
        let free = 0;
        let idleNs = 0;
        for (const { afterNs, member: any, bytes } of script) {
          const member = any % shares.length;
          nowNs += afterNs;
          idleNs += Math.max(0, afterNs - free);
          free = Math.max(0, free - afterNs) + bytes;
          fluid.arrived(member, bytes, nowNs);
          arrived[member] = (arrived[member] ?? 0) + bytes;
        }
        fluid.advance(nowNs);
        const sum = fluid.served().reduce((total, bytes) => total + bytes, 0);
        expect(sum).toBeCloseTo(nowNs - idleNs, 3);
        fluid.advance(nowNs + 1e6);
        for (const [member, bytes] of fluid.served().entries())
          expect(bytes).toBeCloseTo(arrived[member] ?? 0, 3);
      }),
    );
  });

  test('by hand: a paused queue keeps what waits in it and has no claim to what it missed', () => {
    const fluid = new FluidReference([1, 1], LINK_BPS);
    for (const member of [0, 1]) fluid.wants(member, 0);
    fluid.pause(0, 1_000);
    expect(fluid.wantsAll(0)).toBe(true);
    fluid.resume(0, 3_000);
    fluid.advance(4_000);
    expect([...fluid.served()]).toEqual([1_000, 3_000]);
    // What arrives meanwhile waits, as far as the queue holds it.
    const queue = new FluidReference([1], LINK_BPS);
    queue.pause(0, 0);
    for (const atNs of [10, 20, 30]) queue.arrived(0, 1_000, atNs, 2_500);
    queue.advance(5_000);
    expect([...queue.served()]).toEqual([0]);
    queue.resume(0, 5_000);
    queue.advance(9_000);
    expect(queue.served()[0]).toBeCloseTo(2_000, 6);
    queue.pause(0, 9_000);
    queue.arrived(0, 1_000, 9_000);
    queue.withdraw(0, 9_500);
    queue.resume(0, 9_600);
    queue.advance(20_000);
    expect(queue.served()[0]).toBeCloseTo(2_000, 6);
  });

  test('by hand: what does not fit into a queue is lost', () => {
    const fluid = new FluidReference([1], LINK_BPS);
    fluid.arrived(0, 1000, 0, 1500);
    // 400 are left, and 1,000 more fit; then 1,300 are left, and 1,000 do not.
    fluid.arrived(0, 1000, 600, 1500);
    fluid.arrived(0, 1000, 700, 1500);
    fluid.advance(1e6);
    expect(fluid.served()[0]).toBeCloseTo(2000, 6);
  });
});
