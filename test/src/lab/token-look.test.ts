import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { pulseLook, tokenLook } from '../../../src/lab/page/token-look.js';

const share = fc.double({ min: 0, max: 1, noNaN: true });

describe('what moves over the picture', () => {
  it('is seen in full, and does not move, by readers who want stillness', () => {
    fc.assert(
      fc.property(share, fc.boolean(), (at, isRefused) => {
        expect(tokenLook(at, isRefused, true)).toEqual({ travelled: 1, alpha: 1 });
        expect(pulseLook(at, true)).toEqual(pulseLook(0, true));
        expect(pulseLook(at, true).alpha).toBe(1);
      }),
    );
  });

  it('goes forward from one end of its path to the other, and is gone at the end of its time', () => {
    fc.assert(
      fc.property(share, share, fc.boolean(), (one, other, isRefused) => {
        const [early, late] = [Math.min(one, other), Math.max(one, other)].map((at) =>
          tokenLook(at, isRefused, false),
        );
        expect(early?.travelled).toBeLessThanOrEqual(late?.travelled ?? -1);
        for (const look of [early, late]) {
          expect(look?.alpha).toBeGreaterThanOrEqual(0);
          expect(look?.alpha).toBeLessThanOrEqual(1);
        }
      }),
    );
    expect(tokenLook(0, false, false).travelled).toBe(0);
    expect(tokenLook(1, false, false)).toEqual({ travelled: 1, alpha: 0 });
    // A refusal stands at its gate for most of its time.
    expect(tokenLook(0.5, true, false)).toEqual({ travelled: 1, alpha: 1 });
  });
});
