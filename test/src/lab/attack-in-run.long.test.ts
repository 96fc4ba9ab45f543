import { describe, expect, it } from 'vitest';
import { filmAttackInRun } from '../../../src/lab/attack-film.js';
import { decodeLink, encodeLink } from '../../../src/lab/link.js';
import { checkPlan } from '../../../src/lab/plan.js';
import { presetOf } from '../../../src/lab/presets.js';
import { PROTOCOL_VERSION } from '../../../src/lab/protocol.js';
import { LabClient } from './lab-client.js';
import { defaultPlan } from './straight.js';

const scenario = presetOf('three-guests')?.scenario ?? { guests: [{}] };
const CAST = { attacker: 'web', victim: 'db' };

function film(attack: string, approach: string, cast = CAST) {
  return filmAttackInRun(
    attack,
    checkPlan({ scenario, approach, discipline: 'drr', seed: 1 }),
    new Map(),
    300_000,
    cast,
  );
}

describe('an attack in a run of the lab', () => {
  it.each([
    ['foreign-page-read', 'none', 'succeeded', /^Page of the victim left the port in 1 frame\.$/u],
    ['foreign-page-read', 'cdna', 'blocked-at-set-up', /^Refused at set-up \(not-owner\)/u],
    [
      'foreign-page-read',
      'iommu:single-use',
      'blocked-at-access',
      /^1 DMA access denied; not a byte moved\.$/u,
    ],
    ['foreign-page-write', 'driver-domain', 'blocked-at-set-up', /^Refused at set-up \(not-owner\)/u],
  ])('%s from one of its guests on another, on %s: %s', (attack, approach, verdict, sentence) => {
    const played = film(attack, approach);
    expect(played).toMatchObject({ verdict, cast: CAST, approach });
    expect(played.sentence).toMatch(sentence);
    const [first] = played.pictures;
    expect(first?.snapshot.domains.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['web', 'db', 'batch']),
    );
    // The others go on as they were.
    const sent = (at: number) =>
      played.pictures.at(at)?.snapshot.guests.map((guest) => guest.framesTransmitted) ?? [];
    expect(sent(-1)[2]).toBeGreaterThan(sent(0)[2] ?? 0);
    expect(played.pictures.length).toBeGreaterThan(100);
  });

  it('is of the roles that were chosen: the victim of one is the attacker of the other', () => {
    const text = (cast: typeof CAST) =>
      film('foreign-page-read', 'cdna', cast)
        .pictures.flatMap(({ entries }) => entries)
        .find(({ kind }) => kind === 'refused')?.text;
    expect(text(CAST)).toMatch(/lies in page \d+ of db$/u);
    expect(text({ attacker: 'db', victim: 'batch' })).toMatch(/lies in page \d+ of batch$/u);
  });

  it('does not blame an attacker for what its weight gives it of the wire', () => {
    // batch would have all of the wire when left alone; half of it is what it is owed.
    const played = film('jumbo-hog', 'cdna', { attacker: 'web', victim: 'batch' });
    expect(played.verdict).toBe('contained');
  });

  it('says why one cannot be played: memory that never changes hands, a card that does not switch', () => {
    expect(film('stale-descriptor', 'cdna')).toMatchObject({
      verdict: 'not-applicable',
      sentence: 'A page that is given up goes to no other guest: each has memory of its own.',
    });
    expect(() => film('broadcast-flood', 'cdna')).toThrow(
      'broadcast-flood: No frame stays inside this card: nic.switching is off.',
    );
    expect(() => film('foreign-page-read', 'cdna', { attacker: 'web', victim: 'green' })).toThrow(
      'victim is "green", expected a guest of the run: web, db, batch',
    );
    expect(() => film('foreign-page-read', 'cdna', { attacker: 'web', victim: 'web' })).toThrow(
      'attacker and victim are both web, expected two guests',
    );
  });

  it('is played on both machines side by side from where they stand, and leaves them there', () => {
    const client = new LabClient();
    client.ask({
      kind: 'open',
      version: PROTOCOL_VERSION,
      plans: [defaultPlan, { ...defaultPlan, approach: 'none' }],
      to: { atNs: 250_000, events: Number.MAX_SAFE_INTEGER },
    });
    const before = client.settle();
    client.ask({ kind: 'attack-here', attack: 'foreign-page-read', cast: CAST });
    const films = client.films();
    expect(films.map(({ approach, verdict }) => [approach, verdict])).toEqual([
      ['cdna', 'blocked-at-set-up'],
      ['none', 'succeeded'],
    ]);
    expect(films.map(({ pictures }) => pictures[0]?.snapshot.atNs)).toEqual([290_000, 290_000]);
    const after = client.settle();
    expect(after.position).toEqual(before.position);
    expect(after.machines.map(({ fingerprint }) => fingerprint)).toEqual(
      before.machines.map(({ fingerprint }) => fingerprint),
    );
  });

  it('is in the link with its roles, and plays as it did for who opens it', () => {
    const state = {
      plans: [{ ...defaultPlan, scenario }],
      position: { atNs: 300_000, events: 5000 },
      paceNs: 50_000,
      attack: { name: 'foreign-page-read', ...CAST },
    };
    expect(decodeLink(encodeLink(state))).toEqual(state);
    expect(film('foreign-page-read', 'cdna')).toEqual(film('foreign-page-read', 'cdna'));
  });
});
