import { type CostName, costTable } from '../../../host/cpu/costs.js';
import { present } from '../../../scheduler/present.js';
import { mean } from '../../sweep/statistics.js';
import { type Direction, publishedRow } from './published.js';
import { cyclesPerFrame, runTestbed, type TestbedParameters, type TestbedRow } from './testbed.js';

/** Each pass runs the four rows; what is found moves by less than a cycle after the third. */
const PASSES = 4;
/** Every frame that a driver domain moves has its grant entry written and taken back. */
const GRANT_ENTRIES_PER_FRAME = 2;
/** A flip changes the owner of the page that comes and of the page that goes. */
const FLIPS_PER_FRAME = 2;

type Part = 'hypervisor' | 'driverDomain' | 'guest';
type Rows = Readonly<Record<Direction, TestbedRow>>;

/**
 * Finds nine costs and four interrupt gaps from the rows with one guest: CDNA, and Xen with the Intel NIC. A
 * domain's cycles per frame grow with each of these costs by a known number per frame, so that what a row lacks is simply
 * added; running again settles how the rest (batches, interrupts) answers. Costs that both directions pay (checking
 * pages, grant entries) take the mean of what the two rows ask for.
 */
export function calibrate(seed: number): TestbedParameters {
  const costs: Record<CostName, number> = costTable();
  const gap = (rate: number | undefined) => 1e9 / (rate ?? 1);
  const interruptGapNs = {
    cdna: both((direction) => gap(publishedRow('CDNA', direction).guestInterrupts)),
    xen: both((direction) => gap(publishedRow('Xen (Intel)', direction).driverDomainInterrupts)),
  };
  const add = (name: CostName, cycles: number) => {
    costs[name] = Math.max(0, Math.round(present(costs[name]) + cycles));
  };
  for (let pass = 0; pass < PASSES; pass += 1) {
    const parameters = { costs, interruptGapNs };
    const cdna = both((direction) => runTestbed('cdna', direction, 1, parameters, seed));
    const lacks = (part: Part, direction: Direction) => lacking('CDNA', cdna, part, direction);
    add('transmitPacket', lacks('guest', 'transmit'));
    add('receivePacket', lacks('guest', 'receive'));
    add('validatePage', mean([lacks('hypervisor', 'transmit'), lacks('hypervisor', 'receive')]));

    const xen = both((direction) => runTestbed('driver-domain', direction, 1, parameters, seed));
    const xenLacks = (part: Part, direction: Direction) => lacking('Xen (Intel)', xen, part, direction);
    add('backEndTransmit', xenLacks('driverDomain', 'transmit'));
    add('backEndReceive', xenLacks('driverDomain', 'receive'));
    add('grantMap', xenLacks('hypervisor', 'transmit') / 2);
    add('grantUnmap', xenLacks('hypervisor', 'transmit') / 2);
    add('flipPage', xenLacks('hypervisor', 'receive') / FLIPS_PER_FRAME);
    add(
      'grantEntry',
      mean([xenLacks('guest', 'transmit'), xenLacks('guest', 'receive')]) / GRANT_ENTRIES_PER_FRAME,
    );
  }
  return { costs: pick(costs), interruptGapNs };
}

/** The costs that calibration sets, in the order in which they are shown. */
export const CALIBRATED = [
  'transmitPacket',
  'receivePacket',
  'validatePage',
  'backEndTransmit',
  'backEndReceive',
  'grantMap',
  'grantUnmap',
  'flipPage',
  'grantEntry',
] as const satisfies readonly CostName[];

function pick(costs: Readonly<Record<CostName, number>>): Partial<Record<CostName, number>> {
  return Object.fromEntries(CALIBRATED.map((name) => [name, costs[name]]));
}

/** Cycles per frame that the published row has more than ours. */
function lacking(system: 'CDNA' | 'Xen (Intel)', rows: Rows, part: Part, direction: Direction): number {
  const published = publishedRow(system, direction);
  const ours = rows[direction];
  return cyclesPerFrame(published[part], published.mbps) - cyclesPerFrame(ours[part], ours.mbps);
}

function both<T>(of: (direction: Direction) => T): Record<Direction, T> {
  return { transmit: of('transmit'), receive: of('receive') };
}
