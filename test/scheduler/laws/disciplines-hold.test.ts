import { describe, expect, it } from 'vitest';
import { DISCIPLINES, makeDiscipline } from '../../../scheduler/disciplines/index.js';
import { type CheckOptions, checkDiscipline, fullShares } from '../../../scheduler/laws/index.js';
import { runs } from '../../support/whole.js';
import { promises, waiting } from './promises.js';

const LINK_BPS = 1e9;
const RUNS = runs(30);

/** What the default tests leave to disciplines-hold.long.test.ts. */
const quick: CheckOptions = { linkBps: LINK_BPS, numRuns: RUNS, longRunFrames: 0 };

describe('the laws hold for', () => {
  it.each(DISCIPLINES.map(({ name, weighted }) => [name, weighted] as const))('%s', (name, weighted) => {
    const report = checkDiscipline(() => makeDiscipline(name, { linkBps: LINK_BPS }), {
      ...quick,
      ...promises(name),
    });
    expect(report.runs).toBe(RUNS);
    expect(report.grants).toBeGreaterThan(RUNS * 160);
    // A law that never compared two contexts has shown nothing.
    if (weighted) expect(report.gapChecks).toBeGreaterThan(RUNS * 16);
    if (weighted || waiting[name] !== undefined) expect(report.starvationChecks).toBeGreaterThan(RUNS * 16);
  });
});

describe('the laws that need no bound hold for compositions, with limits, minimums, deadlines, priorities, tenants', () => {
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
      ...quick,
      shares: fullShares,
      // Limits and tenants change shares by design; what they promise instead is checked in tests of their own.
      bound: 'none',
    });
    expect(report.verdict).toBe('the laws that need no bound hold');
    expect(report.grants).toBeGreaterThan(RUNS * 50);
  });
});
