import type { Experiment } from '../experiment.js';
import { isAsStored } from '../stored-result.js';
import { walkCostAnswer, walkCostFigures } from './figures.js';
import { printWalkCost } from './print.js';
import { SETTINGS, walkCostResult } from './reproduce.js';

/** What table reads a page cost, and what contiguous addresses save. */
export const walkCost: Experiment = {
  name: 'walk-cost',
  question: 'is throughput behind one page walker T = p / (65 ns + M x 197 ns)?',
  takesData: false,
  async run({ seed, repeat, threads, progress }) {
    const settings = await threads.each(
      'walk-cost/setting',
      SETTINGS.map((setting) => ({ setting, seed })),
      (done) => progress(done / SETTINGS.length, 'places of the sweep'),
    );
    const result = walkCostResult(seed, settings);
    const asStored = isAsStored(new URL('./result.json', import.meta.url), seed, result);
    return {
      text: printWalkCost(result),
      answer: walkCostAnswer(result),
      document: result,
      figures: walkCostFigures(result, repeat),
      asStored,
    };
  },
};
