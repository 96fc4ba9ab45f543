import type { Redis } from 'ioredis';
import { RESULT_VERSION } from '../result-version.js';
import { SweepError } from '../sweep-error.js';

/** How long a server may take to answer the first time, ms. */
const CONNECT_MS = 5_000;

/** Jobs of one version; workers of another have another queue. */
export const QUEUE_NAME = `cdna-nic-${RESULT_VERSION}`;

/** The version of the sweep that uses a server: a worker of another version says so and ends. */
export const VERSION_KEY = 'cdna-nic:version';

/** What is loaded for a queue, and only then. */
export interface QueuePackages {
  readonly bullmq: typeof import('bullmq');
  readonly Redis: typeof Redis;
}

/** @throws SweepError that says what to install when the optional packages are missing */
export async function queuePackages(): Promise<QueuePackages> {
  try {
    const [bullmq, { Redis }] = await Promise.all([import('bullmq'), import('ioredis')]);
    return { bullmq, Redis };
  } catch {
    throw new SweepError(
      '--queue needs the packages bullmq and ioredis, expected them installed: npm install bullmq ioredis',
    );
  }
}

/** Connects to a Redis or Valkey server. @throws SweepError in one line when it cannot be reached */
export async function connect({ Redis }: QueuePackages, url: string): Promise<Redis> {
  if (!/^rediss?:\/\//u.test(url)) {
    throw new SweepError(`--queue is "${url}", expected redis://HOST[:PORT] or rediss://HOST[:PORT]`);
  }
  const redis = new Redis(url, {
    lazyConnect: true,
    connectTimeout: CONNECT_MS,
    // Once connected, commands wait for a server that is away to come back.
    maxRetriesPerRequest: null,
    retryStrategy: () => null,
  });
  // Without a listener a refused connection is an unhandled error; `connect` rejects as well, and knows less.
  let refusal: Error | undefined;
  redis.on('error', (error) => {
    refusal = error;
  });
  try {
    await redis.connect();
  } catch (error) {
    redis.disconnect();
    const cause = refusal ?? error;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new SweepError(`--queue is "${url}", which cannot be reached (${reason})`);
  }
  redis.options.retryStrategy = (attempt) => Math.min(1000, attempt * 50);
  return redis;
}
