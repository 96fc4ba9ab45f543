import type { ReportFigure } from '../html/figure.js';
import { megabytes, pinnedPlots } from '../plots/pinned.js';
import type { ComparedRuns } from './compared-runs.js';

const TABLE_ROWS = 20;

/** Memory that nobody else can be given, over time, a panel an approach. */
export function memoryFigure({ runs, repeat, parameters, heading }: ComparedRuns): ReportFigure {
  const samples = runs[0]?.memory.pinnedPages ?? [];
  const every = Math.max(1, Math.ceil(samples.length / TABLE_ROWS));
  const kept = samples.map(({ atNs }, index) => ({ atNs, index })).filter(({ index }) => index % every === 0);
  const balloon = heading.loaded.scenario.balloon !== undefined;
  return {
    id: 'memory',
    title: `Pinned memory over time${balloon ? ', under the balloon' : ''}`,
    sentence: `Memory that is held fast for DMA and that the hypervisor can give to nobody else, sampled ${samples.length} times${
      balloon ? ', while the balloon asks for frames' : ''
    }; the axis is logarithmic from 1 MB up.`,
    plot: pinnedPlots(
      runs.map(({ protection, memory }) => ({
        approach: protection,
        samples: memory.pinnedPages,
        mostPages: memory.mostPinnedPages,
      })),
    ),
    table: {
      heads: ['time, ms', ...runs.map(({ protection }) => `${protection}, MB`)],
      rows: kept.map(({ atNs, index }) => [
        (atNs / 1e6).toFixed(2),
        ...runs.map(({ memory }) => megabytes(memory.pinnedPages[index]?.pages ?? 0).toFixed(2)),
      ]),
    },
    repeat,
    parameters,
  };
}
