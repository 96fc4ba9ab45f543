import { chmodSync, lstatSync, rmSync } from 'node:fs';
import { createConnection, type Server } from 'node:net';

/**
 * Makes a server listen on a socket that only its owner may connect to, from the moment at which it is there. A socket that
 * a server left behind is replaced; anything else is not.
 */
export async function listenPrivately(server: Server, path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found !== undefined && !found.isSocket()) throw new Error(`${path} is there and is no socket`);
  rmSync(path, { force: true });
  const before = process.umask(0o177);
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(path, resolve);
    });
  } finally {
    process.umask(before);
  }
  chmodSync(path, 0o600);
}

/** Ends it, and removes its socket; what it has not listened on is not its own. */
export function closePrivately(server: Server, path: string): void {
  if (!server.listening) return;
  server.close();
  rmSync(path, { force: true });
}

/** Whether a server answers on a socket. */
export function isAnswered(path: string): Promise<boolean> {
  if (lstatSync(path, { throwIfNoEntry: false })?.isSocket() !== true) return Promise.resolve(false);
  return new Promise((resolve) => {
    const socket = createConnection(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
