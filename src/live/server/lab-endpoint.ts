import { randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { UserError } from '../../../scheduler/errors.js';
import { reportText } from '../../lab/report-text.js';
import { LiveLabSession } from '../lab/live-lab-session.js';
import { servedRequest } from '../lab/served-request.js';
import type { ServedSession } from '../lab/served-session.js';
import { limitEnd } from './limit-end.js';
import { isLoopbackHost } from './loopback-host.js';
import { acceptOf, CLOSE_CODES, WebSocketConnection } from './web-socket.js';

/** Path of the endpoint, beside the page. */
const LAB_ENDPOINT = '/session';
/** Pages that may watch at once. */
const MOST_PAGES = 4;
/** Connections that may be open at once, with those that are refused and have not ended. */
const MOST_SOCKETS = 64;
/** Between two states of a page, ms: what the eye and a plot want, and the session hardly notices. */
const STATE_MS = 50;
const TOKEN_BYTES = 24;

/** A page that watches. */
interface Page {
  readonly session: LiveLabSession;
  readonly connection: WebSocketConnection;
}

/**
 * Where pages of the lab connect to a session with real guests: a WebSocket on the page's own origin, for those who know
 * the token of this session. A page that is slow misses states, and one that goes away changes nothing.
 */
export class LabEndpoint {
  /** What a page has to show, besides coming from where it was served. */
  readonly token = randomBytes(TOKEN_BYTES).toString('base64url');
  readonly #served: ServedSession;
  readonly #failed: (error: unknown) => void;
  readonly #pages = new Set<Page>();
  readonly #sockets = new Set<Duplex>();
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  /** @param failed told of what breaks while a page is served: something of ours */
  constructor(served: ServedSession, failed: (error: unknown) => void) {
    this.#served = served;
    this.#failed = failed;
  }

  /** Pages that watch now. */
  get pages(): number {
    return this.#pages.size;
  }

  /** A browser asks for a WebSocket. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Uint8Array): void {
    socket.on('error', () => {});
    if (this.#isClosed || this.#sockets.size >= MOST_SOCKETS) {
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    const refusal = this.#refusal(request);
    const accept = acceptOf(request);
    if (refusal !== undefined || accept === undefined) {
      const [status, text] = refusal ?? ['400 Bad Request', 'no WebSocket of version 13\n'];
      // Read to its end, which no one would see otherwise: a server's connections stay half open.
      socket.resume();
      limitEnd(socket);
      socket.end(
        `HTTP/1.1 ${status}\r\nContent-Type: text/plain\r\nContent-Length: ${text.length}\r\nConnection: close\r\n\r\n${text}`,
      );
      return;
    }
    this.#open(socket, head, accept);
  }

  /** Tells pages that the session ends. No connection outlasts the moment that they have to answer. */
  close(): void {
    this.#isClosed = true;
    clearInterval(this.#timer);
    for (const { connection } of [...this.#pages]) connection.close(CLOSE_CODES.leaving);
    for (const socket of this.#sockets) limitEnd(socket);
  }

  /** Why a page may not watch: the status line, and a line of text. */
  #refusal({ url = '', headers }: IncomingMessage): readonly [status: string, text: string] | undefined {
    const { origin, host = '' } = headers;
    // The browser says where a page comes from; no page can say otherwise.
    if (!isLoopbackHost(host) || origin !== `http://${host}`)
      return ['403 Forbidden', 'this page is not of this session\n'];
    const [path, query = ''] = url.split('?');
    if (path !== LAB_ENDPOINT) return ['404 Not Found', 'not here\n'];
    if (!isSame(new URLSearchParams(query).get('token') ?? '', this.token))
      return ['403 Forbidden', 'the token is not that of this session\n'];
    if (this.#pages.size >= MOST_PAGES)
      return ['503 Service Unavailable', `${MOST_PAGES} pages watch already\n`];
    return undefined;
  }

  #open(socket: Duplex, head: Uint8Array, accept: string): void {
    const session = new LiveLabSession(this.#served, (report) => connection.send(reportText(report)));
    const connection: WebSocketConnection = new WebSocketConnection(socket, {
      message: (text) => this.#guarded(() => this.#request(session, text)),
      closed: () => this.#guarded(() => this.#gone(page)),
    });
    const page: Page = { session, connection };
    this.#pages.add(page);
    this.#timer ??= setInterval(() => this.#tell(), STATE_MS);
    connection.start(accept, head);
  }

  #gone(page: Page): void {
    this.#pages.delete(page);
    if (this.#pages.size === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
    }
    page.session.close();
  }

  #request(session: LiveLabSession, text: string): void {
    try {
      session.request(servedRequest(text));
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      session.refuse('open', error.message);
    }
  }

  #tell(): void {
    for (const { session } of [...this.#pages]) this.#guarded(() => session.tell());
  }

  #guarded(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#failed(error);
    }
  }
}

function isSame(given: string, token: string): boolean {
  const [one, other] = [Buffer.from(given), Buffer.from(token)];
  return one.length === other.length && timingSafeEqual(one, other);
}
