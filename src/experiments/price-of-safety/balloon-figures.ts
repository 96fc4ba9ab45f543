import type { FigureParameter, ReportFigure } from '../../report/html/figure.js';
import { megabytes, pinnedPlots } from '../../report/plots/pinned.js';
import { type DotRow, dotPanels } from '../approach-panels.js';
import { titleOf } from '../mapping-approaches.js';
import { spreadText } from '../several-seeds.js';
import type { BalloonPoint } from './balloon.js';

/** Of the samples of pinned memory the table has one in so many. */
const TABLE_STRIDE = 5;

/** Memory held fast, over time. */
export function pinnedFigure(
  balloon: readonly BalloonPoint[],
  repeat: string,
  parameters: readonly FigureParameter[],
): ReportFigure {
  return {
    id: 'price-pinned',
    title: 'Pinned memory under the balloon',
    sentence:
      'Memory that is held fast while the balloon asks for it, over time; the axis is logarithmic from 1 MB up.',
    plot: pinnedPlots(
      balloon.map(({ approach, pinned_pages, pinned_step_ns, most_pinned_pages }) => ({
        approach: titleOf(approach),
        samples: pinned_pages.map((pages, index) => ({ atNs: index * pinned_step_ns, pages })),
        mostPages: most_pinned_pages.most,
      })),
    ),
    table: {
      heads: ['time, ms', ...balloon.map(({ approach }) => `${titleOf(approach)}, MB`)],
      rows: (balloon[0]?.pinned_pages ?? []).flatMap((_, index) =>
        index % TABLE_STRIDE === 0
          ? [
              [
                ((index * (balloon[0]?.pinned_step_ns ?? 0)) / 1e6).toFixed(1),
                ...balloon.map(({ pinned_pages }) => megabytes(pinned_pages[index] ?? 0).toFixed(2)),
              ],
            ]
          : [],
      ),
    },
    repeat,
    parameters,
  };
}

/** Frames that came free, how soon, and who touched them afterwards. */
export function balloonFigure(
  balloon: readonly BalloonPoint[],
  repeat: string,
  parameters: readonly FigureParameter[],
): ReportFigure {
  const percentOf = (part: (point: BalloonPoint) => number, point: BalloonPoint) =>
    (100 * part(point)) / Math.max(1, point.asked);
  const rows: DotRow[] = balloon.flatMap((point) => {
    const approach = titleOf(point.approach);
    const { reclaimed, late_accesses: late, free_p99_us: p99 } = point;
    const row = (panel: string, { mean, least, most }: typeof reclaimed, label: string): DotRow => ({
      panel,
      approach,
      mean,
      least,
      most,
      label,
    });
    const share = {
      mean: percentOf(() => reclaimed.mean, point),
      least: percentOf(() => reclaimed.least, point),
      most: percentOf(() => reclaimed.most, point),
    };
    return [
      row('reclaimed, % of asked', share, share.mean.toFixed(0)),
      ...(p99 === undefined ? [] : [row('until free, p99, us', p99, p99.mean.toFixed(1))]),
      row('late accesses', late, late.mean.toFixed(0)),
    ];
  });
  return {
    id: 'price-balloon',
    title: 'What the balloon gets',
    sentence:
      "Frames that the balloon got of those it asked for, how long one took, and accesses of devices to frames that were no longer their guest's.",
    plot: dotPanels(
      {
        title: 'What the balloon gets, and how late devices are',
        description:
          'Three panels: frames reclaimed in percent of those asked for; microseconds until a frame was free, 99th percentile; ' +
          'accesses of devices to frames that their guest no longer had. A dot an approach.',
        panels: ['reclaimed, % of asked', 'until free, p99, us', 'late accesses'],
        approaches: balloon.map(({ approach }) => titleOf(approach)),
        axis: null,
        rows,
        columns: 3,
      },
      undefined,
    ),
    table: {
      heads: [
        'approach',
        'asked',
        'reclaimed (range)',
        'refused',
        'p50 us',
        'p99 us',
        'most pinned, frames',
        'late',
        'damaged',
      ],
      rows: balloon.map(balloonCells),
    },
    repeat,
    parameters,
  };
}

/** What the balloon got under one approach, as tables show it. */
export function balloonCells(point: BalloonPoint): string[] {
  return [
    titleOf(point.approach),
    point.asked.toFixed(0),
    spreadText(point.reclaimed, 0),
    point.refused.toFixed(0),
    point.free_p50_us === undefined ? '-' : spreadText(point.free_p50_us, 2),
    point.free_p99_us === undefined ? '-' : spreadText(point.free_p99_us),
    spreadText(point.most_pinned_pages, 0),
    spreadText(point.late_accesses, 0),
    point.damaged_pages.toFixed(0),
  ];
}
