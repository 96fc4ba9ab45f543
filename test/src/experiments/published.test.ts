import { describe, expect, it } from 'vitest';
import {
  type ComparedFigure,
  publishedFigure,
  publishedSentence,
} from '../../../src/experiments/published.js';

function figure(
  name: string,
  error: number | undefined,
  others: Partial<ComparedFigure> = {},
): ComparedFigure {
  return {
    name,
    value: 10,
    unit: 'Gb/s',
    source: 'a paper',
    certainty: 'S',
    ours: 10,
    ours_range: [10, 10],
    role: 'predicted',
    ...(error === undefined ? {} : { error }),
    ...others,
  };
}

describe('the sentence on published figures', () => {
  it('has the middle of an odd count, whatever its sign', () => {
    const figures = [figure('a', -0.3), figure('b', 0.02), figure('c', 0.2)];
    expect(publishedSentence(figures)).toMatch(
      /^Of 3 published figures that were predicted, 1 is off by at most 10 % .*the median is off by 20\.0 %/u,
    );
  });

  it('has the mean of the two in the middle of an even count', () => {
    const figures = [figure('a', 0.3), figure('b', 0.02), figure('c', -0.2), figure('d', 0.1)];
    expect(publishedSentence(figures)).toMatch(/ 2 are off by at most 10 % .*the median is off by 15\.0 %/u);
  });

  it('speaks of one', () => {
    expect(publishedSentence([figure('a', 0.05)])).toMatch(
      /^Of 1 published figure that was predicted, 1 is off .*the median is off by 5\.0 %/u,
    );
  });

  it('counts a figure once, however many candidates stand beside it', () => {
    const figures = ['a', 'b'].flatMap((name) =>
      ['strict', 'lazy'].map((candidate) => figure(name, 0.5, { candidate })),
    );
    expect(publishedSentence(figures)).toMatch(
      /^Of 4 comparisons with 2 published figures that were predicted, 0 are off/u,
    );
  });

  it('leaves out what was fitted and what is only shown', () => {
    const fitted = figure('fitted', 0, { role: 'fitted' });
    const shown = figure('shown', undefined, { role: 'shown', certainty: 'M-' });
    expect(publishedSentence([fitted, shown])).toBe('');
    expect(publishedSentence([fitted, shown, figure('a', 0.4)])).toMatch(/^Of 1 published .*by 40\.0 %/u);
  });
});

describe('the figure of published figures', () => {
  it('has a row a candidate, told apart by its name', () => {
    const figures = ['strict', 'lazy'].map((candidate) => figure('rise', 0.5, { candidate }));
    const { table } = publishedFigure(figures, 'published');
    expect(table.rows.map(([name]) => name)).toEqual(['rise: strict', 'rise: lazy']);
  });
});
