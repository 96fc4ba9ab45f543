import type { CommandEntry } from './entry.js';
import { FILE_OPTIONS } from './run-options.js';

export const replayCommand: CommandEntry = {
  usage: 'replay <session>',
  summary: 'play a session that serve --record wrote again, to the bit, in virtual time',
  options: [
    ...FILE_OPTIONS,
    [
      '--frames <dir>',
      'write what each guest sent and received, and a scenario that replays it: compare takes it',
    ],
  ],
  notes: `--out DIR writes replay.json, replay.html and what each approach is, an HTML report, and NAME.pcapng and NAME.pftrace;
NAME is the approach of the session. The replay is compared with the session at every read of a guest's memory, and at the end by the fingerprint of all
that went out. Exit code: 0 the same to the bit, 1 it departs or an invariant was violated, 2 usage or input that
cannot be used.`,
  load: async () => (await import('../replay-action.js')).replayAction,
};
