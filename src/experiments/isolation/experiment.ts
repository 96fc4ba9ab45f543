import type { Experiment } from '../experiment.js';
import { isAsStored } from '../stored-result.js';
import { isolationAnswer, isolationReportFigures } from './figures.js';
import { printIsolation } from './print.js';
import { isolationResult, isolationTasks } from './reproduce.js';

/** What a guest loses when its neighbour turns on it. */
export const isolation: Experiment = {
  name: 'isolation',
  question: 'what does a steady guest lose when its neighbour turns hostile?',
  takesData: false,
  async run({ seed, repeat, threads, progress }) {
    const tasks = isolationTasks(seed);
    const cells = await threads.each('isolation/approach', tasks, (done) =>
      progress(done / tasks.length, 'halves of approaches'),
    );
    const result = isolationResult(seed, cells);
    const asStored = isAsStored(new URL('./result.json', import.meta.url), seed, result);
    return {
      text: printIsolation(result),
      answer: isolationAnswer(result),
      document: result,
      figures: isolationReportFigures(result, repeat),
      asStored,
    };
  },
};
