import { defineExperiment } from '../experiment.js';
import { priceOfSafetyAnswer, priceOfSafetyFigures } from './figures.js';
import { printPriceOfSafety } from './print.js';
import { balloonTasks, loadTasks, priceOfSafetyResult, priceTasks } from './reproduce.js';

/** What each mapping strategy costs in CPU time, and what it leaves of the memory. */
export const priceOfSafety = defineExperiment({
  name: 'price-of-safety',
  question: 'what does each way to map cost in CPU time and in memory, on the metal and under a hypervisor?',
  takesData: false,
  storedUrl: new URL('./result.json', import.meta.url),
  async measure({ seed, threads, progress }) {
    const prices = priceTasks(seed);
    const loads = loadTasks(seed);
    const balloons = balloonTasks(seed);
    let done = 0;
    const step = () => {
      done += 1;
      progress(done / (prices.length + loads.length + balloons.length), 'approaches');
    };
    const [measured, loaded, balloon] = await Promise.all([
      threads.each('price-of-safety/price', prices, step),
      threads.each('price-of-safety/load', loads, step),
      threads.each('price-of-safety/balloon', balloons, step),
    ]);
    return priceOfSafetyResult(seed, measured, loaded, balloon);
  },
  present: (result, repeat) => ({
    text: printPriceOfSafety(result),
    answer: priceOfSafetyAnswer(result),
    figures: priceOfSafetyFigures(result, repeat),
  }),
});
