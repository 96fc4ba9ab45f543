import { describe, expect, test } from 'vitest';
import type { GuestResult, RunResult } from '../../../src/machine/run-result.js';
import {
  belowShareText,
  GUEST_COLUMNS,
  guestTable,
  limitedText,
  slackNote,
} from '../../../src/report/guest-rows.js';
import { runText } from '../../../src/report/run-text.js';
import { checkScenario } from '../../../src/scenario/load.js';
import { simulate } from '../../../src/simulate.js';

const heading = (scenario: Parameters<typeof checkScenario>[0], durationNs: number) => ({
  loaded: { scenario: checkScenario(scenario), source: 'a test' },
  discipline: 'drr',
  seed: 1,
  warmUpNs: 0,
  durationNs,
});

describe('the guests of a run as text', () => {
  test('one below its share comes first, and is named', async () => {
    const scenario = {
      guests: [
        { name: 'served', weight: 8, traffic: { kind: 'greedy' as const, frameBytes: 1514 } },
        { name: 'starved', traffic: { kind: 'greedy' as const, frameBytes: 1514 } },
      ],
    };
    const run = await simulate(scenario, { protection: 'none', discipline: 'prr', durationNs: 4_000_000 });
    const rows = runText(heading(scenario, 4e6), run).split('\n');
    expect(rows.findIndex((row) => row.startsWith('served'))).toBeLessThan(
      rows.findIndex((row) => row.startsWith('starved')),
    );
    // Packet round-robin knows no weights: half of the wire where 8/9 are due.
    expect(belowShareText(run, 3)).toMatch(/^served 0\.5\d$/u);
  });

  test('a guest that lacks a large part of a small due is not named, and a note says from when on one is', async () => {
    const guest = (name: string, wireBytesSent: number, wireBytesDue: number) =>
      ({ name, wireBytesSent, wireBytesDue, fairShareGot: wireBytesSent / wireBytesDue }) as GuestResult;
    const few = guest('few', 2_000, 3_000);
    const many = guest('many', 90_000, 100_000);
    expect(belowShareText({ guests: [few, many] } as unknown as RunResult, 3)).toBe('many 0.90');
    expect(slackNote([few, many])).toBe(
      'Named are guests that lack more than 2 % and 3,076 bytes of it: two frames that may be under way.',
    );
    expect(slackNote([many, guest('all', 995, 1_000), guest('nothing', 0, 0)])).toBeUndefined();
  });

  test('a list of names ends between two of them and says how many more there are', () => {
    const tail = ' sent less than the wire had for them, because their cores had no time to post more';
    const tailOfOne = ' sent less than the wire had for it, because its core had no time to post more';
    const names = Array.from({ length: 12 }, (_, index) => `a guest, ${index}`);
    // Names of 10 characters: five of them and four separators are 58.
    expect(limitedText({ cpuLimited: names })).toBe(
      `CPU-limited: ${names.slice(0, 5).join(', ')} and 7 more${tail}`,
    );
    const long = 'x'.repeat(70);
    expect(limitedText({ cpuLimited: [long] })).toBe(`CPU-limited: ${long}${tailOfOne}`);
    expect(limitedText({})).toBeUndefined();
    expect(limitedText({ cpuLimited: ['a'], ringLimited: ['b'] })).toBe(
      `CPU-limited: a${tailOfOne}; ring-limited: b sent less than the wire had for it, because its ring was full of frames on their way (transmitSlots)`,
    );
    expect(limitedText({ ringLimited: ['a', 'b'] })).toBe(
      'ring-limited: a, b sent less than the wire had for them, because their rings were full of frames on their way (transmitSlots)',
    );
  });

  test('forty guests fit a screen: the worst, percentiles, the best', async () => {
    const scenario = { guests: [{ count: 40, memoryMegabytes: 8, traffic: { kind: 'greedy' as const } }] };
    const run = await simulate(scenario, { protection: 'none', durationNs: 1_000_000 });
    const text = runText(heading(scenario, 1e6), run);
    expect(text.split('\n').length).toBeLessThan(35);
    const named = text.match(/^guest\d+ /gmu) ?? [];
    expect(named).toHaveLength(8);
    expect(new Set(named).size).toBe(8);
    expect(text).toMatch(/^50 % have at most/mu);
    expect(text).toMatch(/^CPU .*, 40 guests \d/mu);
  });

  test('the best of many are those that got their due and wait least, and the note counts the rows that are there', async () => {
    const scenario = {
      guests: [
        { name: 'starved', count: 12, weight: 8, memoryMegabytes: 8, traffic: { kind: 'greedy' as const } },
        { name: 'served', count: 8, memoryMegabytes: 8, traffic: { kind: 'greedy' as const } },
        { name: 'idle', count: 5, memoryMegabytes: 8 },
      ],
    };
    // Packet round-robin knows no weights: a guest with a large one gets less than it is due.
    const run = await simulate(scenario, { protection: 'none', discipline: 'prr', durationNs: 6_000_000 });
    const { rows, note = '' } = guestTable(run, GUEST_COLUMNS);
    const names = rows.map((row) => row.names[0] ?? '');
    const last = names.findLastIndex((name) => name.includes('% have at most'));
    expect(names.slice(0, 5).every((name) => name.startsWith('starved'))).toBe(true);
    const best = names.slice(last + 1);
    expect(best).toHaveLength(3);
    expect(best.every((name) => name.startsWith('served'))).toBe(true);
    expect(note).toBe(
      '25 guests, 12 below their share, 5 that sent nothing and were due nothing; --json has all.\n' +
        'Shown: the 5 worst (furthest below their share, then longest p99); percentiles of each column by itself; the 3 best (shortest p99 of those that got their due).',
    );
  });
});
