import { describe, expect, it } from 'vitest';
import { ATTACKS } from '../../../guests/hostile/index.js';
import { APPROACHES } from '../../../host/protection/approaches.js';
import { playMatrix } from '../../../src/attack/matrix.js';
import { type AttackFilm, filmAttack } from '../../../src/lab/attack-film.js';

/** A cell as the command line plays it. */
function cellOf(attackName: string, approachName: string) {
  const attacks = ATTACKS.filter(({ name }) => name === attackName);
  const approaches = APPROACHES.filter(({ name }) => name === approachName);
  const [cell] = playMatrix({ attacks, approaches, seed: 1 });
  return cell;
}

const films = new Map<string, AttackFilm>();

/** A film takes a run of 8 ms: each is made once, and looked at from several sides. */
function filmOf(attack: string, approach: string): AttackFilm {
  const name = `${attack} ${approach}`;
  const film = films.get(name) ?? filmAttack(attack, approach, 1);
  films.set(name, film);
  return film;
}

describe('the film of an attack', () => {
  it.each([
    ['foreign-page-read', 'none', 'succeeded'],
    ['foreign-page-read', 'cdna', 'blocked-at-set-up'],
    ['foreign-page-read', 'iommu:single-use', 'blocked-at-access'],
    ['stale-descriptor', 'cdna', 'blocked-at-set-up'],
  ])('%s on %s has the verdict and the sentence of the matrix', (attack, approach, verdict) => {
    const film = filmOf(attack, approach);
    const cell = cellOf(attack, approach);
    expect(film.verdict).toBe(verdict);
    expect(film.verdict).toBe(cell?.verdict);
    expect(film.sentence).toBe(cell?.evidence.sentence);
    const times = film.pictures.map(({ snapshot }) => snapshot.atNs);
    expect(times).toEqual([...times].sort((left, right) => left - right));
    expect(times.length).toBeGreaterThan(100);
  });

  it('shows which gate refused, which rule, and which byte', () => {
    const lines = (attack: string, approach: string) =>
      filmOf(attack, approach).pictures.flatMap(({ entries }) => entries);
    const setUp = lines('length-past-page', 'cdna').find(({ kind }) => kind === 'refused');
    // The buffer begins in a page of the attacker; the first byte of the next page is the one that is refused.
    expect(setUp?.text).toMatch(
      /^set-up gate: not-owner: buffer of \d+ bytes at 0x[0-9a-f]+; byte \d+ of it, at 0x[0-9a-f]+000, lies in page \d+ of /u,
    );
    const access = lines('foreign-page-read', 'iommu:single-use').find(({ kind }) => kind === 'denied');
    expect(access?.text).toMatch(
      /^access gate: read of \d+ bytes at 0x[0-9a-f]+ by [0-9a-f]{2}:[0-9a-f]{2}\.\d denied: iommu:single-use has no entry that allows it$/u,
    );
  });

  it.each([
    // The access gate denies, then the card stops the context: that is the answer to the denied access and no second fault.
    ['foreign-page-read', 'dev', ['denied']],
    // The port of the attacker refuses the buffer; posted past it, the access gate denies it.
    ['foreign-page-read', 'iommu:single-use', ['refused', 'denied']],
    // No gate is asked: the card stops the context for its own reason.
    ['stale-descriptor', 'cdna+iommu', ['fault']],
    ['foreign-page-read', 'none', []],
  ])('%s on %s is counted as %j, each thing once', (attack, approach, kinds) => {
    const { pictures } = filmOf(attack, approach);
    const counts = pictures.map(({ snapshot }) => snapshot.faults);
    expect(counts.at(-1)).toBe(kinds.length);
    const wrong = pictures
      .flatMap(({ entries }) => entries.map(({ kind }) => kind))
      .filter((kind) => kind === 'refused' || kind === 'denied' || kind === 'fault');
    expect(wrong.filter((kind, at) => wrong.indexOf(kind) === at)).toEqual(expect.arrayContaining(kinds));
    // A step goes to the next picture with another count: as many steps as there are things.
    expect(counts.filter((count, at) => count !== (counts[at - 1] ?? 0))).toHaveLength(kinds.length);
  });

  it('refuses names that do not exist', () => {
    expect(() => filmAttack('magic', 'cdna', 1)).toThrow(
      /^attack is "magic", expected one of: foreign-page-read, /u,
    );
    expect(() => filmAttack('foreign-page-read', 'magic', 1)).toThrow(
      /^approach is "magic", expected one of: none, /u,
    );
  });
});
