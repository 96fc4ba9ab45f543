import type { RunResult } from '../../machine/run-result.js';
import type { ReportFigure } from '../html/figure.js';
import { decimal, percent, whole } from '../number-text.js';
import { stackedBars } from '../plots/stacked-bars.js';
import type { ComparedRuns } from './compared-runs.js';

const PARTS = ['hit', 'waited for a walk under way', 'walked the tables'];

/** What became of each translation, a bar an approach with an IOMMU; undefined when there is none. */
export function iotlbFigure({ runs, repeat, parameters }: ComparedRuns): ReportFigure | undefined {
  const rows = runs
    .map((run) => ({ run, counts: countsOf(run) }))
    .filter(({ counts }) => counts.translations > 0);
  if (rows.length === 0) return undefined;
  return {
    id: 'iotlb',
    title: 'IOTLB hit rate',
    sentence:
      'How the translations of the card’s accesses ended, of the approaches that have an IOMMU; the figure at the end of a bar is the hit rate.',
    plot: stackedBars({
      title: 'IOTLB hits and misses, an approach a bar',
      description: `Stacked bars, percent of translations. Hit rates: ${rows
        .map(({ run, counts }) => `${run.protection} ${percent(counts.hits / counts.translations)} %`)
        .join(', ')}.`,
      parts: PARTS,
      rows: rows.map(({ run, counts }) => {
        const { hits, shared, walks, translations } = counts;
        return {
          name: run.protection,
          values: [hits, shared, walks].map((count) => (100 * count) / translations),
          label: `${percent(hits / translations)} %`,
        };
      }),
      axis: 'translations, %',
      most: 100,
    }),
    table: {
      heads: [
        'approach',
        'translations',
        'hits',
        'hit rate, %',
        'shared walks',
        'walks',
        'table reads',
        'invalidations',
        'gate, ns an access',
      ],
      rows: rows.map(({ run, counts }) => [
        run.protection,
        whole(counts.translations),
        whole(counts.hits),
        percent(counts.hits / counts.translations),
        whole(counts.shared),
        whole(counts.walks),
        whole(run.protectionDetails['tableReads'] ?? 0),
        whole(run.protectionDetails['invalidations'] ?? 0),
        decimal(run.accessGate.meanDelayNs, 1),
      ]),
    },
    repeat,
    parameters,
  };
}

function countsOf({ protectionDetails: details }: RunResult) {
  return {
    translations: details['translations'] ?? 0,
    hits: details['iotlbHits'] ?? 0,
    shared: details['sharedWalks'] ?? 0,
    walks: details['walks'] ?? 0,
  };
}
