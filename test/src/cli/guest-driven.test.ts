import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { APPROACHES, makeProtection, NAMED_APPROACHES } from '../../../host/protection/approaches.js';
import { GuestDriven } from '../../../host/protection/iommu/guest-driven/guest-driven.js';
import { GUEST_DRIVEN } from '../../../host/protection/iommu/guest-driven/name.js';
import { filmAttack } from '../../../src/lab/attack-film.js';
import { checkPlan } from '../../../src/lab/plan.js';
import { subjectPlan } from '../../../src/live/live-plan.js';
import { checkScenario } from '../../../src/scenario/load.js';
import { invoke } from './invoke.js';

const folder = mkdtempSync(join(tmpdir(), 'cdna-guest-driven-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const REFUSED =
  /"iommu:guest", which exists in serve and replay alone, because a real guest drives it; expected one of: none,/u;

describe('iommu:guest', () => {
  it('is in no list of approaches, so that "all" leaves it out', () => {
    for (const list of [APPROACHES, NAMED_APPROACHES])
      expect(list.some(({ name }) => name === GUEST_DRIVEN)).toBe(false);
    expect(() => makeProtection(GUEST_DRIVEN)).toThrow(REFUSED);
  });

  it.each([
    ['run', '--protection', GUEST_DRIVEN],
    ['compare', '--protection', GUEST_DRIVEN],
    ['compare', '--protection', `cdna,${GUEST_DRIVEN}`],
    ['attack', '--protection', GUEST_DRIVEN],
  ])('is refused by name: %s %s %s', async (...words) => {
    const { code, err } = await invoke(...words);
    expect(code).toBe(2);
    expect(err).toMatch(REFUSED);
    expect(err.trim().split('\n')).toHaveLength(1);
  });

  it('is refused by name in a scenario and in a sweep', async () => {
    const scenario = { guests: [{}], protection: GUEST_DRIVEN };
    const expected = /protection.*exists in serve and replay alone/u;
    expect(() => checkScenario(scenario)).toThrow(expected);
    const path = join(folder, 'sweep.json');
    const vary = [{ path: 'protection', values: ['cdna', GUEST_DRIVEN] }];
    writeFileSync(path, JSON.stringify({ scenario: { guests: [{}] }, vary }));
    const { code, err } = await invoke('sweep', path, '--dry-run');
    expect({ code, err }).toEqual({ code: 2, err: expect.stringMatching(expected) });
  });

  it('is refused by name in the lab', () => {
    const plan = { scenario: { guests: [{}] }, approach: GUEST_DRIVEN, discipline: 'drr', seed: 1 };
    expect(() => checkPlan(plan as Parameters<typeof checkPlan>[0])).toThrow(REFUSED);
    expect(() => filmAttack('descriptor-to-neighbour', GUEST_DRIVEN, 1)).toThrow();
  });

  it('needs guests that are real, whatever card they see', () => {
    const plan = (guests: object[]) =>
      subjectPlan({
        scenario: checkScenario({ guests }),
        directory: '.',
        captures: new Map(),
        protection: GUEST_DRIVEN,
        discipline: 'drr',
        seed: 1,
      });
    const real = { name: 'real', attached: true };
    expect(plan([real]).protection.name).toBe(GUEST_DRIVEN);
    expect(plan([{ ...real, card: 'cdna' }]).protection.name).toBe(GUEST_DRIVEN);
    expect(() => plan([real, { name: 'own' }])).toThrow(
      'own.attached is false, expected true under iommu:guest',
    );
  });

  it('needs a card that tells its guests apart, and options that a unit has', () => {
    expect(() => new GuestDriven({ oneRequesterId: true })).toThrow(
      /oneRequesterId is true, expected false/u,
    );
    expect(() => new GuestDriven({ vendor: 'amdvi', cachingMode: true })).toThrow(/cachingMode/u);
  });
});
