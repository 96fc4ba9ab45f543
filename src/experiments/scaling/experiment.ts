import { defineExperiment } from '../experiment.js';
import { scalingReportFigures } from './figures.js';
import { printScaling } from './print.js';
import { changeTasks, scalingResult, scalingTasks } from './reproduce.js';
import { scalingAnswer } from './sentences.js';
import { unitChangePoints } from './unit-changes.js';

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
    const changes = changeTasks(seed);
    const changed = await threads.each('scaling/unit-change', changes, (done) =>
      progress(done / changes.length, 'changes of the IOMMU'),
    );
    return scalingResult(seed, tasks, samples, unitChangePoints(changes, changed));
  },
  present: (result, repeat) => ({
    text: printScaling(result),
    answer: scalingAnswer(result),
    figures: scalingReportFigures(result, repeat),
  }),
});
