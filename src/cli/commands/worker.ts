import type { CommandEntry } from './entry.js';

export const workerCommand: CommandEntry = {
  usage: 'worker',
  summary: 'do runs of a sweep that is on a queue, until stopped; as many workers as you like, anywhere',
  options: [
    ['--queue <url>', 'Redis or Valkey server, redis://HOST:PORT'],
    ['--jobs <number>', 'threads (default: one per core)'],
    ['--lock <time>', 'a worker that is silent for so long loses its run to another (default: 30s)'],
    ['--allow-modules', 'do runs whose scenarios name modules of their own, which run with your rights'],
  ],
  notes: `Needs the packages bullmq and ioredis. Captures come through the server; modules must lie where the study says.

Exit code: 0 after Ctrl-C or SIGTERM (the runs under way are finished first), 2 usage, or a server that cannot be used.`,
  load: async () => (await import('../worker-action.js')).workerAction,
};
