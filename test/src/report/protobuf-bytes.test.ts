import fc from 'fast-check';
import protobuf from 'protobufjs/minimal.js';
import { expect, test } from 'vitest';
import {
  endMessage,
  fixed64Key,
  lengthDelimitedKey,
  MOST_VARINT_BYTES,
  putDouble,
  putFixed64,
  putTextField,
  putVarint,
  putVarintField,
  varintKey,
} from '../../../src/report/protobuf-bytes.js';
import { runs } from '../../support/whole.js';

/** What is put there, behind a byte that must stay as it is. */
function put(write: (bytes: Uint8Array, at: number) => number, room = 64): Uint8Array {
  const bytes = new Uint8Array(room).fill(0xee);
  const end = write(bytes, 1);
  expect(bytes[0]).toBe(0xee);
  return bytes.slice(1, end);
}

/** A number of 64 bits in the two words in which protobufjs takes it. */
const long = (value: number) => {
  const bits = BigInt.asUintN(64, BigInt(value));
  return { low: Number(bits & 0xffff_ffffn) | 0, high: Number(bits >> 32n) | 0, unsigned: true };
};

const whole = fc.oneof(
  fc.nat(300),
  fc.maxSafeInteger(),
  fc.nat(53).map((bits) => 2 ** bits - 1),
  fc.nat(52).map((bits) => 2 ** bits),
);

test('numbers are those that protobufjs writes, negative ones in two’s complement', () => {
  fc.assert(
    fc.property(whole, (value) => {
      const bytes = put((into, at) => putVarint(into, at, value));
      const expected = protobuf.Writer.create().int64(long(value)).finish();
      expect([...bytes]).toEqual([...expected]);
      expect(bytes.length).toBeLessThanOrEqual(MOST_VARINT_BYTES);
    }),
    { numRuns: runs(500) },
  );
});

test('fixed numbers and doubles likewise', () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), fc.double(), (value, double) => {
      expect([...put((into, at) => putFixed64(into, at, value | 0, Math.floor(value / 2 ** 32)))]).toEqual([
        ...protobuf.Writer.create().fixed64(long(value)).finish(),
      ]);
      expect([...put((into, at) => putDouble(into, at, double))]).toEqual([
        ...protobuf.Writer.create().double(double).finish(),
      ]);
    }),
    { numRuns: runs(300) },
  );
});

test('fields and messages of any length are read back by protobufjs, where they end and where the next begins', () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 300 }),
    fc.constantFrom(0, 120, 127, 128, 16_370, 16_383, 16_384).map((length) => 'x'.repeat(length)),
  );
  fc.assert(
    fc.property(text, fc.nat(), fc.integer({ min: 1, max: 2 ** 20 }), (said, number, field) => {
      const bytes = put(
        (into, at) => {
          const message = putVarint(into, at, lengthDelimitedKey(field));
          let end = putTextField(into, message + 1, lengthDelimitedKey(3), said);
          end = putVarintField(into, end, varintKey(4), number);
          end = endMessage(into, message, end);
          return putFixed64(into, putVarint(into, end, fixed64Key(5)), number, 0);
        },
        4 * said.length + 100,
      );
      const reader = protobuf.Reader.create(bytes);
      expect(reader.uint32()).toBe(field * 8 + 2);
      const inner = protobuf.Reader.create(reader.bytes());
      expect(inner.uint32()).toBe(3 * 8 + 2);
      expect(inner.string()).toBe(Buffer.from(said, 'utf8').toString('utf8'));
      expect(inner.uint32()).toBe(4 * 8);
      expect(inner.uint32()).toBe(number);
      expect(inner.pos).toBe(inner.len);
      expect(reader.uint32()).toBe(5 * 8 + 1);
      expect(reader.fixed32()).toBe(number);
      expect(reader.fixed32()).toBe(0);
      expect(reader.pos).toBe(reader.len);
    }),
    { numRuns: runs(200) },
  );
});
