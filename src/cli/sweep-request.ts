import { availableParallelism } from 'node:os';
import { basename } from 'node:path';
import { parseShard, type Shard } from '../sweep/shard.js';
import { metricPlaces, type Precision } from '../sweep/until-precise.js';
import { TABLE_FORMATS, type TableFormat } from '../sweep/write-tables.js';
import { UsageError } from './cli-io.js';
import type { GivenOptions } from './commands/entry.js';
import { text, wholeNumber } from './options.js';
import { folderPath } from './output-paths.js';

/** What a call of `sweep` asks for. */
export interface SweepRequest {
  readonly study: string;
  readonly out: string;
  readonly formats: readonly TableFormat[];
  readonly threads: number;
  readonly dryRun: boolean;
  readonly precision: Precision | undefined;
  readonly shard: Shard | undefined;
  /** A server whose workers do the runs; threads of this process otherwise. */
  readonly queue: string | undefined;
  readonly allowModules: boolean;
  readonly merge: boolean;
  readonly json: boolean;
}

const MOST_SEEDS = 100;

/** Reads the options. @throws UsageError */
export function readSweepRequest(study: string, options: GivenOptions): SweepRequest {
  const shardText = text(options.shard);
  const shard = shardText === undefined ? undefined : parseShard(shardText);
  const merge = options.merge === true;
  const precision = precisionOf(options);
  if (shard !== undefined && (merge || precision !== undefined)) {
    const other = merge ? '--merge' : '--until-relative-error';
    throw new UsageError(
      `--shard is "${shardText}" beside ${other}, expected one of them: a shard sees only its part`,
    );
  }
  return {
    study,
    out: folderPath('--out', options.out) ?? `${basename(study).replace(/\.[^.]+$/u, '')}.sweep`,
    formats: formatsOf(text(options.formats)),
    threads: wholeNumber('--jobs', text(options.jobs), 1, 1024) ?? availableParallelism(),
    dryRun: options.dryRun === true,
    precision,
    shard,
    queue: text(options.queue),
    allowModules: options.allowModules === true,
    merge,
    json: options.json === true,
  };
}

function precisionOf(options: GivenOptions): Precision | undefined {
  const given = text(options.untilRelativeError);
  const metrics = text(options.of)?.split(',');
  const mostSeeds = wholeNumber('--most-seeds', text(options.mostSeeds), 2, 100_000);
  if (given === undefined) {
    if (metrics === undefined && mostSeeds === undefined) return undefined;
    const lone = metrics === undefined ? '--most-seeds' : '--of';
    throw new UsageError(`${lone} was given alone, expected it beside --until-relative-error`);
  }
  const relativeError = Number(given);
  if (!(relativeError > 0 && relativeError < 1)) {
    throw new UsageError(
      `--until-relative-error is "${given}", expected a number between 0 and 1 such as 0.02`,
    );
  }
  const names = metrics ?? ['goodputBps'];
  metricPlaces(names);
  return { relativeError, metrics: names, mostSeeds: mostSeeds ?? MOST_SEEDS };
}

function formatsOf(given: string | undefined): readonly TableFormat[] {
  if (given === undefined) return ['parquet', 'csv'];
  return given.split(',').map((name) => {
    const format = TABLE_FORMATS.find((one) => one === name.trim());
    if (format !== undefined) return format;
    throw new UsageError(`--formats has "${name}", expected some of: ${TABLE_FORMATS.join(', ')}`);
  });
}
