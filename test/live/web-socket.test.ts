import { Duplex } from 'node:stream';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { WebSocketConnection } from '../../src/live/server/web-socket.js';
import { clientFrame } from './support/web-socket-client.js';

/** A connection without a network: what is pushed has come, and what is written is dropped. */
function connected() {
  const messages: string[] = [];
  let ends = 0;
  const socket = new Duplex({ read: () => {}, write: (_bytes, _encoding, done) => done() });
  const connection = new WebSocketConnection(socket, {
    message: (text) => messages.push(text),
    closed: () => {
      ends += 1;
    },
  });
  connection.start('accept', new Uint8Array(0));
  return { socket, messages, ends: () => ends };
}

/** Bytes that are copied from array to array while something is done. */
async function copied(act: () => Promise<void>): Promise<number> {
  let bytes = 0;
  const { slice, set } = Uint8Array.prototype;
  vi.spyOn(Uint8Array.prototype, 'slice').mockImplementation(function (this: Uint8Array, ...range) {
    const made = slice.apply(this, range);
    bytes += made.length;
    return made as Uint8Array<ArrayBuffer>;
  });
  vi.spyOn(Uint8Array.prototype, 'set').mockImplementation(function (this: Uint8Array, from, at) {
    bytes += from.length;
    set.call(this, from, at);
  });
  await act();
  vi.restoreAllMocks();
  return bytes;
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('the work that a client makes a WebSocket do', () => {
  afterEach(() => vi.restoreAllMocks());

  it('copies a read of 64 KB of frames of six bytes a few times, and not once for each frame', async () => {
    const { socket, messages } = connected();
    const frames = Buffer.concat(Array.from({ length: 10_922 }, () => clientFrame(0x81, Buffer.alloc(0))));
    const bytes = await copied(async () => {
      socket.push(frames);
      await turn();
    });
    expect(messages).toHaveLength(10_922);
    expect(bytes).toBeLessThan(4 * frames.length);
  });

  it('copies a message of 8,000 fragments of a byte a few times, and not once for each fragment', async () => {
    const { socket, messages } = connected();
    const parts = Array.from({ length: 8000 }, (_, index) =>
      clientFrame((index === 0 ? 1 : 0) | (index === 7999 ? 0x80 : 0), Buffer.from('a')),
    );
    const bytes = await copied(async () => {
      socket.push(Buffer.concat(parts));
      await turn();
    });
    expect(messages).toEqual(['a'.repeat(8000)]);
    expect(bytes).toBeLessThan(4 * 8000 * 7);
  });

  it('takes the same messages when every byte comes by itself', async () => {
    const { socket, messages, ends } = connected();
    const texts = ['', 'a', 'b'.repeat(125), 'c'.repeat(126), 'd'.repeat(3000)];
    const stream = Buffer.concat([
      ...texts.map((text) => clientFrame(0x81, Buffer.from(text))),
      clientFrame(0x88, Buffer.alloc(0)),
    ]);
    for (const byte of stream) socket.push(Buffer.of(byte));
    await turn();
    expect(messages).toEqual(texts);
    expect(ends()).toBe(1);
    socket.destroy();
  });

  it('answers a ping between two parts of a message of the greatest length', async () => {
    const { socket, messages, ends } = connected();
    socket.push(clientFrame(0x01, Buffer.alloc(65_500, 0x61)));
    socket.push(clientFrame(0x89, Buffer.alloc(125)));
    socket.push(clientFrame(0x80, Buffer.alloc(36, 0x61)));
    await turn();
    expect(messages).toEqual(['a'.repeat(65_536)]);
    expect(ends()).toBe(0);
    socket.destroy();
  });
});
