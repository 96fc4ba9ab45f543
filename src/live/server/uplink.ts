import { createServer, type Server, type Socket } from 'node:net';
import { MAX_FRAME_BYTES, MIN_FRAME_BYTES } from '../../../nic/descriptor.js';
import { joined } from '../joined.js';
import { MOST_UNSENT_BYTES } from './guest-socket.js';
import { closePrivately, listenPrivately } from './private-socket.js';

/** Bytes of the length in front of each frame, most significant first (QEMU, `-netdev stream`). */
const LENGTH_BYTES = 4;

/** The way out of the wire: frames on a stream socket, as QEMU's `-netdev stream` has them. */
export class Uplink {
  readonly path: string;
  readonly #server: Server;
  readonly #received: (frame: Uint8Array) => void;
  readonly #burst: (deliver: () => void) => void;
  #current: Socket | undefined;
  #rest: Uint8Array = new Uint8Array(0);
  #dropped = 0;

  /** @param burst called around the delivery of frames that came together. */
  constructor(
    path: string,
    received: (frame: Uint8Array) => void,
    burst: (deliver: () => void) => void = (deliver) => deliver(),
  ) {
    this.path = path;
    this.#received = received;
    this.#burst = burst;
    this.#server = createServer((socket) => this.#accept(socket));
  }

  get connected(): boolean {
    return this.#current !== undefined;
  }

  /** Frames that were dropped because there was no one to take them, or because too many waited. */
  get dropped(): number {
    return this.#dropped;
  }

  listen(): Promise<void> {
    return listenPrivately(this.#server, this.path);
  }

  close(): void {
    closePrivately(this.#server, this.path);
    this.#current?.destroy();
  }

  send(bytes: Uint8Array, offset: number, length: number): void {
    const socket = this.#current;
    if (socket === undefined || socket.writableLength > MOST_UNSENT_BYTES) {
      this.#dropped += 1;
      return;
    }
    const message = new Uint8Array(LENGTH_BYTES + length);
    new DataView(message.buffer).setUint32(0, length);
    message.set(bytes.subarray(offset, offset + length), LENGTH_BYTES);
    socket.write(message);
  }

  #accept(socket: Socket): void {
    socket.on('error', () => {});
    if (this.#current !== undefined) {
      socket.destroy();
      return;
    }
    this.#current = socket;
    this.#rest = new Uint8Array(0);
    socket.on('data', (bytes: Buffer) => {
      const plain = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
      this.#burst(() => this.#take(socket, plain));
    });
    socket.on('close', () => {
      if (this.#current === socket) this.#current = undefined;
    });
  }

  #take(socket: Socket, bytes: Uint8Array): void {
    const all = joined(this.#rest, bytes);
    const view = new DataView(all.buffer, all.byteOffset, all.byteLength);
    let at = 0;
    while (all.length - at >= LENGTH_BYTES) {
      const length = view.getUint32(at);
      if (length > 65_536) {
        socket.destroy();
        return;
      }
      if (all.length - at - LENGTH_BYTES < length) break;
      if (length < MIN_FRAME_BYTES || length > MAX_FRAME_BYTES) this.#dropped += 1;
      else this.#received(all.subarray(at + LENGTH_BYTES, at + LENGTH_BYTES + length));
      at += LENGTH_BYTES + length;
    }
    this.#rest = all.slice(at);
  }
}
