import { readFile, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Redis } from 'ioredis';
import { type ContentHashes, capturesOf, requireContent } from '../file-hash.js';
import type { Job } from '../planned-run.js';
import { SweepError } from '../sweep-error.js';

/** One capture, and all of a sweep, may have so many bytes: they lie in the server's memory. */
const MOST_FILE_BYTES = 64 * 2 ** 20;
const MOST_TOTAL_BYTES = 256 * 2 ** 20;
/** A file that no sweep asks about for so long leaves the server, s. */
const KEPT_SECONDS = 3600;

/** Where the content with this hash lies in the server. */
export function fileKey(hash: string): string {
  return `cdna-nic:file:${hash}`;
}

interface ShippedFile {
  readonly name: string;
  readonly directory: string;
  readonly bytes: number;
}

/** Puts captures that jobs name into the server, each content once, from where workers take them. */
export class ShippedFiles {
  readonly #redis: Redis;
  readonly #files = new Map<string, Promise<ShippedFile>>();
  #totalBytes = 0;

  constructor(redis: Redis) {
    this.#redis = redis;
  }

  /** Makes sure that every capture of a job is there. @throws SweepError that names one that is too large */
  async ship(job: Job): Promise<void> {
    if (job.kind !== 'run') return;
    for (const name of capturesOf(job.scenario)) {
      const hash = hashOf(name, job.contents);
      let file = this.#files.get(hash);
      if (file === undefined) {
        file = this.#add(hash, name, job.directory);
        this.#files.set(hash, file);
      }
      await file;
    }
  }

  /** Keeps what was shipped for longer, and ships again what the server has lost. */
  async renew(): Promise<void> {
    for (const [hash, shipped] of this.#files) {
      const file = await shipped;
      if ((await this.#redis.expire(fileKey(hash), KEPT_SECONDS)) === 0) await this.#put(hash, file);
    }
  }

  async #add(hash: string, name: string, directory: string): Promise<ShippedFile> {
    const bytes = (await stat(resolve(directory, name))).size;
    this.#totalBytes += bytes;
    const [size, limit, what] =
      bytes > MOST_FILE_BYTES
        ? [bytes, MOST_FILE_BYTES, 'has']
        : [this.#totalBytes, MOST_TOTAL_BYTES, 'and those before it have'];
    if (size > limit) {
      throw new SweepError(
        `capture "${name}" ${what} ${size} bytes, expected at most ${limit} that go through a queue; run the sweep without --queue, or with --shard`,
      );
    }
    const file = { name, directory, bytes };
    await this.#put(hash, file);
    return file;
  }

  async #put(hash: string, { name, directory }: ShippedFile): Promise<void> {
    await requireContent(directory, name, hash);
    const content = await readFile(resolve(directory, name));
    await this.#redis.set(fileKey(hash), content, 'EX', KEPT_SECONDS);
  }
}

function hashOf(name: string, contents: ContentHashes): string {
  const hash = contents[name];
  if (hash === undefined) throw new SweepError(`capture "${name}" has no hash, expected one from the plan`);
  return hash;
}
