import { ATTACKS } from '../../guests/hostile/index.js';
import { APPROACHES } from '../../host/protection/approaches.js';
import { UserError } from '../../scheduler/errors.js';
import { playMatrix } from '../attack/matrix.js';
import { approachOptions } from '../machine/protection.js';
import { readCaptures } from '../machine/read-captures.js';
import { Run } from '../machine/run.js';
import type { CaptureStore } from '../machine/traffic.js';
import { ModuleFault } from '../scenario/module-fault.js';
import { OwnModules } from '../scenario/own-modules.js';
import { requireContent } from './file-hash.js';
import { type AttackOutcome, type Outcome, outcomeOf, type RunOutcome } from './outcome.js';
import type { AttackJob, Job, RunJob } from './planned-run.js';

/** A job, and whether modules that its scenario names may be loaded here. */
export interface JobCall {
  readonly job: Job;
  readonly allowModules: boolean;
}

/** Captures that this thread has read, by what was asked for: runs of a study replay the same few. */
const captureStores = new Map<string, CaptureStore>();
/** Number of sets that are kept: the last ones that were read. */
const MOST_STORES = 16;

/**
 * Does one job. A run that cannot be done has a `FailedOutcome` that says why: a study goes on without it.
 * @throws InvariantViolation and the like: defects are not results
 */
export async function doJob({ job, allowModules }: JobCall): Promise<Outcome> {
  try {
    return job.kind === 'run' ? await doRun(job, allowModules) : doAttacks(job);
  } catch (error) {
    // The module may be mended by the next call.
    if (error instanceof ModuleFault) return { error: error.message, isFinal: false };
    if (error instanceof UserError || error instanceof RangeError) return { error: error.message };
    throw error;
  }
}

async function capturesFor({ scenario, directory, contents }: RunJob): Promise<CaptureStore> {
  const specs = scenario.guests.map(({ traffic }) => traffic).filter((spec) => spec.kind === 'replay');
  const endNs = scenario.warmUpNs + scenario.durationNs;
  const key = JSON.stringify([directory, endNs, specs, contents]);
  const known = captureStores.get(key);
  if (known !== undefined) return known;
  for (const { capture } of specs) {
    const hash = contents[capture];
    if (hash !== undefined) await requireContent(directory, capture, hash);
  }
  const captures = await readCaptures(specs, directory, endNs);
  const [oldest] = captureStores.keys();
  if (captureStores.size >= MOST_STORES && oldest !== undefined) captureStores.delete(oldest);
  captureStores.set(key, captures);
  return captures;
}

/**
 * Puts the machine of a run together.
 * @throws UserError when there cannot be such a one
 */
export async function buildRun(job: RunJob, allowModules: boolean): Promise<Run> {
  return builtWith(await modulesOf(job, allowModules), job);
}

function modulesOf({ scenario, directory }: RunJob, allowModules: boolean): Promise<OwnModules> {
  const { protection, discipline } = scenario;
  return OwnModules.load(
    [
      { kind: 'protection', name: protection, directory, field: 'protection', fromScenario: true },
      { kind: 'discipline', name: discipline, directory, field: 'discipline', fromScenario: true },
    ],
    allowModules,
  );
}

async function builtWith(modules: OwnModules, job: RunJob): Promise<Run> {
  const { scenario, directory } = job;
  const { protection, discipline } = scenario;
  const captures = await capturesFor(job);
  return modules.under(
    protection,
    () =>
      new Run({
        scenario,
        directory,
        captures,
        protection: modules.protection(protection, approachOptions(scenario)),
        discipline: modules.discipline(discipline),
        seed: scenario.seed,
        warmUpNs: scenario.warmUpNs,
        durationNs: scenario.durationNs,
      }),
  );
}

async function doRun(job: RunJob, allowModules: boolean): Promise<RunOutcome> {
  const modules = await modulesOf(job, allowModules);
  const run = await builtWith(modules, job);
  return modules.under(job.scenario.protection, () => {
    while (!run.done) run.advance();
    return outcomeOf(run.result());
  });
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
