import { InvariantViolation } from '../../../scheduler/errors.js';
import { present } from '../../../scheduler/present.js';
import { mean } from '../../sweep/statistics.js';
import { type ComparedFigure, compareFigure, SHARE_UNIT } from '../published.js';
import { rounded } from '../rounded.js';
import {
  AT_24_GUESTS,
  type Direction,
  GUEST_COUNTS,
  PAPER,
  type PublishedRow,
  publishedRow,
  ROWS,
} from './published.js';
import { runTestbed, type TestbedParameters, type TestbedRow } from './testbed.js';

/** Runs of a point; each has its own moments at which guests begin, and its own replacement in caches. */
export const SEEDS = 3;
const DIRECTIONS: readonly Direction[] = ['transmit', 'receive'];
/** Approaches with every count of guests: the two of the figures, and what CDNA would be without its protection. */
const SCALED = ['driver-domain', 'cdna', 'none'] as const;
/** What could stand in the place of CDNA's own protection. */
const INSTEAD = ['iommu:direct-map', 'iommu:persistent', 'iommu:single-use', 'cdna+iommu'] as const;

/** One approach, direction and count of guests: means over the seeds. Shares are percent of the CPU. */
export interface TestbedPoint extends TestbedRow {
  readonly approach: string;
  readonly direction: Direction;
  readonly guests: number;
  /** Least and most over the seeds. */
  readonly mbps_range: readonly [number, number];
}

export interface Cdna2007Result {
  readonly experiment: 'cdna-2007';
  readonly seed: number;
  readonly seeds: number;
  readonly parameters: TestbedParameters;
  readonly points: readonly TestbedPoint[];
  readonly figures: readonly ComparedFigure[];
}

export interface MeasuredPoint {
  readonly point: TestbedPoint;
  readonly runs: readonly TestbedRow[];
}

/** What is run once the parameters are found. */
export interface TestbedTask {
  readonly approach: string;
  readonly direction: Direction;
  readonly guests: number;
  readonly parameters: TestbedParameters;
  readonly seed: number;
}

/** Every point; those with many guests, which take long, first. */
export function testbedPlaces(parameters: TestbedParameters): Omit<TestbedTask, 'seed'>[] {
  return DIRECTIONS.flatMap((direction) => [
    ...SCALED.flatMap((approach) => GUEST_COUNTS.map((guests) => ({ approach, direction, guests }))),
    ...INSTEAD.map((approach) => ({ approach, direction, guests: 1 })),
  ]).map((point) => ({ ...point, parameters }));
}

/** Assembles the results of calibration and tasks, in their order. */
export function cdna2007Result(
  seed: number,
  parameters: TestbedParameters,
  measured: readonly MeasuredPoint[],
): Cdna2007Result {
  return {
    experiment: 'cdna-2007',
    seed,
    seeds: SEEDS,
    parameters,
    points: measured.map(({ point }) => point),
    figures: compareAll(measured),
  };
}

/** One point with one seed. */
export function measurePoint({ approach, direction, guests, parameters, seed }: TestbedTask): TestbedRow {
  return runTestbed(approach, direction, guests, parameters, seed);
}

/** A point from what its seeds gave. */
export function measuredPoint(
  { approach, direction, guests }: Pick<TestbedTask, 'approach' | 'direction' | 'guests'>,
  runs: readonly TestbedRow[],
): MeasuredPoint {
  const of = (name: keyof TestbedRow) => runs.map((run) => run[name]);
  const average = (name: keyof TestbedRow) => rounded(mean(of(name)));
  return {
    point: {
      approach,
      direction,
      guests,
      mbps: average('mbps'),
      mbps_range: [Math.min(...of('mbps')), Math.max(...of('mbps'))],
      hypervisor: average('hypervisor'),
      driverDomain: average('driverDomain'),
      guest: average('guest'),
      idle: average('idle'),
      physicalInterrupts: average('physicalInterrupts'),
      virtualInterrupts: average('virtualInterrupts'),
    },
    runs,
  };
}

/** Which of ours stands beside a row of the paper. There is one model of a card, so both Xen rows meet the same. */
export const APPROACH_OF: Readonly<Record<PublishedRow['system'], string>> = {
  'Xen (Intel)': 'driver-domain',
  'Xen (RiceNIC)': 'driver-domain',
  CDNA: 'cdna',
  'CDNA, protection off': 'none',
};

function compareAll(measured: readonly MeasuredPoint[]): ComparedFigure[] {
  const runsOf = (approach: string, direction: Direction, guests: number): readonly TestbedRow[] => {
    const found = measured.find(
      ({ point }) => point.approach === approach && point.direction === direction && point.guests === guests,
    );
    if (found === undefined) throw new InvariantViolation(`${approach} was not run with ${guests} guests`);
    return found.runs;
  };
  return [
    ...ROWS.flatMap((row) => rowFigures(row, runsOf(APPROACH_OF[row.system], row.direction, 1))),
    ...DIRECTIONS.flatMap((direction) => protectionFigures(direction, runsOf)),
    ...DIRECTIONS.flatMap((direction) => scalingFigures(direction, runsOf)),
  ];
}

type RunsOf = (approach: string, direction: Direction, guests: number) => readonly TestbedRow[];

/** A row of tables 2 to 4: what calibration saw is fitted, what follows from it is predicted. */
function rowFigures(row: PublishedRow, runs: readonly TestbedRow[]): ComparedFigure[] {
  const isXen = row.system === 'Xen (Intel)';
  const isFittedRow = isXen || row.system === 'CDNA';
  const fittedIf = (condition: boolean) => (isFittedRow && condition ? 'fitted' : 'predicted');
  const figure = (
    part: string,
    value: number,
    unit: string,
    of: (run: TestbedRow) => number,
    fitted: boolean,
  ) =>
    compareFigure(
      {
        name: `${row.system}, ${row.direction}: ${part}`,
        value,
        unit,
        source: `${PAPER}, ${row.table}`,
        certainty: row.certainty,
      },
      runs.map(of),
      fittedIf(fitted),
    );
  const share = SHARE_UNIT;
  const { driverDomainInterrupts } = row;
  return [
    // Xen is limited by the CPU, so its fitted cycles per frame are its rate; CDNA is limited by the wire.
    figure('rate', row.mbps, 'Mb/s', (run) => run.mbps, isXen),
    figure('hypervisor', row.hypervisor, share, (run) => run.hypervisor, true),
    figure('driver domain', row.driverDomain, share, (run) => run.driverDomain, isXen),
    figure('guest', row.guest, share, (run) => run.guest, true),
    figure('idle', row.idle, share, (run) => run.idle, false),
    driverDomainInterrupts === undefined
      ? figure('guest interrupts', row.guestInterrupts, '/s', (run) => run.virtualInterrupts, true)
      : figure(
          'driver domain interrupts',
          driverDomainInterrupts,
          '/s',
          (run) => run.physicalInterrupts,
          true,
        ),
  ];
}

/** What protection costs: table 4's rows, on less off. */
function protectionFigures(direction: Direction, runsOf: RunsOf): ComparedFigure[] {
  const on = publishedRow('CDNA', direction);
  const off = publishedRow('CDNA, protection off', direction);
  const runsOn = runsOf('cdna', direction, 1);
  const runsOff = runsOf('none', direction, 1);
  const differences = (part: 'hypervisor' | 'idle') =>
    runsOn.map((run, index) => run[part] - present(runsOff[index])[part]);
  return (['hypervisor', 'idle'] as const).map((part) =>
    compareFigure(
      {
        name: `protection on less off, ${direction}: ${part}`,
        value: Number((on[part] - off[part]).toFixed(1)),
        unit: SHARE_UNIT,
        source: `${PAPER}, table 4`,
        certainty: 'D',
      },
      differences(part),
    ),
  );
}

/** Figures 3 and 4. */
function scalingFigures(direction: Direction, runsOf: RunsOf): ComparedFigure[] {
  const { figure, xenMbps, ratio } = AT_24_GUESTS[direction];
  const source = `${PAPER}, ${figure}`;
  const flat = publishedRow('CDNA', direction).mbps;
  const rates = (approach: string, guests: number) =>
    runsOf(approach, direction, guests).map(({ mbps }) => mbps);
  const xen = rates('driver-domain', 24);
  return [
    ...GUEST_COUNTS.filter((guests) => guests > 1).map((guests) =>
      compareFigure(
        {
          name: `CDNA, ${direction}, ${guests} guests: rate`,
          value: flat,
          unit: 'Mb/s',
          source,
          certainty: 'M',
        },
        rates('cdna', guests),
      ),
    ),
    compareFigure(
      { name: `Xen, ${direction}, 24 guests: rate`, value: xenMbps, unit: 'Mb/s', source, certainty: 'M-' },
      xen,
    ),
    compareFigure(
      { name: `CDNA over Xen, ${direction}, 24 guests`, value: ratio, unit: 'x', source, certainty: 'M' },
      rates('cdna', 24).map((mbps, index) => mbps / (xen[index] ?? Number.NaN)),
    ),
  ];
}
