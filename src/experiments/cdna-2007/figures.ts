import type { TopLevelSpec } from 'vega-lite';
import type { FigureParameter, ReportFigure } from '../../report/html/figure.js';
import { PLOT_COLOURS, PLOT_DASHES, type Plot } from '../../report/plot.js';
import { legendAbove, panelGrid, panelsOf } from '../../report/plots/panels.js';
import { stackedBars } from '../../report/plots/stacked-bars.js';
import { bothWidths, type PlotWidth } from '../../report/plots/width.js';
import { publishedFigure } from '../published-plot.js';
import { CALIBRATED } from './calibrate.js';
import { AT_24_GUESTS, type Direction, GUEST_COUNTS, PAPER, publishedRow, ROWS } from './published.js';
import { APPROACH_OF, type Cdna2007Result, type TestbedPoint } from './reproduce.js';
import { WARM_UP_NS, WARM_UP_NS_A_GUEST, WINDOW_NS, WINDOW_NS_A_GUEST } from './testbed.js';

const DIRECTIONS: readonly Direction[] = ['transmit', 'receive'];
const LINES = ['cdna', 'driver-domain', 'none'] as const;
/** What the paper's points are, each with its shape: how they were used. */
const PAPER_ROLES = ['paper, fitted', 'paper, predicted', 'paper, shown'] as const;
const PAPER_SHAPES = ['square', 'circle', 'triangle-up'];
const SHARES = ['hypervisor', 'driverDomain', 'guest', 'idle'] as const;
const SHARE_NAMES = ['hypervisor', 'driver domain', 'guest', 'idle'];
/** What a bar is made of; the rest of it is idle. */
const BUSY = ['hypervisor', 'driverDomain', 'guest'] as const;

/** Figures 3 and 4, tables 2 to 4, and every published figure with its error. */
export function cdna2007Figures(result: Cdna2007Result, repeat: string): ReportFigure[] {
  const parameters = parametersOf(result);
  return [
    ratesFigure(result.points, repeat, parameters),
    profilesFigure(result.points, repeat, parameters),
    publishedFigure(result.figures, { id: 'cdna-2007-published', repeat, parameters }),
  ];
}

function ratesFigure(
  points: readonly TestbedPoint[],
  repeat: string,
  parameters: readonly FigureParameter[],
): ReportFigure {
  const scaled = points.filter(({ approach }) => (LINES as readonly string[]).includes(approach));
  return {
    id: 'cdna-2007-guests',
    title: 'Rates against guests (figures 3 and 4 of the paper)',
    sentence:
      'Lines are ours, cdna and the driver domain (Xen) and no protection from 1 to 24 guests; marks are the paper’s, squares where a parameter was found from them, circles where ours is predicted, triangles where the paper is too vague to be held to.',
    plot: bothWidths((width) => ratesPlot(scaled, width)),
    table: {
      heads: ['approach', 'direction', 'guests', 'Mb/s', 'least', 'most', 'idle, %'],
      rows: scaled.map((point) => [
        point.approach,
        point.direction,
        `${point.guests}`,
        point.mbps.toFixed(0),
        point.mbps_range[0].toFixed(0),
        point.mbps_range[1].toFixed(0),
        point.idle.toFixed(1),
      ]),
    },
    repeat,
    parameters,
  };
}

/** The paper's points of figures 3 and 4, with what each was used for. */
function paperPoints(): object[] {
  return DIRECTIONS.flatMap((direction) => {
    const cdnaMbps = publishedRow('CDNA', direction).mbps;
    const point = (guests: number, mbps: number, role: (typeof PAPER_ROLES)[number]) => ({
      direction,
      guests,
      mbps,
      role,
    });
    return [
      ...GUEST_COUNTS.map((guests) => point(guests, cdnaMbps, 'paper, predicted')),
      point(1, publishedRow('Xen (Intel)', direction).mbps, 'paper, fitted'),
      point(24, AT_24_GUESTS[direction].xenMbps, 'paper, shown'),
    ];
  });
}

function ratesPlot(points: readonly TestbedPoint[], width: PlotWidth): Plot {
  const grid = panelGrid(2, width);
  const linesLegend = legendAbove(LINES, width);
  const rolesLegend = legendAbove(PAPER_ROLES, width);
  const approach = { field: 'approach', type: 'nominal' as const };
  const x = {
    field: 'guests',
    type: 'quantitative' as const,
    title: 'guests',
    axis: { values: [1, 4, 8, 12, 16, 20, 24], grid: false, labelOverlap: true },
  };
  const y = { field: 'mbps', type: 'quantitative' as const, title: 'Mb/s' };
  const spec = {
    // One table for all layers: a facet divides it.
    data: {
      values: [
        ...points.map((point) => ({
          direction: point.direction,
          guests: point.guests,
          mbps: point.mbps,
          approach: point.approach,
        })),
        ...paperPoints(),
      ],
    },
    ...panelsOf('direction', DIRECTIONS, grid),
    spec: {
      width: grid.width,
      height: Math.round(grid.height * 1.35),
      layer: [
        {
          transform: [{ filter: 'isValid(datum.approach)' }],
          mark: { type: 'line', strokeWidth: 2 },
          encoding: {
            x,
            y,
            color: {
              ...approach,
              scale: { domain: LINES, range: [PLOT_COLOURS[0], PLOT_COLOURS[3], PLOT_COLOURS[2]] },
              legend: linesLegend,
            },
            strokeDash: {
              ...approach,
              scale: { domain: LINES, range: PLOT_DASHES.slice(0, LINES.length) },
              legend: linesLegend,
            },
          },
        },
        {
          transform: [{ filter: 'isValid(datum.role)' }],
          mark: { type: 'point', size: 46, strokeWidth: 1.6, color: PLOT_COLOURS[6] },
          encoding: {
            x,
            y,
            shape: {
              field: 'role',
              type: 'nominal',
              scale: { domain: PAPER_ROLES, range: PAPER_SHAPES },
              legend: rolesLegend,
            },
          },
        },
      ],
    },
  };
  const at = (name: string, direction: Direction, guests: number) =>
    points
      .find((point) => point.approach === name && point.direction === direction && point.guests === guests)
      ?.mbps.toFixed(0) ?? '-';
  return {
    title: 'Rates against guests, a panel a direction',
    description: DIRECTIONS.map(
      (direction) =>
        `${direction}: CDNA ${at('cdna', direction, 1)} Mb/s with one guest and ${at('cdna', direction, 24)} with 24, the driver domain ${at('driver-domain', direction, 1)} and ${at('driver-domain', direction, 24)}; the paper has ${publishedRow('CDNA', direction).mbps} for CDNA and ${AT_24_GUESTS[direction].xenMbps} for Xen with 24.`,
    ).join(' '),
    spec: spec as TopLevelSpec,
  };
}

function profilesFigure(
  points: readonly TestbedPoint[],
  repeat: string,
  parameters: readonly FigureParameter[],
): ReportFigure {
  const pairs = ROWS.flatMap((row) => {
    const ours = points.find(
      (point) =>
        point.approach === APPROACH_OF[row.system] && point.direction === row.direction && point.guests === 1,
    );
    return ours === undefined ? [] : [{ row, ours }];
  });
  const name = (system: string, direction: Direction) =>
    `${system}, ${direction === 'transmit' ? 'tx' : 'rx'}`;
  return {
    id: 'cdna-2007-profiles',
    title: 'Where the CPU goes with one guest (tables 2 to 4 of the paper)',
    sentence:
      'For each row of the paper two bars: the paper’s, and ours with the largest difference of a part or of what is idle, in points. Rows of Xen (Intel) and CDNA were used to find costs, the others are predicted.',
    plot: stackedBars({
      title: 'CPU by domain, the paper’s rows and ours',
      description: pairs
        .map(
          ({ row, ours }) =>
            `${row.system}, ${row.direction}: paper ${SHARES.map((share) => row[share]).join(', ')}; ours ${SHARES.map((share) => ours[share].toFixed(1)).join(', ')} (${SHARE_NAMES.join(', ')})`,
        )
        .join('. '),
      parts: SHARE_NAMES.slice(0, BUSY.length),
      rows: pairs.flatMap(({ row, ours }) => {
        const off = Math.max(...SHARES.map((share) => Math.abs(ours[share] - row[share])));
        return [
          {
            name: name(row.system, row.direction),
            values: BUSY.map((share) => row[share]),
            label: 'paper',
          },
          {
            name: `${name(row.system, row.direction)}, ours`,
            values: BUSY.map((share) => ours[share]),
            label: `off ${off.toFixed(1)}`,
          },
        ];
      }),
      axis: '% of the CPU',
      most: 100,
    }),
    table: {
      heads: ['row', 'whose', 'sure', 'Mb/s', ...SHARE_NAMES.map((share) => `${share}, %`)],
      rows: pairs.flatMap(({ row, ours }) => [
        [
          name(row.system, row.direction),
          `${PAPER}, ${row.table}`,
          `[${row.certainty}]`,
          row.mbps.toFixed(0),
          ...SHARES.map((share) => row[share].toFixed(1)),
        ],
        [
          name(row.system, row.direction),
          'ours',
          '',
          ours.mbps.toFixed(0),
          ...SHARES.map((share) => ours[share].toFixed(1)),
        ],
      ]),
    },
    repeat,
    parameters,
  };
}

function parametersOf({ parameters, seeds, seed }: Cdna2007Result): FigureParameter[] {
  return [
    { name: 'machine', value: 'one core of 2.4 GHz, one port of 2 Gb/s; frames of 1,514 bytes' },
    {
      name: 'fitted to rows with one guest, cycles',
      value: CALIBRATED.map((name) => `${name} ${parameters.costs[name]}`).join(', '),
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
    {
      name: 'warm-up',
      value: `${WARM_UP_NS / 1e6} ms and ${WARM_UP_NS_A_GUEST / 1e6} ms a guest, not looked at`,
    },
    { name: 'window', value: `${WINDOW_NS / 1e6} ms and ${WINDOW_NS_A_GUEST / 1e6} ms a guest` },
    { name: 'seeds', value: `${seeds}: means, with least and most` },
    { name: 'marks', value: 'S in a public source, D derived, M+ M M- from memory and not confirmed' },
    { name: 'seed', value: `${seed}` },
  ];
}
