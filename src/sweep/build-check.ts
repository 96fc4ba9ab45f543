import { UserError } from '../../scheduler/errors.js';
import { buildRun } from './do-job.js';
import { modulesOf } from './file-hash.js';
import { cannotRun, type Plan, type Point } from './plan.js';

/** Machines that are assembled before anything runs; of a larger study, so that each value of a variable is in one. */
const MOST_BUILT = 400;

/** What is checked, and what is not. */
export interface BuildCheck {
  /** Modules are loaded here only where this process runs them too. */
  readonly modules: 'load' | 'refuse' | 'skip';
  /** Points that need no check: they ran before. */
  readonly isFinished: (point: Point) => boolean;
}

/**
 * Puts the machines of a study together, without running them, to find a combination that cannot run (more memory than
 * its host has, a capture that is none) before anything does.
 * @throws SweepError that names the values of the first one that cannot
 */
export async function checkBuilds(plan: Plan, { modules, isFinished }: BuildCheck): Promise<void> {
  const { where } = plan.study;
  for (const point of chosenPoints(plan.points.filter((one) => !isFinished(one)))) {
    if (modules === 'skip' && modulesOf(point.scenario).length > 0) continue;
    try {
      (await buildRun(plan.run(point, 0).job, modules === 'load')).close();
    } catch (error) {
      if (error instanceof UserError || error instanceof RangeError) {
        throw cannotRun(error, plan.variables, point.values, where);
      }
      // A defect is met, and reported, when the point runs.
    }
  }
}

/** All, or so many that each value of each variable is in one, and others that are spread over the rest. */
function chosenPoints(points: readonly Point[]): Point[] {
  if (points.length <= MOST_BUILT) return [...points];
  const chosen = new Set<Point>();
  const seen = new Set<string>();
  for (const point of points) {
    const fresh = point.values
      .map((value, at) => `${at} ${JSON.stringify(value)}`)
      .filter((key) => !seen.has(key));
    if (fresh.length === 0) continue;
    chosen.add(point);
    for (const key of fresh) seen.add(key);
    if (chosen.size >= MOST_BUILT) break;
  }
  const step = points.length / MOST_BUILT;
  for (let at = 0; chosen.size < MOST_BUILT && at < points.length; at += step) {
    const point = points[Math.floor(at)];
    if (point !== undefined) chosen.add(point);
  }
  return [...chosen];
}
