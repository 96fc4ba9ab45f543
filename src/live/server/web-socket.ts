import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { present } from '../../../scheduler/present.js';
import { joined } from '../joined.js';

/** What both sides hash with the client's key to show that they mean a WebSocket (RFC 6455, 1.3). */
const ACCEPT_KEY = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** Kinds of frames (RFC 6455, 5.2). */
const OPCODES = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;
const FIN = 0x80;
const RESERVED = 0x70;
const MASKED = 0x80;
/** Lengths up to here are in the second byte; 126 and 127 say that 2 or 8 bytes of length follow. */
const SHORT_LENGTH = 125;
const LENGTH_16 = 126;

/** Why a connection ends (RFC 6455, 7.4.1). */
export const CLOSE_CODES = {
  normal: 1000,
  leaving: 1001,
  protocol: 1002,
  notText: 1003,
  notUtf8: 1007,
  tooLong: 1009,
} as const;

/** Longest message that is taken, bytes: a request of a page has a few hundred. */
const MOST_MESSAGE_BYTES = 65_536;

/** Bytes that may wait to be read by the other side; a connection on which more wait is cut. */
const MOST_UNSENT_BYTES = 4 * 2 ** 20;

/** The header of an answer that begins a WebSocket, or undefined when the request asks for none (RFC 6455, 4.2). */
export function acceptOf({ method, headers }: IncomingMessage): string | undefined {
  const key = headers['sec-websocket-key'];
  if (method !== 'GET' || headers.upgrade?.toLowerCase() !== 'websocket') return undefined;
  if (headers['sec-websocket-version'] !== '13' || key === undefined) return undefined;
  if (!/^[A-Za-z0-9+/]{22}==$/u.test(key)) return undefined;
  return createHash('sha1')
    .update(key + ACCEPT_KEY)
    .digest('base64');
}

/** What becomes of a connection. */
export interface WebSocketEvents {
  message(text: string): void;
  /** Once, whichever side ends it. */
  closed(): void;
}

/**
 * The server's side of a WebSocket that carries text (RFC 6455): messages in fragments, pings and an orderly end are
 * there, extensions and binary messages are not. What a client does wrong ends its connection with the code for it.
 */
export class WebSocketConnection {
  readonly #socket: Duplex;
  readonly #events: WebSocketEvents;
  #rest: Uint8Array = new Uint8Array(0);
  #message: Uint8Array | undefined;
  #isClosed = false;

  /** @param head bytes that came behind the request */
  constructor(socket: Duplex, head: Uint8Array, accept: string, events: WebSocketEvents) {
    this.#socket = socket;
    this.#events = events;
    socket.on('error', () => this.#end());
    // A server's connections stay half open unless told otherwise.
    for (const gone of ['end', 'close']) socket.on(gone, () => this.#end());
    socket.on('data', (bytes: Buffer) => this.#take(bytes));
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
    );
    if (head.length > 0) this.#take(head);
  }

  send(text: string): void {
    if (!this.#isClosed) this.#write(OPCODES.text, new TextEncoder().encode(text));
  }

  /** Says why and ends. */
  close(code: number): void {
    if (this.#isClosed) return;
    this.#write(OPCODES.close, Uint8Array.of(code >>> 8, code & 0xff));
    this.#end();
  }

  #end(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#socket.end();
    this.#events.closed();
  }

  #write(opcode: number, payload: Uint8Array): void {
    const { length } = payload;
    const header = new Uint8Array(length <= SHORT_LENGTH ? 2 : length < 65_536 ? 4 : 10);
    const view = new DataView(header.buffer);
    header[0] = FIN | opcode;
    header[1] = length <= SHORT_LENGTH ? length : length < 65_536 ? LENGTH_16 : LENGTH_16 + 1;
    if (header.length === 4) view.setUint16(2, length);
    else if (header.length === 10) view.setBigUint64(2, BigInt(length));
    this.#socket.write(header);
    this.#socket.write(payload);
    if (this.#socket.writableLength > MOST_UNSENT_BYTES) this.#socket.destroy();
  }

  #take(bytes: Uint8Array): void {
    if (this.#isClosed) return;
    // A Buffer's slice is a view where that of its base class is a copy: past here there are only the latter.
    const plain = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#rest = joined(this.#rest, plain);
    while (!this.#isClosed) {
      const taken = this.#takeFrame(this.#rest);
      if (taken === 0) break;
      this.#rest = this.#rest.slice(taken);
    }
  }

  /** Takes a frame from the start of `bytes`. Returns how long it was; 0 while it is not all there. */
  #takeFrame(bytes: Uint8Array): number {
    const [first, second] = bytes;
    if (first === undefined || second === undefined) return 0;
    const opcode = first & 0x0f;
    if ((first & RESERVED) !== 0 || (second & MASKED) === 0) return this.#refuse(CLOSE_CODES.protocol);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const short = second & 0x7f;
    const at = short <= SHORT_LENGTH ? 2 : short === LENGTH_16 ? 4 : 10;
    if (bytes.length < at + 4) return 0;
    const length = at === 2 ? short : at === 4 ? view.getUint16(2) : Number(view.getBigUint64(2));
    const isControl = opcode >= OPCODES.close;
    if (isControl && (length > SHORT_LENGTH || (first & FIN) === 0))
      return this.#refuse(CLOSE_CODES.protocol);
    const begun = this.#message === undefined ? 0 : this.#message.length;
    if (length + begun > MOST_MESSAGE_BYTES) return this.#refuse(CLOSE_CODES.tooLong);
    const end = at + 4 + length;
    if (bytes.length < end) return 0;
    const mask = bytes.subarray(at, at + 4);
    const payload = bytes.slice(at + 4, end).map((byte, index) => byte ^ present(mask[index & 3]));
    if (isControl) this.#control(opcode, payload);
    else this.#part(opcode, payload, (first & FIN) !== 0);
    return end;
  }

  #control(opcode: number, payload: Uint8Array): void {
    if (opcode === OPCODES.ping) this.#write(OPCODES.pong, payload);
    else if (opcode === OPCODES.close) {
      // The code comes back as it was given; one that gave none gets none.
      this.#write(OPCODES.close, payload.slice(0, 2));
      this.#end();
    } else if (opcode !== OPCODES.pong) this.#refuse(CLOSE_CODES.protocol);
  }

  /** A message, or a part of one. */
  #part(opcode: number, payload: Uint8Array, isLast: boolean): void {
    const before = this.#message;
    if (opcode === OPCODES.binary) {
      this.#refuse(CLOSE_CODES.notText);
      return;
    }
    if ((opcode === OPCODES.text) !== (before === undefined) || opcode > OPCODES.text) {
      this.#refuse(CLOSE_CODES.protocol);
      return;
    }
    const message = before === undefined ? payload : joined(before, payload);
    this.#message = isLast ? undefined : message;
    if (!isLast) return;
    let text: string;
    try {
      text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(message);
    } catch {
      this.#refuse(CLOSE_CODES.notUtf8);
      return;
    }
    this.#events.message(text);
  }

  #refuse(code: number): 0 {
    this.close(code);
    return 0;
  }
}
