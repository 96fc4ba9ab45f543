import { counts, whole } from '../report/number-text.js';
import { type Column, plainTable } from '../report/plain-table.js';
import { perFrameText } from './mapping-counts.js';
import type { SessionJson } from './session-result.js';

const COLUMNS: readonly Column[] = [
  { head: 'real guest', align: 'left' },
  ...['weight', 'attached', 'messages', 'backlogged %', 'interrupts', 'resets'].map(
    (head) => ({ head, align: 'right' }) as const,
  ),
];

/** What a session tells of its real guests, as a table and a line for each that has done something wrong. */
export function sessionText({ guests, mappingsPerFrame }: SessionJson, durationNs: number): string {
  const rows = guests.map(({ name, weight, attachments, messages, backloggedNs, front }) => [
    name,
    whole(weight),
    whole(attachments),
    whole(messages),
    ((backloggedNs * 100) / Math.max(1, durationNs)).toFixed(1),
    whole(front.interrupts),
    whole(front.resets),
  ]);
  const faults = guests.flatMap(({ name, driverFaults, sessionFaults }) =>
    Object.keys(driverFaults).length + Object.keys(sessionFaults).length === 0
      ? []
      : [`faults of ${name}: driver ${counts(driverFaults)}; client ${counts(sessionFaults)}`],
  );
  const mappings = mappingsPerFrame === null ? [] : [`IOMMU, per frame: ${perFrameText(mappingsPerFrame)}`];
  return [plainTable(COLUMNS, rows), ...mappings, ...faults].join('\n');
}
