import { present } from '../../../scheduler/present.js';
import type { LegendEntry, Mark, Panel } from '../charts/chart.js';
import type { ReportFigure } from '../html/figure.js';
import { type Metric, metricFigureTable, shownValue } from '../metrics/metric.js';
import { type Compared, lesserGoodputPercent, PRICE_METRICS } from './compared.js';

/** What protection is paid with. */
const PRICES = [
  { metric: PRICE_METRICS.cpuPerBit, title: 'CPU time per bit, times none' },
  { metric: PRICE_METRICS.slowdown, title: 'p99 of the guest that suffers most, times none' },
] as const;

const TICKS = [0.2, 0.5, 0.75, 1, 1.25, 1.5, 2, 3, 4, 6, 8, 10, 15, 20, 50, 100];

interface Spot {
  readonly name: string;
  readonly x: number;
  readonly y: number;
  /** Percent of what no protection carries; undefined where it carries as much. */
  readonly carriesPercent: number | undefined;
}

/** Price against protection, as a plot that opens the page; undefined where there is nothing to compare. */
export function priceFigure(compared: readonly Compared[]): ReportFigure | undefined {
  const panels = PRICES.map(({ metric, title }) => ({ title, spots: spotsOf(compared, metric) }));
  if (panels.some(({ spots }) => spots.length < 2)) return undefined;
  const spots = panels.flatMap((panel) => panel.spots);
  const isAnyLess = spots.some(({ carriesPercent }) => carriesPercent !== undefined);
  const of = Math.max(...compared.map(({ through }) => through?.of ?? 0));
  return {
    id: 'price-and-protection',
    title: 'Price against protection',
    isFolded: true,
    sentence: `Each point is an approach: the lower it is, the fewer of up to ${of} attacks by guests and by the card get through; the further left, the less it costs. None lies beyond the dashed line.`,
    chart: {
      title: 'Attacks that get through, against CPU time per bit and against waiting',
      description: panels
        .map(
          (panel) =>
            `${panel.title}: ${panel.spots.map(({ name, x, y }) => `${name} ${x.toFixed(2)}, ${y} attacks through`).join('; ')}`,
        )
        .join('. '),
      x: { scale: 'log', own: true, ticks: TICKS },
      y: { title: 'attacks that get through', domain: [0, Math.max(...spots.map(({ y }) => y)) * 1.08] },
      height: 300,
      columns: 2,
      narrowColumns: 1,
      ...(isAnyLess ? { legend: LEGEND } : {}),
      panels: panels.map(
        ({ title, spots: own }): Panel => ({ title, marks: [...frontLine(own), ...own.flatMap(spotMarks)] }),
      ),
    },
    table: priceTable(compared),
  };
}

const LEGEND: readonly LegendEntry[] = [
  { text: 'carries what no protection does', style: 1, as: 'circle' },
  { text: 'carries less (percent of it)', style: 4, as: 'triangle', hollow: true },
];

/** The same in figures, and what is pinned. */
export function priceTable(compared: readonly Compared[]): ReportFigure['table'] {
  const metrics = Object.values(PRICE_METRICS).filter((metric) =>
    compared.some((one) => metric.of(one) !== undefined),
  );
  return metricFigureTable(
    ['approach'],
    metrics,
    compared.map((subject) => ({ names: [subject.name], subject })),
  );
}

function spotsOf(compared: readonly Compared[], metric: Metric<Compared>): Spot[] {
  return compared.flatMap((one) => {
    const x = shownValue(metric, one)?.mean;
    const y = one.through?.through;
    if (x === undefined || y === undefined || x <= 0) return [];
    return [{ name: one.name, x, y, carriesPercent: lesserGoodputPercent(one) }];
  });
}

function spotMarks({ name, x, y, carriesPercent }: Spot): Mark[] {
  return carriesPercent === undefined
    ? [
        { kind: 'point', x, y, style: 1 },
        { kind: 'label', x, y, text: name },
      ]
    : [
        { kind: 'point', x, y, style: 4, shape: 'triangle', hollow: true },
        { kind: 'label', x, y, text: `${name} (${carriesPercent} %)` },
      ];
}

/** From one point to the next that lets less through and costs more: none lies beyond this line. */
function frontLine(spots: readonly Spot[]): Mark[] {
  const sorted = [...spots].sort((one, other) => one.x - other.x || one.y - other.y);
  const front: Spot[] = [];
  for (const spot of sorted) if (spot.y < (front.at(-1)?.y ?? Number.POSITIVE_INFINITY)) front.push(spot);
  if (front.length < 2) return [];
  const points: (readonly [number, number])[] = [];
  for (const [index, { x, y }] of front.entries()) {
    if (index > 0) points.push([x, present(front[index - 1]).y]);
    points.push([x, y]);
  }
  return [{ kind: 'line', points, style: 'rule', dash: 4, width: 1.2 }];
}
