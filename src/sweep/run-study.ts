import { GUEST_METRICS } from '../report/metrics/guest-metrics.js';
import { RUN_METRICS } from '../report/metrics/run-metrics.js';
import { OutputFolder } from '../report/output-folder.js';
import { checkBuilds } from './build-check.js';
import type { Executor, KeyedJob } from './executor.js';
import { Journal } from './journal.js';
import { checkStudy, type LoadedStudy, loadedOf, loadStudy } from './load-study.js';
import type { AttackOutcome, MetricValues, Outcome } from './outcome.js';
import { Plan, type PlannedRun } from './plan.js';
import type { StudyInput } from './study-schema.js';
import { SweepError } from './sweep-error.js';
import { journalPath } from './sweep-folder.js';

/** How a study is run. */
export interface RunStudyOptions {
  /** Threads. @defaultValue one per core */
  readonly jobs?: number;
  /** Ends everything when it aborts; the iteration then throws its reason. */
  readonly signal?: AbortSignal;
  /** Keeps finished runs in the journal of this folder, and takes from it what is finished. @defaultValue kept nowhere */
  readonly folder?: string;
  /** Where paths of captures, modules and of a scenario's file start, for a study that is an object. @defaultValue the working directory */
  readonly directory?: string;
  /** Whether modules that scenarios name are run; they have your rights. @defaultValue false */
  readonly allowModules?: boolean;
}

/** Metrics by the ids of the data dictionary, in its units; null where a metric does not apply. */
export type StudyMetrics = Readonly<Record<string, number | null>>;

/** One run of a study. */
export interface StudyRow {
  /** Combination of values, from 0 in the order of the study. */
  readonly point: number;
  /** What the study varies, by column. */
  readonly values: Readonly<Record<string, unknown>>;
  readonly seed: number;
  readonly approach: string;
  readonly scheduler: string;
  readonly warmUpNs: number;
  readonly windowNs: number;
  /** Hash of everything that decides the run. */
  readonly key: string;
  /** Why the run could not be done; `metrics` and `guests` are then empty. */
  readonly error?: string;
  /** Hash of everything that happened in the run. */
  readonly fingerprint?: string;
  readonly metrics: StudyMetrics;
  readonly guests: readonly {
    readonly guest: string;
    readonly weight: number;
    readonly metrics: StudyMetrics;
  }[];
  /** Of the attacks that the study asks for; empty where it asks for none. */
  readonly attacks: AttackOutcome['attacks'];
}

/** Rows that are computed ahead of the one that is waited for, per thread. */
const AHEAD = 4;

/**
 * Runs a study, given as an object or as the path of a file, in threads, and yields a row per run in the order of the study.
 * At most a few runs per thread are ahead of the row that is taken, so a slow consumer holds the study up and memory
 * is bounded. A consumer that stops ends the threads.
 *
 * @throws SweepError, ScenarioError before anything runs: each names the field and what was expected; the signal's reason
 * when it aborts
 */
export async function* runStudy(
  study: StudyInput | string,
  options: RunStudyOptions = {},
): AsyncGenerator<StudyRow, void, undefined> {
  const { jobs, signal, folder, allowModules = false } = options;
  if (jobs !== undefined && (!Number.isInteger(jobs) || jobs < 1 || jobs > 1024)) {
    throw new SweepError(`runStudy: jobs is ${jobs}, expected a whole number from 1 to 1024`);
  }
  signal?.throwIfAborted();
  const plan = await Plan.of(await loadedStudy(study, options.directory));
  await checkBuilds(plan, { modules: allowModules ? 'load' : 'refuse', isFinished: () => false });
  if (folder !== undefined) new OutputFolder(folder);
  const journal = folder === undefined ? undefined : Journal.open(journalPath(folder));
  // What a thread can do is loaded only when threads are wanted.
  const { PoolExecutor } = await import('./pool-executor.js');
  const executor = new PoolExecutor(jobs, allowModules);
  const stop = () => void executor.close();
  signal?.addEventListener('abort', stop, { once: true });
  try {
    yield* rowsInOrder(plan, keeping(executor, journal), executor.atOnce * AHEAD);
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener('abort', stop);
    await executor.close();
    journal?.close();
  }
}

async function loadedStudy(study: StudyInput | string, directory = '.'): Promise<LoadedStudy> {
  if (typeof study === 'string') return loadStudy(study);
  return loadedOf(checkStudy(study, 'study'), directory, 'study');
}

type DoJob = (job: KeyedJob) => Promise<Outcome>;

/** Does each job once, and keeps its outcome. */
function keeping(executor: Executor, journal: Journal | undefined): DoJob {
  return async (job) => {
    const known = journal?.has(job.key) === true ? journal.outcome(job.key) : undefined;
    if (known !== undefined) return known;
    const outcome = await executor.run(job);
    journal?.add(job.key, outcome);
    return outcome;
  };
}

async function* rowsInOrder(plan: Plan, run: DoJob, most: number): AsyncGenerator<StudyRow, void, undefined> {
  const attacks = new Map<string, Promise<Outcome>>();
  const attacksOf = (planned: PlannedRun): Promise<Outcome> | undefined => {
    const job = plan.attacksOf(planned);
    if (job === undefined) return undefined;
    // Attacks depend on the approach and the seed alone: many runs share them.
    let outcome = attacks.get(job.key);
    if (outcome === undefined) {
      outcome = run(job);
      attacks.set(job.key, outcome);
    }
    return outcome;
  };
  const ahead: Promise<StudyRow>[] = [];
  for (const planned of plan.runs()) {
    const row = Promise.all([run(planned), attacksOf(planned)]).then(([outcome, attack]) =>
      rowOf(plan, planned, outcome, attack),
    );
    // A failure is met when its row is due; until then it is not an unhandled one.
    row.catch(() => undefined);
    ahead.push(row);
    if (ahead.length >= most) yield await (ahead.shift() as Promise<StudyRow>);
  }
  for (const row of ahead) yield await row;
}

function rowOf(
  plan: Plan,
  { point, seed, key, job: { scenario } }: PlannedRun,
  outcome: Outcome,
  attack: Outcome | undefined,
): StudyRow {
  const failed = [outcome, attack].find((one) => one !== undefined && 'error' in one);
  const isRun = 'values' in outcome;
  return {
    point: point.index,
    values: Object.fromEntries(plan.variables.map(({ column }, at) => [column, point.values[at]])),
    seed,
    approach: scenario.protection,
    scheduler: scenario.discipline,
    warmUpNs: scenario.warmUpNs,
    windowNs: scenario.durationNs,
    key,
    ...(failed !== undefined && 'error' in failed ? { error: failed.error } : {}),
    ...(isRun ? { fingerprint: outcome.fingerprint } : {}),
    metrics: isRun ? byId(RUN_METRICS, outcome.values) : {},
    guests: isRun
      ? outcome.guests.map(({ guest, weight, values }) => ({
          guest,
          weight,
          metrics: byId(GUEST_METRICS, values),
        }))
      : [],
    attacks: attack !== undefined && 'attacks' in attack ? attack.attacks : [],
  };
}

function byId(metrics: readonly { readonly id: string }[], values: MetricValues): StudyMetrics {
  return Object.fromEntries(metrics.map(({ id }, at) => [id, values[at] ?? null]));
}
