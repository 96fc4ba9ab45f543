import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Fingerprint, TRACE_EVENTS } from '../../../src/machine/fingerprint.js';

interface Entry {
  readonly kind: number;
  readonly atNs: number;
  readonly context: number;
  readonly detail: number;
}

const entry: fc.Arbitrary<Entry> = fc.record({
  kind: fc.constantFrom(...Object.values(TRACE_EVENTS)),
  atNs: fc.oneof(fc.integer({ min: 0, max: 2 ** 20 }), fc.maxSafeNat()),
  context: fc.integer({ min: -1, max: 4095 }),
  detail: fc.oneof(fc.integer({ min: 0, max: 2 ** 20 }), fc.maxSafeNat()),
});
const entries = fc.array(entry, { minLength: 1, maxLength: 30 });

function print(list: readonly Entry[], bytes = new Uint8Array()): string {
  const fingerprint = new Fingerprint();
  for (const { kind, atNs, context, detail } of list) fingerprint.add(kind, atNs, context, detail);
  if (bytes.length > 0) fingerprint.addBytes(bytes, 0, bytes.length);
  expect(fingerprint.events).toBe(list.length);
  return fingerprint.toString();
}

/** A number with one of its 53 bits turned over. */
function flipped(value: number, bit: number): number {
  const power = 2 ** bit;
  return Math.floor(value / power) % 2 === 1 ? value - power : value + power;
}

describe('a fingerprint', () => {
  test('is sixteen hexadecimal digits, the same for the same events', () => {
    fc.assert(
      fc.property(entries, fc.uint8Array({ maxLength: 70 }), (list, bytes) => {
        expect(print(list, bytes)).toMatch(/^[0-9a-f]{16}$/u);
        expect(print(list, bytes)).toBe(print(list, bytes));
      }),
    );
  });

  test('changes with one event more or less, at any place', () => {
    fc.assert(
      fc.property(entries, entry, fc.nat(), (list, extra, at) => {
        const place = at % (list.length + 1);
        const longer = [...list.slice(0, place), extra, ...list.slice(place)];
        expect(print(longer)).not.toBe(print(list));
      }),
      { numRuns: 1000 },
    );
  });

  test('changes when two events that differ change places', () => {
    fc.assert(
      fc.property(entries, fc.nat(), fc.nat(), (list, first, second) => {
        const [i, j] = [first % list.length, second % list.length];
        const [one, other] = [list[i], list[j]];
        fc.pre(one !== undefined && other !== undefined && JSON.stringify(one) !== JSON.stringify(other));
        const swapped = [...list];
        if (one !== undefined && other !== undefined) [swapped[i], swapped[j]] = [other, one];
        expect(print(swapped)).not.toBe(print(list));
      }),
      { numRuns: 1000 },
    );
  });

  test('changes with any one bit: of a time, a detail, a context', () => {
    fc.assert(
      fc.property(
        entries,
        fc.nat(),
        fc.constantFrom('atNs', 'detail', 'context'),
        fc.integer({ min: 0, max: 52 }),
        (list, at, field, bit) => {
          const place = at % list.length;
          const changed = list.map((one, index) =>
            index === place && one.context >= 0
              ? { ...one, [field]: flipped(one[field as 'atNs'], field === 'context' ? bit % 12 : bit) }
              : one,
          );
          fc.pre((list[place]?.context ?? -1) >= 0);
          expect(print(changed)).not.toBe(print(list));
        },
      ),
      { numRuns: 1000 },
    );
  });

  test('changes with any one bit of a frame, and with its length even when only zeros are added', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 70 }),
        fc.nat(),
        fc.integer({ min: 0, max: 7 }),
        (bytes, at, bit) => {
          const place = at % bytes.length;
          const changed = bytes.slice();
          changed[place] = (changed[place] ?? 0) ^ (1 << bit);
          expect(print([], changed)).not.toBe(print([], bytes));
          expect(print([], new Uint8Array([...bytes, 0]))).not.toBe(print([], bytes));
          expect(print([], new Uint8Array([...bytes, 0, 0, 0, 0]))).not.toBe(print([], bytes));
        },
      ),
      { numRuns: 1000 },
    );
  });

  test('reads bytes from their offset, and no others', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 40 }),
        fc.uint8Array({ maxLength: 9 }),
        (bytes, before) => {
          const inside = new Uint8Array([...before, ...bytes, 1, 2, 3]);
          const fingerprint = new Fingerprint();
          fingerprint.addBytes(inside, before.length, bytes.length);
          expect(fingerprint.toString()).toBe(print([], bytes));
        },
      ),
    );
  });
});
