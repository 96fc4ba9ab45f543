import type { Experiment } from '../experiment.js';
import { isAsStored } from '../stored-result.js';
import { strategiesAnswer, strategiesFigures } from './figures.js';
import { printStrategies } from './print.js';
import { strategiesResult, strategyTasks } from './reproduce.js';

/** Ways to map, and software instead, under the kinds of traffic that the literature compared them with. */
export const strategies: Experiment = {
  name: 'strategies',
  question: 'which way to map suits which traffic, and is software without an IOMMU as good?',
  takesData: false,
  async run({ seed, repeat, threads, progress }) {
    const tasks = strategyTasks(seed);
    const measured = await threads.each('strategies/workload', tasks, (done) =>
      progress(done / tasks.length, 'approaches'),
    );
    const result = strategiesResult(seed, measured);
    const asStored = isAsStored(new URL('./result.json', import.meta.url), seed, result);
    return {
      text: printStrategies(result),
      answer: strategiesAnswer(result),
      document: result,
      figures: strategiesFigures(result, repeat),
      asStored,
    };
  },
};
