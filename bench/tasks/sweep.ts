import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { doJob } from '../../src/sweep/do-job.js';
import type { Executor } from '../../src/sweep/executor.js';
import { Journal } from '../../src/sweep/journal.js';
import { checkStudy, studyOf } from '../../src/sweep/load-study.js';
import { Plan } from '../../src/sweep/plan.js';
import { PoolExecutor } from '../../src/sweep/pool-executor.js';
import { QueueExecutor } from '../../src/sweep/queue/queue-executor.js';
import { runJobs } from '../../src/sweep/run-jobs.js';
import { dictionaryTable, tablesOf } from '../../src/sweep/tables.js';
import { writeTables } from '../../src/sweep/write-tables.js';
import { answer } from '../child.js';
import { hostNs } from '../measure.js';

export interface SweepQuestion {
  /** `bare`: the same runs in a loop, and nothing kept. */
  readonly way: 'bare' | 'threads' | 'queue';
  readonly runs: number;
  /** Of the server. */
  readonly url?: string;
}

export interface SweepAnswer {
  /** From the study to its tables, ns; what is done before the first run ends is not part of it. */
  readonly wallNs: number;
  /** CPU time of this process and its threads in that time, ns. */
  readonly cpuNs: number;
  /** Resident memory of the process and its threads when a fifth of the runs was done, and when all were; bytes. */
  readonly earlyBytes: number;
  readonly lateBytes: number;
  /** With the tables written. */
  readonly endBytes: number;
}

const VALUES = 100;

/** Two guests for 100 us: little to do besides what a sweep adds. */
function planOf(runs: number): Promise<Plan> {
  const study = checkStudy({
    scenario: {
      guests: [
        { name: 'a', memoryMegabytes: 1, traffic: { kind: 'poisson', wireRateBps: 3e8 } },
        { name: 'b', memoryMegabytes: 1, traffic: { kind: 'poisson', wireRateBps: 3e8 } },
      ],
    },
    vary: [{ path: 'guests[0].weight', name: 'weight', from: 1, to: VALUES, step: 1 }],
    seeds: Math.ceil(runs / VALUES),
    windowNs: 100_000,
  });
  return Plan.of(studyOf(study, study.scenario, '.', 'bench'));
}

answer(async ({ way, runs, url }: SweepQuestion): Promise<SweepAnswer> => {
  const plan = await planOf(runs);
  return way === 'bare'
    ? bare(plan)
    : swept(plan, way === 'threads' ? new PoolExecutor(1) : await QueueExecutor.connect(url ?? ''));
});

async function bare(plan: Plan): Promise<SweepAnswer> {
  let times: Times | undefined;
  for (const { job } of plan.runs()) {
    await doJob({ job, allowModules: false });
    times ??= new Times();
  }
  const { rss } = process.memoryUsage();
  return { ...elapsed(times), earlyBytes: rss, lateBytes: rss, endBytes: rss };
}

async function swept(plan: Plan, executor: Executor): Promise<SweepAnswer> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-sweep-'));
  const journal = Journal.open(join(folder, 'journal.ndjson'));
  try {
    const total = plan.points.length * plan.seeds.length;
    let times: Times | undefined;
    let earlyBytes = 0;
    await runJobs(plan.jobs(), executor, journal, ({ done, failed }) => {
      if (failed > 0) throw new Error('a run could not be done');
      times ??= new Times();
      if (done === Math.floor(total / 5)) earlyBytes = process.memoryUsage().rss;
    });
    const lateBytes = process.memoryUsage().rss;
    const tables = tablesOf(plan, plan.seedCounts, journal);
    await writeTables(folder, tables, ['parquet', 'csv']);
    await writeTables(folder, [{ name: 'dictionary', ...dictionaryTable(tables) }], ['csv']);
    return { ...elapsed(times), earlyBytes, lateBytes, endBytes: process.memoryUsage().rss };
  } finally {
    await executor.close();
    journal.close();
    rmSync(folder, { recursive: true });
  }
}

/** Begins when the first run is done: what loads the program, and makes machine code of it, is behind. */
class Times {
  readonly startNs = hostNs();
  readonly startCpu = process.cpuUsage();
}

function elapsed(times: Times | undefined): Pick<SweepAnswer, 'wallNs' | 'cpuNs'> {
  if (times === undefined) throw new Error('nothing was run');
  const { user, system } = process.cpuUsage(times.startCpu);
  return { wallNs: hostNs() - times.startNs, cpuNs: (user + system) * 1000 };
}
