import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { ATTACKS } from '../../../guests/hostile/index.js';
import { APPROACHES } from '../../../host/protection/approaches.js';
import { attackDocument } from '../../../src/attack/attack-document.js';
import { describeMatrix } from '../../../src/attack/attack-page.js';
import { compareCell, EXPLANATIONS } from '../../../src/attack/compare-cell.js';
import { EXPECTATIONS } from '../../../src/attack/expectations.js';
import { type Cell, playMatrix, WHOLE_MATRIX } from '../../../src/attack/matrix.js';
import { matrixText } from '../../../src/attack/matrix-text.js';
import { reasonOf, reasonsFor } from '../../../src/attack/reasons.js';
import { VERDICTS } from '../../../src/attack/verdict.js';
import { withThreats } from '../../../src/attack-docs/threats-tables.js';
import { WHOLE } from '../../support/whole.js';

const THREATS = readFileSync(new URL('../../../docs/threats.md', import.meta.url), 'utf8');
/** Both gates, one of them, none, and an intermediary. */
const FEW = ['none', 'driver-domain', 'cdna', 'iommu:single-use', 'cdna+iommu'];
const PLAYED = APPROACHES.filter(({ name }) => WHOLE || FEW.includes(name));
/** By these the two gates are told apart. */
const TELLING = ['foreign-page-read', 'card-foreign-guest'];
/** Every second attack in the short form. */
const MADE = ATTACKS.filter(({ name }, index) => WHOLE || index % 2 === 0 || TELLING.includes(name));
const MATRIX = { ...WHOLE_MATRIX, attacks: MADE, approaches: PLAYED };
const approachNames = PLAYED.map(({ name }) => name);
const attackNames = ATTACKS.map(({ name }) => name);

describe(WHOLE ? 'the whole matrix' : 'the matrix of five approaches', () => {
  let cells: Cell[] = [];
  const verdictOf = (attack: string, approach: string) =>
    cells.find((cell) => cell.attack === attack && cell.approach === approach)?.verdict;

  beforeAll(() => {
    cells = [...playMatrix(MATRIX)];
  });

  it('has a cell for each attack on each approach, and few of them do not apply', () => {
    expect(ATTACKS.length).toBeGreaterThanOrEqual(18);
    expect(cells).toHaveLength(MADE.length * PLAYED.length);
    const without = cells.filter(({ verdict }) => verdict === 'not-applicable');
    expect(without.length * (WHOLE ? 50 : 20)).toBeLessThan(cells.length);
  });

  it('differs from what the literature expects only where docs/threats.md explains it', () => {
    const unexplained = cells
      .map(compareCell)
      .filter((comparison) => comparison?.asExpected === false && comparison.explainedBy === undefined);
    expect(unexplained).toEqual([]);
  });

  it('says in the report how many differ, and that all of them are explained', () => {
    const closing = (shown: readonly Cell[]) => describeMatrix(MATRIX, shown, 'again').answer.at(-1);
    const isOdd = (cell: Cell) => compareCell(cell)?.asExpected === false;
    const odd = cells.filter(isOdd);
    expect(odd.length).toBeGreaterThan(1);
    const without = cells.filter((cell) => !isOdd(cell));
    expect(closing(cells)).toMatch(
      new RegExp(`; ${odd.length} differ, all explained in docs/threats\\.md\\.$`, 'u'),
    );
    expect(closing([...without, ...odd.slice(0, 1)])).toMatch(
      /; 1 differs, explained in docs\/threats\.md\.$/u,
    );
    expect(closing(without)).toMatch(/; none differs\.$/u);
  });

  it('needs every explanation in the table', () => {
    for (const { attack, approaches } of EXPLANATIONS) {
      for (const approach of approaches.filter((name) => approachNames.includes(name))) {
        const cell = cells.find(
          (candidate) => candidate.attack === attack && candidate.approach === approach,
        );
        expect(
          cell === undefined ? undefined : compareCell(cell)?.asExpected,
          `${attack} on ${approach}`,
        ).toBe(false);
      }
    }
  });

  it('has no guest in another guest’s memory or name, or in the hypervisor, under what claims to keep it out', () => {
    const unclaimed = new Set(['none', 'nodma']);
    // Without interrupt remapping an access gate lets messages pass: they are no accesses to memory.
    const unmapped = approachNames.filter((name) => name === 'dev' || name.startsWith('iommu:'));
    const known = [
      'foreign-page-crowd on dev',
      ...unmapped.map((name) => `msi-injection on ${name}`),
      'msi-injection-remapped on dev',
      'use-after-unmap on iommu:deferred',
    ]
      .filter((cell) => approachNames.some((name) => cell.endsWith(` on ${name}`)))
      .filter((cell) => MADE.some(({ name }) => cell.startsWith(`${name} on `)))
      .sort();
    const broken = cells.filter(({ attack, approach, verdict }) => {
      const { by, target } = ATTACKS.find(({ name }) => name === attack) ?? {};
      const between = target === 'another guest' || target === 'the hypervisor' || target === 'identity';
      return by === 'guest' && between && verdict === 'succeeded' && !unclaimed.has(approach);
    });
    expect(broken.map(({ attack, approach }) => `${attack} on ${approach}`).sort()).toEqual(known);
  });

  it('tells the two gates apart: each stops what the other lets through', () => {
    expect(verdictOf('foreign-page-read', 'none')).toBe('succeeded');
    expect(verdictOf('foreign-page-read', 'cdna')).toBe('blocked-at-set-up');
    expect(verdictOf('foreign-page-read', 'iommu:single-use')).toBe('blocked-at-access');
    expect(verdictOf('card-foreign-guest', 'cdna')).toBe('succeeded');
    expect(verdictOf('card-foreign-guest', 'cdna+iommu')).toBe('blocked-at-access');
  });

  it('has its reasons for each verdict of each attack, and never the same for two', () => {
    const reasons = new Map<string, Map<string, Set<string>>>();
    for (const cell of cells) {
      const comparison = compareCell(cell);
      if (comparison === undefined) continue;
      const known = reasons.get(cell.attack) ?? new Map<string, Set<string>>();
      const ofVerdict = known.get(cell.verdict) ?? new Set();
      reasons.set(cell.attack, known.set(cell.verdict, ofVerdict.add(comparison.because)));
    }
    for (const { attack, because } of EXPECTATIONS) {
      const known = reasons.get(attack) ?? new Map<string, Set<string>>();
      const all = [...known.values()].flatMap((ofVerdict) => [...ofVerdict]);
      expect(new Set(all).size, attack).toBe(all.length);
      if (!WHOLE) continue;
      // And none for a verdict, or a group of approaches, that does not occur.
      expect([...known.keys()].sort(), attack).toEqual(Object.keys(because).sort());
      for (const verdict of VERDICTS) {
        const stated = reasonsFor(because, verdict).map((reason) => reason.because);
        expect([...(known.get(verdict) ?? [])].sort(), `${attack}: ${verdict}`).toEqual(stated.sort());
      }
    }
  });

  it('explains one verdict of two approaches by what decides on each', () => {
    const { because } = EXPECTATIONS.find(({ attack }) => attack === 'use-after-unmap') ?? {};
    if (because === undefined) throw new Error('there is no use-after-unmap');
    const setUp = (approach: string) => reasonOf(because, 'blocked-at-set-up', approach);
    expect(setUp('driver-domain')).toMatch(/grant/u);
    expect(setUp('cdna')).toMatch(/pinned.*sequence numbers/u);
    expect(setUp('iommu:persistent')).toMatch(/pinned/u);
    expect(setUp('iommu:persistent')).not.toMatch(/sequence numbers/u);
  });

  it('does not explain what was stopped by what was not checked', () => {
    const cdna = cells.find(({ attack, approach }) => attack === 'foreign-page-read' && approach === 'cdna');
    expect(cdna === undefined ? undefined : compareCell(cdna)?.because).toMatch(
      /owner of each page is looked up/u,
    );
  });

  it.runIf(WHOLE)('is what docs/threats.md shows, with its reasons (npm run docs:threats)', () => {
    expect(withThreats(THREATS, cells)).toBe(THREATS);
  });

  it('fits 100 columns, a row per attack', () => {
    const lines = matrixText(MADE, PLAYED, cells).split('\n');
    expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(100);
    for (const { name } of MADE) expect(lines.filter((line) => line.startsWith(`${name} `))).toHaveLength(1);
  });
});

describe('a part of the matrix', () => {
  const part = {
    attacks: ATTACKS.filter(({ name }) =>
      ['foreign-page-write', 'use-after-unmap', 'card-borrowed-id'].includes(name),
    ),
    approaches: APPROACHES.filter(({ name }) => ['none', 'cdna', 'iommu:deferred'].includes(name)),
  };

  it('is the same document every time, and the same verdicts with another seed', () => {
    const play = (seed: number) => attackDocument(seed, [...playMatrix({ ...part, seed })]);
    const first = play(1);
    expect(play(1)).toBe(first);
    const verdicts = (document: string) =>
      (JSON.parse(document) as { cells: { verdict: string }[] }).cells.map(({ verdict }) => verdict);
    expect(verdicts(play(77))).toEqual(verdicts(first));
  });
});

describe('the table of expectations', () => {
  it('has one row per attack and names nothing that does not exist', () => {
    expect(EXPECTATIONS.map(({ attack }) => attack)).toEqual(attackNames);
    for (const { succeedsOn } of EXPECTATIONS)
      for (const name of succeedsOn) expect(APPROACHES.map((one) => one.name)).toContain(name);
  });

  it('has its explanations, and every attack, in docs/threats.md', () => {
    for (const { heading } of EXPLANATIONS) expect(THREATS).toContain(`### ${heading}\n`);
    for (const name of attackNames) expect(THREATS).toContain(`\`${name}\``);
  });
});
