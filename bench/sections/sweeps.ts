import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findRedis, freePort, RedisServer } from '../../test/support/redis.js';
import { askOnce } from '../child.js';
import { round } from '../measure.js';
import type { Row, Section } from '../section.js';
import type { SweepAnswer, SweepQuestion } from '../tasks/sweep.js';

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
const RUNS = 10_000;

/**
 * A study of 10,000 short runs, from its first run to its tables: in a bare loop that keeps nothing, on one thread of a
 * sweep, and through a queue on loopback with one worker of one thread. What a sweep adds to a run is the difference to
 * the bare loop, in real time and in CPU time of everything that takes part (threads, worker, server), which does not
 * depend on what else the host does. Plans, starts of threads and the first run are not counted; keys, the journal and
 * all tables are.
 */
export const sweeps: Section = {
  name: 'sweeps',
  title: 'Sweeps: what is added to a run, and memory',
  async run({ quick, progress }) {
    const runs = quick ? 200 : RUNS;
    const ask = (question: SweepQuestion) => {
      progress(`sweeps: ${runs} runs, ${question.way}`);
      return askOnce<SweepAnswer>('sweep', question);
    };
    const bare = await ask({ way: 'bare', runs });
    const threads = await ask({ way: 'threads', runs });
    const queue = await throughQueue((url) => ask({ way: 'queue', runs, url }));
    return [
      rowOf('bare loop', runs, bare, undefined),
      rowOf('threads', runs, threads, bare),
      queue === undefined ? { way: 'queue', runs } : rowOf('queue', runs, queue, bare),
    ];
  },
};

function rowOf(
  way: string,
  runs: number,
  { wallNs, cpuNs, earlyBytes, lateBytes, endBytes }: SweepAnswer,
  bare: SweepAnswer | undefined,
): Row {
  const perRunMs = wallNs / runs / 1e6;
  return {
    way,
    runs,
    seconds: round(wallNs / 1e9),
    msPerRun: round(perRunMs),
    cpuMsPerRun: round(cpuNs / runs / 1e6),
    ...(bare === undefined
      ? {}
      : {
          addedMsPerRun: round(perRunMs - bare.wallNs / runs / 1e6),
          addedCpuMsPerRun: round((cpuNs - bare.cpuNs) / runs / 1e6),
          megabytesAfterFifth: round(earlyBytes / 2 ** 20),
          megabytesAfterAll: round(lateBytes / 2 ** 20),
          megabytesWithTables: round(endBytes / 2 ** 20),
        }),
  };
}

/** With a server and a worker; undefined where there is no server to start. */
async function throughQueue(ask: (url: string) => Promise<SweepAnswer>): Promise<SweepAnswer | undefined> {
  const program = findRedis();
  if (program === undefined) return undefined;
  const folder = mkdtempSync(join(tmpdir(), 'bench-queue-'));
  const redis = new RedisServer(program, await freePort(), folder);
  await redis.start();
  const call = [
    ...['--import', import.meta.resolve('tsx')],
    MAIN,
    'worker',
    '--queue',
    redis.url,
    '--jobs',
    '1',
  ];
  const worker = spawn(process.execPath, call, { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    await new Promise((resolve) => worker.stdout.once('data', resolve));
    const helpers = [worker.pid, redis.pid];
    const before = cpuNsOf(helpers);
    const answer = await ask(redis.url);
    return { ...answer, cpuNs: answer.cpuNs + cpuNsOf(helpers) - before };
  } finally {
    worker.kill('SIGTERM');
    await new Promise((resolve) => worker.once('exit', resolve));
    await redis.kill();
    rmSync(folder, { recursive: true });
  }
}

/** Ticks of the system's clock of CPU time. */
const TICK_NS = 1e7;

/** CPU time of processes so far, ns; 0 where the system does not say it as Linux does. */
function cpuNsOf(pids: readonly (number | undefined)[]): number {
  return pids.reduce<number>((sum, pid) => {
    const path = `/proc/${pid}/stat`;
    if (!existsSync(path)) return sum;
    // proc(5): utime and stime are the 14th and 15th field; the second, in brackets, may contain spaces.
    const fields = readFileSync(path, 'utf8').split(') ')[1]?.split(' ') ?? [];
    return sum + (Number(fields[11]) + Number(fields[12])) * TICK_NS;
  }, 0);
}
