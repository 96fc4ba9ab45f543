/** Options that say what is written and where, of `compare`, `run` and `replay`. */
export const FILE_OPTIONS: readonly (readonly [string, string])[] = [
  ['--out <dir>', 'write the JSON document, a capture and a timeline of each run into DIR'],
  ['--force', 'write over files that cdna-nic did not write'],
  ['--json', 'one JSON document on stdout, nothing else'],
  [
    '--pcapng <file>',
    'write what passed the card, for Wireshark; run and replay: - for standard output (| wireshark -k -i -)',
  ],
  [
    '--trace <file>',
    'write a timeline, for ui.perfetto.dev: its own format, or JSON if the name ends in .json',
  ],
  [
    '--trace-duration <time>',
    'how much of the run the timeline shows, from its start (default: 5ms; with --out alone 2ms)',
  ],
  ['--snap <bytes>', 'keep so many bytes of each captured frame (default: all; with --out 128)'],
];

/** Options that `compare` and `run` share. */
export const RUN_OPTIONS: readonly (readonly [string, string])[] = [
  [
    '--discipline <name>',
    'DMA scheduler: fifo, prr, wrr, drr, srr, sfq, scfq, wfq, wf2q+, qfq, priority, edf, a/b, ..., or ./mine.ts',
  ],
  ['--allow-modules', 'run modules that the scenario names, from its own folder: they have your rights'],
  ['--seed <number>', 'seed of everything random (default: the scenario, or 1)'],
  [
    '--local <mac>',
    'station of captures that plays the guest, where the scenario names none (default: the busiest)',
  ],
  [
    '--warm-up <time>',
    'virtual time to run first, unmeasured (default: the scenario, or a tenth of --window)',
  ],
  ['--window <time>', 'virtual time to measure, with ns, us, ms or s (default: the scenario, or 200ms)'],
  ['--duration <time>', 'the same as --window'],
  ...FILE_OPTIONS,
];

/** Approaches that are in no list of all (FURTHER_APPROACHES of host/protection/approaches.ts). */
export const FURTHER_NOTE = `Approaches of one machine or one study take part only where they are named: iommu:flush-on-wrap (Calgary),
iommu:swiotlb (bounce buffers). docs/protection.md describes all.`;

/** How files are named, for the help of both. */
export const FILE_NOTES = `With several approaches each has files of its own: --pcapng x.pcapng gives x.none.pcapng, x.cdna.pcapng and so
on; ":" and "+" in a name become "-". --out DIR writes compare.json (run.json), compare.html, an HTML report,
and for each approach NAME.pcapng and NAME.pftrace. Files appear when everything is done, whole, or not at all.

Exit code: 0 fine, 1 an invariant was violated in a run, 2 usage or input that cannot be used, 130 stopped
by Ctrl-C; nothing is written then.`;
