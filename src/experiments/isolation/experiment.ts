import { defineExperiment } from '../experiment.js';
import { isolationReportFigures } from './figures.js';
import { printIsolation } from './print.js';
import { isolationResult, isolationTasks } from './reproduce.js';
import { isolationAnswer } from './sentences.js';

/** What a guest loses when its neighbour turns on it. */
export const isolation = defineExperiment({
  name: 'isolation',
  question: 'what does a steady guest lose when its neighbour turns hostile?',
  takesData: false,
  storedUrl: new URL('./result.json', import.meta.url),
  async measure({ seed, threads, progress }) {
    const tasks = isolationTasks(seed);
    const cells = await threads.each('isolation/approach', tasks, (done) =>
      progress(done / tasks.length, 'halves of approaches'),
    );
    return isolationResult(seed, cells);
  },
  present: (result, repeat) => ({
    text: printIsolation(result),
    answer: isolationAnswer(result.cells),
    figures: isolationReportFigures(result, repeat),
  }),
});
