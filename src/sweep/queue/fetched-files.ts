import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { Redis } from 'ioredis';
import type { TrafficSpec } from '../../scenario/schema.js';
import type { RunJob } from '../planned-run.js';
import { SweepError } from '../sweep-error.js';
import { fileKey } from './shipped-files.js';

const SHA256 = /^[0-9a-f]{64}$/u;

/**
 * Captures of jobs, taken from the server into a folder of this worker: a job never makes a worker read a file of its
 * own machine.
 */
export class FetchedFiles {
  readonly #redis: Redis;
  readonly #folder = mkdtempSync(join(tmpdir(), 'cdna-nic-worker-'));
  readonly #fetched = new Map<string, Promise<string>>();

  constructor(redis: Redis) {
    this.#redis = redis;
  }

  /** The job with captures that are there. @throws Error when the server does not have one yet */
  async localJob(job: RunJob): Promise<RunJob> {
    const contents: Record<string, string> = { ...job.contents };
    const local = async <Spec extends TrafficSpec | undefined>(spec: Spec): Promise<Spec> => {
      if (spec?.kind !== 'replay') return spec;
      const hash = job.contents[spec.capture] ?? '';
      const capture = await this.#path(hash, spec.capture);
      contents[capture] = hash;
      return { ...spec, capture };
    };
    const guests = await Promise.all(
      job.scenario.guests.map(async (guest) => ({
        ...guest,
        traffic: await local(guest.traffic),
        receive: await local(guest.receive),
      })),
    );
    return { ...job, contents, scenario: { ...job.scenario, guests } };
  }

  close(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #path(hash: string, name: string): Promise<string> {
    if (!SHA256.test(hash)) {
      throw new SweepError(`capture "${name}" comes with the hash "${hash}", expected a SHA-256`);
    }
    // Messages name a capture by the last part of its path.
    const path = join(this.#folder, hash, basename(name) || 'capture');
    let fetched = this.#fetched.get(path);
    if (fetched === undefined) {
      fetched = this.#fetch(hash, name, path);
      this.#fetched.set(path, fetched);
      fetched.catch(() => this.#fetched.delete(path));
    }
    return fetched;
  }

  async #fetch(hash: string, name: string, path: string): Promise<string> {
    const content = await this.#redis.getBuffer(fileKey(hash));
    if (content === null) throw new Error(`capture "${name}" is not in the server`);
    if (createHash('sha256').update(content).digest('hex') !== hash) {
      throw new Error(`capture "${name}" came with another content than its hash says`);
    }
    const folder = join(this.#folder, hash);
    if (!existsSync(folder)) mkdirSync(folder);
    writeFileSync(path, content);
    return path;
  }
}
