import type { ComponentChild } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import { PERCENTILES } from '../recent-latencies.js';
import type { HistoryPoint } from './history.js';
import { histories, machines, percentile, theme } from './store.js';
import { ownerColour, paint } from './theme.js';

/** A plot that moves: what it shows of a point, a line for each number. */
interface PlotKind {
  readonly id: string;
  readonly title: string;
  readonly unit: string;
  /** Least top of the axis, so that a flat line does not jump. */
  readonly least: number;
  readonly lines: (point: HistoryPoint) => readonly (number | null)[];
  /** Which domain each line is of; none for the machine as a whole. */
  readonly columns: 'guests' | 'domains' | 'machine';
  /** What the reader chooses of it. */
  readonly choice?: () => ComponentChild;
}

export const PLOTS: readonly PlotKind[] = [
  {
    id: 'share',
    title: 'Sent per guest',
    unit: 'Mb/s',
    least: 10,
    lines: ({ sentMbps }) => sentMbps,
    columns: 'guests',
  },
  {
    id: 'latency',
    title: 'Latency',
    unit: 'µs',
    least: 10,
    lines: ({ latencies }) =>
      latencies.map((each) => (each === undefined ? null : each[percentile.value] / 1000)),
    columns: 'guests',
    choice: PercentileChoice,
  },
  {
    id: 'cpu',
    title: 'CPU by domain',
    unit: '%',
    least: 10,
    lines: ({ cpuPercent }) => cpuPercent,
    columns: 'domains',
  },
  {
    id: 'iotlb',
    title: 'IOTLB hits',
    unit: '%',
    least: 100,
    lines: ({ hitPercent }) => [hitPercent],
    columns: 'machine',
  },
  {
    id: 'pinned',
    title: 'Pages pinned',
    unit: 'pages',
    least: 8,
    lines: ({ pinnedPages }) => [pinnedPages],
    columns: 'machine',
  },
  {
    id: 'faults',
    title: 'Faults so far',
    unit: '',
    least: 4,
    lines: ({ faults }) => [faults],
    columns: 'machine',
  },
];

/** All plots, beside each other. The second of two machines is dashed. */
export function Plots() {
  return (
    <section class="plots" aria-label="Plots">
      {PLOTS.map((kind) => (
        <Plot key={kind.id} kind={kind} />
      ))}
    </section>
  );
}

const HEIGHT = 104;

function Plot({ kind }: { kind: PlotKind }) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<{ readonly chart: uPlot; readonly shape: string } | undefined>(undefined);
  const count = machines.value.length;
  const rendered = `${shapeOf(kind)} ${theme.value} ${percentile.value}`;
  const version = histories.slice(0, count).reduce((sum, history) => sum + history.version, 0);
  useEffect(() => {
    const element = place.current;
    if (element === null) return;
    // Effects run after the frame: the machines may be other ones by now than those that were rendered.
    const shape = `${shapeOf(kind)} ${theme.value}`;
    if (plot.current?.shape !== shape) {
      plot.current?.chart.destroy();
      plot.current = { chart: new uPlot(optionsOf(kind, element.clientWidth), dataOf(kind), element), shape };
      return;
    }
    plot.current.chart.setData(dataOf(kind));
  }, [version, rendered, kind]);
  useEffect(() => {
    const element = place.current;
    if (element === null) return undefined;
    const observer = new ResizeObserver(() =>
      plot.current?.chart.setSize({ width: element.clientWidth, height: HEIGHT }),
    );
    observer.observe(element);
    return () => {
      observer.disconnect();
      plot.current?.chart.destroy();
      plot.current = undefined;
    };
  }, []);
  return (
    <figure class="plot" data-plot={kind.id}>
      <figcaption>
        {kind.title} <span>{kind.unit}</span>
        {kind.choice?.()}
        <b class="number">{latestText(kind)}</b>
      </figcaption>
      <div
        ref={place}
        role="img"
        aria-label={`${kind.title}${kind.choice === undefined ? '' : `, ${percentile.value}`}: ${latestText(kind)} ${kind.unit}`}
      />
    </figure>
  );
}

/** Which percentile of the latencies is drawn. */
function PercentileChoice() {
  return (
    <fieldset class="choice" aria-label="Percentile">
      {PERCENTILES.map((name) => (
        <button
          key={name}
          type="button"
          class="quiet"
          data-percentile={name}
          aria-pressed={percentile.value === name}
          onClick={() => {
            percentile.value = name;
          }}
        >
          {name}
        </button>
      ))}
    </fieldset>
  );
}

function latestText(kind: PlotKind): string {
  const point = histories[0].latest;
  if (point === undefined) return '';
  const values = kind.lines(point);
  const text = (value: number | null | undefined) =>
    value === null || value === undefined
      ? '–'
      : value >= 100
        ? value.toFixed(0)
        : value.toFixed(value % 1 === 0 ? 0 : 1);
  return values.length <= 4 ? values.map(text).join(' · ') : '';
}

/** Lines of each machine: when there are others, the plot is made anew. */
function linesOf(
  kind: PlotKind,
): readonly { readonly machine: number; readonly column: number; readonly name: string }[] {
  return machines.value.flatMap(({ snapshot }, machine) => {
    if (kind.columns === 'machine')
      return [{ machine, column: machine === 0 ? 1 : 2, name: `machine ${machine + 1}` }];
    if (kind.columns === 'domains')
      return snapshot.domains.map(({ name }, column) => ({ machine, column, name }));
    return snapshot.guests.map(({ column }) => ({
      machine,
      column,
      name: snapshot.domains[column]?.name ?? '',
    }));
  });
}

function shapeOf(kind: PlotKind): string {
  return linesOf(kind)
    .map(({ machine, name }) => `${machine}:${name}`)
    .join(',');
}

function dataOf(kind: PlotKind): uPlot.AlignedData {
  const [one, other] = histories;
  const points = one.points;
  const times = points.map(({ atNs }) => atNs / 1e6);
  const columns = machines.value.flatMap((_, machine) => {
    const of = machine === 0 ? points : other.points.slice(-points.length);
    const padding = points.length - of.length;
    // Domains may come while a run goes on (a balloon has a new owner): earlier points know nothing of them.
    const count = linesOf(kind).filter((each) => each.machine === machine).length;
    return Array.from({ length: count }, (_line, line) => [
      ...new Array<null>(padding).fill(null),
      ...of.map((point) => kind.lines(point)[line] ?? null),
    ]);
  });
  return [times, ...columns] as uPlot.AlignedData;
}

function optionsOf(kind: PlotKind, width: number): uPlot.Options {
  const soft = paint('var(--soft)');
  const grid = paint('var(--grid)');
  const font = '10px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace';
  return {
    width: Math.max(80, width),
    height: HEIGHT,
    legend: { show: false },
    cursor: { show: false },
    select: { show: false, left: 0, top: 0, width: 0, height: 0 },
    padding: [6, 6, 0, 0],
    scales: {
      x: { time: false },
      y: { range: (_chart, _least, most) => [0, Math.max(kind.least, (most ?? 0) * 1.08)] },
    },
    axes: [
      {
        stroke: soft,
        font,
        size: 20,
        gap: 2,
        space: 60,
        grid: { show: false },
        ticks: { show: false },
        values: (_chart, splits) =>
          splits.map((value) =>
            value >= 10_000
              ? `${(value / 1000).toFixed(0)} s`
              : `${value >= 100 ? value.toFixed(0) : value.toFixed(value >= 1 ? 1 : 2)} ms`,
          ),
      },
      {
        stroke: soft,
        font,
        size: 38,
        gap: 4,
        space: 26,
        grid: { stroke: grid, width: 1 },
        ticks: { show: false },
      },
    ],
    series: [
      {},
      ...linesOf(kind).map(({ machine, column, name }) => ({
        label: name,
        stroke: paint(ownerColour(column)),
        width: 1.6,
        // A line needs two points; one alone is a dot.
        points: {
          show: (_chart: uPlot, _series: number, first: number, last: number) => first === last,
          size: 5,
        },
        ...(machine === 0 ? {} : { dash: [4, 3] }),
      })),
    ],
  };
}
