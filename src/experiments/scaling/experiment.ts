import type { Experiment } from '../experiment.js';
import { isAsStored } from '../stored-result.js';
import { scalingAnswer, scalingReportFigures } from './figures.js';
import { printScaling } from './print.js';
import { scalingResult, scalingTasks } from './reproduce.js';

/** What more guests cost, from one to more than anybody puts on a card. */
export const scaling: Experiment = {
  name: 'scaling',
  question: 'what do 1 to 1,024 guests get from one card, and what does it cost?',
  takesData: false,
  async run({ seed, repeat, threads, progress }) {
    const tasks = scalingTasks(seed);
    const samples = await threads.each('scaling/machine', tasks, (done) =>
      progress(done / tasks.length, 'machines'),
    );
    const result = scalingResult(seed, tasks, samples);
    const asStored = isAsStored(new URL('./result.json', import.meta.url), seed, result);
    return {
      text: printScaling(result),
      answer: scalingAnswer(result),
      document: result,
      figures: scalingReportFigures(result, repeat),
      asStored,
    };
  },
};
