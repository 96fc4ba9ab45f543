import type { CommandEntry } from './entry.js';

export const sweepCommand: CommandEntry = {
  usage: 'sweep <study> [folders...]',
  summary: 'run a scenario over variables and seeds, on all cores, and write tidy tables',
  options: [
    ['--out <dir>', 'folder of the journal and the tables (default: the name of the study with ".sweep")'],
    ['--formats <names>', 'of the tables: parquet, csv, ndjson (default: parquet,csv)'],
    ['--jobs <number>', 'threads (default: one per core)'],
    ['--dry-run', 'say how many runs there are and how long they take, and show the first; run only a few'],
    ['--until-relative-error <e>', 'add seeds until half of each 95 % interval is at most E of its mean'],
    ['--of <metrics>', 'metrics for that, with commas between them (default: goodputBps)'],
    ['--most-seeds <number>', 'seeds that a point gets at most for that (default: 100)'],
    ['--shard <part/parts>', 'run only this part of the study, such as 17/256, and write only its journal'],
    ['--queue <url>', 'have workers do the runs: a Redis or Valkey server, redis://HOST:PORT'],
    ['--allow-modules', 'load modules of their own that scenarios name, which run with your rights'],
    ['--merge', 'run nothing: put the journals of shards in DIR, and in other FOLDERS, into tables'],
    ['--json', 'one JSON document on stdout, nothing else'],
  ],
  notes: `Everything that is finished is in the journal in DIR: after Ctrl-C, a crash or a full disk the same command goes on
where it stopped, and a changed study keeps what still fits. docs/sweeps.md walks through a study.

Exit code: 0 fine, 1 runs could not be done (their rows say why), 2 usage or input that cannot be used, 130 stopped by
Ctrl-C, 143 by SIGTERM.`,
  load: async () => (await import('../sweep-action.js')).sweepAction,
};
