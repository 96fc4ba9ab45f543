import { existsSync } from 'node:fs';
import { counted } from '../../scheduler/counted.js';
import { OutputFolder } from '../report/output-folder.js';
import { checkBuilds } from '../sweep/build-check.js';
import type { Executor } from '../sweep/executor.js';
import { failuresOf, failuresText } from '../sweep/failures.js';
import { Journal } from '../sweep/journal.js';
import { loadStudy } from '../sweep/load-study.js';
import { Plan } from '../sweep/plan.js';
import { runJobs, type SweepProgress } from '../sweep/run-jobs.js';
import { jobCountOf, jobsOfShard } from '../sweep/shard.js';
import { journalPath, refuseForeignTables } from '../sweep/sweep-folder.js';
import { moreSeeds } from '../sweep/until-precise.js';
import type { CliIo } from './cli-io.js';
import type { CommandAction } from './commands/entry.js';
import { Interrupted, Interruption } from './interruption.js';
import { showDryRun } from './sweep-dry-run.js';
import { poolOf } from './sweep-pool.js';
import { SweepProgressLine } from './sweep-progress.js';
import { readSweepRequest, type SweepRequest } from './sweep-request.js';
import { finishSweep } from './sweep-tables.js';

/** A queue without workers is reported after so long, ms. */
const NO_WORKERS_MS = 5_000;

/** `cdna-nic sweep`: a study from its file to its tables. */
export const sweepAction: CommandAction = async ([study = ''], options, io) => {
  const request = readSweepRequest(study, options, io);
  const plan = await Plan.of(await loadStudy(study));
  const path = journalPath(request.out, request.shard);
  const before = existsSync(path) ? Journal.read(path) : undefined;
  const isFinished = (key: string) => before?.has(key) === true;
  try {
    await checkBuilds(plan, {
      // Workers load modules, and this process only where it does the runs.
      modules: !request.allowModules ? 'refuse' : request.queue === undefined ? 'load' : 'skip',
      isFinished: (point) => isFinished(plan.run(point, 0).key),
    });
    if (request.dryRun) return await showDryRun(plan, isFinished, request, io);
  } finally {
    before?.close();
  }
  refuseForeignTables(request.out);
  // First what may refuse, so that a server that cannot be reached leaves no folder behind.
  const executor = await executorOf(request, io);
  try {
    return await sweepInto(path, plan, executor, request, io);
  } finally {
    await executor.close();
  }
};

async function sweepInto(
  path: string,
  plan: Plan,
  executor: Executor,
  request: SweepRequest,
  io: CliIo,
): Promise<0 | 1> {
  const folder = new OutputFolder(request.out);
  let journal: Journal;
  try {
    journal = Journal.open(path);
  } catch (error) {
    folder.remove();
    throw error;
  }
  try {
    if (journal.otherVersions > 0) {
      io.err(
        `${journal.path}: ${counted(journal.otherVersions, 'run of another model version is', 'runs of another model version are')} not used\n`,
      );
    }
    sayFinished(plan, journal, request, io);
    const seedCounts = await runAll(plan, journal, executor, request, io);
    if (request.shard !== undefined) {
      const failures = failuresOf(jobsOfShard(plan.jobs(seedCounts), request.shard), journal);
      io.out(
        `${counted(journal.count, 'run is', 'runs are')} in ${journal.path}${failuresText(failures)}; sweep merge makes tables of all shards\n`,
      );
      return failures.count === 0 ? 0 : 1;
    }
    return await finishSweep('sweep', plan, seedCounts, journal, request, io);
  } finally {
    journal.close();
  }
}

/** Says how many runs of this call are in the journal already, when there are any. */
function sayFinished(plan: Plan, journal: Journal, { shard, json }: SweepRequest, io: CliIo): void {
  if (json || journal.count === 0) return;
  let finished = 0;
  let all = 0;
  for (const { key, job } of shard === undefined ? plan.jobs() : jobsOfShard(plan.jobs(), shard)) {
    if (job.kind !== 'run') continue;
    all += 1;
    if (journal.has(key)) finished += 1;
  }
  if (finished > 0)
    io.out(`${finished} of ${counted(all, 'run')} ${finished === 1 ? 'was' : 'were'} finished already\n`);
}

/** Runs what is missing, and more seeds where intervals are too wide. Returns the seeds of each point. */
async function runAll(
  plan: Plan,
  journal: Journal,
  executor: Executor,
  request: SweepRequest,
  io: CliIo,
): Promise<readonly number[]> {
  const interruption = new Interruption();
  const line = new SweepProgressLine(io);
  const stop = new AbortController();
  interruption.listen();
  let seedCounts: readonly number[] = plan.seedCounts;
  try {
    for (;;) {
      const total = jobsIn(plan, seedCounts, request);
      const all = plan.jobs(seedCounts);
      const jobs = request.shard === undefined ? all : jobsOfShard(all, request.shard);
      const show = (now: SweepProgress) => line.show(now, total);
      await interruption.cutShort(runJobs(jobs, executor, journal, show, stop.signal));
      if (request.precision === undefined) return seedCounts;
      const wanted = moreSeeds(plan, seedCounts, journal, request.precision);
      if (wanted.every((count, at) => count === seedCounts[at])) return seedCounts;
      seedCounts = wanted;
    }
  } catch (error) {
    stop.abort();
    if (!(error instanceof Interrupted)) throw error;
    const left = `${journal.count} finished runs are in ${journal.path}, and the same command goes on from there`;
    throw new Interrupted(error.signal, left);
  } finally {
    line.clear();
    interruption.close();
  }
}

/** Threads of this process, or workers behind a queue. */
async function executorOf(request: SweepRequest, io: CliIo): Promise<Executor> {
  const { queue } = request;
  if (queue === undefined) return poolOf(request);
  // The packages of a queue are loaded only where there is one.
  const { QueueExecutor } = await import('../sweep/queue/queue-executor.js');
  const executor = await QueueExecutor.connect(queue);
  const timer = setTimeout(async () => {
    const workers = await executor.workers().catch(() => 1);
    if (workers === 0) io.err(`no worker takes runs yet; start some: cdna-nic worker --queue ${queue}\n`);
  }, NO_WORKERS_MS);
  timer.unref();
  return {
    atOnce: executor.atOnce,
    run: (job) => executor.run(job),
    close: () => {
      clearTimeout(timer);
      return executor.close();
    },
  };
}

function jobsIn(plan: Plan, seedCounts: readonly number[], { shard }: SweepRequest): number {
  const runs = seedCounts.reduce((sum, count) => sum + count, 0);
  const jobs = plan.study.study.attacks === undefined ? runs : 2 * runs;
  return shard === undefined ? jobs : jobCountOf(shard, jobs);
}
