import { type ChildProcess, spawn } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { QUEUE_NAME, VERSION_KEY } from '../../../src/sweep/queue/connection.js';
import { ShippedFiles } from '../../../src/sweep/queue/shipped-files.js';
import { RESULT_VERSION } from '../../../src/sweep/result-version.js';
import { findRedis, freePort, RedisServer } from '../../support/redis.js';
import { cli, emptyFolder, planOf, STUDY, studyFile } from './study-lab.js';

const program = findRedis();
const main = fileURLToPath(new URL('../../../src/cli/main.ts', import.meta.url));
const CAPTURE = fileURLToPath(new URL('../../../captures/voice.pcap', import.meta.url));
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

async function server(folder = emptyFolder()): Promise<RedisServer> {
  const redis = new RedisServer(program ?? '', await freePort(), folder);
  onTestFinished(() => redis.kill());
  await redis.start();
  return redis;
}

function same(one: string, other: string): void {
  for (const name of TABLES) {
    expect(readFileSync(join(one, name)).equals(readFileSync(join(other, name))), name).toBe(true);
  }
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
    same(join(folder, 'queue'), join(folder, 'threads'));
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
    const call = ['sweep', study, '--out', join(folder, 'out'), '--queue', redis.url] as const;
    const unasked = await cli(...call);
    expect(unasked.code).toBe(2);
    expect(unasked.err).toMatch(/discipline = ".\/own.mjs" cannot run: .*--allow-modules/u);
    const worker = startWorker(redis.url);
    let said = '';
    worker.stdout?.on('data', (text: Buffer) => {
      said += text;
    });
    const { code, out } = await cli(...call, '--allow-modules');
    expect(code).toBe(1);
    expect(out).toMatch(/1 could not be done \(the first: .*without --allow-modules\)/u);
    worker.kill('SIGTERM');
    await new Promise((resolve) => worker.once('exit', resolve));
    expect(said).toContain('1 run done, 1 could not be done');
    expect(readFileSync(join(folder, 'out/runs.csv'), 'utf8')).toContain('without --allow-modules');
  }, 120_000);

  test('takes captures to workers by their content, wherever those run', async () => {
    const folder = emptyFolder();
    mkdirSync(join(folder, 'study'));
    const study = studyFile(join(folder, 'study'), {
      ...STUDY,
      scenario: {
        guests: [
          { name: 'a', traffic: { kind: 'poisson', wireRateBps: 300_000_000 } },
          { name: 'voice', traffic: { kind: 'replay', capture: 'voice.pcap', timeFactor: 0.001 } },
        ],
      },
      vary: [{ path: 'protection', values: ['none', 'cdna'] }],
      windowNs: 2_000_000,
    });
    copyFileSync(CAPTURE, join(folder, 'study/voice.pcap'));
    await cli('sweep', study, '--out', join(folder, 'threads'));
    expect(readFileSync(join(folder, 'threads/guests.csv'), 'utf8')).toMatch(/,voice,1,[1-9]/u);
    const redis = await server();
    const worker = startWorker(redis.url);
    let said = '';
    worker.stdout?.on('data', (text: Buffer) => {
      said += text;
    });
    const call = ['sweep', study, '--out', join(folder, 'queue'), '--queue', redis.url];
    expect(await cli(...call)).toMatchObject({ code: 0 });
    same(join(folder, 'queue'), join(folder, 'threads'));
    worker.kill('SIGTERM');
    expect(await new Promise((resolve) => worker.once('exit', resolve))).toBe(0);
    expect(said).toMatch(/1 threads? takes? runs from redis:.*\n4 runs done\n$/su);
  }, 120_000);

  test('reports a run that kills its workers, after several have died, and continues with the rest', async () => {
    const folder = emptyFolder();
    writeFileSync(join(folder, 'deadly.mjs'), 'export default () => process.kill(process.pid, "SIGKILL");\n');
    const study = studyFile(folder, {
      ...STUDY,
      vary: [{ path: 'discipline', values: ['drr', './deadly.mjs', 'sfq'] }],
      seeds: 1,
    });
    const redis = await server();
    let isOver = false;
    let deaths = 0;
    const keepWorker = () => {
      const worker = startWorker(redis.url, '--lock', '1s', '--allow-modules');
      worker.once('exit', () => {
        if (isOver) return;
        deaths += 1;
        keepWorker();
      });
    };
    keepWorker();
    const { code, out } = await cli(
      'sweep',
      study,
      '--out',
      join(folder, 'out'),
      '--queue',
      redis.url,
      '--allow-modules',
    );
    isOver = true;
    expect(code).toBe(1);
    expect(out).toContain('3 runs of 3 points, 1 could not be done');
    const rows = readFileSync(join(folder, 'out/runs.csv'), 'utf8').split('\r\n');
    expect(rows.map((row) => row.includes('3 workers ended while they did it'))).toEqual([
      false,
      false,
      true,
      false,
      false,
    ]);
    expect(deaths).toBe(3);
  }, 180_000);

  test('is not held up by outcomes that another sweep left, by a second sweep of the same runs, or by a server that forgot everything', async () => {
    const folder = emptyFolder();
    const study = studyFile(folder, LARGER);
    await cli('sweep', study, '--out', join(folder, 'threads'));
    const memory = join(folder, 'server');
    mkdirSync(memory);
    const redis = await server(memory);
    const connection = new Redis(redis.url, { maxRetriesPerRequest: null });
    connection.on('error', () => undefined);
    const queue = new Queue(QUEUE_NAME, { connection });
    queue.on('error', () => undefined);
    const left = { kind: 'attacks', protection: 'none', seed: 1, attacks: [] };
    await queue.addBulk(
      Array.from({ length: 400 }, (_, at) => ({ name: 'job', data: left, opts: { jobId: `left-${at}` } })),
    );
    for (let count = 0; count < 3; count += 1) startWorker(redis.url, '--lock', '2s');
    const sweeps = ['first', 'second'].map((name) =>
      cli('sweep', study, '--out', join(folder, name), '--queue', redis.url),
    );
    while (linesOf(join(folder, 'first/journal.ndjson')) < 10) await sleep(20);
    await redis.kill();
    rmSync(join(memory, 'appendonlydir'), { recursive: true });
    await redis.start();
    for (const sweep of sweeps) expect(await sweep).toMatchObject({ code: 0 });
    for (const name of ['first', 'second']) same(join(folder, name), join(folder, 'threads'));
    await queue.close();
    connection.disconnect();
  }, 300_000);

  test('refuses a worker of another version, one that was there before as well', async () => {
    const redis = await server();
    const early = startWorker(redis.url);
    let said = '';
    early.stderr?.on('data', (text: Buffer) => {
      said += text;
    });
    await new Promise((resolve) => early.stdout?.once('data', resolve));
    const client = new Redis(redis.url);
    await client.set(VERSION_KEY, '99-other');
    client.disconnect();
    const { code, err } = await cli('worker', '--queue', redis.url);
    const message = `a sweep of version 99-other runs; expected version ${RESULT_VERSION}`;
    expect(code).toBe(2);
    expect(err).toContain(message);
    expect(await new Promise((resolve) => early.once('exit', resolve))).toBe(2);
    expect(said).toContain(message);
  }, 60_000);
});

test('a capture that is too large for a server is refused by name', async () => {
  const folder = emptyFolder();
  const path = join(folder, 'long.pcap');
  writeFileSync(path, '');
  truncateSync(path, 2 ** 26 + 1);
  const plan = await planOf({
    scenario: {
      guests: [{ traffic: { kind: 'replay', capture: path } }],
    },
  });
  const [job] = plan.jobs();
  // Nothing is sent: a connection is not needed.
  const files = new ShippedFiles(undefined as unknown as Redis);
  await expect(files.ship(job?.job ?? expect.fail())).rejects.toThrow(
    /capture ".*long\.pcap" has 67108865 bytes, expected at most 67108864 that go through a queue/u,
  );
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
    expect(err).toMatch(/^--queue is "redis:[^\n]+cannot be reached \(connect ECONNREFUSED[^\n]+\)\n$/u);
    expect(existsSync(join(folder, 'out'))).toBe(false);
  }
});
