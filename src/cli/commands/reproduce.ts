import type { CommandEntry } from './entry.js';
import { JOBS_OPTION } from './jobs-option.js';

export const reproduceCommand: CommandEntry = {
  usage: 'reproduce <name>',
  summary:
    'repeat iommu-hardware, walk-cost, cdna-2007, price-of-safety, nested-strict, strategies, scaling, isolation, or all',
  options: [
    ['--data <file>', 'rates of a machine of your own (CSV), for iommu-hardware'],
    ['--latency <file>', 'latencies of the same machine (CSV), needed with --data'],
    ['--pages <kind>', 'pages of its windows while the IOMMU was on: 4k (default) or super'],
    ['--seed <number>', 'seed of everything random (default: 1, that of the stored results)'],
    [
      '--out <dir>',
      'also write the result of each as NAME.json, and reproduce.html, an HTML report, into DIR',
    ],
    JOBS_OPTION,
    ['--force', 'write over files that cdna-nic did not write'],
    ['--json', 'one JSON document on stdout, nothing else'],
  ],
  notes: `Exit code: 0 fine, 1 with the seed of the stored results one came out different, 2 usage or input that cannot be
used, 130 stopped by Ctrl-C; nothing is written then.`,
  load: async () => (await import('../reproduce-action.js')).reproduceAction,
};
