import type { Branded } from '../../scheduler/branded.js';
import { refuseValue } from '../../scheduler/checked-values.js';
import { ParameterError } from '../../scheduler/errors.js';

/** How sure a figure is, as docs/calibration.md explains. */
export type Certainty = 'S' | 'S2' | 'D' | 'M+' | 'M' | 'M-' | 'assumed';

/** A cost as a named parameter: value, unit, where it comes from and how certain that is. */
export interface CostParameter {
  readonly cycles: number;
  /** What it is charged for. */
  readonly per: string;
  readonly source: string;
  readonly certainty: Certainty;
}

const cost = (cycles: number, per: string, source: string, certainty: Certainty): CostParameter => ({
  cycles,
  per,
  source,
  certainty,
});

/**
 * What operations cost on the CPU, for a core like that of the CDNA paper (one Opteron 250 at 2.4 GHz). Costs
 * without a named source are assumed: orders of magnitude, derived from nothing. `reproduce cdna-2007` fits some
 * of them to the paper's rows with one guest, and finds others; docs/calibration.md shows both side by side, and
 * how much results move with each.
 */
export const COSTS = {
  hypercall: cost(1_100, 'hypercall, entry and exit', 'assumed', 'assumed'),
  validatePage: cost(260, 'page of a descriptor: owner and kind looked up', 'assumed', 'assumed'),
  pinPage: cost(110, 'page: reference count up', 'assumed', 'assumed'),
  unpinPage: cost(110, 'page: reference count down, lazily', 'assumed', 'assumed'),
  writeDescriptor: cost(120, 'descriptor written to the ring', 'assumed', 'assumed'),
  mapPage: cost(
    588,
    'page: entry written to a translation table',
    'rIOMMU, ASPLOS 2015: table part of a map',
    'M+',
  ),
  unmapPage: cost(438, 'page: entry cleared', 'rIOMMU, ASPLOS 2015: table part of an unmap', 'M+'),
  iovaAllocate: cost(
    400,
    'range of I/O virtual addresses given and taken back, with per-size caches',
    'assumed',
    'assumed',
  ),
  iovaBitmap: cost(
    400,
    'the same, from a bitmap that is searched from a moving hint under a lock',
    'assumed',
    'assumed',
  ),
  iovaTreeStrict: cost(
    4_464,
    'the same, from a red-black tree, invalidated at each unmap',
    'rIOMMU, ASPLOS 2015: address 3,986, find 249, free 159, other 44 + 26',
    'M+',
  ),
  iovaTreeDeferred: cost(
    2_353,
    'the same, freed in batches',
    'rIOMMU, ASPLOS 2015: map 2,251 + unmap 1,137, less tables 588 + 438 and invalidation 9',
    'D',
  ),
  queueInvalidation: cost(250, 'descriptor put into an invalidation queue', 'assumed', 'assumed'),
  doorbell: cost(250, 'mailbox write (uncached posted write)', 'assumed', 'assumed'),
  registerRead: cost(1_900, 'register read (waits for the link)', 'assumed', 'assumed'),
  interrupt: cost(2_400, 'physical interrupt taken by the hypervisor', 'assumed', 'assumed'),
  vectorWord: cost(6, 'word of an interrupt vector scanned', 'assumed', 'assumed'),
  virtualInterrupt: cost(900, 'virtual interrupt posted to a domain', 'assumed', 'assumed'),
  guestInterrupt: cost(1_500, 'virtual interrupt taken by a guest driver', 'assumed', 'assumed'),
  transmitPacket: cost(3_900, 'frame sent: stack and driver', 'assumed', 'assumed'),
  receivePacket: cost(5_200, 'frame received: stack and driver', 'assumed', 'assumed'),
  reclaimPacket: cost(350, 'transmit buffer reclaimed', 'assumed', 'assumed'),
  refillBuffer: cost(300, 'receive buffer made ready', 'assumed', 'assumed'),
  copyByte: cost(0.5, 'byte copied by a CPU', 'assumed', 'assumed'),
  grantEntry: cost(60, 'grant table entry written or taken back by a guest', 'assumed', 'assumed'),
  grantCopy: cost(500, 'grant copied through, besides its bytes', 'assumed', 'assumed'),
  grantMap: cost(700, 'granted page mapped', 'assumed', 'assumed'),
  grantUnmap: cost(900, 'granted page unmapped, with its TLB entry', 'assumed', 'assumed'),
  flipPage: cost(1_800, 'page that changes its owner', 'assumed', 'assumed'),
  backEndTransmit: cost(
    5_200,
    'frame of a guest taken, bridged and sent by the driver domain',
    'assumed',
    'assumed',
  ),
  backEndReceive: cost(
    7_800,
    'frame for a guest received, bridged and delivered by the driver domain',
    'assumed',
    'assumed',
  ),
  clearByte: cost(0.125, 'byte cleared before a page changes hands', 'assumed', 'assumed'),
  configAccess: cost(1_200, 'PCI configuration access (two port cycles)', 'assumed', 'assumed'),
  tableWord: cost(20, 'word of a protection table changed', 'assumed', 'assumed'),
  contextSwitch: cost(3_500, 'change of domain on a core', 'assumed', 'assumed'),
} as const satisfies Record<string, CostParameter>;

export type CostName = keyof typeof COSTS;

/** Names of the costs, in the order of their numbers. */
export const COST_NAMES = Object.keys(COSTS) as CostName[];

/** Which cost: its place in `COST_NAMES`. */
export type CostNumber = Branded<'CostNumber'>;

/**
 * A class of its own, because objects with the same keys share what the engine knows of their values: where some of them
 * hold fractions, as tables of cycles do, each number that is read is allocated.
 */
class CostNumbers {}

/**
 * What a charge is for, by number: `COST.mapPage` is a constant to the engine, where to look a name up takes as long as the
 * charge itself.
 */
export const COST = Object.assign(
  new CostNumbers(),
  Object.fromEntries(COST_NAMES.map((name, number) => [name, number])),
) as Readonly<Record<CostName, CostNumber>>;

/** No operation takes longer: half a second of the core of the paper. */
export const MOST_COST_CYCLES = 1e9;

/** The costs as plain cycles, with any that the user set otherwise. @throws ParameterError for a negative or not finite one. */
export function costTable(overrides: Partial<Record<CostName, number>> = {}): Record<CostName, number> {
  const table = Object.fromEntries(
    Object.entries(COSTS).map(([name, { cycles }]) => [name, cycles]),
  ) as Record<CostName, number>;
  if (typeof overrides !== 'object' || overrides === null || Array.isArray(overrides))
    refuseValue('costs', overrides, 'an object with costs by their names, in cycles');
  for (const [name, cycles] of Object.entries(overrides)) {
    if (!Object.hasOwn(table, name))
      throw new ParameterError(`costs.${name} is not a cost; there are ${Object.keys(table).join(', ')}`);
    if (!(typeof cycles === 'number' && cycles >= 0 && cycles <= MOST_COST_CYCLES))
      refuseValue(`costs.${name}`, cycles, `cycles from 0 to ${MOST_COST_CYCLES}`);
    table[name as CostName] = cycles;
  }
  return table;
}
