import { type Chart, lineLegend, type Mark } from '../../report/charts/chart.js';
import type { FigureTable, ReportFigure } from '../../report/html/figure.js';
import { metricText } from '../../report/metrics/metric.js';
import { type Spread, spreadText } from '../../report/metrics/spread.js';
import { plainTable } from '../../report/plain-table.js';
import { sweepPoints } from '../../sweep/points.js';
import { defineExperiment } from '../experiment.js';
import { metricsOf } from '../measures.js';
import { DISCIPLINE_PROMISES } from './expected.js';
import { HOSTILITIES } from './hostilities.js';
import { CORES, STEADY_BPS, STEADY_BYTES } from './machine.js';
import {
  answersLeft,
  type IsolationCell,
  type IsolationResult,
  isolationPlaces,
  isolationResult,
  MAIN_DISCIPLINE,
  MAIN_HOSTILITY,
  MEASURES,
  SEEDS,
  type Verdict,
} from './measure.js';
import {
  approachesSentence,
  disciplinesSentence,
  hostilitiesSentence,
  isolationAnswer,
  percent,
  sharesSentence,
} from './sentences.js';

const METRICS = metricsOf<never, typeof MEASURES>(MEASURES);
/** Of which approach the disciplines are shown. */
const SHOWN_APPROACH = 'cdna';
const GUEST_NAMES = ['steady', 'asking', 'neighbour'];
const MARKS: Readonly<Record<Verdict, string>> = {
  kept: 'kept',
  broken: 'BROKEN',
  borne: 'borne',
  lost: 'lost',
};

/** What a guest loses when its neighbour turns on it. */
export const isolation = defineExperiment({
  name: 'isolation',
  question: 'what does a steady guest lose when its neighbour turns hostile?',
  storedUrl: new URL('./result.json', import.meta.url),
  async measure({ seed, threads, progress }) {
    const places = isolationPlaces();
    const seeds = { seed, seeds: SEEDS };
    const runs = await sweepPoints(threads, 'isolation/run', places, seeds, (done, of) =>
      progress(done / of, 'runs'),
    );
    return isolationResult(seed, places, runs);
  },
  present: (result: IsolationResult) => ({
    answer: isolationAnswer(result.cells),
    parameters: [
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
        value: `${result.warm_up_ns / 1e6} ms, and ${result.settle_ns / 1e6} ms after the turn`,
      },
      {
        name: 'window',
        value: `${result.before_ns / 1e6} ms before the turn and ${result.after_ns / 1e6} ms after it`,
      },
      ...HOSTILITIES.map(({ name, meaning }) => ({ name, value: meaning })),
      ...DISCIPLINE_PROMISES.filter(({ told }) => told !== 'nothing').map(({ discipline, told }) => ({
        name: `${discipline} is told`,
        value: told,
      })),
    ],
    figures: figuresOf(result),
    notes: ['Nothing is fitted.'],
  }),
});

function figuresOf(result: IsolationResult): ReportFigure[] {
  const { cells } = result;
  const main = cells.filter(({ hostility }) => hostility === MAIN_HOSTILITY);
  const drr = cells.filter(({ discipline }) => discipline === MAIN_DISCIPLINE);
  const byDiscipline = main.filter(({ approach }) => approach === SHOWN_APPROACH);
  const byApproach = main.filter(({ discipline }) => discipline === MAIN_DISCIPLINE);
  const byHostility = drr.filter(({ approach }) => approach === SHOWN_APPROACH);
  return [
    dumbbellFigure(
      'isolation-disciplines',
      `99th percentile before and after, every discipline (${SHOWN_APPROACH}, ${MAIN_HOSTILITY})`,
      disciplinesSentence(byDiscipline, SHOWN_APPROACH),
      'discipline',
      byDiscipline,
    ),
    dumbbellFigure(
      'isolation-approaches',
      `99th percentile before and after, every approach (${MAIN_DISCIPLINE}, ${MAIN_HOSTILITY})`,
      approachesSentence(byApproach, MAIN_DISCIPLINE),
      'approach',
      byApproach,
    ),
    dumbbellFigure(
      'isolation-hostilities',
      `99th percentile before and after, every hostility (${SHOWN_APPROACH}, ${MAIN_DISCIPLINE})`,
      hostilitiesSentence(byHostility),
      'hostility',
      byHostility,
    ),
    {
      id: 'isolation-shares',
      title: `Shares over time, every discipline (${SHOWN_APPROACH}, ${MAIN_HOSTILITY})`,
      sentence: sharesSentence(byDiscipline),
      chart: sharesChart(result, byDiscipline),
      table: tableOf(['discipline'], byDiscipline),
    },
    verdictsFigure('isolation-by-discipline', `Verdicts on ${MAIN_HOSTILITY}`, 'discipline', main),
    verdictsFigure('isolation-by-hostility', `Verdicts under ${MAIN_DISCIPLINE}`, 'hostility', drr),
    {
      id: 'isolation-verdicts',
      title: 'Every cell',
      sentence: isolationAnswer(cells),
      table: tableOf(['approach', 'discipline', 'hostility'], cells),
    },
  ];
}

type Key = 'approach' | 'discipline' | 'hostility';

/** What stands behind verdicts, and the verdicts. */
function tableOf(keys: readonly Key[], cells: readonly IsolationCell[]): FigureTable {
  return {
    heads: [
      ...keys,
      'frames that left, %',
      'p99 to the wire before, us',
      'after, us',
      'answers per second (of those before)',
      'p99 to the answer before, us',
      'after, us',
      'neighbour, Mb/s, and why it was stopped',
      'verdict',
    ],
    textHeads: [
      ...keys,
      'sent %',
      'p99 before',
      'after',
      'answers/s',
      'p99 before',
      'after',
      'neighbour',
      'verdict',
    ],
    rows: cells.map((cell) => {
      const { before, after, verdict, because, stopped_for = [] } = cell;
      return [
        ...keys.map((key) => cell[key]),
        metricText(METRICS.steady_served, after),
        waited(before.steady_p99_us),
        waited(after.steady_p99_us, after.steady_silent_seeds),
        `${before.answers_per_s.toFixed(0)} -> ${after.answers_per_s.toFixed(0)} (${percent(answersLeft(cell))})`,
        waited(before.asking_p99_us),
        waited(after.asking_p99_us, after.asking_silent_seeds),
        [metricText(METRICS.neighbour_mbps, after), ...stopped_for].join(', '),
        because.length === 0 ? MARKS[verdict] : `${MARKS[verdict]}: ${because.join(', ')}`,
      ];
    }),
  };
}

function waited(spread: Spread | undefined, silentSeeds = 0): string {
  if (spread === undefined) return 'none';
  return `${spreadText(spread, 0)}${silentSeeds === 0 ? '' : `, none with ${silentSeeds} seeds`}`;
}

/** A row per approach, a column per value of a key: the verdict, and answers that are left. */
function verdictsFigure(id: string, title: string, key: Key, cells: readonly IsolationCell[]): ReportFigure {
  const columns = [...new Set(cells.map((cell) => cell[key]))];
  const approaches = [...new Set(cells.map(({ approach }) => approach))];
  const heads = ['approach', ...columns];
  const rows = approaches.map((approach) => [
    approach,
    ...columns.map((column) => {
      const cell = cells.find((one) => one.approach === approach && one[key] === column);
      return cell === undefined ? '' : `${MARKS[cell.verdict]} ${percent(answersLeft(cell))}`;
    }),
  ]);
  return {
    id,
    title,
    sentence:
      'kept: what was promised to the victims held with every seed. BROKEN: it did not. borne: nothing was promised and little was lost. lost: nothing was promised and the victims lost rate (more than 2 %) or wait longer than the weakest promise of any discipline allows. Behind it: answers per second of the victim that asks, of those before, which are not promised.',
    table: { heads, rows },
    text: plainTable(
      heads.map((head, column) => ({ head, align: column === 0 ? ('left' as const) : ('right' as const) })),
      rows,
    ),
  };
}

/** Two panels, one per victim: a row per name, from where the 99th percentile was to where it went. */
function dumbbellFigure(
  id: string,
  title: string,
  sentence: string,
  key: Key,
  cells: readonly IsolationCell[],
): ReportFigure {
  const victims = [
    ['steady: store to wire', 'steady_p99_us'],
    ['asking: request to answer', 'asking_p99_us'],
  ] as const;
  return {
    id,
    title,
    sentence,
    table: tableOf([key], cells),
    chart: {
      title: `Victims by ${key}, before and after`,
      description:
        'A row each: hollow circle before, filled square after, on a logarithmic axis; "nothing" means that nothing came through any more.',
      x: { title: '99th percentile, us', scale: 'log' },
      y: { scale: 'rows', rows: cells.map((cell) => cell[key]) },
      columns: 2,
      legend: [
        { text: 'before', style: 1, as: 'circle', hollow: true },
        { text: 'after', style: 4, as: 'square' },
      ],
      panels: victims.map(([victim, p99]) => ({
        title: victim,
        marks: cells.flatMap((cell) => dumbbell(cell[key], cell.before[p99], cell.after[p99])),
      })),
    },
  };
}

function dumbbell(y: string, before: Spread | undefined, after: Spread | undefined): Mark[] {
  const [was, is] = [before?.mean, after?.mean];
  if (was === undefined) return [];
  const start: Mark = { kind: 'point', x: was, y, style: 1, hollow: true };
  if (is === undefined) return [start, { kind: 'text', x: was, y, text: 'nothing' }];
  return [
    { kind: 'rule', y, x: was, toX: is, style: 'rule', width: 2 },
    start,
    { kind: 'point', x: is, y, style: 4, shape: 'square' },
  ];
}

/** Megabits per second of the three guests, a panel per discipline. */
function sharesChart(
  { step_ns, warm_up_ns, before_ns }: IsolationResult,
  cells: readonly IsolationCell[],
): Chart {
  const legend = lineLegend(GUEST_NAMES);
  return {
    title: 'Shares of the wire over time',
    description: 'A panel per discipline, a line per guest; the vertical rule is the turn.',
    x: { title: 'time, ms' },
    y: { title: 'Mb/s' },
    legend,
    panels: cells.map(({ discipline, over_time_mbps = [] }) => ({
      title: discipline,
      marks: [
        { kind: 'rule', x: (warm_up_ns + before_ns) / 1e6, style: 'rule' },
        ...over_time_mbps.map(
          (row, guest): Mark => ({
            kind: 'line',
            points: row.map((mbps, step) => [((step + 0.5) * step_ns) / 1e6, mbps]),
            style: guest + 1,
            dash: guest,
          }),
        ),
      ],
    })),
  };
}
