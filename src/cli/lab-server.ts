import { existsSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { extname, join } from 'node:path';
import type { Duplex } from 'node:stream';
import { UserError } from '../../scheduler/errors.js';
import { isLoopbackHost, LOOPBACK } from '../live/server/loopback-host.js';
import { packageFolder } from '../scenario/package-folder.js';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
};

/** The page may load what lies beside it and nothing else; its worker may come from a Blob. */
const POLICY =
  "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; " +
  "worker-src 'self' blob:; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'self'";

/** Port of the lab unless another is asked for. */
export const LAB_PORT = 5180;

/** Folder of the built page. @throws UserError where it has not been built */
export function labFolder(): string {
  const folder = join(packageFolder(), 'dist', 'lab');
  const page = join(folder, 'lab.html');
  if (!existsSync(page))
    throw new UserError(`${page} is not there, expected the built page (npm run build:lab)`);
  return folder;
}

/** Serves a folder of a few files on loopback. Names that are not plain files of it, or of its assets, are not there. */
export class LabServer {
  readonly #folder: string;
  readonly #server: Server;

  /** @param upgrade takes a connection whose browser asks for a WebSocket; without it none is to be had */
  constructor(
    folder: string,
    upgrade?: (request: IncomingMessage, socket: Duplex, head: Uint8Array) => void,
  ) {
    this.#folder = folder;
    this.#server = createServer((request, response) => {
      void this.#answer(request.method ?? 'GET', request.url ?? '/', request.headers.host ?? '', response);
    });
    if (upgrade !== undefined) this.#server.on('upgrade', upgrade);
  }

  /** Listens. Returns the address of the page. @throws UserError when the port is taken */
  async listen(port: number): Promise<string> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (error: NodeJS.ErrnoException) =>
        reject(
          error.code === 'EADDRINUSE'
            ? new UserError(`--port is ${port}, which is taken; expected another, or 0 for any that is free`)
            : error,
        ),
      );
      this.#server.listen(port, LOOPBACK, resolve);
    });
    const address = this.#server.address();
    return `http://${LOOPBACK}:${typeof address === 'object' && address !== null ? address.port : port}/`;
  }

  /** Ends; connections that have become WebSockets are ended by those who took them. */
  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  async #answer(method: string, url: string, host: string, response: ServerResponse): Promise<void> {
    const end = (status: number, type: string, body: string | Buffer) => {
      response.writeHead(status, {
        'content-type': type,
        'content-security-policy': POLICY,
        'x-content-type-options': 'nosniff',
        'cache-control': 'no-cache',
      });
      response.end(method === 'HEAD' ? undefined : body);
    };
    if (!isLoopbackHost(host)) {
      end(403, 'text/plain', 'not here\n');
      return;
    }
    if (method !== 'GET' && method !== 'HEAD') {
      end(405, 'text/plain', 'GET or HEAD\n');
      return;
    }
    const [path = ''] = url.split('?');
    const name = path === '/' ? 'index.html' : path.slice(1);
    if (!/^(assets\/)?[\w-]+(\.[\w-]+)*$/u.test(name)) {
      end(404, 'text/plain', 'not here\n');
      return;
    }
    const file = join(this.#folder, name);
    try {
      if (!(await stat(file)).isFile()) {
        end(404, 'text/plain', 'not here\n');
        return;
      }
      end(200, TYPES[extname(name)] ?? 'application/octet-stream', await readFile(file));
      return;
    } catch {
      end(404, 'text/plain', 'not here\n');
      return;
    }
  }
}
