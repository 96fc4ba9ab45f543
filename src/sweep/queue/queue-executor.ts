import type { Queue, Job as QueuedJob } from 'bullmq';
import type { Redis } from 'ioredis';
import { MODEL_VERSION } from '../../machine/model-version.js';
import type { Executor, KeyedJob } from '../executor.js';
import type { FailedOutcome, Outcome } from '../outcome.js';
import type { Job } from '../planned-run.js';
import { connect, QUEUE_NAME, type QueuePackages, queuePackages, VERSION_KEY } from './connection.js';

/** Jobs that the server holds at once: enough for many workers, and few enough for its memory. */
const OUTSTANDING = 512;
/** A job that throws is tried so often: what fails every time is a defect, and is reported. */
const ATTEMPTS = 3;
const BACK_OFF_MS = 500;
/** Outcomes are looked for so often, ms. */
const POLL_MS = 50;
/** Outcomes that one look takes. */
const POLL_JOBS = 256;
/** A sweep that is gone for so long no longer says which version a worker must have, s. */
const VERSION_SECONDS = 60;

interface Waiting {
  readonly done: (outcome: Outcome) => void;
  readonly failed: (error: unknown) => void;
}

/**
 * Gives jobs to workers through BullMQ and gathers what they come to. A job's id is its key: one that is there already,
 * from a sweep that was killed, is not added again, and its outcome is taken. An outcome is removed from the server only
 * after it was handed over, so none is lost however either side ends.
 */
export class QueueExecutor implements Executor {
  readonly atOnce = OUTSTANDING;
  readonly #queue: Queue<Job, Outcome>;
  readonly #redis: Redis;
  readonly #waiting = new Map<string, Waiting>();
  #timer: NodeJS.Timeout | undefined;
  #polling: Promise<void> | undefined;
  #closed = false;

  private constructor(queue: Queue<Job, Outcome>, redis: Redis) {
    this.#queue = queue;
    this.#redis = redis;
  }

  /** @throws SweepError when the packages are missing or the server cannot be reached */
  static async connect(url: string, packages?: QueuePackages): Promise<QueueExecutor> {
    const loaded = packages ?? (await queuePackages());
    const redis = await connect(loaded, url);
    await redis.set(VERSION_KEY, MODEL_VERSION, 'EX', VERSION_SECONDS);
    const queue = new loaded.bullmq.Queue<Job, Outcome>(QUEUE_NAME, { connection: redis });
    queue.on('error', () => undefined);
    return new QueueExecutor(queue, redis);
  }

  async run({ key, job }: KeyedJob): Promise<Outcome> {
    const outcome = new Promise<Outcome>((done, failed) => this.#waiting.set(key, { done, failed }));
    await this.#queue.add('job', job, {
      jobId: key,
      attempts: ATTEMPTS,
      backoff: { type: 'exponential', delay: BACK_OFF_MS },
      // Kept until it is fetched: an outcome may come while nobody listens.
      removeOnComplete: false,
      removeOnFail: false,
    });
    this.#watch();
    return outcome;
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#polling?.catch(() => undefined);
    await this.#queue.close();
    this.#redis.disconnect();
  }

  #watch(): void {
    if (this.#timer !== undefined || this.#closed) return;
    this.#timer = setTimeout(() => {
      this.#polling = this.#poll().finally(() => {
        this.#timer = undefined;
        if (this.#waiting.size > 0) this.#watch();
      });
      this.#polling.catch((error: unknown) => this.#fail(error));
    }, POLL_MS);
  }

  /** Asks for finished jobs, so that a server that was restarted has forgotten nothing that an event would have told. */
  async #poll(): Promise<void> {
    await this.#redis.set(VERSION_KEY, MODEL_VERSION, 'EX', VERSION_SECONDS);
    const finished = await this.#queue.getJobs(['completed', 'failed'], 0, POLL_JOBS - 1, true);
    await Promise.all(finished.map((job) => this.#take(job)));
  }

  async #take(job: QueuedJob<Job, Outcome> | undefined): Promise<void> {
    const key = job?.id ?? '';
    const waiting = this.#waiting.get(key);
    if (job === undefined || waiting === undefined) return;
    this.#waiting.delete(key);
    waiting.done(job.failedReason === undefined ? job.returnvalue : failureOf(job));
    await job.remove();
  }

  #fail(error: unknown): void {
    for (const { failed } of this.#waiting.values()) failed(error);
    this.#waiting.clear();
  }
}

function failureOf({ failedReason, attemptsMade }: QueuedJob<Job, Outcome>): FailedOutcome {
  return { error: `given up after ${Math.max(1, attemptsMade)} attempts: ${failedReason}` };
}
