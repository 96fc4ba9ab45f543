import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_MESSAGE_BYTES, MessageStream } from '../../src/live/vfio-user/message-stream.js';
import { frame } from './support/client.js';

/** Cuts bytes at these places. */
function pieces(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const places = [0, ...[...cuts].map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return places.slice(1).map((end, at) => bytes.subarray(places[at], end));
}

describe('a stream of messages', () => {
  const payload = fc.oneof(
    fc.constant(new Uint8Array(0)),
    fc.uint8Array({ maxLength: 40 }),
    fc.constant(new Uint8Array(MAX_MESSAGE_BYTES - 16).fill(7)),
  );

  it('gives the same messages in the same order, however it is cut', () => {
    fc.assert(
      fc.property(
        fc.array(payload, { maxLength: 6 }),
        fc.array(fc.nat(200_000), { maxLength: 30 }),
        fc.nat(15),
        (payloads, cuts, rest) => {
          const messages = payloads.map((bytes, id) => frame(id, 1, 0, bytes));
          const half = frame(9, 1, 0, new Uint8Array(4)).subarray(0, rest);
          const stream = new MessageStream();
          const got: string[] = [];
          for (const piece of pieces(Buffer.concat([...messages, half]), cuts)) {
            expect(stream.push(piece, (message) => got.push(Buffer.from(message).toString('base64')))).toBe(
              true,
            );
            expect(stream.unfinishedBytes).toBeLessThan(MAX_MESSAGE_BYTES);
          }
          expect(got).toEqual(messages.map((message) => Buffer.from(message).toString('base64')));
          expect(stream.unfinishedBytes).toBe(rest);
        },
      ),
    );
  });

  it('cannot be followed past a size that no message has, also when it comes byte by byte', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.integer({ min: 0, max: 15 }),
          fc.integer({ min: MAX_MESSAGE_BYTES + 1, max: 2 ** 32 - 1 }),
        ),
        fc.boolean(),
        (size, byBytes) => {
          const bytes = frame(1, 1, 0, new Uint8Array(8));
          new DataView(bytes.buffer).setUint32(4, size, true);
          const stream = new MessageStream();
          const parts = byBytes ? [...bytes].map((byte) => new Uint8Array([byte])) : [bytes];
          expect(parts.every((part) => stream.push(part, () => undefined))).toBe(false);
        },
      ),
    );
  });
});
