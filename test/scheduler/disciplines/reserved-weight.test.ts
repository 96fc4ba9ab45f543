import { describe, expect, it } from 'vitest';
import { contextId } from '../../../scheduler/branded.js';
import { ReservedWeight } from '../../../scheduler/disciplines/reserved-weight.js';
import { MAX_TAG_WEIGHT, TagTable } from '../../../scheduler/disciplines/tag-table.js';
import { capacityFor, widened } from '../../../scheduler/disciplines/widened.js';

const [first, second, third] = [contextId(0), contextId(1), contextId(2)];

/** Two contexts, of weights 4 and 6; the first has been served 100 bytes in advance. */
function weights() {
  const tags = new TagTable({ unitsPerByte: 1 });
  const reserved = new ReservedWeight('wf2q+', tags);
  reserved.join(first, 4, 64);
  reserved.join(second, 6, 64);
  tags.begin(first, 100);
  return { tags, reserved };
}

// Bennett and Zhang, SIGCOMM 1996: V advances by the bytes served over the sum of the weights.
describe('the sum of the weights by which a virtual clock runs', () => {
  it('counts a context that left until the clock has passed what it was served in advance', () => {
    const { tags, reserved } = weights();
    expect(reserved.sum).toBe(10);
    reserved.leave(first);
    tags.setClockToWhole(24);
    reserved.expire();
    expect(reserved.sum).toBe(10);
    tags.setClockToWhole(25);
    reserved.expire();
    expect(reserved.sum).toBe(6);
    // One that is owed nothing goes at once.
    reserved.leave(second);
    expect(reserved.sum).toBe(0);
  });

  it('looks at those that left in their order: one that stays holds back those behind it', () => {
    const { tags, reserved } = weights();
    reserved.leave(first);
    reserved.leave(second);
    expect(reserved.sum).toBe(10);
    tags.setClockToWhole(25);
    reserved.expire();
    expect(reserved.sum).toBe(0);
  });

  it('counts a context that joins again once, at its new weight', () => {
    const { tags, reserved } = weights();
    reserved.leave(first);
    reserved.join(first, 1, 64);
    expect(reserved.sum).toBe(7);
    tags.setClockToWhole(10_000);
    reserved.expire();
    expect(reserved.sum).toBe(7);
  });

  it('may be 2^26, and a context that joins again is not counted twice', () => {
    const { reserved } = weights();
    const refused = (context: typeof first, weight: number) => () => reserved.require(context, weight);
    expect(refused(third, MAX_TAG_WEIGHT - 10)).not.toThrow();
    expect(refused(third, MAX_TAG_WEIGHT - 9)).toThrow(`sum of weights ${MAX_TAG_WEIGHT + 1}`);
    reserved.leave(first);
    expect(refused(first, MAX_TAG_WEIGHT - 6)).not.toThrow();
    expect(refused(first, MAX_TAG_WEIGHT - 5)).toThrow(`sum of weights ${MAX_TAG_WEIGHT + 1}`);
  });
});

describe('a column', () => {
  it('has room for its contexts in powers of two from 64 on', () => {
    expect([0, 63, 64, 127, 128, 1_000].map((context) => capacityFor(contextId(context)))).toEqual([
      64, 64, 128, 128, 256, 1_024,
    ]);
  });

  it('that is long enough stays the same, and one that is not keeps what it has', () => {
    const column = new Int32Array([7, 8]);
    expect(widened(column, 2)).toBe(column);
    expect(widened(column, 1)).toBe(column);
    expect(widened(column, 4, -1)).toEqual(new Int32Array([7, 8, -1, -1]));
    expect(widened(new Float64Array([0.5]), 2)).toEqual(new Float64Array([0.5, 0]));
    expect(widened(new Uint8Array([1]), 3)).toEqual(new Uint8Array([1, 0, 0]));
  });
});
