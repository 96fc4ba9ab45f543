import { seedSamples, seedsText } from '../report/compare/seeds.js';
import { comparisonText } from '../report/comparison-text.js';
import type { CommandAction } from './commands/entry.js';
import { execute } from './execute.js';
import { report } from './run-report.js';
import { readRequest } from './run-request.js';

/** `cdna-nic compare`: the same guests under several approaches. */
export const compareAction: CommandAction = async ([scenario], options, io) => {
  const request = await readRequest('compare', scenario, options, io);
  const execution = await execute(request, io);
  const { results, through } = execution;
  return report(request, options, execution, io, () =>
    request.seeds === 1
      ? comparisonText(request, results, through)
      : seedsText(request, seedSamples(results, through, request.loaded.scenario), request.seeds),
  );
};
