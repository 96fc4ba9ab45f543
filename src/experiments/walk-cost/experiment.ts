import type { Experiment } from '../experiment.js';
import { isAsStored } from '../stored-result.js';
import { printWalkCost } from './print.js';
import { reproduceWalkCost } from './reproduce.js';

/** What table reads a page cost, and what contiguous addresses save. */
export const walkCost: Experiment = {
  name: 'walk-cost',
  question: 'is throughput behind one page walker T = p / (65 ns + M x 197 ns)?',
  takesData: false,
  run({ seed, progress }) {
    const result = reproduceWalkCost(seed, progress);
    const asStored = isAsStored(new URL('./result.json', import.meta.url), seed, result);
    return Promise.resolve({ text: printWalkCost(result), document: result, asStored });
  },
};
