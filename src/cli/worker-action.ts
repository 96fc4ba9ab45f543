import { availableParallelism } from 'node:os';
import { QueueWorker } from '../sweep/queue/queue-worker.js';
import { UsageError } from './cli-io.js';
import type { CommandAction } from './commands/entry.js';
import { parseDuration } from './duration.js';
import { text, wholeNumber } from './options.js';

/** `cdna-nic worker`: does jobs of a queue until it is stopped. */
export const workerAction: CommandAction = async (_args, options, io) => {
  const url = text(options.queue);
  if (url === undefined) throw new UsageError('--queue is missing, expected redis://HOST:PORT');
  const lock = text(options.lock);
  const threads = wholeNumber('--jobs', text(options.jobs), 1, 1024) ?? availableParallelism();
  let finished = 0;
  let refusedRuns = 0;
  const stopped = new Promise<void>((resolve) => {
    process.once('SIGINT', () => resolve());
    process.once('SIGTERM', () => resolve());
  });
  const worker = await QueueWorker.start(url, {
    threads,
    allowModules: options.allowModules === true,
    ...(lock === undefined ? {} : { lockMs: parseDuration('--lock', lock) / 1e6 }),
    done: (jobs, failed) => {
      finished = jobs;
      refusedRuns = failed;
    },
  });
  io.out(`${threads === 1 ? '1 thread takes' : `${threads} threads take`} runs from ${url}\n`);
  const refused = await Promise.race([stopped, worker.refused]);
  await worker.close();
  if (refused !== undefined) throw refused;
  io.out(
    `${finished} ${finished === 1 ? 'run' : 'runs'} done${refusedRuns === 0 ? '' : `, ${refusedRuns} could not be done`}\n`,
  );
  return 0;
};
