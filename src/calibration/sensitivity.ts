import { present } from '../../scheduler/present.js';
import { seedOfRun } from '../machine/seed-of-run.js';
import { mean } from '../sweep/statistics.js';
import { HEADLINES, type Headline, type ParameterChange } from './headlines.js';
import { PARAMETERS } from './parameters.js';

/** One parameter at one other value, and the headlines then. */
export interface Movement {
  readonly group: string;
  readonly name: string;
  readonly from: number;
  readonly to: number;
  /** A headline each, in their order. */
  readonly figures: readonly number[];
}

/** The least and the most of a headline. */
export interface HeadlineRange {
  readonly least: number;
  readonly most: number;
}

export interface Sensitivity {
  /** The headlines as they are. */
  readonly start: readonly number[];
  /** The headlines with nothing changed but the seeds, in their order. */
  readonly noise: readonly HeadlineRange[];
  readonly movements: readonly Movement[];
}

const SEED = 1;
/** How often each headline is measured with nothing changed, every time with seeds that no other time has. */
export const NOISE_TRIES = 5;

/** Changes each parameter by itself, and runs everything again. */
export function measureSensitivity(progress: (done: number, total: number) => void): Sensitivity {
  const steps = PARAMETERS.flatMap((parameter) => parameter.steps.map((to) => ({ parameter, to })));
  const unchanged = HEADLINES.map((headline) =>
    Array.from({ length: NOISE_TRIES }, (_, at) => measure(headline, {}, at)),
  );
  const start = unchanged.map(([first = Number.NaN]) => first);
  const noise = unchanged.map((values) => ({ least: Math.min(...values), most: Math.max(...values) }));
  const movements = steps.map(({ parameter, to }, index): Movement => {
    progress(index, steps.length);
    const change = parameter.change(to);
    return {
      group: parameter.group,
      name: parameter.name,
      from: parameter.found ?? parameter.value,
      to,
      figures: HEADLINES.map((headline, at) => {
        // What a change cannot reach need not be run again.
        const reached = reaches(parameter.group, headline.name);
        return reached ? measure(headline, change, 0) : present(start[at]);
      }),
    };
  });
  return { start, noise, movements };
}

/** The mean of a headline's runs. A change and `start` have the same seeds, those of the first measurement. */
function measure({ runs, of }: Headline, change: ParameterChange, measurement: number): number {
  const seeds = Array.from({ length: runs }, (_, run) => seedOfRun(SEED, measurement * runs + run));
  return mean(seeds.map((seed) => of(change, seed)));
}

/** The walker's headline takes no CPU or queue time; an IOMMU matters only where there is one. */
function reaches(group: string, headline: string): boolean {
  const walker = headline.startsWith('strict');
  if (group === 'CPU' || group === 'invalidation queue') {
    return !walker && (group === 'CPU' || headline.startsWith('single-use'));
  }
  return group !== 'IOMMU' || walker || headline.startsWith('single-use');
}
