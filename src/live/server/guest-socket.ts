import { createServer, type Server, type Socket } from 'node:net';
import type { ClientConnection } from '../vfio-user/session.js';
import { closePrivately, listenPrivately } from './private-socket.js';

/** Bytes that may wait to be read by a virtual machine; a client that leaves more is dropped. */
export const MOST_UNSENT_BYTES = 2 ** 20;

/** What comes from a guest's socket. */
export interface SocketClient {
  /** A virtual machine has connected. False to turn it away. */
  attached(connection: ClientConnection): boolean;
  received(bytes: Uint8Array): void;
  detached(): void;
  /** Too much waits to be read. */
  slow(): void;
}

/** The socket that the virtual machine of one guest connects to. Only its owner may. */
export class GuestSocket {
  readonly path: string;
  readonly #client: SocketClient;
  readonly #server: Server;
  #current: Socket | undefined;

  constructor(path: string, client: SocketClient) {
    this.path = path;
    this.#client = client;
    this.#server = createServer((socket) => this.#accept(socket));
  }

  /** Bytes that wait to be read by the virtual machine. */
  get unsentBytes(): number {
    // 0: no one is connected.
    return this.#current?.writableLength ?? 0;
  }

  listen(): Promise<void> {
    return listenPrivately(this.#server, this.path);
  }

  close(): void {
    closePrivately(this.#server, this.path);
    this.#current?.destroy();
  }

  #accept(socket: Socket): void {
    socket.on('error', () => {});
    const connection: ClientConnection = {
      send: (bytes) => {
        if (socket.destroyed) return;
        // A few bytes ask for many: what is too much is not even kept until the end of a burst.
        if (socket.writableLength > MOST_UNSENT_BYTES) return;
        socket.write(bytes);
      },
      close: () => {
        if (this.#current === socket) this.#current = undefined;
        socket.destroySoon();
      },
    };
    if (!this.#client.attached(connection)) {
      socket.destroy();
      return;
    }
    this.#current = socket;
    socket.on('data', (bytes: Buffer) => {
      if (this.#current !== socket) return;
      socket.cork();
      // A Buffer's slice is a view where that of its base class is a copy: past here there are only the latter.
      this.#client.received(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length));
      socket.uncork();
      this.checkUnsent();
    });
    socket.on('close', () => {
      if (this.#current !== socket) return;
      this.#current = undefined;
      this.#client.detached();
    });
  }

  /** Drops a client that does not read. */
  checkUnsent(): void {
    const socket = this.#current;
    if (socket === undefined || socket.writableLength <= MOST_UNSENT_BYTES) return;
    this.#client.slow();
    this.#current = undefined;
    socket.destroy();
  }
}
