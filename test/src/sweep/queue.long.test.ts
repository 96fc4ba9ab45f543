import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { MODEL_VERSION } from '../../../src/machine/model-version.js';
import { VERSION_KEY } from '../../../src/sweep/queue/connection.js';
import { findRedis, freePort, RedisServer } from '../../support/redis.js';
import { cli, emptyFolder, STUDY, studyFile } from './study-lab.js';

const program = findRedis();
const main = fileURLToPath(new URL('../../../src/cli/main.ts', import.meta.url));
const TABLES = ['runs.parquet', 'guests.parquet', 'runs.csv', 'guests.csv'];
/** Long enough for things to happen while it runs. */
const LARGER = { ...STUDY, seeds: 8, windowNs: 1_500_000 };

if (program === undefined) {
  console.warn(
    'SKIPPED: no redis-server on this machine (apt-get install redis-server): sweeps through a queue are not tested',
  );
}

const workers = new Set<ChildProcess>();
afterAll(() => {
  for (const worker of workers) worker.kill('SIGKILL');
});

function startWorker(url: string, ...more: string[]): ChildProcess {
  const worker = spawn(process.execPath, [
    '--import',
    'tsx',
    main,
    'worker',
    '--queue',
    url,
    '--jobs',
    '1',
    ...more,
  ]);
  workers.add(worker);
  worker.once('exit', () => workers.delete(worker));
  return worker;
}

async function server(): Promise<RedisServer> {
  const redis = new RedisServer(program ?? '', await freePort(), emptyFolder());
  onTestFinished(() => redis.kill());
  await redis.start();
  return redis;
}

function linesOf(path: string): number {
  return existsSync(path) ? readFileSync(path, 'utf8').split('\n').length - 1 : 0;
}

describe.skipIf(program === undefined)('a sweep through a queue', () => {
  test('has every run once, and the bytes of one machine, whatever happens to workers and server', async () => {
    const folder = emptyFolder();
    const study = studyFile(folder, LARGER);
    await cli('sweep', study, '--out', join(folder, 'threads'));
    const redis = await server();
    const [killed, stopped] = [
      startWorker(redis.url, '--lock', '2s'),
      startWorker(redis.url, '--lock', '2s'),
      startWorker(redis.url, '--lock', '2s'),
    ];
    const sweep = cli('sweep', study, '--out', join(folder, 'queue'), '--queue', redis.url);
    const journal = join(folder, 'queue/journal.ndjson');
    const reached = async (lines: number) => {
      while (linesOf(journal) < lines) await sleep(20);
    };
    await reached(3);
    killed?.kill('SIGKILL');
    await reached(6);
    stopped?.kill('SIGSTOP');
    await sleep(5_000);
    stopped?.kill('SIGCONT');
    await reached(10);
    await redis.kill();
    await sleep(500);
    await redis.start();
    expect(await sweep).toMatchObject({ code: 0 });
    for (const name of TABLES) {
      expect(
        readFileSync(join(folder, 'queue', name)).equals(readFileSync(join(folder, 'threads', name))),
      ).toBe(true);
    }
    const keys = readFileSync(journal, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => (JSON.parse(line) as { key: string }).key);
    expect(keys).toHaveLength(48);
    expect(new Set(keys).size).toBe(48);
  }, 300_000);

  test('reports a run that no worker can do, and goes on with the rest', async () => {
    const folder = emptyFolder();
    writeFileSync(join(folder, 'own.mjs'), 'export default () => { throw new Error("never"); };\n');
    const study = studyFile(folder, {
      ...STUDY,
      seeds: 1,
      vary: [{ path: 'discipline', values: ['drr', './own.mjs'] }],
    });
    const redis = await server();
    startWorker(redis.url);
    const { code, out } = await cli('sweep', study, '--out', join(folder, 'out'), '--queue', redis.url);
    expect(code).toBe(1);
    expect(out).toContain('1 could not be done');
    expect(readFileSync(join(folder, 'out/runs.csv'), 'utf8')).toContain('without --allow-modules');
  }, 120_000);

  test('refuses a worker of another model version', async () => {
    const redis = await server();
    const client = new Redis(redis.url);
    await client.set(VERSION_KEY, MODEL_VERSION + 1);
    client.disconnect();
    const { code, err } = await cli('worker', '--queue', redis.url);
    expect(code).toBe(2);
    expect(err).toContain(`model version ${MODEL_VERSION + 1} runs; expected version ${MODEL_VERSION}`);
  });
});

test('a server that cannot be reached is one line', async () => {
  const folder = emptyFolder();
  const url = `redis://127.0.0.1:${await freePort()}`;
  for (const args of [
    ['sweep', studyFile(folder, STUDY), '--out', join(folder, 'out'), '--queue', url],
    ['worker', '--queue', url],
  ]) {
    const { code, err } = await cli(...args);
    expect(code).toBe(2);
    expect(err).toMatch(/^--queue is "redis:[^\n]+cannot be reached \([^\n]+\)\n$/u);
  }
});
