import type { TopLevelSpec } from 'vega-lite';
import type { RunResult } from '../../machine/run-result.js';
import type { ReportFigure } from '../html/figure.js';
import { megabits, percent, whole } from '../number-text.js';
import { PLOT_COLOURS, PLOT_INK, type Plot } from '../plot.js';
import { legendAbove } from '../plots/panels.js';
import { rowLabels } from '../plots/stacked-bars.js';
import { bothWidths, PLOT_PIXELS, type PlotWidth } from '../plots/width.js';
import type { ComparedRuns } from './compared-runs.js';

const DIRECTIONS = ['out', 'in'] as const;
const ROW_PIXELS = 32;

/** Goodput both ways, two bars an approach. */
export function goodputFigure(compared: ComparedRuns): ReportFigure {
  const { runs, repeat, parameters } = compared;
  return {
    id: 'goodput',
    title: 'Goodput',
    sentence: `What the guests together sent (out) and received (in), in frame bytes over the whole run; ${wireSentence(runs)}.`,
    plot: bothWidths((width) => goodputPlot(compared, width)),
    table: {
      heads: ['approach', 'out, Mb/s', 'in, Mb/s', 'frames out', 'frames in', 'wire busy, %', "Jain's index"],
      rows: runs.map((run) => [
        run.protection,
        megabits(run.goodputBps),
        megabits(run.receiveGoodputBps),
        whole(run.framesTransmitted),
        whole(run.framesReceived),
        (run.wireBusyFraction * 100).toFixed(1),
        run.fairness.jainIndex.toFixed(4),
      ]),
    },
    repeat,
    parameters,
  };
}

/** From here on the wire was the limit: it stood still at the start, and between frames now and then. */
const FULL_WIRE_FRACTION = 0.98;
const MOST_NAMED = 4;

/** Where the wire out was the limit, and where something besides it was: the load, the CPU, the protection. */
function wireSentence(runs: readonly RunResult[]): string {
  const room = runs.filter(({ wireBusyFraction }) => wireBusyFraction < FULL_WIRE_FRACTION);
  const range = rangeText(runs.map(({ wireBusyFraction }) => wireBusyFraction));
  if (room.length === 0) return `the wire out was the limit, ${range} busy`;
  if (room.length === runs.length) {
    return `the wire out was ${range} busy, so it was not the wire alone that limited them`;
  }
  const named = room.slice(0, MOST_NAMED).map(({ protection }) => protection);
  const more = room.length > named.length ? ` and ${room.length - named.length} more` : '';
  return `the wire out was ${range} busy, and not the only limit under ${named.join(', ')}${more}`;
}

/** `97.1 to 98.7 %`. */
function rangeText(fractions: readonly number[]): string {
  const [least, most] = [Math.min(...fractions), Math.max(...fractions)].map(percent);
  return least === most ? `${least} %` : `${least} to ${most} %`;
}

function goodputPlot({ runs }: ComparedRuns, width: PlotWidth): Plot {
  const values = runs.flatMap(({ protection, goodputBps, receiveGoodputBps }) => [
    { name: protection, way: 'out', mbps: Number(megabits(goodputBps)), label: megabits(goodputBps) },
    {
      name: protection,
      way: 'in',
      mbps: Number(megabits(receiveGoodputBps)),
      label: megabits(receiveGoodputBps),
    },
  ]);
  const most = Math.max(0.1, ...values.map(({ mbps }) => mbps));
  const names = runs.map(({ protection }) => protection);
  const { left, stretch } = rowLabels(
    names,
    values.map(({ label }) => label),
    width,
  );
  const spec = {
    width: PLOT_PIXELS[width],
    height: { step: ROW_PIXELS, for: 'position' },
    autosize: { type: 'fit-x', contains: 'padding' },
    data: { values },
    encoding: {
      y: {
        field: 'name',
        type: 'nominal',
        sort: names,
        title: null,
        scale: { paddingInner: 0.25 },
        axis: { ticks: false, domain: false, labelPadding: 6, labelColor: PLOT_INK.text },
      },
      yOffset: { field: 'way', type: 'nominal', sort: [...DIRECTIONS] },
      x: {
        field: 'mbps',
        type: 'quantitative',
        title: 'goodput, Mb/s',
        scale: { domain: [0, most * stretch], nice: false },
        axis: { tickCount: width === 'wide' ? 8 : 4 },
      },
    },
    layer: [
      {
        mark: { type: 'bar' },
        encoding: {
          color: {
            field: 'way',
            type: 'nominal',
            scale: { domain: DIRECTIONS, range: PLOT_COLOURS.slice(0, 2) },
            legend: legendAbove(DIRECTIONS, width, left),
          },
        },
      },
      {
        mark: { type: 'text', align: 'left', dx: 4, fontSize: 10, color: PLOT_INK.text },
        encoding: { text: { field: 'label' } },
      },
    ],
    config: { view: { stroke: null } },
  };
  return {
    title: 'Goodput, an approach a pair of bars',
    description: `Frame bytes out and in, Mb/s. ${values.map(({ name, way, label }) => `${name} ${way} ${label}`).join(', ')}.`,
    spec: spec as TopLevelSpec,
    hatched: true,
  };
}
