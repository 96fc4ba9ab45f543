import type { Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import { MODEL_VERSION } from '../../machine/model-version.js';
import { isModulePath } from '../../scenario/module-path.js';
import type { Outcome } from '../outcome.js';
import type { Job } from '../planned-run.js';
import { SweepError } from '../sweep-error.js';
import { ThreadExecutor } from '../thread-executor.js';
import { connect, QUEUE_NAME, queuePackages, VERSION_KEY } from './connection.js';

/** A worker renews its hold on a job before this is over; who is silent for longer loses it to another, ms. */
const LOCK_MS = 30_000;
/** A job that so many workers in a row died of is not given to another one. */
const MOST_STALLS = 3;

export interface WorkerOptions {
  readonly threads: number;
  /** Whether jobs may load modules that their scenarios name. */
  readonly allowModules: boolean;
  /** How long a silent worker keeps a job, ms. @defaultValue 30,000 */
  readonly lockMs?: number;
  /** Told after each job. */
  readonly done?: (jobs: number) => void;
}

/** Takes jobs from a queue and does them in threads, until it is closed. */
export class QueueWorker {
  readonly #worker: Worker<Job, Outcome>;
  readonly #executor: ThreadExecutor;
  readonly #redis: Redis;

  private constructor(worker: Worker<Job, Outcome>, executor: ThreadExecutor, redis: Redis) {
    this.#worker = worker;
    this.#executor = executor;
    this.#redis = redis;
  }

  /** @throws SweepError when the server cannot be reached, or a sweep of another model version uses it */
  static async start(url: string, options: WorkerOptions): Promise<QueueWorker> {
    const packages = await queuePackages();
    const redis = await connect(packages, url);
    const version = await redis.get(VERSION_KEY);
    if (version !== null && Number(version) !== MODEL_VERSION) {
      redis.disconnect();
      throw new SweepError(
        `--queue is "${url}", where a sweep of model version ${version} runs; expected version ${MODEL_VERSION}, which this worker has`,
      );
    }
    const executor = new ThreadExecutor(options.threads, options.allowModules);
    const lockMs = options.lockMs ?? LOCK_MS;
    let jobs = 0;
    const worker = new packages.bullmq.Worker<Job, Outcome>(
      QUEUE_NAME,
      async (queued) => {
        const job = queued.data;
        if (!options.allowModules && namesModules(job)) {
          return { error: 'the scenario names modules, and the worker was started without --allow-modules' };
        }
        const outcome = await executor.run({ key: queued.id ?? '', job });
        jobs += 1;
        options.done?.(jobs);
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
    return new QueueWorker(worker, executor, redis);
  }

  /** Finishes the jobs under way and takes no more. */
  async close(): Promise<void> {
    await this.#worker.close();
    await this.#executor.close();
    this.#redis.disconnect();
  }
}

function namesModules(job: Job): boolean {
  if (job.kind === 'attacks') return false;
  return isModulePath(job.scenario.protection) || isModulePath(job.scenario.discipline);
}
