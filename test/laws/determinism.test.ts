import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { approaches, type Plan, plans } from '../arbitraries/scenarios.js';
import { turnOf } from '../support/whole.js';
import { LawBook } from './law-book.js';
import { LawMachine, resultOf } from './law-machine.js';

const laws = new LawBook('determinism');

describe('law 1: time is virtual', () => {
  laws.law(
    'same plan, same fingerprint, and the same result to the last byte',
    plans({ maxNs: 400_000 }),
    25,
    (plan, substance) => {
      const [one, other] = [resultOf(plan), resultOf(plan)];
      expect(other.fingerprint).toBe(one.fingerprint);
      expect(JSON.stringify(other)).toBe(JSON.stringify(one));
      if (one.events > 500) substance();
    },
  );

  laws.law(
    'another seed is another run, where traffic is random',
    plans({ maxGuests: 6 }).filter(({ scenario }) =>
      scenario.guests.some(({ traffic }) => traffic.kind === 'poisson'),
    ),
    20,
    (plan, substance) => {
      const [one, other] = [resultOf(plan), resultOf(plan, plan.seed ^ 1)];
      // A start late in the run may leave no frame to tell them apart by.
      const random = plan.scenario.guests.filter(({ traffic }) => traffic.kind === 'poisson');
      const sent = one.guests.filter(
        ({ name, framesTransmitted }) => random.some((guest) => guest.name === name) && framesTransmitted > 2,
      );
      if (sent.length === 0) return;
      substance();
      expect(other.fingerprint).not.toBe(one.fingerprint);
    },
  );

  laws.law(
    'time never runs backwards, and frames never leave before they came',
    plans(),
    15,
    (plan, substance) => {
      const law = new LawMachine(plan);
      const { kernel } = law.machine;
      let lastNs = 0;
      law.walk(plan.durationNs, () => {
        if (kernel.nowNs < lastNs) throw new Error(`${kernel.nowNs} ns comes after ${lastNs} ns`);
        lastNs = kernel.nowNs;
      });
      expect(lastNs).toBeLessThanOrEqual(plan.durationNs);
      for (const [index, { endNs }] of law.wire.entries()) {
        expect(endNs).toBeGreaterThanOrEqual(law.wire[index - 1]?.endNs ?? 0);
      }
      if (law.wire.length > 5) substance();
    },
  );

  laws.law(
    'how a run is cut into steps changes nothing',
    fc.tuple(plans({ maxGuests: 5 }), fc.integer({ min: 1, max: 40 })),
    20,
    ([plan, pieces], substance) => {
      const [whole, cut] = [new LawMachine(plan), new LawMachine(plan)];
      whole.machine.run(plan.durationNs);
      for (let piece = 1; piece <= pieces; piece += 1) {
        cut.machine.run(Math.floor((plan.durationNs * piece) / pieces));
      }
      expect(cut.wire).toEqual(whole.wire);
      expect(cut.machine.kernel.executed).toBe(whole.machine.kernel.executed);
      if (whole.wire.length > 5) substance();
    },
  );

  test.each(turnOf(approaches, 0, 6).map((approach) => [approach.name, approach] as const))(
    'nothing reads the clock or the dice of the machine that it runs on: %s',
    (_name, approach) => {
      const [drawn] = fc.sample(plans({ minGuests: 4, maxGuests: 6 }), { numRuns: 1, seed: 7 });
      if (drawn === undefined) throw new Error('no plan');
      const plan: Plan = { ...drawn, approach };
      const expected = JSON.stringify(resultOf(plan));
      const got = withoutTheHost(() => JSON.stringify(resultOf(plan)));
      expect(got).toBe(expected);
    },
  );

  test('a run that does look at the clock would be caught', () => {
    const looks: (() => unknown)[] = [
      () => Date.now(),
      () => new Date(),
      () => performance.now(),
      () => Math.random(),
      () => process.hrtime(),
    ];
    for (const look of looks) {
      expect(() => withoutTheHost(look)).toThrow('the host was asked');
    }
  });

  laws.close();
});

/** Runs something with every clock and every die of the host taken away. */
function withoutTheHost<T>(run: () => T): T {
  const refuse = (): never => {
    throw new Error('the host was asked');
  };
  const real = {
    Date: globalThis.Date,
    performance: globalThis.performance,
    random: Math.random,
    hrtime: process.hrtime,
    setTimeout: globalThis.setTimeout,
    setInterval: globalThis.setInterval,
    setImmediate: globalThis.setImmediate,
    queueMicrotask: globalThis.queueMicrotask,
  };
  const noDate = Object.assign(
    function NoDate() {
      refuse();
    },
    { now: refuse },
  );
  try {
    Object.assign(globalThis, {
      Date: noDate,
      performance: { now: refuse },
      setTimeout: refuse,
      setInterval: refuse,
      setImmediate: refuse,
      queueMicrotask: refuse,
    });
    // Read by `Date.now` callers that kept a reference to the real class.
    real.Date.now = refuse;
    Math.random = refuse;
    process.hrtime = Object.assign(refuse, { bigint: refuse });
    return run();
  } finally {
    const { random, hrtime, ...globals } = real;
    Object.assign(globalThis, globals);
    real.Date.now = now;
    Math.random = random;
    process.hrtime = hrtime;
  }
}

const { now } = Date;
