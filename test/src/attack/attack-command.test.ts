import { describe, expect, it } from 'vitest';
import { invoke } from '../cli/invoke.js';

const run = (...args: string[]) => invoke('attack', ...args);

describe('cdna-nic attack', () => {
  it('prints one row per attack and one column per approach, and what the words mean', async () => {
    const { code, out } = await run('--attacks', 'foreign-page-read,ring-base', '--protection', 'none,cdna');
    expect(code).toBe(0);
    const lines = out.split('\n');
    expect(lines.find((line) => line.startsWith('foreign-page-read'))).toMatch(/ HIT +set$/u);
    expect(lines.find((line) => line.startsWith('ring-base'))).toMatch(/ set +set$/u);
    for (const word of ['set', 'acc', 'own', 'HIT'])
      expect(lines.some((line) => line.startsWith(`${word}  `))).toBe(true);
  });

  it('says how to play the same again, so that a shell takes it', async () => {
    const { out } = await run('--attacks', 'foreign-page-read', '--protection', 'none,cdna', '--seed', '7');
    expect(out).toMatch(
      /\nagain: cdna-nic attack --attacks foreign-page-read --protection none,cdna --seed 7\n$/u,
    );
  });

  it('gives a JSON document with each cell, its evidence, and what was expected of it', async () => {
    const { code, out, err } = await run(
      '--json',
      '--attacks',
      'foreign-page-write',
      '--protection',
      'none,dev',
      '--seed',
      '9',
    );
    expect(code).toBe(0);
    expect(err).toBe('');
    const document = JSON.parse(out) as {
      seed: number;
      cells: {
        attack: string;
        approach: string;
        verdict: string;
        evidence: { sentence: string; facts: object };
      }[];
      expectations: { approach: string; expected: string; asExpected: boolean; mark: string }[];
    };
    expect(document.seed).toBe(9);
    expect(document.cells.map(({ attack, approach, verdict }) => [attack, approach, verdict])).toEqual([
      ['foreign-page-write', 'none', 'succeeded'],
      ['foreign-page-write', 'dev', 'blocked-at-access'],
    ]);
    expect(document.cells[0]?.evidence.facts).toMatchObject({ changed: [{ bytes: 512 }] });
    expect(document.cells[1]?.evidence.facts).toMatchObject({ changed: [], deniedAccesses: 1 });
    expect(document.expectations.map(({ expected, asExpected }) => [expected, asExpected])).toEqual([
      ['succeeds', true],
      ['fails', true],
    ]);
  });

  it('explains one cell', async () => {
    const { code, out } = await run('--explain', 'use-after-unmap,iommu:deferred');
    expect(code).toBe(0);
    expect(out).toContain('iommu:deferred: succeeded\n');
    expect(out).toContain('On the way: the victim got the page.');
    expect(out).toContain('SOSP 2024');
  });

  it.each([
    [['--attacks', 'nonsense'], '--attacks has "nonsense", expected one of: foreign-page-read, '],
    [['--protection', 'nonsense'], '--protection has "nonsense", expected one of: none, '],
    [['--explain', 'a,b,c'], '--explain is "a,b,c", expected ATTACK or ATTACK,APPROACH'],
    [['--explain', 'nonsense'], '--explain has "nonsense", expected one of: foreign-page-read, '],
    [['--seed', '-1'], '--seed is "-1", expected a whole number from 0 to 4294967295'],
  ])('says of %j what was expected', async (args, message) => {
    const { code, out, err } = await run(...args);
    expect(code).toBe(2);
    expect(out).toBe('');
    expect(err).toContain(message);
    expect(err.trim().split('\n')).toHaveLength(1);
  });
});
