import { describe, expect, test } from 'vitest';
import type { RunResult } from '../../../src/machine/run-result.js';
import { checkScenario, loadScenario } from '../../../src/scenario/load.js';
import type { ScenarioInput } from '../../../src/scenario/schema.js';
import { simulate } from '../../../src/simulate.js';

/** IEEE 802.3: preamble, delimiter, FCS and gap. */
const OVERHEAD_BYTES = 24;

/** Megabits per second of wire time that a guest had. */
function wireMbps({ guests, durationNs }: RunResult, name: string): number {
  const guest = guests.find((one) => one.name === name);
  if (guest === undefined) throw new Error(`there is no guest ${name}`);
  return ((guest.bytesTransmitted + OVERHEAD_BYTES * guest.framesTransmitted) * 8e3) / durationNs;
}

const greedy = { kind: 'greedy', startNs: 0 } as const;
const brief = { warmUpNs: 2_000_000, durationNs: 20_000_000 };

describe('strict priority over deficit round robin, as in IEEE 802.1Qaz', () => {
  test('gives control its rate, and the groups what is left in proportion to their bandwidth', async () => {
    const result = await simulate('scenarios/ets.json', { warmUpNs: 5_000_000, durationNs: 40_000_000 });
    const left = 1_000 - wireMbps(result, 'control');
    expect(wireMbps(result, 'control')).toBeCloseTo(100, 0);
    // Within 1 %: a visit of the group of weight 50 is 75,700 bytes, 1.5 % of its due in the window.
    expect((wireMbps(result, 'lan0') + wireMbps(result, 'lan1')) / left).toBeCloseTo(0.5, 2);
    expect(wireMbps(result, 'san') / left).toBeCloseTo(0.3, 2);
    expect(wireMbps(result, 'ipc') / left).toBeCloseTo(0.2, 2);
    expect(wireMbps(result, 'lan0') / wireMbps(result, 'lan1')).toBeCloseTo(1, 2);
  });

  test('tenants that are not listed have the priority of their guests', async () => {
    const result = await simulate(
      {
        guests: [
          { name: 'hi', share: { tenant: 0, priority: 0 }, traffic: greedy },
          { name: 'lo', share: { tenant: 1, priority: 7 }, traffic: greedy },
        ],
        discipline: 'priority/drr',
      },
      brief,
    );
    expect(wireMbps(result, 'hi')).toBeGreaterThan(990);
    expect(wireMbps(result, 'lo')).toBeLessThan(10);
  });
});

test('with edf/drr the tenant with the shorter deadline waits less', async () => {
  const stream = { kind: 'constant', wireRateBps: 10_000_000 } as const;
  const guests: ScenarioInput['guests'] = [
    { name: 'soon', share: { tenant: 0, deadlineNs: 20_000 }, traffic: stream },
    { name: 'late', share: { tenant: 1, deadlineNs: 20_000_000 }, traffic: stream },
    ...[2, 3, 4, 5].map((tenant) => ({
      name: `busy${tenant}`,
      share: { tenant, deadlineNs: 500_000 },
      traffic: greedy,
    })),
  ];
  const nic = { transmitFifoBytes: 10_000 };
  const waits = async (discipline: string, list: ScenarioInput['guests']) => {
    const result = await simulate({ guests: list, nic, discipline }, brief);
    return ['soon', 'late'].map(
      (name) => result.guests.find((one) => one.name === name)?.latencyNs?.p50Ns ?? 0,
    );
  };
  const [soon = 0, late = 0] = await waits('edf/drr', guests);
  expect(late).toBeGreaterThan(2 * soon);
  // Without deadlines both wait alike.
  const equal = guests.map(({ share, ...guest }) => ({ ...guest, share: { tenant: share?.tenant ?? 0 } }));
  const [one = 0, other = 0] = await waits('drr/drr', equal);
  expect(Math.abs(one - other)).toBeLessThan(0.2 * one);
});

test('subscribers keep their limits and weights, and a class above another its rate', async () => {
  const result = await simulate('scenarios/hqos.json', { warmUpNs: 5_000_000, durationNs: 40_000_000 });
  const silver = wireMbps(result, 'silver0') + wireMbps(result, 'silver1');
  expect(silver).toBeGreaterThan(198);
  expect(silver).toBeLessThan(201);
  expect(wireMbps(result, 'voice')).toBeCloseTo(50, 0);
  expect(wireMbps(result, 'gold0') + wireMbps(result, 'gold1')).toBeCloseTo(750, -1);
  expect(wireMbps(result, 'silver0') / wireMbps(result, 'silver1')).toBeCloseTo(1, 1);
});

test('a limit inside a tenant limits one guest of it, a minimum of a tenant is shared by its guests', async () => {
  const result = await simulate(
    {
      tenants: [
        { name: 'small', weight: 1, minimumBps: 400_000_000 },
        { name: 'large', weight: 9 },
      ],
      guests: [
        { name: 'capped', share: { tenant: 'small', limitBps: 100_000_000 }, traffic: greedy },
        { name: 'open', share: { tenant: 'small' }, traffic: greedy },
        { name: 'other', share: { tenant: 'large' }, traffic: greedy },
      ],
      discipline: '(minimum:drr)/(limited:drr)',
    },
    brief,
  );
  expect(wireMbps(result, 'capped')).toBeCloseTo(100, -1);
  expect(wireMbps(result, 'open')).toBeGreaterThan(290);
  expect(wireMbps(result, 'other')).toBeGreaterThan(500);
});

describe('what a discipline does not read is refused by name', () => {
  const guest = (share: object) => [{ share }];
  const tenants = [{ name: 'a' }, { name: 'b', parent: 'a' }];
  const cases: readonly (readonly [string, ScenarioInput, string])[] = [
    [
      'drr',
      { guests: guest({ priority: 3 }) },
      'guests[0].share.priority is 3, expected none: drr reads weight alone there',
    ],
    [
      'drr',
      { guests: guest({ tenant: 1 }) },
      'guests[0].share.tenant is 1, expected none: drr reads weight alone there',
    ],
    [
      'priority',
      { guests: guest({ limitBps: 1_000_000 }) },
      'guests[0].share.limitBps is 1000000, expected none: priority reads weight, priority there',
    ],
    [
      'drr',
      { guests: [{}], tenants: [{ name: 'a' }] },
      'tenants: there are 1, expected none: drr has no tenants, drr/drr has',
    ],
    [
      'drr/drr',
      { guests: guest({ tenant: 0, priority: 1 }) },
      'guests[0].share.priority is 1, expected none: drr/drr reads weight alone there',
    ],
    [
      'drr/drr',
      { guests: guest({ tenant: 'a' }), tenants: [{ name: 'a', priority: 1 }] },
      'tenants[0].priority is 1, expected none: drr/drr reads weight alone there',
    ],
    [
      'drr/drr',
      { guests: guest({ tenant: 'a' }), tenants },
      'tenants[1].parent: "b" is 2 levels below the wire, expected at most 1: drr/drr has no more',
    ],
    [
      'drr/drr/drr',
      { guests: guest({ tenant: 'a' }), tenants },
      'guests[0].share.tenant is "a", expected one of: "b"',
    ],
    ['drr/drr/drr', { guests: [{}], tenants }, 'guests[0].share.tenant is missing, expected one of: "b"'],
    [
      'drr/drr/drr',
      {
        guests: guest({ tenant: 'b' }),
        tenants: [
          { name: 'a', parent: 'b' },
          { name: 'b', parent: 'a' },
        ],
      },
      'tenants[0].parent is "b", expected no tenant that is below "a": a tenant is not among its own parents',
    ],
    [
      'drr/drr',
      { guests: guest({ tenant: 'a' }), tenants: [{ name: 'a' }, { name: 'a' }] },
      'tenants: two are named "a", expected a name for each',
    ],
    [
      'drr/drr',
      { guests: guest({ tenant: 'a' }), tenants: [{ name: 'a', parent: 'c' }] },
      'tenants[0].parent is "c", expected one of: "a"',
    ],
    [
      'drr/drr',
      { guests: guest({ tenant: 'a' }) },
      'guest.share.tenant is "a", expected a number, or a name from "tenants"',
    ],
    [
      'priority/drr',
      { guests: [{ share: { tenant: 4, priority: 1 } }, { share: { tenant: 4, priority: 2 } }] },
      'guests[1].share.priority is 2, expected 1 as in guests[0].share: it is that of tenant 4',
    ],
    [
      'minimum:drr',
      {
        guests: [
          { name: 'a', count: 2, share: { minimumBps: 400_000_000 } },
          { share: { minimumBps: 300_000_000 } },
        ],
      },
      'minimumBps of the guests come to 1100000000 (800000000 for a, 300000000 for guest2), expected at most nic.rateBps = 1000000000',
    ],
    [
      'minimum:drr',
      {
        guests: [
          { count: 3, share: { minimumBps: 200_000_000 } },
          { share: { minimumBps: 300_000_000 } },
          { name: 'b', share: { minimumBps: 200_000_000 } },
        ],
      },
      'minimumBps of the guests come to 1100000000 (600000000 for guest0 to guest2, 300000000 for guest3, 200000000 for b), expected at most nic.rateBps = 1000000000',
    ],
    [
      '(minimum:drr)/drr',
      {
        guests: guest({ tenant: 'a' }),
        tenants: [
          { name: 'a', minimumBps: 600_000_000 },
          { name: 'b', minimumBps: 600_000_000 },
        ],
      },
      'minimumBps of the tenants come to 1200000000 (600000000 for a, 600000000 for b), expected at most nic.rateBps = 1000000000',
    ],
    [
      'limited:minimum:drr',
      { guests: guest({ minimumBps: 600_000_000, limitBps: 100_000_000 }) },
      'guests[0].share.minimumBps is 600000000, expected at most its limitBps = 100000000',
    ],
    [
      '(limited:minimum:drr)/drr',
      {
        guests: guest({ tenant: 'a' }),
        tenants: [{ name: 'a', minimumBps: 2_000_000, limitBps: 1_000_000 }],
      },
      'tenants[0].minimumBps is 2000000, expected at most its limitBps = 1000000',
    ],
    [
      '(limited:drr)/(minimum:drr)/minimum:drr',
      {
        guests: [
          { name: 'x', count: 2, share: { tenant: 'b', minimumBps: 100_000_000 } },
          { name: 'y', share: { tenant: 'c', minimumBps: 100_000_000 } },
        ],
        tenants: [
          { name: 'a', limitBps: 300_000_000 },
          { name: 'b', parent: 'a', minimumBps: 150_000_000 },
          { name: 'c', parent: 'a', minimumBps: 150_000_000 },
        ],
      },
      'tenants[0].limitBps is 300000000, expected at least the minimumBps of what it has, 350000000',
    ],
    [
      'limited:minimum:drr',
      {
        guests: [{ name: 'a', share: { minimumBps: 100_000_000 } }],
        changes: [{ atNs: 5, guest: 'a', limitBps: 50_000_000 }],
      },
      'changes[0].limitBps is 50000000, expected at least the minimumBps of a, 100000000',
    ],
    [
      'limited:minimum:drr',
      {
        guests: [{ name: 'a', count: 2, share: { minimumBps: 100_000_000 } }],
        changes: [{ atNs: 5, guest: 'a1', limitBps: 50_000_000 }],
      },
      'changes[0].limitBps is 50000000, expected at least the minimumBps of a1, 100000000',
    ],
    [
      'limited:minimum:drr',
      {
        guests: [{ count: 2 }, { share: { minimumBps: 100_000_000 } }],
        changes: [{ atNs: 5, guest: 'guest2', limitBps: 50_000_000 }],
      },
      'changes[0].limitBps is 50000000, expected at least the minimumBps of guest2, 100000000',
    ],
    [
      'limited:drr',
      {
        guests: [{ name: 'a', share: { burstBytes: 5_000 } }],
        changes: [{ atNs: 5, guest: 'a', limitBps: null }],
      },
      'guests[0].share.burstBytes is 5000, expected none, or a limitBps: without a limit it does nothing',
    ],
    [
      '(limited:drr)/limited:drr',
      {
        guests: [{ name: 'a', share: { tenant: 'a' } }],
        tenants: [{ name: 'a', burstBytes: 5_000 }],
        changes: [{ atNs: 5, guest: 'a', limitBps: 1_000_000 }],
      },
      'tenants[0].burstBytes is 5000, expected none, or a limitBps: without a limit it does nothing',
    ],
    [
      'limited:drr',
      { guests: guest({ burstBytes: 5_000 }) },
      'guests[0].share.burstBytes is 5000, expected none, or a limitBps: without a limit it does nothing',
    ],
    [
      '(limited:drr)/drr',
      { guests: guest({ tenant: 'a' }), tenants: [{ name: 'a', burstBytes: 5_000 }] },
      'tenants[0].burstBytes is 5000, expected none, or a limitBps: without a limit it does nothing',
    ],
  ];
  test('what agrees is not refused: a burst for a limit that comes later, minimums that a limit leaves', async () => {
    const scenario: ScenarioInput = {
      guests: [
        { name: 'a', share: { tenant: 't', burstBytes: 20_000 } },
        { name: 'b', share: { tenant: 't', minimumBps: 100_000_000, limitBps: 100_000_000 } },
        { name: 'c', count: 2, share: { tenant: 't', burstBytes: 20_000 } },
        { count: 2, share: { tenant: 't', burstBytes: 20_000 } },
      ],
      tenants: [{ name: 't', limitBps: 100_000_000 }],
      changes: ['a', 'c1', 'guest5'].map((guest) => ({ atNs: 10, guest, limitBps: 1_000_000 })),
      discipline: '(limited:drr)/limited:minimum:drr',
    };
    expect((await simulate(scenario, { durationNs: 1_000 })).laws.every(({ held }) => held)).toBe(true);
  });

  test.each(cases)('%s, %j', async (discipline, scenario, message) => {
    await expect(simulate({ ...scenario, discipline }, { durationNs: 1_000 })).rejects.toThrow(message);
  });

  test('a discipline of the user’s own reads what it likes', async () => {
    const { makeDiscipline } = await import('../../../scheduler/disciplines/index.js');
    const scenario = { guests: guest({ priority: 3, minimumBps: 2_000_000_000 }) };
    const options = { durationNs: 1_000, discipline: () => makeDiscipline('drr') };
    expect((await simulate(scenario, options)).discipline).toBe('drr');
  });
});

test('the example scenarios are read as they stand', async () => {
  for (const name of ['ets', 'hqos']) {
    const { scenario } = await loadScenario(`scenarios/${name}.json`);
    expect(checkScenario(JSON.parse(JSON.stringify(scenario)))).toStrictEqual(scenario);
  }
});
