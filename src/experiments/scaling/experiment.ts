import { defineExperiment } from '../experiment.js';
import { scalingAnswer, scalingReportFigures } from './figures.js';
import { printScaling } from './print.js';
import { scalingResult, scalingTasks } from './reproduce.js';

/** What more guests cost, from one to more than anybody puts on a card. */
export const scaling = defineExperiment({
  name: 'scaling',
  question: 'what do 1 to 1,024 guests get from one card, and what does it cost?',
  takesData: false,
  storedUrl: new URL('./result.json', import.meta.url),
  async measure({ seed, threads, progress }) {
    const tasks = scalingTasks(seed);
    const samples = await threads.each('scaling/machine', tasks, (done) =>
      progress(done / tasks.length, 'machines'),
    );
    return scalingResult(seed, tasks, samples);
  },
  present: (result, repeat) => ({
    text: printScaling(result),
    answer: scalingAnswer(result),
    figures: scalingReportFigures(result, repeat),
  }),
});
