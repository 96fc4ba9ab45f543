import { present } from '../../../scheduler/present.js';
import { stackedBars } from '../../report/charts/bars.js';
import { dotChart } from '../../report/charts/rows.js';
import type { ReportFigure } from '../../report/html/figure.js';
import { pinnedFigure } from '../../report/html/pinned.js';
import { metricHead, shownValue } from '../../report/metrics/metric.js';
import { plainText, spanText } from '../../report/metrics/spread.js';
import { whole } from '../../report/number-text.js';
import { sweepPoints } from '../../sweep/points.js';
import { defineExperiment } from '../experiment.js';
import { titleOf } from '../mapping-approaches.js';
import { metricsOf } from '../measures.js';
import { metricFigure, metricTable } from '../metric-figures.js';
import { type ComparedFigure, publishedFigure, publishedSentence } from '../published.js';
import { type CheckedStatement, statementsAnswer, statementsFigure } from '../statements.js';
import { BALLOON, BALLOON_APPROACHES, BALLOON_MEASURES, type BalloonPoint, balloonPoint } from './balloon.js';
import {
  CASES,
  FULL_WARM_UP_NS,
  FULL_WINDOW_NS,
  MESSAGES,
  SETTINGS,
  type Setting,
  VIRTUALIZATION_STEPS,
  WARM_UP_NS,
  WINDOW_NS,
} from './bench.js';
import { type BesideFigure, besideOurs, priceFigures, priceStatements } from './findings.js';
import {
  approachesOf,
  LOAD_CASES,
  LOAD_MEASURES,
  type LoadPoint,
  loadPoints,
  MEASURED,
  MEASURES,
  type MeasuredPrice,
  type PricePoint,
  pricePoints,
  pricesOf,
  SEEDS,
} from './measure.js';

export interface PriceOfSafetyResult {
  readonly experiment: 'price-of-safety';
  readonly seed: number;
  readonly seeds: number;
  readonly points: readonly PricePoint[];
  readonly loads: readonly LoadPoint[];
  readonly balloon: readonly BalloonPoint[];
  readonly figures: readonly ComparedFigure[];
  readonly beside: readonly BesideFigure[];
  readonly statements: readonly CheckedStatement[];
}

const METRICS = metricsOf<never, typeof MEASURES>(MEASURES);
const BALLOON_METRICS = metricsOf<never, typeof BALLOON_MEASURES>(BALLOON_MEASURES);
const LOAD_METRICS = metricsOf<never, typeof LOAD_MEASURES>(LOAD_MEASURES);
/** Short enough for the heading of a panel. */
const SETTING_TITLES = { metal: 'metal', hypervisor: 'virtual' } as const;
const PANELS = SETTINGS.flatMap((setting) => CASES.map((one) => panelOf({ setting, ...one })));
const COLUMNS = 4;
const byTitle = ({ approach }: { readonly approach: string }) => titleOf(approach);

/** What each mapping strategy costs in CPU time, and what it leaves of the memory. */
export const priceOfSafety = defineExperiment({
  name: 'price-of-safety',
  question: 'what does each way to map cost in CPU time and in memory, on the metal and under a hypervisor?',
  storedUrl: new URL('./result.json', import.meta.url),
  async measure({ seed, threads, progress }) {
    const prices = SETTINGS.flatMap((setting) =>
      approachesOf(setting).map((approach) => ({ setting, approach })),
    );
    const balloons = BALLOON_APPROACHES.map((approach) => ({ approach }));
    const seeds = { seed, seeds: SEEDS };
    let done = 0;
    const step = () => {
      done += 1;
      progress(done / (SEEDS * (prices.length + LOAD_CASES.length + balloons.length)), 'runs');
    };
    const [measured, loaded, balloon] = await Promise.all([
      sweepPoints(threads, 'price-of-safety/price', prices, seeds, step),
      sweepPoints(threads, 'price-of-safety/load', LOAD_CASES, seeds, step),
      sweepPoints(threads, 'price-of-safety/balloon', balloons, seeds, step),
    ]);
    return priceOfSafetyResult(
      seed,
      prices.map(({ setting, approach }, at) => pricesOf(setting, approach, measured[at] ?? [])),
      loadPoints(LOAD_CASES, loaded),
      balloons.map(({ approach }, at) => balloonPoint(approach, balloon[at] ?? [])),
    );
  },
  present: (result: PriceOfSafetyResult) => ({
    answer: answerOf(result),
    parameters: parametersOf(result),
    figures: [
      cpuFigure(result.points),
      metricFigure('price-full', METRICS.full_share_percent, {
        points: result.points,
        panelOf,
        panels: PANELS,
        rowOf: byTitle,
        columns: COLUMNS,
      }),
      pinnedFigure(
        'price-pinned',
        result.balloon.map((point) => ({
          approach: byTitle(point),
          samples: point.pinned_pages.map((pages, index) => ({ atNs: index * point.pinned_step_ns, pages })),
          mostPages: point.most_pinned_pages.most,
        })),
        'while the balloon asks for pages',
      ),
      balloonFigure(result.balloon),
      publishedFigure(result.figures, 'price-published'),
      statementsFigure(result.statements, 'price-statements'),
      {
        id: 'price-loads',
        title: 'How much the rise rests on the load',
        sentence: 'Small messages sent on bare metal: the same costs are more of a CPU that does less.',
        table: metricTable(
          [
            ['approach', byTitle],
            ['frames/s offered', ({ offered_per_s }) => whole(offered_per_s)],
          ],
          Object.values(LOAD_METRICS),
          result.loads,
        ),
      },
      {
        id: 'price-beside',
        title: 'Beside each other, not compared',
        sentence: 'Figures of other machines, what we have nearest to them, and why no error is named.',
        table: {
          heads: ['figure', 'published, %', 'certainty', 'ours, %', 'source', 'not compared, because'],
          rows: result.beside.map(({ name, value, certainty, source, ours, why }) => [
            name,
            `${value}`,
            `[${certainty}]`,
            ours.toFixed(0),
            source,
            why,
          ]),
        },
      },
    ],
    notes: [
      'No parameter was set from these figures. What "bare metal" is made of, and what is missed: README.md.',
    ],
  }),
});

/** Assembles the result from all tasks. */
function priceOfSafetyResult(
  seed: number,
  measured: readonly MeasuredPrice[],
  loads: readonly LoadPoint[],
  balloon: readonly BalloonPoint[],
): PriceOfSafetyResult {
  const points = pricePoints(measured);
  return {
    experiment: 'price-of-safety',
    seed,
    seeds: SEEDS,
    points,
    loads,
    balloon,
    figures: priceFigures(measured),
    beside: besideOurs(points),
    statements: priceStatements(points, balloon),
  };
}

function answerOf({ points, balloon, figures, statements }: PriceOfSafetyResult): string {
  const risesOn = (setting: Setting, approach: string) =>
    spanText(
      points
        .filter((one) => one.setting === setting && one.approach === approach)
        .map(({ rise_percent }) => rise_percent.mean),
    );
  const direct = balloon.find(({ approach }) => approach === 'iommu:direct-map');
  return (
    `At one rate of frames flush-on-wrap, which is what was measured in 2007, takes ${risesOn('metal', MEASURED)} % more CPU on the metal and ` +
    `${risesOn('hypervisor', MEASURED)} % more under the hypervisor; single-use ${risesOn('metal', 'iommu:single-use')} % and ` +
    `${risesOn('hypervisor', 'iommu:single-use')} %, CDNA's software ` +
    `${risesOn('hypervisor', 'cdna')} %, persistent and direct-map ` +
    `${risesOn('hypervisor', 'iommu:persistent')} and ${risesOn('hypervisor', 'iommu:direct-map')} %. Direct-map pins ${direct?.most_pinned_pages.most} pages and gives the balloon ${direct?.reclaimed.most}. ` +
    `${publishedSentence(figures)} ${statementsAnswer(statements)}`
  );
}

function panelOf({
  setting,
  message,
  direction,
}: Pick<PricePoint, 'setting' | 'message' | 'direction'>): string {
  return `${SETTING_TITLES[setting]}, ${message} ${direction === 'transmit' ? 'sent' : 'received'}`;
}

function cpuFigure(points: readonly PricePoint[]): ReportFigure {
  return {
    id: 'price-cpu',
    title: 'CPU with and without the IOMMU',
    sentence:
      'CPU at one rate of frames, by what spends it; the label is how much more than without protection (for none, the CPU itself). On the metal both are one OS; virtual is under the hypervisor.',
    chart: stackedBars({
      title: 'CPU at the same rate of frames, by domain',
      description:
        'A panel per setting, size of messages and direction; a bar per approach, first the guest, then the hypervisor.',
      parts: ['guest: stack and driver', 'hypervisor: interrupts and mapping'],
      panels: PANELS,
      columns: COLUMNS,
      axis: '% of the core',
      rows: points.map((point) => ({
        panel: panelOf(point),
        name: byTitle(point),
        values: [point.guest_percent, point.hypervisor_percent],
        label:
          point.approach === 'none' ? point.cpu_percent.mean.toFixed(0) : signed(point.rise_percent.mean),
      })),
    }),
    table: metricTable(
      [
        ['case', panelOf],
        ['approach', byTitle],
      ],
      Object.values(METRICS),
      points,
    ),
  };
}

/** Pages that came free, how soon, and accesses afterwards: three panels, each with an axis of its own. */
function balloonFigure(balloon: readonly BalloonPoint[]): ReportFigure {
  const shown = [BALLOON_METRICS.reclaimed, BALLOON_METRICS.free_p99_us, BALLOON_METRICS.late_accesses];
  return {
    id: 'price-balloon',
    title: 'What the balloon gets',
    sentence: `Pages that the balloon got of the ${present(balloon[0]).asked} that it asked for, how long one took, and accesses of devices to pages that were no longer their guest's.`,
    chart: dotChart({
      title: 'What the balloon gets, and how late devices are',
      description:
        'Three panels: pages reclaimed; microseconds until a page was free, 99th percentile; accesses of devices to pages that their guest no longer had. A dot per approach.',
      panels: shown.map(metricHead),
      names: balloon.map(byTitle),
      axis: { own: true },
      columns: 3,
      rows: balloon.flatMap((point) =>
        shown.flatMap((metric) => {
          const value = shownValue(metric, point);
          return value === undefined
            ? []
            : [
                {
                  panel: metricHead(metric),
                  name: byTitle(point),
                  ...value,
                  label: plainText(value.mean, metric.digits ?? 0),
                },
              ];
        }),
      ),
    }),
    table: metricTable([['approach', byTitle]], Object.values(BALLOON_METRICS), balloon),
  };
}

function parametersOf({ seed, seeds }: PriceOfSafetyResult) {
  const { small, large } = MESSAGES;
  const milliseconds = (ns: number) => `${ns / 1e6} ms`;
  return [
    { name: 'machine', value: 'one core of 2.4 GHz, 1 Gb/s, one guest' },
    { name: 'costs', value: 'as reproduce cdna-2007 found them' },
    { name: 'cost nothing on the metal', value: VIRTUALIZATION_STEPS.join(', ') },
    { name: 'small', value: `${small.frameBytes} bytes, ${small.framesPerSecond} frames/s (Poisson)` },
    { name: 'large', value: `${large.frameBytes} bytes, ${large.framesPerSecond} frames/s (Poisson)` },
    { name: 'fixed load', value: `warm-up ${milliseconds(WARM_UP_NS)}, window ${milliseconds(WINDOW_NS)}` },
    {
      name: 'full core',
      value: `a wire of ${small.wideBps / 1e9} or ${large.wideBps / 1e9} Gb/s; warm-up ${milliseconds(FULL_WARM_UP_NS)}, window ${milliseconds(FULL_WINDOW_NS)}`,
    },
    {
      name: 'balloon',
      value: `${BALLOON.guests} guests of ${BALLOON.guestMegabytes} MB at ${BALLOON.transmitBps / 1e6} Mb/s out and ${BALLOON.receiveBps / 1e6} in, a request every ${BALLOON.everyNs / 1e3} us for ${milliseconds(BALLOON.durationNs)}, ${BALLOON.bufferPercent} % of them for pages with buffers`,
    },
    { name: 'seeds', value: `${seeds}, from ${seed}` },
  ];
}

function signed(percent: number): string {
  const text = percent.toFixed(0);
  return percent < 0 || text === '0' || text === '-0' ? '+0 %' : `+${text} %`;
}
