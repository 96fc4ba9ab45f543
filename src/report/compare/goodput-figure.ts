import type { TopLevelSpec } from 'vega-lite';
import type { ReportFigure } from '../html/figure.js';
import { megabits, whole } from '../number-text.js';
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
    sentence:
      'What the guests together sent (out) and received (in), in frame bytes over the whole run: where the bars are alike, the wire was the limit and not the protection.',
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
