import { ATTACKS } from '../../../guests/hostile/index.js';
import { present } from '../../../scheduler/present.js';
import { ATTACK_MACHINE_TEXT } from '../../attack/attack-machine.js';
import { inapplicable, inapplicableText } from '../../attack/let-through.js';
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
  const throughs = compared.flatMap(({ through }) => through ?? []);
  const isAnyLess = spots.some(({ carriesPercent }) => carriesPercent !== undefined);
  return {
    id: 'price-and-protection',
    title: 'Price against protection',
    isFolded: true,
    sentence: `Each point is an approach: the lower it is, the fewer of ${ATTACKS.length} attacks by guests and by the card get through; the further left, the less it costs. The dashed line joins the approaches that no other beats in both. ${inapplicableText(throughs)} ${ATTACK_MACHINE_TEXT}`,
    chart: {
      title: 'Attacks that get through, against CPU time per bit and against waiting',
      description: panels
        .map(
          (panel) =>
            `${panel.title}: ${panel.spots.map(({ name, x, y }) => `${name} ${x.toFixed(2)}, ${y} attacks through`).join('; ')}`,
        )
        .join('. '),
      x: { title: 'times none, logarithmic', scale: 'log', own: true, ticks: TICKS },
      y: { title: 'attacks that get through', domain: [0, Math.max(...spots.map(({ y }) => y)) * 1.08] },
      height: 300,
      columns: 2,
      narrowColumns: 1,
      ...(isAnyLess ? { legend: legendOf(compared) } : {}),
      panels: panels.map(
        ({ title, spots: own }): Panel => ({ title, marks: [...frontLine(own), ...own.flatMap(spotMarks)] }),
      ),
    },
    table: priceTable(compared),
  };
}

function legendOf(compared: readonly Compared[]): readonly LegendEntry[] {
  const unknown = compared.some(({ keepsInside }) => keepsInside) ? ', or is not compared' : '';
  return [
    { text: `carries what no protection does${unknown}`, style: 1, as: 'circle' },
    { text: 'carries less (percent of it)', style: 4, as: 'triangle', hollow: true },
  ];
}

/** The same in figures, and what is pinned; how many attacks get through, and of how many, is one column. */
export function priceTable(compared: readonly Compared[]): ReportFigure['table'] {
  const { cpu, cpuPerBit, goodput, goodputOfNone, worstP99, slowdown, pinned } = PRICE_METRICS;
  const metrics = [cpu, cpuPerBit, goodput, goodputOfNone, worstP99, slowdown, pinned].filter((metric) =>
    compared.some((one) => metric.of(one) !== undefined),
  );
  const { textHeads: _, ...table } = metricFigureTable(
    ['approach'],
    metrics,
    compared.map((subject) => ({ names: [subject.name], subject })),
  );
  if (compared.every(({ through }) => through === undefined)) return table;
  return {
    ...table,
    heads: [...table.heads, 'Attacks let through, by guests', 'by the card', 'not applicable'],
    rows: table.rows.map((row, index) => [...row, ...throughCells(present(compared[index]))]),
  };
}

function throughCells({ through }: Compared): string[] {
  if (through === undefined) return ['-', '-', '-'];
  const { byGuests, ofGuests, byCards, ofCards } = through;
  return [`${byGuests} of ${ofGuests}`, `${byCards} of ${ofCards}`, `${inapplicable(through)}`];
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

/** From one point to the next that lets less through and costs more: no approach lies beyond this line. */
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
