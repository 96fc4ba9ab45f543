import { HEADLINES } from './headlines.js';
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

export interface Sensitivity {
  /** The headlines as they are. */
  readonly start: readonly number[];
  readonly movements: readonly Movement[];
}

/** Changes each parameter by itself, and runs everything again. */
export function measureSensitivity(progress: (done: number, total: number) => void): Sensitivity {
  const steps = PARAMETERS.flatMap((parameter) => parameter.steps.map((to) => ({ parameter, to })));
  const start = HEADLINES.map(({ of }) => of({}));
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
        return reached ? headline.of(change) : (start[at] ?? 0);
      }),
    };
  });
  return { start, movements };
}

/** The walker's headline takes no CPU or queue time; an IOMMU matters only where there is one. */
function reaches(group: string, headline: string): boolean {
  const walker = headline.startsWith('strict');
  if (group === 'CPU' || group === 'invalidation queue') {
    return !walker && (group === 'CPU' || headline.startsWith('single-use'));
  }
  return group !== 'IOMMU' || walker || headline.startsWith('single-use');
}
