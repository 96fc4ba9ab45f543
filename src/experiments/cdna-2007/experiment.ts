import type { Experiment } from '../experiment.js';
import { publishedSentence } from '../published-plot.js';
import { isAsStored } from '../stored-result.js';
import { cdna2007Figures } from './figures.js';
import { printCdna2007 } from './print.js';

/** The paper's own evaluation: one guest to find what operations cost, all else predicted. */
export const cdna2007: Experiment = {
  name: 'cdna-2007',
  question: 'do the tables and figures of the CDNA paper follow from its rows with one guest?',
  takesData: false,
  async run({ seed, repeat, threads, progress }) {
    progress(0, 'all rows');
    const result = await threads.run('cdna-2007/all', { seed });
    const asStored = isAsStored(new URL('./result.json', import.meta.url), seed, result);
    return {
      text: printCdna2007(result),
      answer: publishedSentence(result.figures),
      document: result,
      figures: cdna2007Figures(result, repeat),
      asStored,
    };
  },
};
