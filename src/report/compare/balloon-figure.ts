import type { ReportFigure } from '../html/figure.js';
import { microseconds } from '../number-text.js';
import { stackedBars } from '../plots/stacked-bars.js';
import type { ComparedRuns } from './compared-runs.js';

/** What became of the frames that the balloon asked for; undefined when there was no balloon. */
export function balloonFigure({ runs, repeat, parameters }: ComparedRuns): ReportFigure | undefined {
  const rows = runs.flatMap(({ protection, memory: { balloon } }) =>
    balloon === undefined ? [] : [{ protection, balloon }],
  );
  if (rows.length === 0) return undefined;
  return {
    id: 'balloon',
    title: 'What the balloon got',
    sentence:
      'Of the frames that were asked back, how many were reclaimed, still wait, or were refused; the table has how long it took, and what devices did to frames after they were given away.',
    plot: stackedBars({
      title: 'Frames that the balloon asked for, an approach a bar',
      description: rows
        .map(({ protection, balloon }) => `${protection}: ${balloon.reclaimed} of ${balloon.asked} reclaimed`)
        .join(', '),
      parts: ['reclaimed', 'waiting', 'refused'],
      rows: rows.map(({ protection, balloon: { reclaimed, waiting, refused, asked } }) => ({
        name: protection,
        values: [reclaimed, waiting, refused],
        label: `${reclaimed} of ${asked}`,
      })),
      axis: 'frames of 4 KB',
    }),
    table: {
      heads: [
        'approach',
        'asked',
        'reclaimed',
        'waiting',
        'refused',
        'p50, us',
        'p99, us',
        'late reads',
        'late writes',
        'damaged',
      ],
      rows: rows.map(({ protection, balloon }) => [
        protection,
        `${balloon.asked}`,
        `${balloon.reclaimed}`,
        `${balloon.waiting}`,
        `${balloon.refused}`,
        microseconds(balloon.reclaimNs?.p50Ns),
        microseconds(balloon.reclaimNs?.p99Ns),
        `${balloon.lateReads}`,
        `${balloon.lateWrites}`,
        `${balloon.damagedPages}`,
      ]),
    },
    repeat,
    parameters,
  };
}
