import { describe, expect, test } from 'vitest';
import { contextId } from '../../../scheduler/branded.js';
import { DeficitRoundRobin, PacketRoundRobin } from '../../../scheduler/disciplines/index.js';
import { PostedFairness } from '../../../src/machine/posted-fairness.js';
import { cpuLimitedGuests } from '../../../src/machine/run-laws.js';
import { limitedText } from '../../../src/report/guest-rows.js';
import { type SimulateOptions, simulate } from '../../../src/simulate.js';
import { BoundMutant } from '../../scheduler/laws/number-mutants.js';

const [A, B] = [contextId(0), contextId(1)];
const BOUND_BYTES = 3_000;
const RATE_BPS = 8e9;
const FIFO_BYTES = 100;

/** Two contexts on a wire that takes a byte per nanosecond, of weights 1 and 2, with frames of 100 bytes. */
function judge() {
  const posted = new Set<number>();
  const fairness = new PostedFairness(
    { rateBps: RATE_BPS, fifoBytes: FIFO_BYTES, hasPosted: (context) => posted.has(context) },
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
      { rateBps: RATE_BPS, fifoBytes: FIFO_BYTES, hasPosted: (context) => posted.has(context) },
      { boundBytes: () => 1e12, weight: () => 1, maxFrameBytes: () => 100 },
      [A, B],
    );
    for (const context of [A, B]) fairness.ready(context, 0);
    fairness.restart();
    fairness.granted(A, 100_000);
    fairness.granted(B, 112_000);
    expect(fairness.verdict()).toMatchObject({ broken: 1, longRun: { contexts: 2 } });
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
    expect(fairness.verdict()).toMatchObject({ broken: 1, largest: undefined });
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
        /^largest gap from the doorbell on \d+ bytes per unit of weight, bound 3134 and \d+ for the FIFO and a prefetch of \d+ ns; 2 contexts with frames all the time got 1\.000 to 1\.000 of equal shares by weight$/,
      ),
    });
  });

  test('is broken by rounds of frames that state the bound of deficit round robin', async () => {
    const drr = new DeficitRoundRobin();
    const rounds = () =>
      new BoundMutant(new PacketRoundRobin(), 'bound of drr', (i, j) => drr.relativeFairnessBoundBytes(i, j));
    expect(await lawOf(smallAndLarge, { discipline: rounds })).toMatchObject({ held: false });
  });

  // One descriptor at a time and four on the card: what is fetched is always too little, and the shares hold.
  test('holds on a card that fetches too little', async () => {
    const nic = { rateBps: 25_000_000_000, descriptorCacheSlots: 4, descriptorBatch: 1 };
    expect(await lawOf({ ...smallAndLarge, nic }, { discipline: 'drr' })).toMatchObject({ held: true });
  });
});

test('a guest that its own core keeps below its due is said to be CPU-limited', async () => {
  const result = await simulate(
    {
      guests: [
        { name: 'small', traffic: { ...greedy, frameBytes: 60 } },
        { name: 'big', traffic: { ...greedy, frameBytes: 1514 } },
      ],
      nic: { contexts: 2 },
    },
    { protection: 'cdna', durationNs: 20_000_000 },
  );
  expect(cpuLimitedGuests(result.laws)).toBe('small');
  expect(limitedText(result)).toContain('CPU-limited: small sent less than the wire had');
  expect(result.guests[0]?.fairShareGot).toBeLessThan(0.75);
  // With a faster core the same guest has its share.
  const fast = await simulate(
    { ...smallAndLarge, nic: { contexts: 2 } },
    { protection: 'cdna', durationNs: 20_000_000 },
  );
  expect(cpuLimitedGuests(fast.laws)).toBeUndefined();
  for (const { fairShareGot } of fast.guests) expect(fairShareGot).toBeCloseTo(1, 2);
});
