import { describe, expect, it } from 'vitest';
import { contextId } from '../../../scheduler/branded.js';
import type { Share } from '../../../scheduler/discipline.js';
import { tenantPath } from '../../../scheduler/disciplines/composition.js';
import { type DisciplineOptions, makeDiscipline } from '../../../scheduler/disciplines/index.js';
import { playBacklog, playGreedy } from './play.js';

type Tenants = NonNullable<DisciplineOptions['tenants']>;

function joined(name: string, tenants: Tenants, shares: readonly Share[]) {
  const discipline = makeDiscipline(name, { quantumBytes: 1_000, tenants });
  for (const [context, share] of shares.entries()) discipline.join(contextId(context), share);
  return discipline;
}

// Bennett and Zhang, SIGCOMM 1996: each node shares what its parent gives it among its children.
describe('a hierarchy of tenants of tenants', () => {
  const tenants: Tenants = {
    1: { share: { weight: 3 } },
    2: { share: { weight: 1 } },
    11: { share: { weight: 2 }, parent: 1 },
    12: { share: { weight: 1 }, parent: 1 },
  };
  const inTenants = (...numbers: number[]) => numbers.map((tenant): Share => ({ weight: 1, tenant }));
  const frames = (contexts: number) => Array.from({ length: contexts }, () => 1_000);

  it('shares by the weights of each level, also for a tenant that lies higher than the others', () => {
    const discipline = joined('drr/drr/prr', tenants, inTenants(11, 12, 2));
    expect(playGreedy(discipline, frames(3), 120_000)).toEqual([60_000, 30_000, 30_000]);
  });

  it('of one level takes the tenants directly below the link', () => {
    const discipline = joined('drr/prr', tenants, inTenants(11, 12, 2, 2));
    expect(playGreedy(discipline, frames(4), 120_000)).toEqual([45_000, 45_000, 15_000, 15_000]);
  });

  it('takes a tenant that is not described for one below the link, of weight 1; 0 is that of a share without', () => {
    const discipline = joined('drr/prr', { 0: { share: { weight: 2 } } }, [
      { weight: 1 },
      ...inTenants(77, 78),
    ]);
    expect(playGreedy(discipline, frames(3), 120_000)).toEqual([60_000, 30_000, 30_000]);
  });

  it.each([
    ['priority/prr', 'priority', 4, 2],
    ['edf/prr', 'deadlineNs', 4_000, 2_000],
  ] as const)(
    'under %s gives a tenant that is not described the %s of its first context',
    (name, field, low, high) => {
      const shares: Share[] = [
        { weight: 1, tenant: 5, [field]: low },
        { weight: 1, tenant: 6, [field]: high },
        { weight: 1, tenant: 5, [field]: 1 },
      ];
      const queues = shares.map(() => [60, 60]);
      expect(playBacklog(joined(name, {}, shares), queues)).toEqual([1, 1, 0, 2, 0, 2]);
      // One that is described has its own, whatever its contexts have.
      const described = { 5: { share: { weight: 1, [field]: 1 } }, 6: { share: { weight: 1, [field]: 9 } } };
      expect(playBacklog(joined(name, described, shares), queues)).toEqual([0, 2, 0, 2, 1, 1]);
      // Without any, the last, or the first: there is no priority below 0.
      const bare = shares.map(({ weight, tenant = 0 }): Share => ({ weight, tenant }));
      expect(playBacklog(joined(name, {}, bare), queues)).toHaveLength(6);
    },
  );

  it('has a path from the link down to each, and no cycles', () => {
    expect([tenantPath(tenants, 11), tenantPath(tenants, 2), tenantPath(tenants, 77)]).toEqual([
      [1, 11],
      [2],
      [77],
    ]);
    const cycle: Tenants = {
      3: { share: { weight: 1 }, parent: 4 },
      4: { share: { weight: 1 }, parent: 3 },
    };
    expect(() => tenantPath(cycle, 3)).toThrow(
      'tenants: the parent of 3 is 4, expected none that is below it',
    );
    expect(() => joined('drr/prr', cycle, inTenants(4))).toThrow(
      'tenants: the parent of 4 is 3, expected none that is below it',
    );
  });

  it('has as many levels as its name, up to 64 levels, prefixes and parentheses', () => {
    const prefixes = (count: number) => `${'limited:'.repeat(count)}prr`;
    expect(makeDiscipline(prefixes(63)).name).toBe(prefixes(63));
    expect(() => makeDiscipline(prefixes(64))).toThrow('nested too deep, expected at most 64 levels');
    const grouped = `${'('.repeat(63)}prr${')'.repeat(63)}`;
    expect(makeDiscipline(grouped).name).toBe('prr');
  });

  it('limits contexts where a prefix stands before them, and tenants where it stands before theirs', () => {
    const limited = { weight: 1, limitBps: 8e6, burstBytes: 1_000 };
    const shares = [0, 1].map((): Share => ({ ...limited, tenant: 1 }));
    const sent = (name: string) => {
      const discipline = joined(name, { 1: { share: limited } }, shares);
      for (const context of [0, 1]) discipline.activate(contextId(context), 1_000, 0);
      let frames = 0;
      for (let context = discipline.select(0); context >= 0 && frames < 10; context = discipline.select(0)) {
        discipline.served(context, 1_000, 1_000, 0);
        frames += 1;
      }
      return frames;
    };
    expect([
      sent('drr/(limited:prr)'),
      sent('limited:drr/prr'),
      sent('(limited:drr)/prr'),
      sent('drr/prr'),
    ]).toEqual([2, 2, 1, 10]);
  });
});
