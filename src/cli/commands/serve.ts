import type { CommandEntry } from './entry.js';

export const serveCommand: CommandEntry = {
  usage: 'serve [scenario]',
  summary:
    'act as the card of real virtual machines: print how to start them, and show what each gets of the wire',
  options: [
    ['--protection <name>', 'approach (default: the scenario, or cdna)'],
    ['--discipline <name>', 'DMA scheduler (default: the scenario, or drr)'],
    [
      '--policy <name>',
      'what becomes of a guest that faults: log, revoke or kill (default: the scenario, or log)',
    ],
    ['--record <file>', 'write the session, for `replay`'],
    ['--capture <file>', 'write what passes the card, for Wireshark'],
    ['--snap <bytes>', 'keep so many bytes of each captured frame (default: all)'],
    [
      '--lab [port]',
      'watch the session in a browser: a page on loopback, 0 for any free port (default: 5180)',
    ],
    ['--force', 'write over files that cdna-nic did not write'],
    ['--dir <dir>', 'put the sockets there (default: a new folder, removed at the end)'],
    ['--spin <time>', 'wait for events nearer than this without rest, at the price of a core (default: 0us)'],
    ['--seed <number>', 'seed of guests that are not real (default: the scenario, or 1)'],
    ['--duration <time>', 'end after so long (default: when told to)'],
    ['--json', 'a line of JSON per second instead of the table'],
  ],
  notes: `Without a scenario: two machines (scenarios/two-machines.json). Real guests are those with "attached": true.
Under --protection iommu:guest each machine's own IOMMU drives our tables (npm install koffi@3.3.4).
Keys: q ends, c starts and completes a capture, 1 to 9 choose a guest, + and - change its weight.
QEMU 10.1 or later is needed for the machines; docs/real-guests.md goes from nothing to two that ping.

Ctrl-C, SIGTERM and SIGHUP end it as q does: sockets and RAM files are removed, log and capture are completed.
Exit code: 0 fine, 1 an invariant was violated, 2 usage or input that cannot be used.`,
  load: async () => (await import('../serve-action.js')).serveAction,
};
