import { type Column, plainTable } from '../report/plain-table.js';
import { perFrameText } from './mapping-counts.js';
import type { SessionResult } from './session-result.js';

const COLUMNS: readonly Column[] = [
  { head: 'guest', align: 'left' },
  ...[
    'weight',
    'out Mb/s',
    'in Mb/s',
    'frames out',
    'in',
    'backlogged %',
    'p50 us',
    'p99 us',
    'attached',
    'messages',
  ].map((head) => ({ head, align: 'right' }) as const),
];

/** A session's result as text. */
export function sessionText(result: SessionResult): string {
  const seconds = result.durationNs / 1e9;
  const megabits = (bytes: number) => ((bytes * 8) / 1e6 / Math.max(seconds, 1e-9)).toFixed(2);
  const microseconds = (ns: number | undefined) => (ns === undefined ? '-' : (ns / 1000).toFixed(0));
  const count = (value: number) => value.toLocaleString('en-US');
  const rows = result.guests.map((guest) => [
    guest.name,
    String(guest.weight),
    megabits(guest.bytesSent),
    megabits(guest.bytesReceived),
    count(guest.framesSent),
    count(guest.framesReceived),
    ((guest.backloggedNs * 100) / Math.max(1, result.durationNs)).toFixed(1),
    microseconds(guest.latencyNs?.p50Ns),
    microseconds(guest.latencyNs?.p99Ns),
    count(guest.attachments),
    count(guest.messages),
  ]);
  const list = (counts: Readonly<Record<string, number>>) =>
    Object.entries(counts)
      .filter(([, value]) => value > 0)
      .map(([name, value]) => `${name} ${count(value)}`)
      .join(', ') || '-';
  return [
    `a session of ${seconds.toFixed(3)} s under ${result.protection}, ${result.discipline}`,
    '',
    plainTable(COLUMNS, rows),
    '',
    `hypervisor (modelled): ${((result.cpuNs.hypervisor ?? 0) / 1e6).toFixed(1)} ms of CPU time, ${count(result.hypercalls)} hypercalls, ${count(result.pins.taken)} pages pinned and ${count(result.pins.released)} released`,
    `set-up gate: ${count(result.setUpGate.accepted)} buffers accepted, ${count(result.setUpGate.refused)} refused; access gate: ${count(result.accessGate.checked)} accesses checked, ${count(result.accessGate.denied)} denied`,
    `protection: ${list(result.protectionDetails)}`,
    ...(result.mappingsPerFrame === null
      ? []
      : [`IOMMU, per frame: ${perFrameText(result.mappingsPerFrame)}`]),
    `faults: ${list(result.faults)}`,
    ...result.guests.map(
      (guest) =>
        `${guest.name}: dropped ${list(guest.drops)}; driver ${list(guest.driverFaults)}; session ${list(guest.sessionFaults)}`,
    ),
    '',
  ].join('\n');
}
