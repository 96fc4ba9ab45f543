import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeLink, encodeLink, type LabState } from '../../../src/lab/link.js';
import { PRESETS, presetOf } from '../../../src/lab/presets.js';

const scenario = presetOf('two-ways')?.scenario ?? { guests: [{}] };
const state: LabState = {
  plans: [{ scenario, approach: 'cdna+iommu', discipline: 'wf2q+', seed: 7 }],
  position: { atNs: 123_456, events: 789 },
  paceNs: null,
};

describe('a link', () => {
  it('carries the whole state: what is decoded is what was encoded', () => {
    const other = { ...state.plans[0], approach: 'iommu:deferred' } as LabState['plans'][number];
    for (const each of [
      state,
      { ...state, plans: [...state.plans, other] },
      { ...state, paceNs: 1000, tour: { id: 'cdna', step: 2 } },
      { ...state, position: { atNs: 0, events: 0 } },
    ])
      expect(decodeLink(encodeLink(each))).toEqual(each);
  });

  it('names a scenario of the lab, and carries any other, in whatever letters it is written', () => {
    expect(encodeLink(state)).toBe('#s=two-ways&a=cdna%2Biommu&d=wf2q%2B&seed=7&at=123456.789&pace=max');
    fc.assert(
      fc.property(fc.string({ minLength: 1, unit: 'grapheme' }), fc.nat(), (name, seed) => {
        const own = { ...scenario, name };
        const each = { ...state, plans: [{ scenario: own, approach: 'none', discipline: 'drr', seed }] };
        const hash = encodeLink(each);
        expect(hash).toMatch(/^#s=~?[\w%-]+&/u);
        expect(decodeLink(hash)).toEqual(each);
      }),
    );
  });

  it('begins with the first scenario of the lab when it says nothing', () => {
    expect(decodeLink('')).toEqual({
      plans: [{ scenario: PRESETS[0]?.scenario, approach: 'cdna', discipline: 'drr', seed: 1 }],
      position: { atNs: 0, events: 0 },
      paceNs: 50_000,
    });
  });

  it.each([
    ['#s=no-such', /^link: s is "no-such", expected one of: three-guests, /u],
    ['#s=~%%%', /^link: s is not a scenario, expected ~ and JSON in base64url/u],
    ['#at=12', /^link: at is "12", expected nanoseconds, a point, and a count of events/u],
    ['#seed=-1', /^link: seed is "-1", expected a whole number/u],
    ['#pace=fast', /^link: pace is "fast", expected a whole number/u],
  ])('refuses %s in one line', (hash, expected) => {
    expect(() => decodeLink(hash)).toThrow(expected);
  });
});
