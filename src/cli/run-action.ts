import { runText } from '../report/run-text.js';
import type { CommandAction } from './commands/entry.js';
import { execute } from './execute.js';
import { report } from './run-report.js';
import { readRequest } from './run-request.js';

/** `cdna-nic run`: one approach, guest by guest. */
export const runAction: CommandAction = async ([scenario], options, io) => {
  const request = await readRequest('run', scenario, options, io);
  const execution = await execute(request, io);
  return report(request, execution, io, () =>
    execution.results.map((result) => runText(request, result)).join('\n'),
  );
};
