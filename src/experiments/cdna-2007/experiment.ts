import { costTable } from '../../../host/cpu/costs.js';
import { stackedBars } from '../../report/charts/bars.js';
import type { Chart, LegendEntry, Mark } from '../../report/charts/chart.js';
import type { FigureParameter, ReportFigure } from '../../report/html/figure.js';
import type { Metric } from '../../report/metrics/metric.js';
import { sweepPoints } from '../../sweep/points.js';
import { defineExperiment } from '../experiment.js';
import { metricTable } from '../metric-figures.js';
import { publishedFigure, publishedSentence } from '../published.js';
import { CALIBRATED } from './calibrate.js';
import {
  APPROACH_OF,
  type Cdna2007Result,
  cdna2007Result,
  measuredPoint,
  SEEDS,
  type TestbedPoint,
  testbedPlaces,
} from './measure.js';
import {
  AT_24_GUESTS,
  type Direction,
  GUEST_COUNTS,
  NATIVE_MBPS,
  PAPER,
  publishedRow,
  ROWS,
} from './published.js';
import { WARM_UP_NS, WARM_UP_NS_PER_GUEST, WINDOW_NS, WINDOW_NS_PER_GUEST } from './testbed.js';

const DIRECTIONS: readonly Direction[] = ['transmit', 'receive'];
const LINES: readonly LegendEntry[] = [
  { text: 'cdna', style: 1, as: 'line', dash: 0 },
  { text: 'driver-domain', style: 4, as: 'line', dash: 1 },
  { text: 'none', style: 3, as: 'line', dash: 2 },
];
/** What the paper's points are, each with its shape: how they were used. */
const PAPER_FITTED: LegendEntry = { text: 'paper, fitted', style: 7, as: 'square', hollow: true };
const PAPER_PREDICTED: LegendEntry = { text: 'paper, predicted', style: 7, as: 'circle', hollow: true };
const PAPER_SHOWN: LegendEntry = { text: 'paper, shown', style: 7, as: 'triangle', hollow: true };
/** What the CPU is divided into; bars leave out what is idle. */
const SHARES = [
  ['hypervisor', 'hypervisor'],
  ['driverDomain', 'driver domain'],
  ['guest', 'guest'],
  ['idle', 'idle'],
] as const;

const METRICS: readonly Metric<TestbedPoint>[] = [
  {
    id: 'mbps',
    title: 'rate',
    unit: 'Mb/s',
    digits: 0,
    sentence: 'TCP payload, with the least and the most of the seeds.',
    of: ({ mbps: mean, mbps_range: [least, most] }) => ({ mean, least, most }),
  },
  ...SHARES.map(
    ([key, title]): Metric<TestbedPoint> => ({
      id: key,
      title,
      unit: '%',
      sentence: 'CPU time, in percent of the core.',
      of: (point) => point[key],
    }),
  ),
  {
    id: 'physicalInterrupts',
    title: 'interrupts',
    unit: '/s',
    digits: 0,
    sentence: 'Physical interrupts per second.',
    of: ({ physicalInterrupts }) => physicalInterrupts,
  },
  {
    id: 'virtualInterrupts',
    title: 'virtual',
    unit: '/s',
    digits: 0,
    sentence: 'Virtual interrupts per second.',
    of: ({ virtualInterrupts }) => virtualInterrupts,
  },
];

/** The paper's own evaluation: one guest to find what operations cost, all else predicted. */
export const cdna2007 = defineExperiment({
  name: 'cdna-2007',
  question: 'do the tables and figures of the CDNA paper follow from its rows with one guest?',
  storedUrl: new URL('./result.json', import.meta.url),
  async measure({ seed, threads, progress }) {
    progress(0, 'calibrating');
    const parameters = await threads.run('cdna-2007/calibration', { seed });
    const places = testbedPlaces(parameters);
    const seeds = { seed, seeds: SEEDS };
    const runs = await sweepPoints(threads, 'cdna-2007/point', places, seeds, (done, of) =>
      progress(0.1 + (0.9 * done) / of, 'runs'),
    );
    return cdna2007Result(
      seed,
      parameters,
      places.map((place, at) => measuredPoint(place, runs[at] ?? [])),
    );
  },
  present: (result: Cdna2007Result) => ({
    answer: publishedSentence(result.figures),
    parameters: parametersOf(result),
    figures: [
      ratesFigure(result.points),
      profilesFigure(result.points),
      publishedFigure(result.figures, 'cdna-2007-published'),
    ],
    notes: [
      `Table 1 [M+]: native Linux, ${NATIVE_MBPS.transmit} and ${NATIVE_MBPS.receive} Mb/s, is not emulated (no hypervisor, more NICs); its Xen rows are those of tables 2 and 3.`,
      'Missed: Xen at 24 guests falls less than the paper says, and Xen takes fewer interrupts, none while receiving. Sources here are greedy and never slow down as TCP does, so the driver domain always finds full batches and polls. More in src/experiments/cdna-2007/README.md.',
    ],
  }),
});

function ratesFigure(points: readonly TestbedPoint[]): ReportFigure {
  return {
    id: 'cdna-2007-guests',
    title: 'Rates against guests (figures 3 and 4 of the paper)',
    sentence:
      'Lines are ours, cdna and the driver domain (Xen) and no protection from 1 to 24 guests; marks are the paper’s, squares where a parameter was found from them, circles where ours is predicted, triangles where the paper is too vague to be held to.',
    chart: ratesChart(points),
    table: metricTable(
      [
        ['approach', ({ approach }) => approach],
        ['direction', ({ direction }) => direction],
        ['guests', ({ guests }) => `${guests}`],
      ],
      METRICS,
      points,
    ),
  };
}

function ratesChart(points: readonly TestbedPoint[]): Chart {
  const at = (name: string, direction: Direction, guests: number) =>
    points
      .find((point) => point.approach === name && point.direction === direction && point.guests === guests)
      ?.mbps.toFixed(0) ?? '-';
  return {
    title: 'Rates against guests, a panel per direction',
    description: DIRECTIONS.map(
      (direction) =>
        `${direction}: CDNA ${at('cdna', direction, 1)} Mb/s with one guest and ${at('cdna', direction, 24)} with 24, the driver domain ${at('driver-domain', direction, 1)} and ${at('driver-domain', direction, 24)}; the paper has ${publishedRow('CDNA', direction).mbps} for CDNA and ${AT_24_GUESTS[direction].xenMbps} for Xen with 24.`,
    ).join(' '),
    x: { title: 'guests', ticks: [1, 4, 8, 12, 16, 20, 24], grid: false },
    y: { title: 'Mb/s' },
    height: 220,
    legend: [...LINES, PAPER_FITTED, PAPER_PREDICTED, PAPER_SHOWN],
    panels: DIRECTIONS.map((direction) => ({
      title: direction,
      marks: [
        ...LINES.map(
          ({ text, style, dash = 0 }): Mark => ({
            kind: 'line',
            style,
            dash,
            points: points
              .filter((point) => point.approach === text && point.direction === direction)
              .map(({ guests, mbps }) => [guests, mbps]),
          }),
        ),
        ...paperMarks(direction),
      ],
    })),
  };
}

/** The paper's points of figures 3 and 4. */
function paperMarks(direction: Direction): Mark[] {
  const mark = (x: number, y: number, { style, as }: LegendEntry): Mark => ({
    kind: 'point',
    x,
    y,
    style,
    hollow: true,
    ...(as === 'line' || as === 'bar' ? {} : { shape: as }),
  });
  return [
    ...GUEST_COUNTS.map((guests) => mark(guests, publishedRow('CDNA', direction).mbps, PAPER_PREDICTED)),
    mark(1, publishedRow('Xen (Intel)', direction).mbps, PAPER_FITTED),
    mark(24, AT_24_GUESTS[direction].xenMbps, PAPER_SHOWN),
  ];
}

function profilesFigure(points: readonly TestbedPoint[]): ReportFigure {
  const pairs = ROWS.flatMap((row) => {
    const ours = points.find(
      (point) =>
        point.approach === APPROACH_OF[row.system] && point.direction === row.direction && point.guests === 1,
    );
    const name = `${row.system}, ${row.direction === 'transmit' ? 'tx' : 'rx'}`;
    return ours === undefined ? [] : [{ name, row, ours }];
  });
  const busy = SHARES.filter(([key]) => key !== 'idle');
  return {
    id: 'cdna-2007-profiles',
    title: 'Where the CPU goes with one guest (tables 2 to 4 of the paper)',
    sentence:
      'For each row of the paper two bars: the paper’s, and ours with the largest difference of a part or of what is idle, in points. Rows of Xen (Intel) and CDNA were used to find costs, the others are predicted.',
    chart: stackedBars({
      title: 'CPU by domain, the paper’s rows and ours',
      description: pairs
        .map(
          ({ name, row, ours }) =>
            `${name}: paper ${SHARES.map(([key]) => row[key]).join(', ')}; ours ${SHARES.map(([key]) => ours[key].toFixed(1)).join(', ')} (${SHARES.map(([, title]) => title).join(', ')})`,
        )
        .join('. '),
      parts: busy.map(([, title]) => title),
      rows: pairs.flatMap(({ name, row, ours }) => {
        const off = Math.max(...SHARES.map(([key]) => Math.abs(ours[key] - row[key])));
        return [
          { name, values: busy.map(([key]) => row[key]), label: 'paper' },
          { name: `${name}, ours`, values: busy.map(([key]) => ours[key]), label: `off ${off.toFixed(1)}` },
        ];
      }),
      axis: '% of the CPU',
      most: 100,
    }),
    table: {
      heads: ['row', 'from', 'certainty', 'Mb/s', ...SHARES.map(([, title]) => `${title}, %`)],
      rows: pairs.flatMap(({ name, row, ours }) =>
        [
          { of: row, from: `${PAPER}, ${row.table}`, certainty: `[${row.certainty}]` },
          { of: ours, from: 'ours', certainty: '' },
        ].map(({ of, from, certainty }) => [
          name,
          from,
          certainty,
          of.mbps.toFixed(0),
          ...SHARES.map(([key]) => of[key].toFixed(1)),
        ]),
      ),
    },
  };
}

function parametersOf({ parameters, seeds, seed }: Cdna2007Result): FigureParameter[] {
  const defaults = costTable();
  const both = (ns: number, perGuest: number) => `${ns / 1e6} ms and ${perGuest / 1e6} ms per guest`;
  return [
    { name: 'machine', value: 'one core of 2.4 GHz, one port of 2 Gb/s; frames of 1,514 bytes' },
    {
      name: 'fitted to rows with one guest, cycles (default)',
      value: CALIBRATED.map((name) => `${name} ${parameters.costs[name]} (${defaults[name]})`).join(', '),
    },
    {
      name: 'least time between interrupts, us',
      value: (['cdna', 'xen'] as const)
        .map((card) => {
          const { transmit, receive } = parameters.interruptGapNs[card];
          return `${card} ${(transmit / 1000).toFixed(1)} and ${(receive / 1000).toFixed(1)}`;
        })
        .join(', '),
    },
    { name: 'warm-up', value: both(WARM_UP_NS, WARM_UP_NS_PER_GUEST) },
    { name: 'window', value: both(WINDOW_NS, WINDOW_NS_PER_GUEST) },
    { name: 'seeds', value: `${seeds}, from ${seed}: means, with least and most` },
    { name: 'certainty', value: 'S in a public source, D derived, M+ M M- from memory and not confirmed' },
  ];
}
