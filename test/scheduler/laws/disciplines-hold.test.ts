import { describe, expect, it } from 'vitest';
import type { Discipline } from '../../../scheduler/discipline.js';
import { QuickFairQueueing } from '../../../scheduler/disciplines/quick-fair-queueing.js';
import { SelfClockedFairQueueing } from '../../../scheduler/disciplines/self-clocked-fair-queueing.js';
import { StartTimeFairQueueing } from '../../../scheduler/disciplines/start-time-fair-queueing.js';
import { SurplusRoundRobin } from '../../../scheduler/disciplines/surplus-round-robin.js';
import { WorstCaseFairWeightedFairQueueing } from '../../../scheduler/disciplines/worst-case-fair-weighted-fair-queueing.js';
import { checkDiscipline } from '../../../scheduler/laws/index.js';

const disciplines: Record<string, () => Discipline> = {
  srr: () => new SurplusRoundRobin(),
  sfq: () => new StartTimeFairQueueing(),
  scfq: () => new SelfClockedFairQueueing(),
  'wf2q+': () => new WorstCaseFairWeightedFairQueueing(),
  qfq: () => new QuickFairQueueing(),
};
describe('t', () => {
  it.each(Object.keys(disciplines))('%s', (name) => {
    const report = checkDiscipline(disciplines[name] as () => Discipline, {
      numRuns: Number(process.env['N'] ?? 200),
    });
    console.log(JSON.stringify(report));
    expect(report.gapChecks).toBeGreaterThan(1000);
  });
});
