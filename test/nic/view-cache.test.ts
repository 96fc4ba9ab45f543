import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ViewCache } from '../../nic/view-cache.js';

describe('a cache of views', () => {
  it('gives a view of just the part that is asked for, of whichever array and in whatever order', () => {
    const first = new Uint8Array(4096);
    // Two arrays over the same memory are two arrays, and one that begins elsewhere has the same places.
    const arrays = [first, new Uint8Array(first.buffer), new Uint8Array(4096), first.subarray(64)];
    const part = fc.record({
      array: fc.nat(arrays.length - 1),
      offset: fc.constantFrom(0, 1, 64, 1024, 2000),
      length: fc.constantFrom(0, 1, 60, 1514),
    });
    fc.assert(
      fc.property(fc.array(part, { maxLength: 60 }), (parts) => {
        const views = new ViewCache();
        for (const { array, offset, length } of parts) {
          const bytes = arrays[array] ?? first;
          const view = views.of(bytes, offset, length);
          expect([view.byteOffset, view.length]).toEqual([bytes.byteOffset + offset, length]);
          expect(view.buffer).toBe(bytes.buffer);
        }
      }),
    );
  });

  it('gives the same view again', () => {
    const views = new ViewCache();
    const bytes = new Uint8Array(4096);
    const view = views.of(bytes, 100, 60);
    expect(views.of(bytes, 100, 60)).toBe(view);
    expect(views.of(bytes, 100, 61)).not.toBe(view);
    expect(views.of(bytes, 100, 60)).not.toBe(view);
  });
});
