import { afterEach, describe, expect, test, vi } from 'vitest';
import { durationText, SweepProgressLine } from '../../../src/cli/sweep-progress.js';

function lineTo(errIsTerminal: boolean, columns = 100): { line: SweepProgressLine; said: string[] } {
  const said: string[] = [];
  const io = {
    out: () => undefined,
    err: (text: string) => said.push(text),
    errIsTerminal,
    columns,
    program: 'cdna-nic',
  };
  return { line: new SweepProgressLine(io), said };
}

afterEach(() => vi.useRealTimers());

describe('progress of a sweep', () => {
  test('is a line per minute in a pipe, with the time that is left', () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    const { line, said } = lineTo(false);
    for (let second = 1; second <= 150; second += 1) {
      vi.advanceTimersByTime(1000);
      // A run per second of 600, of which 100 were there before.
      line.show({ finished: 100 + second, done: second, failed: second > 100 ? 2 : 0 }, 600);
    }
    expect(said).toEqual([
      '160 of 600 runs, 7 min left\n',
      '220 of 600 runs, 2 could not be done, 6 min left\n',
    ]);
  });

  test('is one line on a terminal that is written over', () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    const { line, said } = lineTo(true);
    vi.advanceTimersByTime(10_000);
    line.show({ finished: 5, done: 5, failed: 0 }, 20);
    expect(said.join('')).toContain('5 of 20 runs, 30 s left');
    expect(said.join('')).not.toContain('\n');
  });

  test('is whole on a terminal that says it has no columns', () => {
    const { line, said } = lineTo(true, 0);
    line.show({ finished: 5, done: 5, failed: 0 }, 20);
    expect(said.join('')).toContain('5 of 20 runs, ');
  });

  test.each([
    [0, '0 s'],
    [89_500, '90 s'],
    [12 * 60_000, '12 min'],
    [3.5 * 3_600_000, '3.5 h'],
  ])('calls %i ms %s', (ms, text) => {
    expect(durationText(ms)).toBe(text);
  });
});
