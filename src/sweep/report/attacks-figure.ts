import type { ReportFigure } from '../../report/html/figure.js';
import type { Journal } from '../journal.js';
import type { Plan, Point } from '../plan.js';

/** What each approach let through of the attacks that the study asked for; undefined where it asked for none. */
export function attacksFigure(
  plan: Plan,
  points: readonly Point[],
  journal: Journal,
): ReportFigure | undefined {
  if (plan.study.study.attacks === undefined) return undefined;
  const approaches = new Map<string, { played: number; through: Set<string> }>();
  for (const point of points) {
    for (const at of plan.seeds.keys()) {
      const run = plan.run(point, at);
      const outcome = journal.outcome(plan.attacksOf(run)?.key ?? '');
      if (outcome === undefined || !('attacks' in outcome)) continue;
      const name = run.job.scenario.protection;
      const entry = approaches.get(name) ?? { played: 0, through: new Set() };
      entry.played = Math.max(
        entry.played,
        outcome.attacks.filter(({ verdict }) => verdict !== 'not-applicable').length,
      );
      for (const { attack, verdict } of outcome.attacks) {
        if (verdict === 'succeeded') entry.through.add(attack);
      }
      approaches.set(name, entry);
    }
  }
  if (approaches.size === 0) return undefined;
  return {
    id: 'attacks-through',
    title: 'Attacks that get through',
    sentence:
      'Of the attacks that the study asks for: how many were played against each approach, and which succeeded with any seed.',
    table: {
      heads: ['approach', 'played', 'through', 'which'],
      rows: [...approaches].map(([name, { played, through }]) => [
        name,
        `${played}`,
        `${through.size}`,
        [...through].join(', ') || '-',
      ]),
    },
  };
}
