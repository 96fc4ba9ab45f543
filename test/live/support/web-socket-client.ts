import { randomBytes } from 'node:crypto';
import { type IncomingMessage, request } from 'node:http';
import type { Duplex } from 'node:stream';

/** What a WebSocket is asked for with. */
export interface WebSocketRequest {
  readonly port: number;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A frame of the server, taken apart. */
interface Frame {
  readonly opcode: number;
  readonly payload: Buffer;
}

/** The client's side of a WebSocket, written from RFC 6455: its numbers are restated here. */
export class WebSocketClient {
  /** Text messages that have come and were not taken yet. */
  readonly messages: string[] = [];
  /** Pongs that have come. */
  readonly pongs: Buffer[] = [];
  /** The code with which the server has ended it; 0 where it gave none. */
  closedWith: number | undefined;
  isGone = false;
  readonly #socket: Duplex;
  #rest = Buffer.alloc(0);

  private constructor(socket: Duplex, head: Buffer) {
    this.#socket = socket;
    socket.on('data', (bytes: Buffer) => this.#take(bytes));
    socket.on('close', () => {
      this.isGone = true;
    });
    socket.on('error', () => {});
    this.#take(head);
  }

  /** Connects. Resolves to the status of the answer where the server makes no WebSocket of it. */
  static open({ port, path, headers = {} }: WebSocketRequest): Promise<WebSocketClient | number> {
    return new Promise((resolve, reject) => {
      const asked = request({
        host: '127.0.0.1',
        port,
        path,
        headers: {
          connection: 'Upgrade',
          upgrade: 'websocket',
          'sec-websocket-version': '13',
          'sec-websocket-key': randomBytes(16).toString('base64'),
          ...headers,
        },
      });
      asked.on('upgrade', (_response: IncomingMessage, socket: Duplex, head: Buffer) =>
        resolve(new WebSocketClient(socket, head)),
      );
      asked.on('response', (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      });
      asked.on('error', reject);
      asked.end();
    });
  }

  send(text: string): void {
    this.raw(clientFrame(0x81, Buffer.from(text)));
  }

  /** Sends bytes as they are. */
  raw(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  /** Reads no more. */
  pause(): void {
    this.#socket.pause();
  }

  /** Goes away without a word. */
  destroy(): void {
    this.#socket.destroy();
  }

  #take(bytes: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, bytes]);
    for (let frame = this.#frame(); frame !== undefined; frame = this.#frame()) {
      if (frame.opcode === 1) this.messages.push(frame.payload.toString('utf8'));
      else if (frame.opcode === 10) this.pongs.push(frame.payload);
      else if (frame.opcode === 8)
        this.closedWith = frame.payload.length >= 2 ? frame.payload.readUInt16BE(0) : 0;
    }
  }

  #frame(): Frame | undefined {
    const rest = this.#rest;
    if (rest.length < 2) return undefined;
    const short = rest.readUInt8(1);
    const at = short < 126 ? 2 : short === 126 ? 4 : 10;
    if (rest.length < at) return undefined;
    const length = at === 2 ? short : at === 4 ? rest.readUInt16BE(2) : Number(rest.readBigUInt64BE(2));
    if (rest.length < at + length) return undefined;
    this.#rest = rest.subarray(at + length);
    return { opcode: rest.readUInt8(0) & 0x0f, payload: rest.subarray(at, at + length) };
  }
}

/** A frame as a client sends it: masked. `first` is FIN, the reserved bits and the kind. */
export function clientFrame(first: number, payload: Uint8Array): Buffer {
  const mask = randomBytes(4);
  const { length } = payload;
  const header = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10);
  header.writeUInt8(first, 0);
  header.writeUInt8(0x80 | (length < 126 ? length : length < 65_536 ? 126 : 127), 1);
  if (header.length === 4) header.writeUInt16BE(length, 2);
  else if (header.length === 10) header.writeBigUInt64BE(BigInt(length), 2);
  const masked = Buffer.from(payload);
  for (const [at, byte] of masked.entries()) masked.writeUInt8(byte ^ mask.readUInt8(at & 3), at);
  return Buffer.concat([header, mask, masked]);
}
