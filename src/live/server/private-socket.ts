import { chmodSync, rmSync } from 'node:fs';
import type { Server } from 'node:net';

/** Makes a server listen on a socket that only its owner may connect to, from the moment at which it is there. */
export async function listenPrivately(server: Server, path: string): Promise<void> {
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
