import type { Certainty } from '../../../host/cpu/costs.js';
import { InvariantViolation } from '../../../scheduler/errors.js';

/** Tables 1 to 4 and figures 3 and 4 of Willmann et al., Concurrent Direct Network Access, HPCA 2007. */
export const PAPER = 'Willmann et al., CDNA, HPCA 2007';

export type Direction = 'transmit' | 'receive';

/** A row of tables 2 to 4: one guest, two NICs. Shares are percent of one CPU, operating system and user together. */
export interface PublishedRow {
  readonly table: string;
  readonly system: 'Xen (Intel)' | 'Xen (RiceNIC)' | 'CDNA' | 'CDNA, protection off';
  readonly direction: Direction;
  readonly mbps: number;
  readonly hypervisor: number;
  readonly driverDomain: number;
  readonly guest: number;
  readonly idle: number;
  /** Interrupts per second. */
  readonly driverDomainInterrupts?: number;
  readonly guestInterrupts: number;
  readonly certainty: Certainty;
}

const row = (
  table: string,
  system: PublishedRow['system'],
  direction: Direction,
  [mbps, hypervisor, driverOs, driverUser, guestOs, guestUser, idle]: readonly [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ],
  guestInterrupts: number,
  driverDomainInterrupts?: number,
): PublishedRow => ({
  table,
  system,
  direction,
  mbps,
  hypervisor,
  driverDomain: Number((driverOs + driverUser).toFixed(1)),
  guest: Number((guestOs + guestUser).toFixed(1)),
  idle,
  guestInterrupts,
  ...(driverDomainInterrupts === undefined ? {} : { driverDomainInterrupts }),
  // From the literature as remembered, not read in a source; every row of shares adds to 100.
  certainty: 'M+',
});

export const ROWS: readonly PublishedRow[] = [
  row('table 2', 'Xen (Intel)', 'transmit', [1602, 19.8, 35.7, 0.8, 39.7, 1.0, 3.0], 7_853, 7_438),
  row('table 2', 'Xen (RiceNIC)', 'transmit', [1674, 13.7, 41.5, 0.5, 39.5, 1.0, 3.8], 5_661, 8_839),
  row('table 2', 'CDNA', 'transmit', [1867, 10.2, 0.3, 0.2, 37.8, 0.7, 50.8], 13_659),
  row('table 3', 'Xen (Intel)', 'receive', [1112, 25.7, 36.8, 0.5, 31.0, 1.0, 5.0], 5_193, 11_138),
  row('table 3', 'Xen (RiceNIC)', 'receive', [1075, 30.6, 39.4, 0.6, 28.8, 0.6, 0.0], 5_163, 10_946),
  row('table 3', 'CDNA', 'receive', [1874, 9.9, 0.3, 0.2, 48.0, 0.7, 40.9], 7_402),
  row('table 4', 'CDNA, protection off', 'transmit', [1867, 1.9, 0.2, 0.2, 37.0, 0.3, 60.4], 13_680),
  row('table 4', 'CDNA, protection off', 'receive', [1874, 1.9, 0.2, 0.2, 47.2, 0.3, 50.2], 7_243),
];

/** Guests of figures 3 and 4. */
export const GUEST_COUNTS = [1, 2, 4, 8, 12, 16, 20, 24] as const;

/** What the figures say at 24 guests. CDNA stays where it is with one guest. */
export const AT_24_GUESTS: Readonly<
  Record<Direction, { readonly figure: string; readonly xenMbps: number; readonly ratio: number }>
> = {
  transmit: { figure: 'figure 3', xenMbps: 891, ratio: 2.1 },
  receive: { figure: 'figure 4', xenMbps: 558, ratio: 3.3 },
};

/** Table 1, Mb/s. The native rows need a machine without a hypervisor and more NICs: not emulated. */
export const NATIVE_MBPS: Readonly<Record<Direction, number>> = { transmit: 5126, receive: 3629 };

/** The published row of a system and direction. */
export function publishedRow(system: PublishedRow['system'], direction: Direction): PublishedRow {
  const found = ROWS.find((one) => one.system === system && one.direction === direction);
  if (found === undefined) throw new InvariantViolation(`there is no row for ${system}, ${direction}`);
  return found;
}
