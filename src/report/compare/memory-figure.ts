import type { TopLevelSpec } from 'vega-lite';
import { FRAME_BYTES } from '../../../host/memory/physical-memory.js';
import type { RunResult } from '../../machine/run-result.js';
import type { ReportFigure } from '../html/figure.js';
import { PLOT_COLOURS, type Plot } from '../plot.js';
import { panelGrid, panelsOf } from '../plots/panels.js';
import { bothWidths, type PlotWidth } from '../plots/width.js';
import type { ComparedRuns } from './compared-runs.js';

const TABLE_ROWS = 20;
const DECADES_MB = [0, 1, 10, 100, 1_000, 10_000];

/** Memory that nobody else can be given, over time, a panel an approach. */
export function memoryFigure(compared: ComparedRuns): ReportFigure {
  const { runs, repeat, parameters, heading } = compared;
  const samples = runs[0]?.memory.pinnedFrames ?? [];
  const every = Math.max(1, Math.ceil(samples.length / TABLE_ROWS));
  const kept = samples.map(({ atNs }, index) => ({ atNs, index })).filter(({ index }) => index % every === 0);
  const balloon = heading.loaded.scenario.balloon !== undefined;
  return {
    id: 'memory',
    title: `Pinned memory over time${balloon ? ', under the balloon' : ''}`,
    sentence: `Memory that is held fast for DMA and that the hypervisor can give to nobody else, sampled ${samples.length} times${
      balloon ? ', while the balloon asks for frames' : ''
    }; the axis is logarithmic from 1 MB up.`,
    plot: bothWidths((width) => memoryPlot(compared, width)),
    table: {
      heads: ['time, ms', ...runs.map(({ protection }) => `${protection}, MB`)],
      rows: kept.map(({ atNs, index }) => [
        (atNs / 1e6).toFixed(2),
        ...runs.map(({ memory }) => megabytes(memory.pinnedFrames[index]?.frames ?? 0).toFixed(2)),
      ]),
    },
    repeat,
    parameters,
  };
}

/** Frames of memory as MB (10^6 bytes). */
export function megabytes(frames: number): number {
  return (frames * FRAME_BYTES) / 1e6;
}

function memoryPlot({ runs }: ComparedRuns, width: PlotWidth): Plot {
  const order = runs.map(({ protection }) => protection);
  const grid = panelGrid(order.length, width);
  const most = Math.max(1, ...runs.map(mostMegabytes));
  const values = runs.flatMap(({ protection, memory }) =>
    memory.pinnedFrames.map(({ atNs, frames }) => ({
      protection,
      ms: Number((atNs / 1e6).toPrecision(6)),
      megabytes: Number(megabytes(frames).toFixed(3)),
    })),
  );
  const spec = {
    data: { values },
    ...panelsOf('protection', order, grid),
    spec: {
      width: grid.width,
      height: grid.height,
      mark: {
        type: 'area',
        line: { color: PLOT_COLOURS[0], strokeWidth: 1.8 },
        color: PLOT_COLOURS[0],
        opacity: 0.25,
      },
      encoding: {
        x: { field: 'ms', type: 'quantitative', title: 'time, ms', axis: { tickCount: 4, grid: false } },
        y: {
          field: 'megabytes',
          type: 'quantitative',
          title: 'pinned, MB',
          stack: null,
          scale: { type: 'symlog', constant: 1, domain: [0, most * 1.3], nice: false },
          axis: { values: DECADES_MB, format: 'd' },
        },
      },
    },
  };
  return {
    title: 'Pinned memory over time, a panel an approach',
    description: `An area an approach. Most at any time: ${runs.map((run) => `${run.protection} ${mostMegabytes(run).toFixed(1)} MB`).join(', ')}.`,
    spec: spec as TopLevelSpec,
  };
}

function mostMegabytes({ memory }: RunResult): number {
  return megabytes(memory.mostPinnedFrames);
}
