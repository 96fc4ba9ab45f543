import type { TopLevelSpec } from 'vega-lite';
import { PAGE_BYTES } from '../../../host/memory/physical-memory.js';
import { PLOT_COLOURS, type Plot } from '../plot.js';
import { panelGrid, panelsOf } from './panels.js';
import { bothWidths, type PlotWidth } from './width.js';

/** Memory that one approach holds fast. */
export interface PinnedMemory {
  /** Title of its panel. */
  readonly approach: string;
  readonly samples: readonly { readonly atNs: number; readonly pages: number }[];
  /** The most at any time, between samples too. */
  readonly mostPages: number;
}

/** Below this the axis is linear, MB. */
const LINEAR_MEGABYTES = 1;
const DECADES_MEGABYTES = [0, 1, 10, 100, 1_000, 10_000];
/** Where there is hardly more than one decade, marks within it, MB. */
const FINE_MEGABYTES = [0, 1, 3, 10, 30];
const FINE_TO_MEGABYTES = 60;

/** Pinned memory over time, a panel an approach; the axis is logarithmic from 1 MB up. */
export function pinnedPlots(pinned: readonly PinnedMemory[]) {
  return bothWidths((width) => pinnedPlot(pinned, width));
}

/** Frames of memory as MB (10^6 bytes). */
export function megabytes(pages: number): number {
  return (pages * PAGE_BYTES) / 1e6;
}

function pinnedPlot(pinned: readonly PinnedMemory[], width: PlotWidth): Plot {
  const order = pinned.map(({ approach }) => approach);
  const grid = panelGrid(order.length, width);
  const values = pinned.flatMap(({ approach, samples }) =>
    samples.map(({ atNs, pages }) => ({
      approach,
      ms: Number((atNs / 1e6).toPrecision(6)),
      megabytes: Number(megabytes(pages).toFixed(3)),
    })),
  );
  const most = Math.max(1, ...pinned.map(({ mostPages }) => megabytes(mostPages)));
  const spec = {
    data: { values },
    ...panelsOf('approach', order, grid),
    spec: {
      width: grid.width,
      height: grid.height,
      // A level holds until the next sample.
      mark: {
        type: 'area',
        interpolate: 'step-after',
        line: { color: PLOT_COLOURS[0], strokeWidth: 1.8, interpolate: 'step-after' },
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
          scale: { type: 'symlog', constant: LINEAR_MEGABYTES, domain: [0, most * 1.3], nice: false },
          axis: { values: most > FINE_TO_MEGABYTES ? DECADES_MEGABYTES : FINE_MEGABYTES, format: 'd' },
        },
      },
    },
  };
  return {
    title: 'Pinned memory over time, a panel an approach',
    description: `An area an approach. Most at any time: ${pinned
      .map(({ approach, mostPages }) => `${approach} ${megabytes(mostPages).toFixed(1)} MB`)
      .join(', ')}.`,
    spec: spec as TopLevelSpec,
  };
}
