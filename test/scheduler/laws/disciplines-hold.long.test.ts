import { describe, expect, it } from 'vitest';
import { DISCIPLINES, makeDiscipline } from '../../../scheduler/disciplines/index.js';
import { checkDiscipline } from '../../../scheduler/laws/index.js';
import { promises } from './promises.js';

describe('over 1,000 scripts and four long runs the laws hold for', () => {
  it.each(DISCIPLINES.map(({ name, weighted }) => [name, weighted] as const))(
    '%s',
    { timeout: 300_000 },
    (name, weighted) => {
      const linkBps = 1e9;
      const report = checkDiscipline(() => makeDiscipline(name, { linkBps }), {
        linkBps,
        numRuns: 1_000,
        ...promises(name),
      });
      expect(report.grants).toBeGreaterThan(500_000);
      if (weighted) expect(report.longRunChecks).toBe(12);
    },
  );
});
