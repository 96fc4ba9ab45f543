import { ATTACKS } from '../../guests/hostile/index.js';
import { APPROACHES } from '../../host/protection/approaches.js';
import { UserError } from '../../scheduler/errors.js';
import { playMatrix } from '../attack/matrix.js';
import { approachOptions, protectionOf } from '../machine/protection.js';
import { runScenario } from '../machine/run.js';
import { type CaptureStore, readCaptures } from '../machine/traffic.js';
import { type AttackOutcome, type Outcome, outcomeOf, type RunOutcome } from './outcome.js';
import type { AttackJob, Job, RunJob } from './planned-run.js';

/** Captures that this thread has read; runs of a study replay the same few. */
const captures: CaptureStore = new Map();
/** So many are kept, the ones that were read last. */
const MOST_CAPTURES = 16;

/**
 * Does one job. A run that cannot be done comes to a `FailedOutcome` that says why: a study goes on without it.
 * @throws InvariantViolation and the like: defects are not results
 */
export async function doJob(job: Job): Promise<Outcome> {
  try {
    return job.kind === 'run' ? await doRun(job) : doAttacks(job);
  } catch (error) {
    if (error instanceof UserError || error instanceof RangeError) return { error: error.message };
    throw error;
  }
}

async function doRun({ scenario, directory }: RunJob): Promise<RunOutcome> {
  for (const [path, capture] of await readCaptures(
    scenario.guests.map(({ traffic }) => traffic),
    directory,
    captures,
  )) {
    captures.delete(path);
    captures.set(path, capture);
  }
  for (const path of captures.keys()) if (captures.size > MOST_CAPTURES) captures.delete(path);
  const result = runScenario({
    scenario,
    directory,
    captures,
    protection: protectionOf(scenario.protection, scenario),
    discipline: scenario.discipline,
    seed: scenario.seed,
    warmUpNs: scenario.warmUpNs,
    durationNs: scenario.durationNs,
  });
  return outcomeOf(result);
}

function doAttacks({ protection, iommu, seed, attacks }: AttackJob): AttackOutcome {
  const chosen = APPROACHES.filter(({ name }) => name === protection).map((approach) => ({
    ...approach,
    make: () => approach.make(approachOptions({ iommu })),
  }));
  const played = ATTACKS.filter(({ name }) => attacks.includes(name));
  const cells = [...playMatrix({ attacks: played, approaches: chosen, seed })];
  return { attacks: cells.map(({ attack, verdict }) => ({ attack, verdict })) };
}
