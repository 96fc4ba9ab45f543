import { defineExperiment } from '../experiment.js';
import { strategiesAnswer, strategiesFigures } from './figures.js';
import { printStrategies } from './print.js';
import { strategiesResult, strategyTasks } from './reproduce.js';

/** Ways to map, and software instead, under the kinds of traffic that the literature compared them with. */
export const strategies = defineExperiment({
  name: 'strategies',
  question: 'which way to map suits which traffic, and is software without an IOMMU as good?',
  takesData: false,
  storedUrl: new URL('./result.json', import.meta.url),
  async measure({ seed, threads, progress }) {
    const tasks = strategyTasks(seed);
    const measured = await threads.each('strategies/workload', tasks, (done) =>
      progress(done / tasks.length, 'approaches'),
    );
    return strategiesResult(seed, measured);
  },
  present: (result, repeat) => ({
    text: printStrategies(result),
    answer: strategiesAnswer(result),
    figures: strategiesFigures(result, repeat),
  }),
});
