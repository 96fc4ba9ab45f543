import { describe, expect, test } from 'vitest';
import type { RunResult } from '../../../src/machine/run-result.js';
import type { ScenarioInput } from '../../../src/scenario/schema.js';
import { simulate } from '../../../src/simulate.js';
import { either } from '../../support/whole.js';

const greedy = { kind: 'greedy', startNs: 0 } as const;
const pair: ScenarioInput['guests'] = [
  { name: 'a', traffic: greedy },
  { name: 'b', traffic: greedy },
];
const DURATION_NS = 50_000_000;
const run = (
  scenario: Omit<ScenarioInput, 'guests'>,
  discipline: string,
  guests = pair,
  protection = 'cdna',
  durationNs = DURATION_NS,
) => simulate({ guests, ...scenario, discipline }, { warmUpNs: 0, durationNs, protection });

/** What a guest sent in a part of the run, in fiftieths of it, as Mb/s of frames. */
function mbps({ guests }: RunResult, name: string, from: number, to: number): number {
  const over = guests.find((guest) => guest.name === name)?.bytesTransmittedOverTime ?? [];
  const [first, last] = [from, to].map((fiftieth) => (fiftieth * over.length) / 50);
  const bytes = over.slice(first, last).reduce((sum, one) => sum + one, 0);
  return (bytes * 8e3) / (((to - from) * DURATION_NS) / 50);
}

describe('a change of a share takes effect at its time', () => {
  test('a weight: the shares follow the new one from there on', async () => {
    const result = await run({ changes: [{ atNs: 20_000_000, guest: 'a', weight: 3 }] }, 'drr');
    expect(mbps(result, 'a', 5, 19) / mbps(result, 'b', 5, 19)).toBeCloseTo(1, 1);
    expect(mbps(result, 'a', 22, 50) / mbps(result, 'b', 22, 50)).toBeCloseTo(3, 1);
    // Judged by the weight of its time, no interval goes beyond the bound.
    expect(result.laws.filter(({ held }) => !held)).toStrictEqual([]);
  });

  test('a limit: one is set, changed and lifted', async () => {
    const result = await run(
      {
        changes: [
          { atNs: 10_000_000, guest: 'a', limitBps: 100_000_000 },
          { atNs: 25_000_000, guest: 'a', limitBps: 200_000_000 },
          { atNs: 40_000_000, guest: 'a', limitBps: null },
        ],
      },
      'limited:drr',
    );
    const wire = 1514 / 1538;
    expect(mbps(result, 'a', 3, 9)).toBeCloseTo(500 * wire, -1);
    expect(mbps(result, 'a', 12, 25)).toBeCloseTo(100 * wire, -0.5);
    expect(mbps(result, 'a', 27, 40)).toBeCloseTo(200 * wire, -0.5);
    expect(mbps(result, 'a', 42, 50)).toBeCloseTo(500 * wire, -1);
  });

  test('a priority: who was starved has the wire', async () => {
    const guests = pair.map((guest) => ({ ...guest, share: { priority: guest.name === 'a' ? 0 : 5 } }));
    const result = await run(
      {
        changes: [
          { atNs: 25_000_000, guest: 'b', priority: 0 },
          { atNs: 25_000_000, guest: 'a', priority: 5 },
        ],
      },
      'priority',
      guests,
    );
    expect(mbps(result, 'b', 1, 24)).toBe(0);
    expect(mbps(result, 'a', 27, 50)).toBe(0);
    expect(mbps(result, 'b', 27, 50)).toBeGreaterThan(970);
  });

  test('pages: the guest is asked for that many', async () => {
    const result = await run({ changes: [{ atNs: 5_000_000, guest: 'b', balloon: 40 }], seed: 2 }, 'drr');
    expect(result.memory.balloon).toMatchObject({ asked: 40, lateReads: 0, lateWrites: 0 });
    expect(result.memory.balloon?.reclaimed).toBeGreaterThan(20);
  });
});

describe('a change of traffic', () => {
  const wire = 1514 / 1538;

  test('takes the place of what the guest sent: less, nothing, and all it can again', async () => {
    const result = await run(
      {
        changes: [
          { atNs: 10_000_000, guest: 'a', traffic: { kind: 'constant', wireRateBps: 100_000_000 } },
          { atNs: 25_000_000, guest: 'a', traffic: { kind: 'none' } },
          { atNs: 40_000_000, guest: 'a', traffic: { kind: 'greedy' } },
        ],
      },
      'drr',
    );
    for (const [name, from, to, expected] of [
      ['a', 3, 9, 500],
      ['a', 20, 24, 100],
      ['b', 20, 24, 900],
      ['a', 32, 39, 0],
      ['b', 32, 39, 1000],
      ['a', 42, 50, 500],
    ] as const)
      expect(mbps(result, name, from, to)).toBeCloseTo(expected * wire, -1);
    // What a guest is due follows: it is not owed what it no longer asks for.
    for (const { fairShareGot } of result.guests) {
      expect(fairShareGot).toBeGreaterThan(0.98);
      expect(fairShareGot).toBeLessThan(1.02);
    }
    expect(result.laws.filter(({ held }) => !held)).toStrictEqual([]);
  });

  test('ends a source that has not begun yet', async () => {
    const late = [{ name: 'a', traffic: { kind: 'greedy', startNs: 20_000_000 } as const }];
    const changes = [{ atNs: 5_000_000, guest: 'a', traffic: { kind: 'none' } as const }];
    const result = await run({ changes }, 'drr', late);
    expect(result.framesTransmitted).toBe(0);
  });

  test('changes nothing before its time, and the rest in the fingerprint', async () => {
    const at = (atNs: number) => [
      { atNs, guest: 'a', traffic: { kind: 'poisson', wireRateBps: 50_000_000 } as const },
    ];
    const durationNs = either(DURATION_NS, DURATION_NS / 5);
    const changed = (changes: ScenarioInput['changes']) =>
      run({ ...(changes === undefined ? {} : { changes }) }, 'drr', pair, 'cdna', durationNs);
    const [without, after, within] = [
      await changed(undefined),
      await changed(at(durationNs + 1)),
      await changed(at(durationNs / 2)),
    ];
    expect(after.fingerprint).toBe(without.fingerprint);
    expect(within.fingerprint).not.toBe(without.fingerprint);
    expect((await changed(at(durationNs / 2))).fingerprint).toBe(within.fingerprint);
    expect(mbps(within, 'b', 5, 24)).toBe(mbps(without, 'b', 5, 24));
  });

  test.each([
    [
      { kind: 'constant', wireRateBps: 1e8, startNs: 5 },
      pair,
      'changes[0].traffic.startNs is 5, expected none',
    ],
    [{ kind: 'greedy', to: 'b' }, pair, 'changes[0].traffic.to is "b", expected none: what a sends stays'],
    [
      { kind: 'greedy', to: 'a' },
      pair,
      'changes[0].traffic.to is "a", expected another guest than a itself: b',
    ],
    [{ kind: 'greedy', to: 'c' }, pair, 'changes[0].traffic.to is "c", expected the name of a guest: a, b'],
    [
      { kind: 'greedy' },
      [{ name: 'a', traffic: { kind: 'greedy', to: 'b' } }, { name: 'b' }],
      'changes[0].traffic.to is missing, expected b: what a sends stays for the same station',
    ],
    [
      { kind: 'none' },
      [{ name: 'a', traffic: { kind: 'request' } }, { name: 'b' }],
      'changes[0].traffic: what a sends is of kind "request", expected one that only sends',
    ],
  ] as const)('%j is refused by name where it cannot be', async (traffic, guests, message) => {
    const changes = [{ atNs: 1, guest: 'a', traffic }];
    await expect(run({ changes }, 'drr', [...guests])).rejects.toThrow(message);
  });
});

test('a change takes part in the fingerprint, and its register writes cost CPU time', async () => {
  const changes = [{ atNs: 45_000_000, guest: 'a', weight: 3 }];
  const idle: ScenarioInput['guests'] = [{ name: 'a' }];
  const [without, unchanged, changed, again] = await Promise.all([
    run({}, 'drr', idle),
    run({ changes: [{ ...changes[0], guest: 'a', atNs: 45_000_000, weight: 1 }] }, 'drr', idle),
    run({ changes }, 'drr', idle),
    run({ changes }, 'drr', idle),
  ]);
  expect(new Set([without, unchanged, changed].map(({ fingerprint }) => fingerprint)).size).toBe(3);
  expect(again.fingerprint).toBe(changed.fingerprint);
  const busyNs = ({ cpu }: RunResult) => cpu.domains.find(({ kind }) => kind === 'hypervisor')?.busyNs ?? 0;
  // SELECT, WEIGHT and COMMAND are written (250 cycles), COMMAND_STATUS is read (1,900), at 2.4 GHz.
  expect(busyNs(changed) - busyNs(without)).toBeCloseTo((3 * 250 + 1_900) / 2.4, 0);
});

test('behind a driver domain a guest has no context, so a change of its share changes nothing', async () => {
  const changes = [{ atNs: 10_000_000, guest: 'a', weight: 9 }];
  const [changed, plain] = await Promise.all([
    run({ changes }, 'drr', pair, 'driver-domain'),
    run({}, 'drr', pair, 'driver-domain'),
  ]);
  expect(changed.guests.map(({ bytesTransmitted }) => bytesTransmitted)).toStrictEqual(
    plain.guests.map(({ bytesTransmitted }) => bytesTransmitted),
  );
});

test('what cannot change is refused by name', async () => {
  const refused = async (change: object, discipline: string) => {
    const scenario = { guests: pair, changes: [change as never], discipline };
    await expect(simulate(scenario, { durationNs: 1_000 })).rejects.toThrow(messages.shift());
  };
  const messages = [
    'changes[0].guest is "c", expected the name of a guest: a, b',
    'changes[0].limitBps is 1000000, expected none: drr reads weight alone there',
    'changes[0].priority is 2, expected none: drr reads weight alone there',
    'expected exactly one of weight, limitBps, priority, balloon, traffic, rateBps, not 0',
    'expected exactly one of weight, limitBps, priority, balloon, traffic, rateBps, not 2',
  ];
  await refused({ atNs: 0, guest: 'c', weight: 2 }, 'drr');
  await refused({ atNs: 0, guest: 'a', limitBps: 1_000_000 }, 'drr');
  await refused({ atNs: 0, guest: 'a', priority: 2 }, 'drr');
  await refused({ atNs: 0, guest: 'a' }, 'drr');
  await refused({ atNs: 0, guest: 'a', weight: 2, priority: 3 }, 'priority');
});
