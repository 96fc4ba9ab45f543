import { runText } from '../report/run-text.js';
import type { CliIo } from './cli-io.js';
import type { CommandAction, GivenOptions } from './commands/entry.js';
import { execute } from './execute.js';
import { pipingCapture } from './piped-capture.js';
import { report } from './run-report.js';
import { readRequest } from './run-request.js';

/** `cdna-nic run`: one approach, guest by guest. */
export const runAction: CommandAction = ([scenario], options, io) =>
  pipingCapture(options, io, (given, to) => run(scenario, given, to));

async function run(scenario: string | undefined, options: GivenOptions, io: CliIo) {
  const request = await readRequest('run', scenario, options, io);
  const execution = await execute(request, io);
  return report(request, options, execution, io, () =>
    execution.results.map((result) => runText(request, result)).join('\n'),
  );
}
