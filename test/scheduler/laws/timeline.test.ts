import { describe, expect, it } from 'vitest';
import { contextId } from '../../../scheduler/branded.js';
import { type LinkEvent, Timeline } from '../../../scheduler/laws/index.js';

type Note = readonly [atNs: number, event: LinkEvent, context: number, value?: number, times?: number];

function printed(...notes: readonly Note[]): string[] {
  const timeline = new Timeline();
  for (const [atNs, event, context, value, times] of notes)
    timeline.note(atNs, event, contextId(context), value, times);
  return timeline.print().split('\n');
}

describe('a timeline', () => {
  it('has a column per context, by number, as wide as its longest line', () => {
    expect(
      printed([0, 'join', 10, 1], [0, 'join', 9, 65_535], [5, 'arrive', 9, 9_018, 1_000], [5, 'ring', 10]),
    ).toEqual([
      '+n: a frame of n bytes arrives, > n: it is granted',
      '          ns  context 9      context 10',
      '           0                 joins w=1',
      '           0  joins w=65535',
      '           5  +9018 x 1000',
      '           5                 rings again',
    ]);
  });

  it('leaves out contexts that do nothing but join, unless all do', () => {
    expect(printed([0, 'join', 1, 2], [0, 'join', 2, 3], [0, 'leave', 2]).slice(1)).toEqual([
      '          ns  context 2',
      '           0  joins w=3',
      '           0  leaves',
    ]);
    expect(printed([0, 'join', 1, 2]).slice(1)).toEqual([
      '          ns  context 1',
      '           0  joins w=2',
    ]);
  });

  it('gives frames of one size one entry: that arrive at one instant, or are granted without anything between', () => {
    const arrive = (atNs: number, bytes = 60, context = 1): Note => [atNs, 'arrive', context, bytes];
    const grant = (atNs: number, bytes = 60, context = 1): Note => [atNs, 'grant', context, bytes];
    expect(printed(arrive(0), arrive(0), arrive(0, 64), arrive(1, 64)).slice(2)).toEqual([
      '           0  +60 x 2 +64',
      '           1  +64',
    ]);
    expect(printed(grant(0), grant(5), grant(9, 64), grant(12, 64, 2), grant(13, 64)).slice(2)).toEqual([
      '           0  > 60 x 2',
      '           9  > 64',
      '          12              > 64',
      '          13  > 64',
    ]);
    // Other events stand for themselves.
    expect(printed([0, 'ring', 1], [0, 'ring', 1]).slice(2)).toEqual([
      '           0  rings again',
      '           0  rings again',
    ]);
    expect(printed(arrive(0), arrive(0, 60, 2), arrive(0)).slice(2)).toEqual([
      '           0  +60',
      '           0              +60',
      '           0  +60',
    ]);
  });

  it('counts grants, and nothing else', () => {
    const timeline = new Timeline();
    timeline.note(0, 'arrive', contextId(1), 60, 5);
    expect(timeline.grants).toBe(0);
    timeline.note(0, 'grant', contextId(1), 60, 3);
    timeline.note(0, 'grant', contextId(1), 60);
    timeline.note(0, 'grant', contextId(1), 64);
    expect(timeline.grants).toBe(5);
  });

  it('prints what repeats three times or more once, at most twelve lines long', () => {
    const turns = (length: number, repeats: number) =>
      Array.from({ length: length * repeats }, (_, at): Note => [at, 'grant', at % 2, 60 + (at % length)]);
    const short = printed(...turns(2, 2));
    expect(short).toHaveLength(2 + 4);
    expect(printed(...turns(2, 3)).slice(2)).toEqual([
      '           0  > 60',
      '           1              > 61',
      '         ...  the 2 lines above, 3 times in all, until 5',
    ]);
    expect(printed(...turns(12, 3))).toHaveLength(2 + 12 + 1);
    expect(printed(...turns(14, 3))).toHaveLength(2 + 14 * 3);
    const rings = Array.from({ length: 3 }, (_, at): Note => [at, 'ring', 1]);
    expect(printed(...rings, [7, 'leave', 1]).slice(2)).toEqual([
      '           0  rings again',
      '         ...  the line above, 3 times in all, until 2',
      '           7  leaves',
    ]);
  });

  it('repeats a line only of the same context', () => {
    expect(printed([0, 'ring', 1], [1, 'ring', 2], [2, 'ring', 1]).slice(2)).toHaveLength(3);
  });
});
