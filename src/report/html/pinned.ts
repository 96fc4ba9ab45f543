import { PAGE_BYTES } from '../../../host/memory/physical-memory.js';
import { present } from '../../../scheduler/present.js';
import { lineLegend, type Mark } from '../charts/chart.js';
import type { ReportFigure } from './figure.js';

/** Memory that is pinned under one approach, sampled. */
export interface PinnedMemory {
  readonly approach: string;
  readonly samples: readonly { readonly atNs: number; readonly pages: number }[];
  /** The most at any time. */
  readonly mostPages: number;
}

const TABLE_ROWS = 20;

/** Pages of memory as MB (10^6 bytes). */
export function megabytes(pages: number): number {
  return (pages * PAGE_BYTES) / 1e6;
}

/** Memory that no other domain can be given, over time, a panel per approach. */
export function pinnedFigure(id: string, pinned: readonly PinnedMemory[], when: string): ReportFigure {
  const samples = pinned[0]?.samples ?? [];
  const every = Math.max(1, Math.ceil(samples.length / TABLE_ROWS));
  const most = Math.max(1, ...pinned.map(({ mostPages }) => megabytes(mostPages)));
  return {
    id,
    title: 'Pinned memory over time',
    sentence: `Memory that is pinned for DMA and that no other domain can be given, sampled ${samples.length} times ${when}; the axis is logarithmic from 1 MB up.`,
    chart: {
      title: 'Pinned memory over time, a panel per approach',
      description: `An area per approach. Most at any time: ${pinned
        .map(({ approach, mostPages }) => `${approach} ${megabytes(mostPages).toFixed(1)} MB`)
        .join(', ')}.`,
      x: { title: 'time, ms', grid: false },
      y: {
        title: 'pinned, MB',
        scale: 'symlog',
        domain: [0, most * 1.3],
        ticks: most > 60 ? [0, 1, 10, 100, 1_000, 10_000] : [0, 1, 3, 10, 30],
      },
      panels: pinned.map(({ approach, samples: own }) => ({
        title: approach,
        marks: pinnedMarks(own.map(({ atNs, pages }) => [atNs / 1e6, megabytes(pages)] as const)),
      })),
    },
    table: {
      heads: ['time, ms', ...pinned.map(({ approach }) => `${approach}, MB`)],
      rows: samples
        .map(({ atNs }, index) => [
          (atNs / 1e6).toFixed(2),
          ...pinned.map((one) => megabytes(present(one.samples[index]).pages).toFixed(2)),
        ])
        .filter((_, index) => index % every === 0),
    },
  };
}

/** A level holds until the next sample. */
function pinnedMarks(points: readonly (readonly [ms: number, mb: number])[]): Mark[] {
  return [
    { kind: 'band', points: points.map(([ms, mb]) => [ms, 0, mb]), style: 1, opacity: 0.25, steps: true },
    { kind: 'line', points, style: 1, steps: true },
  ];
}

/** The same in one panel, a line per approach; approaches that are alike share one. */
export function pinnedLinesFigure(id: string, pinned: readonly PinnedMemory[], when: string): ReportFigure {
  const figure = pinnedFigure(id, pinned, when);
  const groups = new Map<string, PinnedMemory & { readonly names: string[] }>();
  for (const one of pinned) {
    const key = one.samples.map(({ pages }) => pages).join();
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { ...one, names: [one.approach] });
    else group.names.push(one.approach);
  }
  const lines = [...groups.values()];
  const legend = lineLegend(lines.map(({ names }) => names.join(', ')));
  const { chart, ...rest } = figure;
  if (chart === undefined) return figure;
  return {
    ...rest,
    chart: {
      ...chart,
      title: 'Pinned memory over time, a line per approach',
      legend,
      panels: [
        {
          marks: lines.map(({ samples }, index): Mark => {
            const { style = 1, dash = 0 } = legend[index] ?? {};
            const points = samples.map(({ atNs, pages }) => [atNs / 1e6, megabytes(pages)] as const);
            return { kind: 'line', points, style, dash, steps: true };
          }),
        },
      ],
    },
  };
}
