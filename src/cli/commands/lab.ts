import type { CommandEntry } from './entry.js';

export const labCommand: CommandEntry = {
  usage: 'lab',
  summary: 'open the lab in a browser: a machine that can be run, stopped, changed and inspected',
  options: [
    ['--port <number>', 'port on loopback, 0 for any that is free (default: 5180)'],
    ['--path', 'print where the page lies that opens from disk, and end'],
  ],
  notes: `Serves the page on 127.0.0.1 until it is told to end (Ctrl-C). The machine runs in the browser; nothing is sent
anywhere. docs/lab.md says what there is to see.

Exit code: 0 fine, 2 usage, or a port that is taken.`,
  load: async () => (await import('../lab-action.js')).labAction,
};
