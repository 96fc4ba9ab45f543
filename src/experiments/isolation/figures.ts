import type { TopLevelSpec } from 'vega-lite';
import type { FigureParameter, FigureTable, ReportFigure } from '../../report/html/figure.js';
import { PLOT_COLOURS, PLOT_DASHES } from '../../report/plot.js';
import { legendAbove, panelGrid, panelsOf } from '../../report/plots/panels.js';
import { bothSpecs, PLOT_PIXELS, type PlotWidth } from '../../report/plots/width.js';
import type { Spread } from '../several-seeds.js';
import { CORES, STEADY_BPS, STEADY_BYTES } from './machine.js';
import { cellNumbers } from './print.js';
import { type IsolationCell, type IsolationResult, MAIN_DISCIPLINE, MAIN_HOSTILITY } from './reproduce.js';
import {
  approachesSentence,
  disciplinesSentence,
  hostilitiesSentence,
  isolationAnswer,
  sharesSentence,
} from './sentences.js';

/** Room for the longest name of a row, and the gap between panels, px. */
const NAME_PIXELS = 152;
const GAP_PIXELS = 14;
/** Labels and title of the axis on the left, and what labels below reach over. */
const LEFT_PIXELS = 80;
const DECADES_US = [10, 100, 1_000, 10_000];

/** Of which approach the disciplines are shown, and one behind which there is nothing for them to decide. */
const SHOWN_APPROACH = 'cdna';

/** What the report shows of the experiment. */
export function isolationReportFigures(result: IsolationResult, repeat: string): ReportFigure[] {
  const parameters: FigureParameter[] = [
    { name: 'wire', value: '1 Gb/s' },
    {
      name: 'CPU',
      value: `${CORES} cores of 2.4 GHz, each guest has one; interrupts and the driver domain are on that of the steady victim`,
    },
    {
      name: 'steady victim, and the neighbour before',
      value: `${STEADY_BPS / 1e6} Mb/s of frames of ${STEADY_BYTES} bytes`,
    },
    { name: 'seeds', value: `${result.seeds}, from ${result.seed}` },
    {
      name: 'warm-up',
      value: `not looked at: ${result.warm_up_ns / 1e6} ms, and ${result.settle_ns / 1e6} ms after the turn`,
    },
  ];
  const main = result.cells.filter(({ hostility }) => hostility === MAIN_HOSTILITY);
  const byDiscipline = main.filter(({ approach }) => approach === SHOWN_APPROACH);
  const byApproach = main.filter(({ discipline }) => discipline === MAIN_DISCIPLINE);
  const byHostility = result.cells.filter(
    ({ approach, discipline }) => approach === SHOWN_APPROACH && discipline === MAIN_DISCIPLINE,
  );
  const rest = { repeat, parameters };
  return [
    {
      ...rest,
      id: 'isolation-disciplines',
      title: `99th percentile before and after, every discipline (${SHOWN_APPROACH}, ${MAIN_HOSTILITY})`,
      sentence: disciplinesSentence(byDiscipline, SHOWN_APPROACH),
      plot: bothSpecs('Victims by discipline, before and after', DUMBBELLS, (width) =>
        dumbbells(byDiscipline, ({ discipline }) => discipline, width),
      ),
      table: tableOf('discipline', byDiscipline, ({ discipline }) => discipline),
    },
    {
      ...rest,
      id: 'isolation-approaches',
      title: `99th percentile before and after, every approach (${MAIN_DISCIPLINE}, ${MAIN_HOSTILITY})`,
      sentence: approachesSentence(byApproach, MAIN_DISCIPLINE),
      plot: bothSpecs('Victims by approach, before and after', DUMBBELLS, (width) =>
        dumbbells(byApproach, ({ approach }) => approach, width),
      ),
      table: tableOf('approach', byApproach, ({ approach }) => approach),
    },
    {
      ...rest,
      id: 'isolation-hostilities',
      title: `99th percentile before and after, every hostility (${SHOWN_APPROACH}, ${MAIN_DISCIPLINE})`,
      sentence: hostilitiesSentence(byHostility),
      plot: bothSpecs('Victims by hostility, before and after', DUMBBELLS, (width) =>
        dumbbells(byHostility, ({ hostility }) => hostility, width),
      ),
      table: tableOf('hostility', byHostility, ({ hostility }) => hostility),
    },
    {
      ...rest,
      id: 'isolation-shares',
      title: `Shares over time, every discipline (${SHOWN_APPROACH}, ${MAIN_HOSTILITY})`,
      sentence: sharesSentence(byDiscipline),
      plot: bothSpecs('Shares of the wire over time', OVER_TIME, (width) =>
        shares(result, byDiscipline, width),
      ),
      table: tableOf('discipline', byDiscipline, ({ discipline }) => discipline),
    },
    {
      ...rest,
      id: 'isolation-verdicts',
      title: 'Every cell',
      sentence: isolationAnswer(result.cells),
      table: {
        heads: ['approach', 'discipline', 'hostility', ...NUMBER_HEADS],
        rows: result.cells.map((cell) => [
          cell.approach,
          cell.discipline,
          cell.hostility,
          ...cellNumbers(cell),
        ]),
      },
    },
  ];
}

const NUMBER_HEADS = [
  'frames that left',
  'p99 to the wire before, us',
  'after, us',
  'answers a second (of those before)',
  'p99 to the answer before, us',
  'after, us',
  'neighbour, Mb/s, and why it was stopped',
  'verdict',
];

function tableOf(
  head: string,
  cells: readonly IsolationCell[],
  nameOf: (cell: IsolationCell) => string,
): FigureTable {
  return {
    heads: [head, ...NUMBER_HEADS],
    rows: cells.map((cell) => [nameOf(cell), ...cellNumbers(cell)]),
  };
}

const DUMBBELLS =
  'A row each: hollow circle before, filled square after, on a logarithmic axis; "nothing" means that nothing came through any more.';
const OVER_TIME = 'A panel a discipline, a line a guest; the vertical rule is the turn.';

/** Two panels, one a victim: a row a name, from where the 99th percentile was to where it went. */
function dumbbells(
  cells: readonly IsolationCell[],
  nameOf: (cell: IsolationCell) => string,
  width: PlotWidth,
): TopLevelSpec {
  const names = cells.map(nameOf);
  const columns = width === 'wide' ? 2 : 1;
  const room = PLOT_PIXELS[width] - NAME_PIXELS - (columns - 1) * GAP_PIXELS;
  const values = cells.flatMap((cell) =>
    [
      {
        victim: 'steady: store to wire',
        was: cell.before.steady_p99_us,
        is: cell.after.steady_p99_us,
      },
      { victim: 'asking: request to answer', was: cell.before.asking_p99_us, is: cell.after.asking_p99_us },
    ].map(({ victim, was, is }) => ({
      name: nameOf(cell),
      victim,
      before: micro(was),
      after: micro(is),
      nothing: is === undefined ? 'nothing' : '',
    })),
  );
  const x = (field: string) => ({
    field,
    type: 'quantitative' as const,
    title: '99th percentile, us',
    scale: { type: 'log' as const },
    axis: { values: DECADES_US, format: ',' },
  });
  const y = { field: 'name', type: 'nominal' as const, title: null, sort: names };
  const moment = (name: string) => ({
    datum: name,
    type: 'nominal' as const,
    legend: { title: null, orient: 'top' as const },
  });
  const momentShape = (name: string) => ({
    ...moment(name),
    scale: { domain: ['before', 'after'], range: ['circle', 'square'] },
  });
  const momentColour = (name: string) => ({
    ...moment(name),
    scale: { domain: ['before', 'after'], range: [PLOT_COLOURS[0], PLOT_COLOURS[3]] },
  });
  return {
    data: { values },
    facet: { field: 'victim', type: 'nominal', title: null, sort: ['steady: store to wire'] },
    columns,
    spec: {
      width: Math.floor(room / columns),
      height: { step: 15 },
      layer: [
        {
          transform: [{ filter: 'isValid(datum.after)' }],
          mark: { type: 'rule', strokeWidth: 2, opacity: 0.5 },
          encoding: { y, x: x('before'), x2: { field: 'after' } },
        },
        {
          mark: { type: 'point', size: 40, filled: false },
          encoding: { y, x: x('before'), shape: momentShape('before'), color: momentColour('before') },
        },
        {
          transform: [{ filter: 'isValid(datum.after)' }],
          mark: { type: 'point', size: 40, filled: true },
          encoding: { y, x: x('after'), shape: momentShape('after'), color: momentColour('after') },
        },
        {
          mark: { type: 'text', align: 'left', dx: 8, fontSize: 9 },
          encoding: { y, x: x('before'), text: { field: 'nothing', type: 'nominal' } },
        },
      ],
    },
  } as TopLevelSpec;
}

const GUEST_NAMES = ['steady', 'asking', 'neighbour'];

/** Megabits a second of the three guests, a panel a discipline. */
function shares(
  { step_ns, warm_up_ns, before_ns }: IsolationResult,
  cells: readonly IsolationCell[],
  width: PlotWidth,
): TopLevelSpec {
  const values = cells.flatMap(({ discipline, over_time_mbps = [] }) =>
    over_time_mbps.flatMap((row, guest) =>
      row.map((mbps, step) => ({
        discipline,
        guest: GUEST_NAMES[guest],
        ms: ((step + 0.5) * step_ns) / 1e6,
        mbps,
      })),
    ),
  );
  const byGuest = (range: readonly unknown[]) => ({
    field: 'guest',
    type: 'nominal' as const,
    legend: legendAbove(GUEST_NAMES, width),
    scale: { domain: GUEST_NAMES, range: range.slice(0, GUEST_NAMES.length) },
  });
  const names = cells.map(({ discipline }) => discipline);
  const grid = panelGrid(names.length, width, LEFT_PIXELS);
  return {
    data: { values },
    ...panelsOf('discipline', names, grid),
    spec: {
      width: grid.width,
      height: grid.height,
      layer: [
        {
          mark: { type: 'rule', opacity: 0.6 },
          encoding: { x: { datum: (warm_up_ns + before_ns) / 1e6 } },
        },
        {
          mark: { type: 'line', strokeWidth: 1.6 },
          encoding: {
            x: { field: 'ms', type: 'quantitative', title: 'time, ms' },
            y: { field: 'mbps', type: 'quantitative', title: 'Mb/s' },
            color: byGuest(PLOT_COLOURS),
            strokeDash: byGuest(PLOT_DASHES),
          },
        },
      ],
    },
  } as TopLevelSpec;
}

function micro(spread: Spread | undefined): number | null {
  return spread === undefined ? null : Number(spread.mean.toPrecision(4));
}
