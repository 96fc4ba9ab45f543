import { defineExperiment } from '../experiment.js';
import { publishedSentence } from '../published-plot.js';
import { cdna2007Figures } from './figures.js';
import { printCdna2007 } from './print.js';

/** The paper's own evaluation: one guest to find what operations cost, all else predicted. */
export const cdna2007 = defineExperiment({
  name: 'cdna-2007',
  question: 'do the tables and figures of the CDNA paper follow from its rows with one guest?',
  takesData: false,
  storedUrl: new URL('./result.json', import.meta.url),
  async measure({ seed, threads, progress }) {
    progress(0, 'all rows');
    return await threads.run('cdna-2007/all', { seed });
  },
  present: (result, repeat) => ({
    text: printCdna2007(result),
    answer: publishedSentence(result.figures),
    figures: cdna2007Figures(result, repeat),
  }),
});
