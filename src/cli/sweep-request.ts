import { basename } from 'node:path';
import { parseShard, type Shard } from '../sweep/shard.js';
import { metricPlaces, type Precision } from '../sweep/until-precise.js';
import { TABLE_FORMATS, type TableFormat } from '../sweep/write-tables.js';
import { type CliIo, UsageError } from './cli-io.js';
import type { GivenOptions } from './commands/entry.js';
import { jobsOf } from './long-work.js';
import { text, wholeNumber } from './options.js';
import { folderPath } from './output-paths.js';

/** What a call of `sweep` asks for. */
export interface SweepRequest {
  readonly study: string;
  readonly out: string;
  readonly formats: readonly TableFormat[];
  readonly threads: number;
  /** Whether runs are done beside this thread, so that signals are heard in the middle of one. */
  readonly hasThreads: boolean;
  readonly dryRun: boolean;
  readonly precision: Precision | undefined;
  readonly shard: Shard | undefined;
  /** A server whose workers do the runs; threads of this process otherwise. */
  readonly queue: string | undefined;
  readonly allowModules: boolean;
  readonly json: boolean;
}

const MOST_SEEDS = 100;

/** Reads the options. @throws UsageError */
export function readSweepRequest(study: string, options: GivenOptions, io: CliIo): SweepRequest {
  const shardText = text(options.shard);
  const shard = shardText === undefined ? undefined : parseShard(shardText);
  const precision = precisionOf(options);
  if (shard !== undefined && precision !== undefined) {
    throw new UsageError(
      `--shard is "${shardText}" beside --until-relative-error, expected one of them: a shard sees only its part`,
    );
  }
  return {
    study,
    out: sweepFolder(study, options),
    formats: readFormats(options),
    threads: jobsOf(options, io),
    // Without --jobs a caller that asks for one job at a time gets it without a thread.
    hasThreads: options.jobs !== undefined || io.jobs !== 1,
    dryRun: options.dryRun === true,
    precision,
    shard,
    queue: text(options.queue),
    allowModules: options.allowModules === true,
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

/** The folder of a study's journal and tables: `--out`, or one that is called after the study. */
export function sweepFolder(study: string, options: GivenOptions): string {
  return folderPath('--out', options.out) ?? `${basename(study).replace(/\.[^.]+$/u, '')}.sweep`;
}

/** Formats of tables. @throws UsageError */
export function readFormats(options: GivenOptions): readonly TableFormat[] {
  const given = text(options.formats);
  if (given === undefined) return ['parquet', 'csv'];
  return given.split(',').map((name) => {
    const format = TABLE_FORMATS.find((one) => one === name.trim());
    if (format !== undefined) return format;
    throw new UsageError(`--formats has "${name}", expected some of: ${TABLE_FORMATS.join(', ')}`);
  });
}
