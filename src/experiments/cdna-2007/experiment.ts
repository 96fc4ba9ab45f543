import type { Experiment } from '../experiment.js';
import { isAsStored } from '../stored-result.js';
import { printCdna2007 } from './print.js';
import { reproduceCdna2007 } from './reproduce.js';

/** The paper's own evaluation: one guest to find what operations cost, all else predicted. */
export const cdna2007: Experiment = {
  name: 'cdna-2007',
  question: 'do the tables and figures of the CDNA paper follow from its rows with one guest?',
  takesData: false,
  run({ seed, progress }) {
    const result = reproduceCdna2007(seed, progress);
    const asStored = isAsStored(new URL('./result.json', import.meta.url), seed, result);
    return Promise.resolve({ text: printCdna2007(result), document: result, asStored });
  },
};
