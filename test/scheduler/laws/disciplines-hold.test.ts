import { describe, expect, it } from 'vitest';
import type { BoundMember } from '../../../scheduler/discipline.js';
import { DISCIPLINES, makeDiscipline } from '../../../scheduler/disciplines/index.js';
import { type CheckOptions, checkDiscipline, fullShares } from '../../../scheduler/laws/index.js';

const LINK_BPS = 1e9;

/** The bounds on waiting that do not follow from a gap bound. */
const waiting: Record<string, CheckOptions['starvationBound']> = {
  prr: (_waiting, others) => sum(others, (other) => other.maxFrameBytes),
  wrr: (_waiting, others) => sum(others, (other) => other.weight * other.maxFrameBytes),
};

function sum(others: readonly BoundMember[], bytes: (other: BoundMember) => number): number {
  return others.reduce((total, other) => total + bytes(other), 0);
}

describe('the laws hold for', () => {
  it.each(DISCIPLINES.map(({ name, weighted }) => [name, weighted] as const))('%s', (name, weighted) => {
    const starvationBound = waiting[name];
    const report = checkDiscipline(() => makeDiscipline(name, { linkBps: LINK_BPS }), {
      linkBps: LINK_BPS,
      ...(starvationBound === undefined ? {} : { starvationBound }),
    });
    expect(report.runs).toBe(200);
    expect(report.grants).toBeGreaterThan(10_000);
    // A law that never compared two contexts has shown nothing.
    if (weighted) expect(report.gapChecks).toBeGreaterThan(1000);
    if (weighted || starvationBound !== undefined) expect(report.starvationChecks).toBeGreaterThan(1000);
  });
});

describe('the laws hold for compositions, with limits, minimums, deadlines, priorities and tenants', () => {
  it.each([
    'priority',
    'edf',
    'drr/prr',
    'wf2q+/sfq',
    'wfq/edf',
    'limited:drr',
    'minimum:drr',
    'limited:drr/qfq',
    'minimum:limited:scfq',
  ])('%s', (name) => {
    const report = checkDiscipline(() => makeDiscipline(name, { linkBps: LINK_BPS }), {
      linkBps: LINK_BPS,
      numRuns: 60,
      shares: fullShares,
      // Limits and tenants change shares by design; what they promise instead is checked in tests of their own.
      bound: () => Number.POSITIVE_INFINITY,
    });
    expect(report.grants).toBeGreaterThan(3_000);
  });
});
