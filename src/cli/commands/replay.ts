import type { CommandEntry } from './entry.js';

export const replayCommand: CommandEntry = {
  usage: 'replay <session>',
  summary: 'play a session that serve --record wrote again, to the bit, in virtual time',
  options: [
    ['--json', 'one JSON document on stdout, nothing else'],
    ['--pcapng <file>', 'write what passed the card, for Wireshark'],
    ['--snap <bytes>', 'keep so many bytes of each captured frame (default: all)'],
    ['--trace <file>', 'write a timeline, for ui.perfetto.dev'],
    ['--trace-duration <time>', 'how much of the session the timeline shows, from its start (default: 5ms)'],
    [
      '--frames <dir>',
      'write what each guest sent and received, and a scenario that replays it: compare takes it',
    ],
  ],
  notes: `The replay is compared with the session at every read of a guest's memory, and at the end by the fingerprint of all
that went out. Exit code: 0 the same to the bit, 1 it departs or an invariant was violated, 2 usage or input that
cannot be used.`,
  load: async () => (await import('../replay-action.js')).replayAction,
};
