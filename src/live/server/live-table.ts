import type { LiveSample } from './live-sample.js';

const HEADINGS = [
  'guest',
  'state',
  'weight',
  'out Mb/s',
  'share %',
  'backlogged %',
  'in Mb/s',
  'drops',
  'faults',
];

/** A sample as a table for the terminal, with a line about the wire above it and one about the hypervisor below. */
export function liveTable(
  sample: LiveSample,
  about: { readonly protection: string; readonly discipline: string },
): string {
  const rows = sample.guests.map((guest) => [
    guest.name,
    guest.state,
    String(guest.weight),
    megabits(guest.sentBps),
    percent(guest.share),
    guest.backlogged === undefined ? '-' : percent(guest.backlogged),
    megabits(guest.receivedBps),
    guest.drops.toLocaleString('en-US'),
    guest.faults.toLocaleString('en-US'),
  ]);
  const widths = HEADINGS.map((heading, column) =>
    Math.max(heading.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) =>
        column < 2 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd();
  const seconds = (sample.atNs / 1e9).toFixed(1);
  return [
    `${seconds} s  ${about.protection}, ${about.discipline}  wire ${megabits(sample.wireBps)} Mb/s`,
    line(HEADINGS),
    ...rows.map(line),
    `hypervisor (modelled): ${percent(sample.hypervisorCpu)} % of a core, ${sample.hypercalls.toLocaleString('en-US')} hypercalls, ${sample.pinnedPages.toLocaleString('en-US')} pages pinned`,
    '',
  ].join('\n');
}

function megabits(bps: number): string {
  return (bps / 1e6).toFixed(1);
}

function percent(fraction: number): string {
  return (fraction * 100).toFixed(1);
}
