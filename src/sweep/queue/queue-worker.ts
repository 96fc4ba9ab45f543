import type { Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import { UserError } from '../../../scheduler/errors.js';
import { checkScenario } from '../../scenario/load.js';
import { modulesOf, requireContent } from '../file-hash.js';
import type { Outcome } from '../outcome.js';
import type { Job, RunJob } from '../planned-run.js';
import { failureText, PoolExecutor } from '../pool-executor.js';
import { RESULT_VERSION } from '../result-version.js';
import { SweepError } from '../sweep-error.js';
import { connect, QUEUE_NAME, queuePackages, VERSION_KEY } from './connection.js';
import { FetchedFiles } from './fetched-files.js';

/** A worker renews its lock on a job before this is over; one that is silent for longer loses it to another, ms. */
const LOCK_MS = 30_000;
/** A job that more workers than these died of is not given to another one. */
const MOST_STALLS = 2;
/** So often a worker looks whether a sweep of another version has come, ms. */
const VERSION_MS = 5_000;

export interface WorkerOptions {
  readonly threads: number;
  /** Whether jobs may load modules that their scenarios name. */
  readonly allowModules: boolean;
  /** How long a silent worker keeps a job, ms. @defaultValue 30,000 */
  readonly lockMs?: number;
  /** Called after each job: how many were done, and how many were refused or could not be done. */
  readonly done?: (jobs: number, failed: number) => void;
}

/** Takes jobs from a queue and does them in threads, until it is closed. */
export class QueueWorker {
  /** Settles when a sweep of another version uses the server. */
  readonly refused: Promise<SweepError>;
  readonly #worker: Worker<Job, Outcome>;
  readonly #executor: PoolExecutor;
  readonly #redis: Redis;
  readonly #files: FetchedFiles;
  readonly #timer: NodeJS.Timeout;

  private constructor(
    worker: Worker<Job, Outcome>,
    executor: PoolExecutor,
    redis: Redis,
    files: FetchedFiles,
    url: string,
  ) {
    this.#worker = worker;
    this.#executor = executor;
    this.#redis = redis;
    this.#files = files;
    let refuse: (error: SweepError) => void = () => undefined;
    this.refused = new Promise((resolve) => {
      refuse = resolve;
    });
    this.#timer = setInterval(async () => {
      const other = await otherVersion(redis, url).catch(() => undefined);
      if (other !== undefined) refuse(other);
    }, VERSION_MS);
  }

  /** @throws SweepError when the server cannot be reached, or a sweep of another version uses it */
  static async start(url: string, options: WorkerOptions): Promise<QueueWorker> {
    const packages = await queuePackages();
    const redis = await connect(packages, url);
    const other = await otherVersion(redis, url);
    if (other !== undefined) {
      redis.disconnect();
      throw other;
    }
    const executor = new PoolExecutor(options.threads, options.allowModules);
    const files = new FetchedFiles(redis);
    const lockMs = options.lockMs ?? LOCK_MS;
    let jobs = 0;
    let failed = 0;
    const worker = new packages.bullmq.Worker<Job, Outcome>(
      QUEUE_NAME,
      async ({ data }) => {
        const outcome = await doQueued(data, options.allowModules, executor, files);
        if ('error' in outcome) failed += 1;
        else jobs += 1;
        options.done?.(jobs, failed);
        return outcome;
      },
      {
        connection: redis,
        concurrency: options.threads,
        lockDuration: lockMs,
        stalledInterval: lockMs,
        maxStalledCount: MOST_STALLS,
      },
    );
    // A server that goes away comes back, or the process is stopped; BullMQ connects again by itself.
    worker.on('error', () => undefined);
    return new QueueWorker(worker, executor, redis, files, url);
  }

  /** Finishes the jobs under way and takes no more. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#worker.close();
    await this.#executor.close();
    this.#files.close();
    this.#redis.disconnect();
  }
}

async function otherVersion(redis: Redis, url: string): Promise<SweepError | undefined> {
  const version = await redis.get(VERSION_KEY);
  if (version === null || version === RESULT_VERSION) return undefined;
  return new SweepError(
    `--queue is "${url}", where a sweep of version ${version} runs; expected version ${RESULT_VERSION}, which this worker has`,
  );
}

/**
 * Does a job that came from outside.
 * @throws Error when it is to be tried again, here or elsewhere
 */
async function doQueued(
  job: Job,
  allowModules: boolean,
  executor: PoolExecutor,
  files: FetchedFiles,
): Promise<Outcome> {
  try {
    return await executor.attempt(job.kind === 'run' ? await checkedJob(job, allowModules, files) : job);
  } catch (error) {
    if (error instanceof UserError) return { error: error.message, isFinal: false };
    throw new Error(failureText(error));
  }
}

/** A job whose scenario can be run, with files that are here. @throws SweepError, ScenarioError */
async function checkedJob(job: RunJob, allowModules: boolean, files: FetchedFiles): Promise<RunJob> {
  checkScenario(job.scenario, 'job');
  for (const name of modulesOf(job.scenario)) {
    if (!allowModules) {
      throw new SweepError('the scenario names modules, and the worker was started without --allow-modules');
    }
    await requireContent(job.directory, name, job.contents[name] ?? '');
  }
  return files.localJob(job);
}
