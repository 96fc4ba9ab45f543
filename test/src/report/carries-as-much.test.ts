import { expect, test } from 'vitest';
import { type Compared, carriesAsMuch, lesserGoodputPercent } from '../../../src/report/compare/compared.js';

function carrying(goodputBps: number, ofNoneBps: number | undefined): Compared {
  const none = ofNoneBps === undefined ? undefined : { goodputBps: ofNoneBps };
  return { name: 'one', run: { goodputBps }, none, through: undefined } as unknown as Compared;
}

test('an approach carries as much as no protection does from 98 % of its goodput on', () => {
  expect(carriesAsMuch(carrying(980, 1_000))).toBe(true);
  expect(carriesAsMuch(carrying(979, 1_000))).toBe(false);
  expect(lesserGoodputPercent(carrying(979, 1_000))).toBe(98);
  expect(lesserGoodputPercent(carrying(512, 1_000))).toBe(51);
});

test('an approach is not said to carry less where that is not known, or where nothing was carried', () => {
  expect(lesserGoodputPercent(carrying(500, undefined))).toBeUndefined();
  expect(lesserGoodputPercent(carrying(0, 0))).toBeUndefined();
});
