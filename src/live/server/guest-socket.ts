import { closeSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { InvariantViolation } from '../../../scheduler/errors.js';
import type { ClientConnection } from '../vfio-user/session.js';
import type { DescriptorReader } from './descriptor-reader.js';
import { limitEnd } from './limit-end.js';
import { closePrivately, listenPrivately } from './private-socket.js';

/** Bytes that may wait to be read by a virtual machine; a client that leaves more is dropped. */
export const MOST_UNSENT_BYTES = 2 ** 20;

/** Dropped clients that may still have something to read: with one more, the first of them is cut. */
const MOST_LEAVING = 4;

/** What comes from a guest's socket. */
export interface SocketClient {
  /** A virtual machine has connected. False to turn it away. */
  attached(connection: ClientConnection): boolean;
  /**
   * @param descriptors that came along, where they are read
   * @returns whether some of it waits for the client's next turn: nothing more is read of it before.
   */
  received(bytes: Uint8Array, descriptors: readonly number[]): boolean;
  /** It is the client's turn again. @returns whether there must be another one. */
  nextTurn(): boolean;
  detached(): void;
  /** Too much waits to be read. */
  slow(): void;
}

/** How a socket is read. */
interface Reading {
  pause(): void;
  /** Reads on, if it does not. */
  resume(): void;
}

/** The socket that the virtual machine of one guest connects to. Only its owner may. */
export class GuestSocket {
  readonly path: string;
  readonly #client: SocketClient;
  readonly #server: Server;
  readonly #reader: DescriptorReader | undefined;
  #current: Socket | undefined;
  // Dropped, and sent what waits for them. They may never read it.
  readonly #leaving = new Set<Socket>();

  /** @param reader reads instead of Node, which would drop the descriptors that come with bytes. */
  constructor(path: string, client: SocketClient, reader?: DescriptorReader) {
    this.path = path;
    this.#client = client;
    this.#reader = reader;
    const pauseOnConnect = reader !== undefined;
    this.#server = createServer({ pauseOnConnect }, (socket) => this.#accept(socket));
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
    for (const socket of this.#leaving) socket.destroy();
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
        this.#leave(socket);
      },
    };
    if (!this.#client.attached(connection)) {
      socket.destroy();
      return;
    }
    this.#current = socket;
    const act = (turn: () => boolean) => {
      if (this.#current !== socket || socket.destroyed) return;
      socket.cork();
      const waits = turn();
      socket.uncork();
      this.checkUnsent();
      if (!waits) {
        reading.resume();
        return;
      }
      reading.pause();
      // Other sockets and timers get their turn first.
      setImmediate(act, () => this.#client.nextTurn());
    };
    const reading = this.#read(socket, (bytes, descriptors) =>
      act(() => this.#client.received(bytes, descriptors)),
    );
    socket.on('close', () => {
      if (this.#current !== socket) return;
      this.#current = undefined;
      this.#client.detached();
    });
  }

  /** Sends what waits for a client that is dropped, for so long as it reads. */
  #leave(socket: Socket): void {
    if (socket.destroyed) return;
    this.#leaving.add(socket);
    socket.once('close', () => this.#leaving.delete(socket));
    const [first] = this.#leaving;
    if (this.#leaving.size > MOST_LEAVING && first !== undefined) {
      this.#leaving.delete(first);
      first.destroy();
    }
    limitEnd(socket);
    socket.destroySoon();
  }

  #read(socket: Socket, received: (bytes: Uint8Array, descriptors: readonly number[]) => void): Reading {
    const reader = this.#reader;
    if (reader === undefined) {
      // A Buffer's slice is a view where that of its base class is a copy: past here there are only the latter.
      socket.on('data', (bytes: Buffer) =>
        received(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length), []),
      );
      return { pause: () => void socket.pause(), resume: () => void socket.resume() };
    }
    const number = descriptorOf(socket);
    let unwatch: (() => void) | undefined;
    const reading: Reading = {
      pause: () => {
        unwatch?.();
        unwatch = undefined;
      },
      resume: () => {
        unwatch ??= reader.watch(number, (arrival) => {
          if (arrival.kind === 'end') socket.destroy();
          else if (this.#current === socket && !socket.destroyed)
            received(arrival.bytes, arrival.descriptors);
          else for (const descriptor of arrival.descriptors) closeSync(descriptor);
        });
      },
    };
    reading.resume();
    socket.once('close', reading.pause);
    return reading;
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

/** Its number in this process. Node has it on the handle that every socket is made around. */
function descriptorOf(socket: Socket): number {
  const { _handle: handle } = socket as Socket & { readonly _handle?: { readonly fd?: number } | null };
  const number = handle?.fd;
  if (number === undefined || number < 0)
    throw new InvariantViolation('this version of Node tells no descriptor of a socket');
  return number;
}
