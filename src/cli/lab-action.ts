import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { UserError } from '../../scheduler/errors.js';
import { packageFolder } from '../scenario/package-folder.js';
import type { CommandAction } from './commands/entry.js';
import { LabServer } from './lab-server.js';
import { text, wholeNumber } from './options.js';

const DEFAULT_PORT = 5180;

/** `cdna-nic lab`: until it is told to end. */
export const labAction: CommandAction = async (_args, options, io) => {
  const port = wholeNumber('--port', text(options.port), 0, 65_535) ?? DEFAULT_PORT;
  const folder = join(packageFolder(), 'dist', 'lab');
  const page = join(folder, 'lab.html');
  if (!existsSync(page))
    throw new UserError(`${page} is not there, expected the built page (npm run build:lab)`);
  if (options.path === true) {
    io.out(`${page}\n`);
    return 0;
  }
  const server = new LabServer(folder);
  const address = await server.listen(port);
  io.out(`${address}\n`);
  io.err('the lab is open in a browser at this address; Ctrl-C ends\n');
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => resolve());
  });
  await server.close();
  return 0;
};
