import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { present } from '../../../scheduler/present.js';
import { limitEnd } from './limit-end.js';

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

/** Longest header of a frame, bytes: two, eight of length, four of mask. */
const MOST_HEADER_BYTES = 14;
const MASK_BYTES = 4;

/** Bytes that may wait to be read by a page: several states. A connection on which more wait is cut. */
const MOST_UNSENT_PAGE_BYTES = 4 * 2 ** 20;

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
  // The frame that has begun, as far as it is asked for: each byte is copied once, however small frames and pieces are.
  readonly #frame = new Uint8Array(MOST_HEADER_BYTES + MOST_MESSAGE_BYTES);
  #frameBytes = 0;
  #wantedBytes = 2;
  // The message whose parts come.
  readonly #message = new Uint8Array(MOST_MESSAGE_BYTES);
  #messageBytes = 0;
  #hasBegun = false;
  #isClosed = false;

  constructor(socket: Duplex, events: WebSocketEvents) {
    this.#socket = socket;
    this.#events = events;
  }

  /**
   * Begins: from here on events come, and may come at once.
   * @param accept what the answer is made of
   * @param head bytes that came behind the request
   */
  start(accept: string, head: Uint8Array): void {
    const socket = this.#socket;
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
    limitEnd(this.#socket);
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
    if (this.#socket.writableLength > MOST_UNSENT_PAGE_BYTES) this.#socket.destroy();
  }

  #take(bytes: Uint8Array): void {
    let at = 0;
    while (!this.#isClosed && at < bytes.length) {
      const taken = Math.min(this.#wantedBytes - this.#frameBytes, bytes.length - at);
      this.#frame.set(bytes.subarray(at, at + taken), this.#frameBytes);
      this.#frameBytes += taken;
      at += taken;
      if (this.#frameBytes === this.#wantedBytes) this.#advance();
    }
  }

  /** As much of a frame is there as was asked for: more is, or it is whole. */
  #advance(): void {
    const first = present(this.#frame[0]);
    const second = present(this.#frame[1]);
    const short = second & 0x7f;
    const header = MASK_BYTES + (short <= SHORT_LENGTH ? 2 : short === LENGTH_16 ? 4 : 10);
    if (this.#frameBytes < header) {
      if ((first & RESERVED) !== 0 || (second & MASKED) === 0) this.close(CLOSE_CODES.protocol);
      this.#wantedBytes = header;
      return;
    }
    if (this.#frameBytes === header) {
      const length = this.#lengthOf(short);
      const isControl = (first & 0x0f) >= OPCODES.close;
      if (isControl && (length > SHORT_LENGTH || (first & FIN) === 0)) this.close(CLOSE_CODES.protocol);
      else if (!isControl && length + this.#messageBytes > MOST_MESSAGE_BYTES)
        this.close(CLOSE_CODES.tooLong);
      if (this.#isClosed) return;
      this.#wantedBytes = header + length;
      if (length > 0) return;
    }
    const payload = this.#frame.subarray(header, this.#frameBytes);
    const mask = this.#frame.subarray(header - MASK_BYTES, header);
    for (let at = 0; at < payload.length; at += 1) payload[at] = present(payload[at]) ^ present(mask[at & 3]);
    this.#frameBytes = 0;
    this.#wantedBytes = 2;
    this.#act(first & 0x0f, payload, (first & FIN) !== 0);
  }

  /** Bytes that the header of the frame says it carries. */
  #lengthOf(short: number): number {
    const view = new DataView(this.#frame.buffer);
    if (short <= SHORT_LENGTH) return short;
    return short === LENGTH_16 ? view.getUint16(2) : Number(view.getBigUint64(2));
  }

  /** A whole frame; its payload is borrowed. */
  #act(opcode: number, payload: Uint8Array, isLast: boolean): void {
    if (opcode < OPCODES.close) this.#part(opcode, payload, isLast);
    else if (opcode === OPCODES.ping) this.#write(OPCODES.pong, payload.slice());
    else if (opcode === OPCODES.close) {
      // The code comes back as it was given; one that gave none gets none.
      this.#write(OPCODES.close, payload.slice(0, 2));
      this.#end();
    } else if (opcode !== OPCODES.pong) this.close(CLOSE_CODES.protocol);
  }

  /** A message, or a part of one. */
  #part(opcode: number, payload: Uint8Array, isLast: boolean): void {
    if (opcode === OPCODES.binary) {
      this.close(CLOSE_CODES.notText);
      return;
    }
    if ((opcode === OPCODES.text) === this.#hasBegun || opcode > OPCODES.text) {
      this.close(CLOSE_CODES.protocol);
      return;
    }
    this.#message.set(payload, this.#messageBytes);
    this.#messageBytes += payload.length;
    this.#hasBegun = !isLast;
    if (isLast) this.#finish();
  }

  #finish(): void {
    const message = this.#message.subarray(0, this.#messageBytes);
    this.#messageBytes = 0;
    let text: string;
    try {
      text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(message);
    } catch {
      this.close(CLOSE_CODES.notUtf8);
      return;
    }
    this.#events.message(text);
  }
}
