import fc from 'fast-check';
import { expect, test } from 'vitest';
import { stackedBars } from '../../../src/report/charts/bars.js';
import { type Chart, lineLegend, type Mark } from '../../../src/report/charts/chart.js';
import { chartMarkup, chartSvg } from '../../../src/report/charts/draw.js';
import { runs } from '../../support/whole.js';

const WIDTHS = ['wide', 'narrow'] as const;

/** Where texts begin and marks lie, of a drawing: x of all that is placed by attributes, with the panel's shift. */
function reach(svg: string): { readonly least: number; readonly most: number } {
  const shifts = [0];
  const places: number[] = [];
  for (const [tag] of svg.matchAll(/<\/?(?:g|text|rect)\b[^>]*>/gu)) {
    const moved = Number(/translate\((-?[\d.]+),/u.exec(tag)?.[1] ?? 0);
    if (tag === '</g>') shifts.pop();
    else if (tag.startsWith('<g')) shifts.push((shifts.at(-1) ?? 0) + moved);
    const x = /<(?:text|rect) x="(-?[\d.]+)"/u.exec(tag)?.[1];
    if (x !== undefined) places.push((shifts.at(-1) ?? 0) + Number(x));
  }
  return { least: Math.min(...places), most: Math.max(...places) };
}

const values = fc.array(fc.double({ min: 0.001, max: 1e9, noNaN: true }), { minLength: 1, maxLength: 20 });

test('whatever the values are, marks and labels are numbers within the drawing, on every scale and width', () => {
  fc.assert(
    fc.property(values, fc.constantFrom('linear', 'log', 'sqrt', 'symlog'), (numbers, scale) => {
      const chart: Chart = {
        title: 'Lines',
        description: 'A line and its points.',
        x: { title: 'x', scale },
        y: { title: 'y', scale },
        panels: [0, 1].map((panel) => ({
          title: `panel ${panel}`,
          marks: [
            { kind: 'line', points: numbers.map((value, index) => [index + 1, value]), style: 1 },
            ...numbers.map((value): Mark => ({ kind: 'point', x: value, y: value, style: 2 })),
            { kind: 'text', x: Math.max(...numbers), y: 1, text: 'the longest label' },
          ],
        })),
      };
      for (const width of WIDTHS) {
        const { text } = chartMarkup(chart, width, 'id');
        expect(text).not.toMatch(/NaN|Infinity|undefined/u);
        const [, pixels = '0'] = /viewBox="0 0 (\d+) /u.exec(text) ?? [];
        const { least, most } = reach(text);
        expect(least).toBeGreaterThanOrEqual(-2);
        expect(most).toBeLessThanOrEqual(Number(pixels));
      }
    }),
    { numRuns: runs(60) },
  );
});

test('bars are stacked to the sum of their parts, and the label stands behind them', () => {
  const chart = stackedBars({
    title: 'Bars',
    description: 'Two bars.',
    parts: ['one', 'two', 'three'],
    rows: [
      { name: 'a', values: [1, 2, 3], label: 'six' },
      { name: 'b', values: [0, 5, 0], label: 'five' },
    ],
    axis: 'units',
  });
  const marks = chart.panels[0]?.marks ?? [];
  const bars = marks.flatMap((mark) =>
    mark.kind === 'bar' ? [[mark.row, mark.from, mark.to, mark.style]] : [],
  );
  expect(bars).toEqual([
    ['a', 0, 1, 1],
    ['a', 1, 3, 2],
    ['a', 3, 6, 3],
    ['b', 0, 5, 2],
  ]);
  expect(marks.flatMap((mark) => (mark.kind === 'text' ? [[mark.text, mark.x]] : []))).toEqual([
    ['six', 6],
    ['five', 5],
  ]);
  const svg = chartSvg(chart);
  for (const text of ['six', 'five', 'one', 'two', 'three', 'units'])
    expect(svg).toContain(`>${text}</text>`);
  // On its own a drawing has colours of its own.
  expect(svg).not.toContain('var(');
  expect(svg.match(/<pattern /gu)).toHaveLength(2);
});

test('a scale that doubles is drawn twice as long', () => {
  const line = (to: number): Chart => ({
    title: 'Bar',
    description: 'One bar.',
    x: { domain: [0, 100] },
    y: { scale: 'rows', rows: ['a'] },
    panels: [{ marks: [{ kind: 'bar', row: 'a', from: 0, to, style: 1 }] }],
  });
  const length = (to: number) =>
    Number(/<rect x="0" y="[\d.]+" width="([\d.]+)"/u.exec(chartMarkup(line(to), 'wide', 'id').text)?.[1]);
  expect(length(80)).toBeCloseTo(2 * length(40), 0);
});

test('lines of a legend differ in colour or in dash, as many as there are approaches', () => {
  const entries = lineLegend(Array.from({ length: 20 }, (_, index) => `${index}`));
  expect(new Set(entries.map(({ style, dash }) => `${style} ${dash}`)).size).toBe(20);
});

test('names that are too long for a phone stand above their rows', () => {
  const chart: Chart = {
    title: 'Names',
    description: 'A long name.',
    x: {},
    y: { scale: 'rows', rows: ['a name that is much too long to stand beside anything on a phone'] },
    panels: [{ marks: [] }],
  };
  expect(chartMarkup(chart, 'narrow', 'id').text).toMatch(/<text x="2" y="-?[\d.]+"[^>]*>a name that/u);
});
