import { defineExperiment } from '../experiment.js';
import { walkCostAnswer, walkCostFigures } from './figures.js';
import { printWalkCost } from './print.js';
import { SETTINGS, walkCostResult } from './reproduce.js';

/** What table reads a page cost, and what contiguous addresses save. */
export const walkCost = defineExperiment({
  name: 'walk-cost',
  question: 'is throughput behind one page walker T = p / (65 ns + M x 197 ns)?',
  takesData: false,
  storedUrl: new URL('./result.json', import.meta.url),
  async measure({ seed, threads, progress }) {
    const settings = await threads.each(
      'walk-cost/setting',
      SETTINGS.map((setting) => ({ setting, seed })),
      (done) => progress(done / SETTINGS.length, 'places of the sweep'),
    );
    return walkCostResult(seed, settings);
  },
  present: (result, repeat) => ({
    text: printWalkCost(result),
    answer: walkCostAnswer(result),
    figures: walkCostFigures(result, repeat),
  }),
});
