import { OutputFolder } from '../report/output-folder.js';
import { dryRun } from '../sweep/dry-run.js';
import type { Executor } from '../sweep/executor.js';
import { Journal } from '../sweep/journal.js';
import { loadStudy } from '../sweep/load-study.js';
import { Plan } from '../sweep/plan.js';
import { runJobs, type SweepProgress } from '../sweep/run-jobs.js';
import { jobsOfShard } from '../sweep/shard.js';
import { journalPath, journalsIn, mergeJournals } from '../sweep/sweep-folder.js';
import { dictionaryTable, tablesOf } from '../sweep/tables.js';
import { ThreadExecutor } from '../sweep/thread-executor.js';
import { moreSeeds } from '../sweep/until-precise.js';
import { writeTables } from '../sweep/write-tables.js';
import type { CliIo } from './cli-io.js';
import type { CommandAction } from './commands/entry.js';
import { Interrupted, Interruption } from './interruption.js';
import { progressClockMs } from './progress-clock.js';
import { durationText, SweepProgressLine } from './sweep-progress.js';
import { readSweepRequest, type SweepRequest } from './sweep-request.js';

/** `cdna-nic sweep`: a study from its file to its tables. */
export const sweepAction: CommandAction = async ([study = '', ...folders], options, io) => {
  const request = readSweepRequest(study, options);
  const plan = await Plan.of(await loadStudy(study));
  if (request.dryRun) return showDryRun(plan, request, io);
  const folder = new OutputFolder(request.out);
  let journal: Journal;
  try {
    journal = Journal.open(journalPath(request.out, request.shard));
  } catch (error) {
    folder.remove();
    throw error;
  }
  try {
    if (request.merge) {
      const from = [request.out, ...folders.flat()].filter((one) => one !== undefined);
      const taken = mergeJournals(journal, from.flatMap(journalsIn));
      if (!request.json) io.out(`took ${taken} finished jobs over\n`);
      return await finish(plan, plan.seedCounts, journal, request, io);
    }
    if (journal.otherVersions > 0) {
      io.err(`${journal.path}: ${journal.otherVersions} jobs of another model version are not used\n`);
    }
    const seedCounts = await runAll(plan, journal, request, io);
    if (request.shard !== undefined) {
      io.out(`${journal.count} jobs are in ${journal.path}; sweep --merge makes tables of all shards\n`);
      return 0;
    }
    return await finish(plan, seedCounts, journal, request, io);
  } finally {
    journal.close();
  }
};

/** Runs what is missing, and more seeds where intervals are too wide. Returns the seeds of each point. */
async function runAll(
  plan: Plan,
  journal: Journal,
  request: SweepRequest,
  io: CliIo,
): Promise<readonly number[]> {
  const executor = await executorOf(request);
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
    const left = `${journal.count} finished jobs are in ${journal.path}, and the same command goes on from there`;
    throw new Interrupted(error.signal, left);
  } finally {
    line.clear();
    interruption.close();
    await executor.close();
  }
}

async function executorOf({ queue, threads, allowModules }: SweepRequest): Promise<Executor> {
  if (queue === undefined) return new ThreadExecutor(threads, allowModules);
  // The packages of a queue are loaded only where there is one.
  const { QueueExecutor } = await import('../sweep/queue/queue-executor.js');
  return QueueExecutor.connect(queue);
}

function jobsIn(plan: Plan, seedCounts: readonly number[], { shard }: SweepRequest): number {
  const runs = seedCounts.reduce((sum, count) => sum + count, 0);
  const jobs = plan.study.study.attacks === undefined ? runs : 2 * runs;
  return shard === undefined ? jobs : Math.ceil(jobs / shard.of);
}

async function finish(
  plan: Plan,
  seedCounts: readonly number[],
  journal: Journal,
  request: SweepRequest,
  io: CliIo,
): Promise<0 | 1> {
  const tables = tablesOf(plan, seedCounts, journal);
  const dictionary = { name: 'dictionary', ...dictionaryTable(tables) };
  const written = [
    ...(await writeTables(request.out, tables, request.formats)),
    ...(await writeTables(request.out, [dictionary], ['csv'])),
  ];
  let failed = 0;
  for (const { key } of plan.runs(seedCounts)) {
    const outcome = journal.outcome(key);
    if (outcome !== undefined && 'error' in outcome) failed += 1;
  }
  const runs = seedCounts.reduce((sum, count) => sum + count, 0);
  if (request.json) {
    io.out(
      `${JSON.stringify({ format: 2, points: plan.points.length, runs, failed, seeds: seedCounts, written }, undefined, 2)}\n`,
    );
  } else {
    io.out(
      `${runs} runs of ${plan.points.length} points${failed === 0 ? '' : `, ${failed} could not be done`}\n`,
    );
    for (const path of written) io.out(`wrote ${path}\n`);
  }
  return failed === 0 ? 0 : 1;
}

async function showDryRun(plan: Plan, request: SweepRequest, io: CliIo): Promise<0> {
  const executor = new ThreadExecutor(1);
  try {
    const { points, runs, finished, estimatedSeconds, first } = await dryRun(
      plan,
      () => false,
      executor,
      request.threads,
      progressClockMs,
    );
    if (request.json) {
      const rows = first.map(({ point, seed, key }) => ({
        point: point.index,
        values: point.values,
        seed,
        key,
      }));
      io.out(
        `${JSON.stringify({ format: 2, points, runs, finished, estimatedSeconds, first: rows }, undefined, 2)}\n`,
      );
      return 0;
    }
    io.out(
      `${points} points, ${runs} runs, about ${durationText(estimatedSeconds * 1000)} on ${request.threads} threads\n\n`,
    );
    for (const { point, seed } of first) {
      const values = plan.variables.map(({ column }, at) => `${column} ${JSON.stringify(point.values[at])}`);
      io.out(`${point.index}: ${[...values, `seed ${seed}`].join(', ')}\n`);
    }
    return 0;
  } finally {
    await executor.close();
  }
}
