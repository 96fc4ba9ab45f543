import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { resolve } from 'node:path';
import { isModulePath } from '../scenario/module-path.js';
import type { Scenario } from '../scenario/schema.js';
import { SweepError } from './sweep-error.js';

/** SHA-256 of files that a scenario names, in hexadecimal, by the name in the scenario. */
export type ContentHashes = Readonly<Record<string, string>>;

/** Captures that a scenario names, as it names them. */
export function capturesOf({ guests }: Pick<Scenario, 'guests'>): string[] {
  return guests.flatMap(({ traffic, receive }) =>
    [traffic, receive].flatMap((spec) => (spec?.kind === 'replay' ? [spec.capture] : [])),
  );
}

/** Modules of its own that a scenario names, as it names them. */
export function modulesOf({
  protection = '',
  discipline = '',
}: Pick<Scenario, 'protection' | 'discipline'>): string[] {
  return [protection, discipline].filter(isModulePath);
}

/** Hashes the content of a file, of whatever size. @throws SweepError that names it when it cannot be read */
export async function hashOfFile(directory: string, name: string): Promise<string> {
  const hash = createHash('sha256');
  try {
    for await (const chunk of createReadStream(resolve(directory, name))) hash.update(chunk as Buffer);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new SweepError(`file is "${name}", which cannot be read (${reason})`);
  }
  return hash.digest('hex');
}

/** @throws SweepError when a file is no longer the one that the study was planned with */
export async function requireContent(directory: string, name: string, hash: string): Promise<void> {
  if ((await hashOfFile(directory, name)) === hash) return;
  throw new SweepError(`file is "${name}", whose content is not the one that the sweep began with`);
}
