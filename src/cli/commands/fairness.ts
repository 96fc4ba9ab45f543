import type { CommandEntry } from './entry.js';
import { JOBS_OPTION } from './jobs-option.js';

export const fairnessCommand: CommandEntry = {
  usage: 'fairness',
  summary: 'run the DMA schedulers on the same workloads and show shares, gaps against bounds, and delays',
  options: [
    [
      '--contexts <number>',
      'contexts that share the link, 2 to 256; weights 1, 2, 4, 8 round-robin (default: 16)',
    ],
    [
      '--disciplines <names>',
      'with commas between them; also a/b, limited:a, minimum:a, and modules: ./mine.ts (default: all)',
    ],
    ['--workloads <names>', 'greedy, mixed, bursty, churn, replay (default: all)'],
    ['--captures <files>', 'captures for replay, with commas between them (default: those of the package)'],
    ['--seed <number>', 'seed of everything random (default: 1)'],
    ['--duration <time>', 'virtual time of each run, with ns, us, ms or s (default: 50ms)'],
    ['--out <dir>', 'write fairness.json, fairness.html, an HTML report, and its plots as SVG into DIR'],
    JOBS_OPTION,
    ['--force', 'write over files that cdna-nic did not write'],
    ['--json', 'one JSON document on stdout, nothing else'],
  ],
  notes: `The link has 1 Gb/s of counted bytes. In the document everything but "hostDependent" is the same on every machine.

Exit code: 0 fine, 1 a discipline broke its bound, 2 usage or input that cannot be used, 130 stopped by Ctrl-C; nothing
is written then.`,
  load: async () => (await import('../fairness-action.js')).fairnessAction,
};
