import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { makeProtection } from '../../../host/protection/approaches.js';
import type { Discipline } from '../../../scheduler/discipline.js';
import {
  DeficitRoundRobin,
  DISCIPLINES,
  type DisciplineOptions,
  makeDiscipline,
} from '../../../scheduler/disciplines/index.js';
import { runScenario } from '../../../src/machine/run.js';
import type { RunResult } from '../../../src/machine/run-result.js';
import { checkScenario } from '../../../src/scenario/load.js';
import type { ScenarioInput } from '../../../src/scenario/schema.js';
import { simulate } from '../../../src/simulate.js';
import { plans } from '../../arbitraries/scenarios.js';
import { resultOf } from '../../laws/law-machine.js';
import { MutantRoundRobin } from '../../scheduler/laws/mutants.js';
import { either, runs, some } from '../../support/whole.js';

const MS = 1_000_000;
const WIRE_BYTES = 1514 + 24;
const greedy = { kind: 'greedy', startNs: 0 } as const;
const pair: ScenarioInput['guests'] = [
  { name: 'a', traffic: greedy },
  { name: 'b', traffic: greedy },
];
/** CPU is no bottleneck here. */
const host = { cores: 4, hertz: 5e10 };

const run = (
  scenario: Omit<ScenarioInput, 'guests'> & Partial<Pick<ScenarioInput, 'guests'>>,
  { durationNs = 40 * MS, discipline = 'drr', protection = 'cdna', warmUpNs = 0 } = {},
) => simulate({ guests: pair, host, ...scenario, discipline }, { warmUpNs, durationNs, protection });

const brokenLaws = ({ laws }: RunResult) => laws.filter(({ held }) => !held);

/** What a guest sent in a part of a run, in fortieths of it, Mb/s of frames. */
function mbps({ guests, durationNs }: RunResult, name: string, from: number, to: number): number {
  const over = guests.find((guest) => guest.name === name)?.bytesTransmittedOverTime ?? [];
  // Windows that lie in that part as a whole.
  const [first, last] = [Math.ceil((from * over.length) / 40), Math.floor((to * over.length) / 40)];
  const bytes = over.slice(first, last).reduce((sum, one) => sum + one, 0);
  return (bytes * 8e3 * over.length) / (last - first) / durationNs;
}

describe('a change of the rate of the wire', () => {
  test('takes effect at its time, for every guest, and the laws hold', async () => {
    const changes = [
      { atNs: 10 * MS, rateBps: 200_000_000 },
      { atNs: 30 * MS, rateBps: 2_000_000_000 },
    ];
    const result = await run({ changes });
    const part = 1514 / WIRE_BYTES / 2;
    for (const name of ['a', 'b']) {
      expect(mbps(result, name, 2, 10)).toBeCloseTo(1000 * part, -1);
      expect(mbps(result, name, 12, 30)).toBeCloseTo(200 * part, -0.5);
      expect(mbps(result, name, 31, 40)).toBeCloseTo(2000 * part, -1.5);
    }
    expect(brokenLaws(result)).toEqual([]);
    // Each has what a fluid link of those rates would have given it.
    for (const { fairShareGot } of result.guests) expect(fairShareGot).toBeCloseTo(1, 2);
    expect(result.fairness.jainIndex).toBeCloseTo(1, 4);
  });

  test('counts the bytes on the wire before and after it to the frame', async () => {
    const atNs = 5 * MS;
    const durationNs = 10 * MS;
    const one = [{ name: 'a', traffic: greedy, transmitSlots: 256 }];
    const [before, slower, faster] = await Promise.all([
      run({ guests: one }, { durationNs: atNs, protection: 'none' }),
      run({ guests: one, changes: [{ atNs, rateBps: 100_000_000 }] }, { durationNs, protection: 'none' }),
      run({ guests: one, changes: [{ atNs, rateBps: 4_000_000_000 }] }, { durationNs, protection: 'none' }),
    ]);
    // Frames at 1 Gb/s take 12,304 ns. The first one begins when its bytes are on the card, and none waits after that.
    const frames = before.framesTransmitted;
    const first = before.guests[0]?.firstTransmittedNs ?? 0;
    expect(frames).toBe(1 + Math.floor((atNs - first) / 12_304));
    const underWayEndsNs = first + frames * 12_304;
    for (const [result, frameNs] of [
      [slower, 123_040],
      [faster, 3_076],
    ] as const) {
      const after = Math.floor((durationNs - underWayEndsNs) / frameNs);
      expect(result.framesTransmitted).toBe(frames + 1 + after);
      const busyNs = underWayEndsNs - (first - 12_304) + (durationNs - underWayEndsNs);
      expect(result.wireBusyFraction).toBeCloseTo(busyNs / durationNs, 2);
    }
  });

  test.each(['none', 'driver-domain', 'cdna'])('under %s it is the far end’s too', async (protection) => {
    const guests = [{ name: 'a', receive: greedy, receiveSlots: 1024 }];
    const changes = [{ atNs: 20 * MS, rateBps: 100_000_000 }];
    const result = await run({ guests, changes }, { protection });
    // Two halves of 20 ms at 12,304 and 123,040 ns per frame.
    const expected = 20 * MS * (1 / 12_304 + 1 / 123_040);
    const arrived =
      result.framesReceived + Object.values(result.drops).reduce((sum, count) => sum + count, 0);
    expect(Math.abs(arrived - expected)).toBeLessThan(6);
    expect(brokenLaws(result)).toEqual([]);
  });

  test('changes nothing before its time, and the rest in the fingerprint', async () => {
    const at = (atNs: number, rateBps = 500_000_000) =>
      run({ changes: [{ atNs, rateBps }] }, { durationNs: 10 * MS });
    const [without, after, within, again, same] = await Promise.all([
      run({}, { durationNs: 10 * MS }),
      at(10 * MS + 1),
      at(5 * MS),
      at(5 * MS),
      at(5 * MS, 1_000_000_000),
    ]);
    expect(after.fingerprint).toBe(without.fingerprint);
    expect(within.fingerprint).not.toBe(without.fingerprint);
    expect(again.fingerprint).toBe(within.fingerprint);
    // To the rate that it has: it is noted, and no frame moves.
    expect(same.fingerprint).not.toBe(without.fingerprint);
    expect(same.guests).toEqual(without.guests);
    expect(mbps(within, 'b', 2, 20)).toBe(mbps(without, 'b', 2, 20));
  });

  test('in the warm-up counts from the first nanosecond of the window', async () => {
    const changes = [{ atNs: 5 * MS, rateBps: 100_000_000 }];
    const result = await run({ changes }, { warmUpNs: 10 * MS, durationNs: 20 * MS });
    expect(result.wireBusyFraction).toBeGreaterThan(0.99);
    // 20 ms are 2,000,000 bits, 162 frames.
    expect(Math.abs(result.framesTransmitted - 162)).toBeLessThan(2);
    for (const { fairShareGot } of result.guests) expect(fairShareGot).toBeCloseTo(1, 1);
    expect(brokenLaws(result)).toEqual([]);
  });

  test('on a slow wire waits for the frame that is under way, and so does what each guest is due', async () => {
    // A frame takes 12.3 ms. The change comes in its first half; the fluid link of 100 Gb/s would be 70 MB ahead.
    const one = [{ name: 'a', traffic: greedy }];
    const scenario = {
      guests: one,
      nic: { rateBps: 1_000_000 },
      changes: [{ atNs: 14 * MS, rateBps: 1_000_000_000 }],
    };
    const result = await run(scenario, { durationNs: 40 * MS });
    const [{ fairShareGot, wireBytesDue } = { fairShareGot: 0, wireBytesDue: 0 }] = result.guests;
    // Two frames at 1 Mb/s until 24.6 ms, and then 1 Gb/s.
    expect(wireBytesDue).toBeCloseTo(2 * WIRE_BYTES + (15.4 * MS) / 8, -4);
    expect(fairShareGot).toBeGreaterThan(0.98);
    expect(fairShareGot).toBeLessThan(1.01);
  });

  test('limits hold at every rate, and a minimum as long as the wire has it', async () => {
    const guests = [
      { ...pair[0], name: 'a', share: { minimumBps: 300_000_000 } },
      { ...pair[1], name: 'b', weight: 9 },
    ];
    const result = await run(
      { guests, changes: [{ atNs: 20 * MS, rateBps: 400_000_000 }] },
      { discipline: 'minimum:drr' },
    );
    const part = 1514 / WIRE_BYTES;
    // 300 and a tenth of what is left; then 300 and 10.
    expect(mbps(result, 'a', 22, 40) / part).toBeGreaterThan(300);
    const limited = await run(
      {
        guests: [
          { ...pair[0], name: 'a', share: { limitBps: 100_000_000 } },
          { name: 'b', traffic: greedy },
        ],
        changes: [{ atNs: 20 * MS, rateBps: 400_000_000 }],
      },
      { discipline: 'limited:drr' },
    );
    for (const [from, to] of [
      [2, 20],
      [22, 40],
    ] as const)
      expect(mbps(limited, 'a', from, to) / part).toBeCloseTo(100, -0.5);
    for (const one of [result, limited]) expect(brokenLaws(one)).toEqual([]);
  });
});

describe('at random instants, to random rates, every law holds', () => {
  const rateChanges = (durationNs: number, rates: readonly number[]) =>
    fc.array(fc.record({ atNs: fc.nat({ max: durationNs }), rateBps: fc.constantFrom(...rates) }), {
      minLength: 1,
      maxLength: 5,
    });

  test('under any approach and discipline, whatever is sent and received', () => {
    let changed = 0;
    fc.assert(
      fc.property(
        plans({ maxGuests: 6, maxNs: either(600_000, 300_000) }).chain((plan) =>
          rateChanges(plan.durationNs, [1e7, 1e8, 1e9, 2.5e9, 1e10, 1e11]).map((changes) => ({
            ...plan,
            scenario: { ...plan.scenario, changes },
          })),
        ),
        (plan) => {
          const result = resultOf(plan);
          expect(brokenLaws(result)).toEqual([]);
          expect(resultOf(plan).fingerprint).toBe(result.fingerprint);
          const { changes: _, ...without } = plan.scenario;
          if (resultOf({ ...plan, scenario: without }).fingerprint !== result.fingerprint) changed += 1;
        },
      ),
      { numRuns: runs(60) },
    );
    expect(changed).toBeGreaterThan(runs(60) / 2);
  });

  const compositions = ['drr/wfq', 'wf2q+/sfq', 'limited:wfq', 'minimum:sfq'];
  test.each(some([...DISCIPLINES.map(({ name }) => name), ...compositions]))(
    '%s: among greedy guests of any frames, and each of equal claims has its due',
    (discipline) => {
      const isFair = ['drr', 'srr', 'sfq', 'scfq'].includes(discipline);
      const frames = fc.constantFrom(60, 590, 1514, 9018);
      fc.assert(
        fc.property(
          fc.array(fc.record({ frameBytes: frames, weight: fc.integer({ min: 1, max: 8 }) }), {
            minLength: 2,
            maxLength: 4,
          }),
          rateChanges(4 * MS, [1e7, 1e8, 5e8, 1e9]),
          fc.nat({ max: 1_000 }),
          (guests, changes, seed) => {
            const scenario = checkScenario({
              host,
              nic: { descriptorCacheSlots: 256, descriptorBatch: 64 },
              guests: guests.map(({ frameBytes, weight }) => ({
                weight,
                traffic: { kind: 'greedy', frameBytes },
                memoryMegabytes: 8,
              })),
              changes,
            });
            const result = runScenario({
              scenario,
              directory: '.',
              captures: new Map(),
              protection: makeProtection('none'),
              discipline,
              seed,
              durationNs: 4 * MS,
            });
            expect(brokenLaws(result)).toEqual([]);
            if (!isFair) return;
            // Two bounds of 1,514 + 2 x 9,042 bytes per unit of weight, and what the card holds: 16,384 bytes of short frames.
            for (const { wireBytesSent = 0, wireBytesDue = 0, weight } of result.guests)
              expect(Math.abs(wireBytesSent - wireBytesDue)).toBeLessThan(weight * 39_196 + 22_938);
          },
        ),
        { numRuns: runs(10) },
      );
    },
  );

  test('a discipline that serves one guest alone from the change on is found out', () => {
    const settings = {
      directory: '.',
      captures: new Map(),
      protection: makeProtection('none'),
      seed: 1,
      durationNs: 4 * MS,
    };
    const broken = (changes: ScenarioInput['changes']) => {
      let isCorrupt = false;
      const turning = () =>
        // A deficit that is never used up: a visit lasts as long as the guest has frames.
        Object.assign(new MutantRoundRobin('none', (deficit) => (isCorrupt ? 1e12 : deficit)), {
          linkRateChanged: () => {
            isCorrupt = true;
          },
        });
      const scenario = checkScenario({ guests: pair, host, changes });
      return brokenLaws(runScenario({ ...settings, scenario, discipline: turning })).map(({ law }) => law);
    };
    expect(broken([])).toEqual([]);
    expect(broken([{ atNs: 2 * MS, rateBps: 2e9 }])).toEqual(['transmit-fairness']);
  });
});

describe('a rate that cannot be is refused by name', () => {
  const refused = (scenario: object, message: string) =>
    expect(run(scenario as never, { durationNs: 1_000 })).rejects.toThrow(message);

  test.each([
    [999_999, 'changes[0].rateBps is 999999, expected a whole number from 1000000 to 800000000000'],
    [8e11 + 1, 'changes[0].rateBps is 800000000001, expected a whole number from 1000000 to 800000000000'],
    [1.5, 'changes[0].rateBps is 1.5, expected a whole number from 1000000 to 800000000000'],
    ['1e9', 'changes[0].rateBps is "1e9", expected a whole number from 1000000 to 800000000000'],
    [null, 'changes[0].rateBps is null, expected a whole number from 1000000 to 800000000000'],
  ])('%j', async (rateBps, message) => {
    await refused({ changes: [{ atNs: 0, rateBps }] }, message);
  });

  test('of a guest, and a field of a guest without one', async () => {
    await refused(
      { changes: [{ atNs: 0, guest: 'a', rateBps: 1e9 }] },
      'changes[0].guest is "a", expected none: the wire is that of all guests',
    );
    await refused(
      { changes: [{ atNs: 0, weight: 2 }] },
      'changes[0].guest is missing, expected the name of a guest',
    );
    await refused(
      { changes: [{ atNs: 0, rateBps: 1e9, weight: 2 }] },
      'changes[0] is {"atNs":0,"rateBps":1000000000,"weight":2}, expected exactly one of weight, limitBps, priority, balloon, traffic, rateBps, not 2',
    );
  });

  test('below the sum of the minimums, at whatever place and time it stands', async () => {
    const guests = pair.map((guest) => ({ ...guest, share: { minimumBps: 300_000_000 } }));
    const changes = [
      { atNs: 9_000, rateBps: 2_000_000_000 },
      { atNs: 5_000, rateBps: 599_999_999 },
    ];
    await expect(run({ guests, changes }, { durationNs: 1_000, discipline: 'minimum:drr' })).rejects.toThrow(
      'minimumBps of the guests come to 600000000 (300000000 for a, 300000000 for b), expected at most changes[1].rateBps = 599999999',
    );
    changes[1] = { atNs: 5_000, rateBps: 600_000_000 };
    await run({ guests, changes }, { durationNs: 1_000, discipline: 'minimum:drr' });
  });

  test('below the minimums of tenants', async () => {
    const scenario = {
      tenants: [{ name: 't', minimumBps: 500_000_000 }],
      guests: [{ name: 'a', share: { tenant: 't' } }],
      changes: [{ atNs: 1, rateBps: 499_000_000 }],
    };
    await expect(run(scenario, { durationNs: 1_000, discipline: '(minimum:drr)/drr' })).rejects.toThrow(
      'minimumBps of the tenants come to 500000000 (500000000 for t), expected at most changes[0].rateBps = 499000000',
    );
  });

  test('higher than the cable can be long', async () => {
    await refused(
      { link: { propagationNs: 1_000_000_000 }, changes: [{ atNs: 0, rateBps: 8e11 }] },
      'link.propagationNs is 1000000000, expected at most 2684354 at 800000000000 b/s',
    );
  });
});

// Whether a discipline computes with the rate that it is given cannot be seen from outside: it may pass all its options on.
test.each<[string, (options: DisciplineOptions) => Discipline]>([
  ['takes none', () => new DeficitRoundRobin()],
  ['spreads its options', (options) => new DeficitRoundRobin({ ...options })],
  ['takes its options apart', ({ ...all }) => new DeficitRoundRobin(all)],
  ['reads the rate', ({ linkBps = 0 }) => new DeficitRoundRobin(linkBps > 0 ? {} : { quantumBytes: 1 })],
  ['hands its options on', (options) => makeDiscipline('wfq', options)],
])(
  'a discipline of the user’s own that %s is made twice and runs on a wire whose rate changes',
  (_, make) => {
    let made = 0;
    const result = runScenario({
      scenario: checkScenario({ guests: pair, host, changes: [{ atNs: MS, rateBps: 2e9 }] }),
      directory: '.',
      captures: new Map(),
      protection: makeProtection('none'),
      seed: 1,
      durationNs: 2 * MS,
      discipline: (options) => {
        made += 1;
        return make(options);
      },
    });
    // One for each direction.
    expect(made).toBe(2);
    expect(result.framesTransmitted).toBeGreaterThan(0);
    expect(brokenLaws(result)).toEqual([]);
  },
);
