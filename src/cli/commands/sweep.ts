import type { CommandEntry } from './entry.js';

const OUT = [
  '--out <dir>',
  'folder of the journal and the tables (default: the name of the study with ".sweep")',
] as const;
const FORMATS = ['--formats <names>', 'of the tables: parquet, csv, ndjson (default: parquet,csv)'] as const;
const JSON_OUT = ['--json', 'one JSON document on stdout, nothing else'] as const;

const mergeCommand: CommandEntry = {
  usage: 'merge <study> [folders...]',
  summary: 'write the journals of shards, in DIR and in other FOLDERS, as tables; runs nothing',
  options: [OUT, FORMATS, JSON_OUT],
  load: async () => (await import('../sweep-merge-action.js')).sweepMergeAction,
};

const reportCommand: CommandEntry = {
  usage: 'report <study>',
  summary: 'write what a sweep found as a page, and say which differences are larger than noise',
  options: [
    OUT,
    ['--metrics <names>', 'metrics of a run, or guest.METRIC of each guest; "all" (default: the main ones)'],
    ['--over <variable>', 'variable on the axis (default: the number with the most values)'],
    ['--lines <variable>', 'variable with a line per value (default: protection, else the next one)'],
    ['--where <conditions>', 'only these values: VARIABLE=VALUE, with commas between them'],
    ['--json', 'the differences and their tests as one JSON document on stdout'],
  ],
  notes: `Runs nothing. Variables besides --over and --lines have a panel per value. The page is report.html in DIR, beside it
differences.csv has every comparison. docs/sweeps.md says which test is used.`,
  load: async () => (await import('../sweep-report-action.js')).sweepReportAction,
};

export const sweepCommand: CommandEntry = {
  usage: 'sweep <study>',
  summary: 'run a scenario over variables and seeds, on all cores, and write tidy tables',
  options: [
    OUT,
    FORMATS,
    ['--jobs <number>', 'threads (default: one per core)'],
    ['--dry-run', 'say how many runs there are and how long they take, and show the first; run only a few'],
    ['--until-relative-error <e>', 'add seeds until half of each 95 % interval is at most E of its mean'],
    ['--of <metrics>', 'metrics for that, with commas between them (default: goodputBps)'],
    ['--most-seeds <number>', 'seeds that a point gets at most for that (default: 100)'],
    [
      '--shard <part/parts>',
      'run only this part of the study, 1 to PARTS, such as 17/256, and write only its journal',
    ],
    ['--queue <url>', 'have workers do the runs: a Redis or Valkey server, redis://HOST:PORT'],
    ['--allow-modules', 'load modules of their own that scenarios name, which run with your rights'],
    JSON_OUT,
  ],
  commands: [mergeCommand, reportCommand],
  notes: `Everything that is finished is in the journal in DIR: after Ctrl-C, a crash or a full disk the same command goes on
where it stopped, and a changed study keeps what still fits. docs/sweeps.md walks through a study.

Exit code: 0 fine, 1 runs could not be done (their rows say why), 2 usage or input that cannot be used, 130 stopped by
Ctrl-C, 143 by SIGTERM.`,
  load: async () => (await import('../sweep-action.js')).sweepAction,
};
