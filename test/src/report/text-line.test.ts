import fc from 'fast-check';
import { expect, test } from 'vitest';
import { TextLine } from '../../../src/report/text-line.js';
import { runs } from '../../support/whole.js';

const piece = fc.oneof(fc.string({ unit: 'binary', maxLength: 200 }), fc.maxSafeNat());

test('a line is the UTF-8 of its pieces, numbers in decimal digits, and nothing is left of the line before', () => {
  const line = new TextLine();
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      line.clear();
      for (const one of pieces) {
        if (typeof one === 'string') line.text(one);
        else line.whole(one);
      }
      const bytes = Buffer.from(line.bytes.subarray(0, line.length));
      // A surrogate alone has no UTF-8: each piece is encoded by itself.
      const expected = Buffer.concat(pieces.map((one) => Buffer.from(String(one), 'utf8')));
      expect(bytes.equals(expected)).toBe(true);
      expect(line.view.byteLength).toBe(line.bytes.length);
    }),
    { numRuns: runs(500) },
  );
});

test('numbers at the borders of nine digits keep their zeros', () => {
  const line = new TextLine();
  for (const value of [0, 9, 10, 999_999_999, 1e9, 1e9 + 1, 1_000_000_000_000_000, 2 ** 53 - 1]) {
    line.clear().whole(value);
    expect(Buffer.from(line.bytes.subarray(0, line.length)).toString('latin1')).toBe(String(value));
  }
});
