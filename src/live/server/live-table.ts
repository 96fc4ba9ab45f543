import { type Column, plainTable } from '../../report/plain-table.js';
import { perFrameText } from '../mapping-counts.js';
import type { LiveSample } from './live-sample.js';

const COLUMNS: readonly Column[] = [
  { head: 'guest', align: 'left' },
  { head: 'state', align: 'left' },
  { head: 'weight', align: 'right' },
  { head: 'out Mb/s', align: 'right' },
  { head: 'share %', align: 'right' },
  { head: 'backlogged %', align: 'right' },
  { head: 'in Mb/s', align: 'right' },
  { head: 'drops', align: 'right' },
  { head: 'faults', align: 'right' },
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
  const seconds = (sample.atNs / 1e9).toFixed(1);
  return [
    `${seconds} s  ${about.protection}, ${about.discipline}  wire ${megabits(sample.wireBps)} Mb/s`,
    plainTable(COLUMNS, rows),
    `hypervisor (modelled): ${percent(sample.hypervisorCpu)} % of a core, ${sample.hypercalls.toLocaleString('en-US')} hypercalls, ${sample.pinnedPages.toLocaleString('en-US')} pages pinned`,
    ...(about.protection.includes('iommu')
      ? [`IOMMU, per frame: ${perFrameText(sample.mappingsPerFrame)}`]
      : []),
    '',
  ].join('\n');
}

function megabits(bps: number): string {
  return (bps / 1e6).toFixed(1);
}

function percent(fraction: number): string {
  return (fraction * 100).toFixed(1);
}
