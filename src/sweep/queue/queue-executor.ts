import { setTimeout as sleep } from 'node:timers/promises';
import type { JobsOptions, Queue, Job as QueuedJob } from 'bullmq';
import type { Redis } from 'ioredis';
import type { Executor, KeyedJob } from '../executor.js';
import type { FailedOutcome, Outcome } from '../outcome.js';
import type { Job } from '../planned-run.js';
import { RESULT_VERSION } from '../result-version.js';
import { connect, QUEUE_NAME, type QueuePackages, queuePackages, VERSION_KEY } from './connection.js';
import { ShippedFiles } from './shipped-files.js';

/** Jobs that the server holds at once: enough for many workers, and few enough for its memory. */
const OUTSTANDING = 512;
/** A job that fails is tried so often: what fails every time is reported. */
const ATTEMPTS = 3;
const BACK_OFF_MS = 500;
/** Outcomes are looked for so often, ms. */
const POLL_MS = 50;
/** Outcomes that are taken at once. */
const TAKEN_AT_ONCE = 64;
/** So often, in looks, it is made sure that the server still has what it was given. */
const CHECK_EVERY = 40;
/** A sweep that has been absent for so long no longer determines the version of workers, s. */
const VERSION_SECONDS = 60;
/** An outcome that no sweep came back for leaves the server after so long, s. */
const FORGOTTEN_SECONDS = 7 * 86_400;

const OPTIONS: JobsOptions = {
  attempts: ATTEMPTS,
  backoff: { type: 'exponential', delay: BACK_OFF_MS },
  // Kept until it is fetched: an outcome may come while no sweep is there.
  removeOnComplete: { age: FORGOTTEN_SECONDS },
  removeOnFail: { age: FORGOTTEN_SECONDS },
};

interface Waiting {
  readonly job: Job;
  readonly done: (outcome: Outcome) => void;
  readonly failed: (error: unknown) => void;
}

/**
 * Sends jobs to workers through BullMQ and collects their outcomes. A job's id is its key: one that is there already,
 * from a sweep that was killed, is not added again, and its outcome is taken. An outcome is removed from the server only
 * after it was handed over, so none is lost however either side ends. Several sweeps may use one server: each takes
 * the outcomes that it waits for.
 */
export class QueueExecutor implements Executor {
  readonly atOnce = OUTSTANDING;
  readonly #queue: Queue<Job, Outcome>;
  readonly #redis: Redis;
  readonly #files: ShippedFiles;
  readonly #waiting = new Map<string, Waiting>();
  #looks = 0;
  #loop: Promise<void> | undefined;
  #closed = false;

  private constructor(queue: Queue<Job, Outcome>, redis: Redis) {
    this.#queue = queue;
    this.#redis = redis;
    this.#files = new ShippedFiles(redis);
  }

  /** @throws SweepError when the packages are missing or the server cannot be reached */
  static async connect(url: string, packages?: QueuePackages): Promise<QueueExecutor> {
    const loaded = packages ?? (await queuePackages());
    const redis = await connect(loaded, url);
    await redis.set(VERSION_KEY, RESULT_VERSION, 'EX', VERSION_SECONDS);
    const queue = new loaded.bullmq.Queue<Job, Outcome>(QUEUE_NAME, { connection: redis });
    queue.on('error', () => undefined);
    return new QueueExecutor(queue, redis);
  }

  /** Workers that wait for jobs of this version now. */
  workers(): Promise<number> {
    return this.#queue.getWorkersCount();
  }

  async run({ key, job }: KeyedJob): Promise<Outcome> {
    await this.#files.ship(job);
    const outcome = new Promise<Outcome>((done, failed) => this.#waiting.set(key, { job, done, failed }));
    await this.#queue.add('job', job, { jobId: key, ...OPTIONS });
    this.#loop ??= this.#look().catch((error: unknown) => this.#fail(error));
    return outcome;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#loop;
    await this.#queue.close();
    this.#redis.disconnect();
  }

  /** Asks for finished jobs, so that no event is missed when a server was restarted. */
  async #look(): Promise<void> {
    while (!this.#closed && this.#waiting.size > 0) {
      await sleep(POLL_MS);
      const finished = await this.#queue.getRanges(['completed', 'failed'], 0, -1, true);
      const ours = finished.filter((key) => this.#waiting.has(key));
      for (let from = 0; from < ours.length; from += TAKEN_AT_ONCE) {
        const some = await Promise.all(
          ours.slice(from, from + TAKEN_AT_ONCE).map((key) => this.#queue.getJob(key)),
        );
        await Promise.all(some.map((job) => this.#take(job)));
      }
      this.#looks += 1;
      if (this.#looks % CHECK_EVERY === 0) await this.#check();
    }
    this.#loop = undefined;
  }

  async #take(job: QueuedJob<Job, Outcome> | undefined): Promise<void> {
    const key = job?.id ?? '';
    const waiting = this.#waiting.get(key);
    if (job === undefined || waiting === undefined) return;
    this.#waiting.delete(key);
    waiting.done(job.failedReason === undefined ? job.returnvalue : failureOf(job));
    await job.remove();
  }

  /**
   * Adds jobs again that the server no longer has: it was restarted without its file, or another sweep that waited for
   * the same job took its outcome.
   */
  async #check(): Promise<void> {
    await this.#redis.set(VERSION_KEY, RESULT_VERSION, 'EX', VERSION_SECONDS);
    await this.#files.renew();
    for (const [key, { job }] of [...this.#waiting]) {
      if ((await this.#redis.exists(this.#queue.toKey(key))) > 0) continue;
      if (this.#waiting.has(key)) await this.#queue.add('job', job, { jobId: key, ...OPTIONS });
    }
  }

  #fail(error: unknown): void {
    for (const { failed } of this.#waiting.values()) failed(error);
    this.#waiting.clear();
  }
}

function failureOf({ failedReason, attemptsMade, stalledCounter }: QueuedJob<Job, Outcome>): FailedOutcome {
  if (stalledCounter > 0 && attemptsMade < ATTEMPTS) {
    return { error: `${stalledCounter} workers ended while they did it (${failedReason})`, isFinal: false };
  }
  return { error: `failed ${Math.max(1, attemptsMade)} times: ${failedReason}`, isFinal: false };
}
