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

  it('is refused where the scenario is too long for it, at the same length both ways', () => {
    const withName = (length: number) => ({
      ...state,
      plans: [
        { scenario: { ...scenario, name: 'x'.repeat(length) }, approach: 'none', discipline: 'drr', seed: 1 },
      ],
    });
    const sayHow = /^link: s has \d+ characters, expected at most 48000: a longer scenario goes as a file$/u;
    expect(() => encodeLink(withName(50_000))).toThrow(sayHow);
    expect(() => decodeLink(`#s=~${'A'.repeat(48_000)}`)).toThrow(sayHow);
    const fits = (length: number) => {
      try {
        return decodeLink(encodeLink(withName(length))).plans.length === 1;
      } catch {
        return false;
      }
    };
    // Between a length that fits and one that does not: the shortest that does not.
    let [least, longest] = [34_000, 50_000];
    expect([least, longest].map(fits)).toEqual([true, false]);
    while (longest - least > 1) {
      const middle = Math.floor((least + longest) / 2);
      if (fits(middle)) least = middle;
      else longest = middle;
    }
    // What does not fit is not encoded: no link is made that does not open.
    expect(() => encodeLink(withName(longest))).toThrow(sayHow);
  });

  it.each([
    ['#s=no-such', /^link: s is "no-such", expected one of: three-guests, /u],
    ['#s=~%%%', /^link: s is not a scenario, expected ~ and JSON in base64url/u],
    ['#at=12', /^link: at is "12", expected nanoseconds, a point, and a count of events/u],
    ['#seed=-1', /^link: seed is "-1", expected a whole number/u],
    ['#pace=fast', /^link: pace is "fast", expected a whole number/u],
    ['#pace=0', /^link: pace is 0, expected 1 to 1000000000000 ns per second, or max$/u],
    ['#pace=1000000000001', /^link: pace is 1000000000001, expected 1 to/u],
    [
      '#attack=foreign-page',
      /^link: attack is "foreign-page", expected with it by and on: attacker and victim$/u,
    ],
    ['#attack=foreign-page&by=web', /^link: attack is "foreign-page", expected with it by and on/u],
    ['#tour=cdna', /^link: tour is "cdna", expected a step of one of: plain-dma, /u],
    ['#tour=no-such.1', /^link: tour is "no-such.1", expected a step of one of: /u],
  ])('refuses %s in one line', (hash, expected) => {
    expect(() => decodeLink(hash)).toThrow(expected);
  });
});
