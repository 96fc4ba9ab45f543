import { describe, expect, test } from 'vitest';
import { contextId } from '../../../scheduler/branded.js';
import { DeficitRoundRobin, PacketRoundRobin } from '../../../scheduler/disciplines/index.js';
import { FairnessMeter } from '../../../src/machine/fairness-meter.js';
import { PostedFairness } from '../../../src/machine/posted-fairness.js';
import { describePosted } from '../../../src/machine/run-laws.js';
import { limitedText } from '../../../src/report/guest-rows.js';
import { loadScenario } from '../../../src/scenario/load.js';
import { type SimulateOptions, simulate } from '../../../src/simulate.js';
import { BoundMutant } from '../../scheduler/laws/number-mutants.js';
import { either, some } from '../../support/whole.js';

const [A, B, C] = [contextId(0), contextId(1), contextId(2)];
const BOUND_BYTES = 3_000;
/** A byte per nanosecond. */
const wireBytes = (fromNs: number, toNs: number) => toNs - fromNs;
const FIFO_BYTES = 100;

/** Of the time from the arrival of descriptors on, nothing is known. */
const NONE_KNOWN = new FairnessMeter(new DeficitRoundRobin()).report();

/** Two contexts on a wire that takes a byte per nanosecond, of weights 1 and 2, with frames of 100 bytes. */
function judge() {
  const posted = new Set<number>();
  const fairness = new PostedFairness(
    { wireBytes, fifoBytes: FIFO_BYTES, hasPosted: (context) => posted.has(context) },
    { boundBytes: () => BOUND_BYTES, weight: (context) => context + 1, maxFrameBytes: () => 100 },
    [A, B],
  );
  const post = (context: typeof A, nowNs: number) => {
    posted.add(context);
    fairness.posted(context, nowNs);
  };
  return { posted, fairness, post };
}

describe('fairness of what was posted', () => {
  test('counts from the doorbell: what others get while a context waits for its descriptors is a gap', () => {
    const { fairness, post } = judge();
    post(A, 0);
    fairness.ready(A, 0);
    post(B, 1_000);
    fairness.granted(A, 400);
    fairness.ready(B, 1_400);
    expect(fairness.verdict()).toMatchObject({
      broken: 0,
      prefetchNs: 400,
      // r T = 400 bytes and 100 of the FIFO, over the smaller weight.
      largest: { gapBytes: 400, boundBytes: BOUND_BYTES, addendBytes: 500 },
    });
  });

  test('the addend is what the wire could carry during a prefetch, at the rates that it had then', () => {
    // Ten bytes per nanosecond until 1,000 ns, one from there on.
    const bytesUntil = (ns: number) => 10 * Math.min(ns, 1_000) + Math.max(0, ns - 1_000);
    const fairness = new PostedFairness(
      {
        wireBytes: (fromNs, toNs) => bytesUntil(toNs) - bytesUntil(fromNs),
        fifoBytes: FIFO_BYTES,
        hasPosted: () => true,
      },
      { boundBytes: () => BOUND_BYTES, weight: () => 1, maxFrameBytes: () => 100 },
      [A, B],
    );
    fairness.posted(A, 0);
    fairness.ready(A, 0);
    fairness.posted(B, 2_000);
    fairness.ready(B, 2_300);
    fairness.granted(A, 100);
    expect(fairness.verdict().largest).toMatchObject({ addendBytes: 300 + FIFO_BYTES });
    fairness.end(B);
    fairness.posted(B, 3_000);
    fairness.granted(A, BOUND_BYTES + 300 + FIFO_BYTES - 100);
    expect(fairness.verdict().broken).toBe(0);
    fairness.granted(A, 101);
    expect(fairness.verdict().broken).toBe(1);
  });

  test('excuses the first descriptors of a backlog, and no later ones', () => {
    const { fairness, post } = judge();
    post(A, 0);
    post(B, 0);
    fairness.ready(A, 100);
    fairness.ready(B, 100);
    // B has posted more, and the card does not look for it.
    fairness.granted(B, 200);
    fairness.granted(A, BOUND_BYTES + 200);
    expect(fairness.verdict().broken).toBe(0);
    fairness.granted(A, 101);
    expect(fairness.verdict()).toMatchObject({ broken: 1, prefetchNs: 100 });
  });

  test('ends with the last take, whatever the discipline knows', () => {
    const { fairness, post, posted } = judge();
    post(A, 0);
    post(B, 0);
    fairness.ready(A, 0);
    fairness.ready(B, 0);
    posted.delete(B);
    fairness.granted(B, 100);
    fairness.granted(A, 1_000_000);
    expect(fairness.verdict()).toMatchObject({ broken: 0, largest: { gapBytes: 50 } });
  });

  test('half a frame is none', () => {
    const { fairness, posted } = judge();
    posted.add(A);
    fairness.posted(A, 0);
    fairness.ready(A, 0);
    fairness.posted(B, 0);
    fairness.fetched(B);
    fairness.granted(A, 1_000_000);
    expect(fairness.verdict()).toMatchObject({ broken: 0, largest: undefined });
  });

  test('holds long windows to equal shares by weight, whatever bound is stated', () => {
    const posted = new Set<number>([A, B]);
    const fairness = new PostedFairness(
      { wireBytes, fifoBytes: FIFO_BYTES, hasPosted: (context) => posted.has(context) },
      { boundBytes: () => 1e12, weight: () => 1, maxFrameBytes: () => 100 },
      [A, B],
    );
    for (const context of [A, B]) fairness.ready(context, 0);
    fairness.restart();
    fairness.granted(A, 100_000);
    fairness.granted(B, 112_000);
    expect(fairness.verdict()).toMatchObject({ broken: 1, brokenShares: 1, longRun: { contexts: 2 } });
    expect(describePosted(NONE_KNOWN, fairness.verdict())).toMatch(/; broken: the shares of the window$/);
    fairness.granted(A, 10_000);
    expect(fairness.verdict()).toMatchObject({ broken: 0, longRun: { contexts: 2 } });
  });

  test('what a weight gave is judged by that weight', () => {
    const { fairness, post } = judge();
    post(A, 0);
    post(B, 0);
    for (const context of [A, B]) fairness.ready(context, 0);
    fairness.granted(A, 2 * BOUND_BYTES);
    fairness.settle(A);
    expect(fairness.verdict()).toMatchObject({ broken: 1, brokenBefore: 1, largest: undefined });
    expect(describePosted(NONE_KNOWN, fairness.verdict())).toMatch(
      /; broken: 1 pair before the window or a change of weights$/,
    );
  });

  test('shows the pair that broke its bound, not a larger gap within a wider one', () => {
    // B and C may differ by 10,000 bytes, the others by 1,000; 100 of the FIFO come to each.
    const fairness = new PostedFairness(
      { wireBytes, fifoBytes: FIFO_BYTES, hasPosted: () => true },
      {
        boundBytes: (one, other) => (one + other === B + C ? 10_000 : one + other === A + C ? 10_000 : 1_000),
        weight: () => 1,
        maxFrameBytes: () => 100,
      },
      [A, B, C],
    );
    for (const context of [A, B, C]) fairness.ready(context, 0);
    fairness.granted(A, 1_200);
    fairness.granted(C, 5_000);
    const verdict = fairness.verdict();
    expect(verdict).toMatchObject({
      broken: 1,
      brokenPairs: 1,
      largest: { gapBytes: 1_200, boundBytes: 1_000, addendBytes: 100 },
    });
    expect(describePosted(NONE_KNOWN, verdict)).toBe(
      'gap closest to its bound from the doorbell on 1200 bytes per unit of weight, ' +
        'bound 1000 and 100 for the FIFO and a prefetch of 0 ns; broken: 1 pair from the doorbell on',
    );
  });

  test('of pairs without a bound shows the largest gap', () => {
    const fairness = new PostedFairness(
      { wireBytes, fifoBytes: FIFO_BYTES, hasPosted: () => true },
      { boundBytes: () => Number.POSITIVE_INFINITY, weight: () => 1, maxFrameBytes: () => 100 },
      [A, B, C],
    );
    for (const context of [A, B, C]) fairness.ready(context, 0);
    fairness.granted(B, 300);
    fairness.granted(C, 700);
    expect(fairness.verdict()).toMatchObject({ broken: 0, largest: { gapBytes: 700 } });
  });
});

describe('whether a context has had frames all the time', () => {
  test('is known from the window on', () => {
    const { fairness, post, posted } = judge();
    post(A, 0);
    post(B, 0);
    expect(fairness.hadFramesAlways(A)).toBeUndefined();
    fairness.restart();
    expect([A, B].map((one) => fairness.hadFramesAlways(one))).toEqual([true, true]);
    posted.delete(B);
    fairness.granted(B, 100);
    post(B, 10);
    expect([A, B].map((one) => fairness.hadFramesAlways(one))).toEqual([true, false]);
  });

  test('is known before a window once it has run out of them', () => {
    const { fairness, post, posted } = judge();
    post(A, 0);
    posted.delete(A);
    fairness.granted(A, 100);
    expect(fairness.hadFramesAlways(A)).toBe(false);
  });

  test('is not known after a change of its weight, unless it has run out', () => {
    const { fairness, post } = judge();
    post(A, 0);
    fairness.restart();
    fairness.settle(A);
    fairness.settle(B);
    expect([A, B].map((one) => fairness.hadFramesAlways(one))).toEqual([undefined, false]);
  });

  test('is not known of contexts that are not measured', () => {
    const { fairness } = judge();
    fairness.restart();
    expect(fairness.hadFramesAlways(contextId(64))).toBeUndefined();
    expect(new FairnessMeter(new DeficitRoundRobin()).hadFramesAlways(A)).toBeUndefined();
  });
});

const greedy = { kind: 'greedy' as const };
const smallAndLarge = {
  guests: [
    { name: 'small', traffic: { ...greedy, frameBytes: 60 }, transmitSlots: 1024 },
    { name: 'large', traffic: { ...greedy, frameBytes: 1514 } },
  ],
  host: { cores: 4, hertz: 1e11 },
};

async function lawOf(scenario: object, options: SimulateOptions) {
  const { laws } = await simulate(scenario as never, {
    protection: 'none',
    durationNs: 5_000_000,
    ...options,
  });
  return laws.find(({ law }) => law === 'transmit-fairness');
}

describe('the law of a run', () => {
  test('says what the gap was from the doorbell on, what the prefetch adds, and the shares of the window', async () => {
    const law = await lawOf({ ...smallAndLarge, nic: { rateBps: 10_000_000_000 } }, { discipline: 'drr' });
    expect(law).toMatchObject({
      held: true,
      detail: expect.stringMatching(
        /^gap closest to its bound from the doorbell on \d+ bytes per unit of weight, bound 3134 and \d+ for the FIFO and a prefetch of \d+ ns; 2 contexts with frames all the time got 1\.000 to 1\.000 of equal shares by weight$/,
      ),
    });
  });

  test('is broken by rounds of frames that state the bound of deficit round robin', async () => {
    const drr = new DeficitRoundRobin();
    const rounds = () =>
      new BoundMutant(new PacketRoundRobin(), 'bound of drr', (i, j) => drr.relativeFairnessBoundBytes(i, j));
    expect(await lawOf(smallAndLarge, { discipline: rounds })).toMatchObject({
      held: false,
      detail: expect.stringMatching(/; broken: 1 pair from the doorbell on/),
    });
  });

  // One descriptor at a time and four on the card: what is fetched is always too little, and the shares hold.
  test('holds on a card that fetches too little', async () => {
    const nic = { rateBps: 25_000_000_000, descriptorCacheSlots: 4, descriptorBatch: 1 };
    const durationNs = either(5_000_000, 2_000_000);
    expect(await lawOf({ ...smallAndLarge, nic }, { discipline: 'drr', durationNs })).toMatchObject({
      held: true,
    });
  });
});

/** Until what a slow core costs a guest shows. */
const LIMITED_NS = either(20_000_000, 10_000_000);

test('a guest that its own core keeps below its due is said to be CPU-limited', async () => {
  const result = await simulate(
    {
      guests: [
        { name: 'small', traffic: { ...greedy, frameBytes: 60 } },
        { name: 'big', traffic: { ...greedy, frameBytes: 1514 } },
      ],
      nic: { contexts: 2 },
    },
    { protection: 'cdna', durationNs: LIMITED_NS },
  );
  expect(result.cpuLimited).toEqual(['small']);
  expect(limitedText(result)).toContain('CPU-limited: small sent less than the wire had');
  expect(result.guests[0]?.fairShareGot).toBeLessThan(0.75);
  // With a faster core the same guest has its share.
  const fast = await simulate(
    { ...smallAndLarge, nic: { contexts: 2 } },
    { protection: 'cdna', durationNs: LIMITED_NS },
  );
  expect(fast).not.toHaveProperty('cpuLimited');
  for (const { fairShareGot } of fast.guests) expect(fairShareGot).toBeCloseTo(1, 2);
});

describe('a guest whose ring holds less than the FIFO of the card', () => {
  const host = { cores: 2, hertz: 1e11 };
  const at = { protection: 'none', warmUpNs: 2_000_000, durationNs: 20_000_000 } as const;
  const two = (weight: number, transmitSlots: number) => ({
    guests: [
      { name: 'small', weight, transmitSlots, traffic: { ...greedy, frameBytes: 60 } },
      { name: 'jumbo', traffic: { ...greedy, frameBytes: 9018 } },
    ],
    host,
  });

  // Between two jumbo frames ten units of weight are 1,076 frames of 60 bytes, which are 84 on the wire. The FIFO has space for 273.
  test.each(
    some([
      [10, 256],
      [3, 256],
      [1, 64],
    ]),
  )('is said to be ring-limited: weight %i, %i slots', async (weight, transmitSlots) => {
    const result = await simulate(two(weight, transmitSlots), at);
    const [small] = result.guests;
    expect(small?.fairShareGot).toBeLessThan(0.96);
    expect(result.ringLimited).toEqual(['small']);
    expect(result).not.toHaveProperty('cpuLimited');
    const text = 'ring-limited: small sent less than the wire had for it';
    expect(limitedText(result)).toContain(text);
    const law = result.laws.find(({ law: name }) => name === 'transmit-fairness');
    expect(law).toMatchObject({ held: true, detail: expect.stringMatching(/; ring-limited: small$/u) });
  });

  test.each(
    some([
      [10, 512],
      [3, 512],
      [1, 256],
    ]),
  )('is not with a ring that holds more: weight %i, %i slots', async (weight, transmitSlots) => {
    const result = await simulate(two(weight, transmitSlots), at);
    expect(result).not.toHaveProperty('ringLimited');
    for (const { fairShareGot } of result.guests) expect(Math.abs(fairShareGot - 1)).toBeLessThan(0.03);
  });

  // docs/scheduling.md, "How long a ring has to be".
  test.each([
    ['drr', {}, 0.77, true],
    ['drr', { weight: 3 }, 0.94, true],
    ['drr', { transmitSlots: 512 }, 1, false],
    ['sfq', {}, 1, false],
  ] as const)(
    'has of its due in scenarios/short-ring.json under %s with %j: %d',
    async (discipline, change, got, limited) => {
      const { scenario } = await loadScenario('scenarios/short-ring.json');
      const guests = scenario.guests.map((guest) =>
        guest.name === 'small' ? { ...guest, ...change } : guest,
      );
      const result = await simulate({ ...scenario, guests }, { discipline });
      expect(result.guests[0]?.fairShareGot).toBeCloseTo(got, 2);
      expect(result.ringLimited).toEqual(limited ? ['small'] : undefined);
      expect(result).not.toHaveProperty('cpuLimited');
    },
  );

  test('nor is one whose core has no time, or that asks for less', async () => {
    const slow = await simulate({ ...two(10, 256), host: { cores: 2, hertz: 2.4e9 } }, at);
    expect(slow.cpuLimited).toEqual(['small']);
    expect(slow).not.toHaveProperty('ringLimited');
    const modest = await simulate(
      {
        guests: [
          { name: 'small', weight: 10, traffic: { kind: 'constant', wireRateBps: 1e8, frameBytes: 60 } },
          { name: 'jumbo', traffic: { ...greedy, frameBytes: 9018 } },
        ],
        host,
      },
      at,
    );
    expect(modest).not.toHaveProperty('ringLimited');
  });
});

// The guests share what the driver domain sends, and what a switch keeps inside is not posted for the wire: no ring tells.
test.each([
  ['behind a driver domain', 'driver-domain', {}],
  ['with switching', 'cdna', { switching: true }],
])('%s no guest is said to be CPU-limited', async (_where, protection, nic) => {
  const scenario = {
    guests: [
      { name: 'small', traffic: { ...greedy, frameBytes: 60 } },
      { name: 'big', traffic: { ...greedy, frameBytes: 1514 } },
    ],
    nic: { contexts: 2, ...nic },
  };
  const result = await simulate(scenario as never, { protection, durationNs: LIMITED_NS });
  expect(result.guests.some(({ fairShareGot }) => fairShareGot < 0.9)).toBe(true);
  expect(result).not.toHaveProperty('cpuLimited');
  expect(limitedText(result)).toBeUndefined();
});
