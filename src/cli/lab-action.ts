import { join } from 'node:path';
import type { CommandAction } from './commands/entry.js';
import { LAB_PORT, LabServer, labFolder } from './lab-server.js';
import { text, wholeNumber } from './options.js';

/** `cdna-nic lab`: until it is told to end. */
export const labAction: CommandAction = async (_args, options, io) => {
  const port = wholeNumber('--port', text(options.port), 0, 65_535) ?? LAB_PORT;
  const folder = labFolder();
  if (options.path === true) {
    io.out(`${join(folder, 'lab.html')}\n`);
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
