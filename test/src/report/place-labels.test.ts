import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LABEL_HEIGHT, type LabelledMark, placeLabels } from '../../../src/report/charts/place-labels.js';
import { either } from '../../support/whole.js';

const PANEL = { width: 320, height: 300 };
const widthOf = (text: string) => 6 * text.length;

/** As many as there are approaches, with names as long as theirs, anywhere. */
const marks = fc.array(
  fc.record({
    x: fc.integer({ min: 5, max: PANEL.width - 5 }),
    y: fc.integer({ min: 8, max: PANEL.height - 8 }),
    text: fc.constantFrom('none', 'cdna', 'driver-domain', 'iommu:single-use', 'cdna+iommu'),
  }),
  { minLength: 1, maxLength: 13 },
);

function boxes(placed: ReturnType<typeof placeLabels>) {
  return placed.map(({ left, middle, width }) => ({
    left,
    right: left + width,
    top: middle - LABEL_HEIGHT / 2,
    bottom: middle + LABEL_HEIGHT / 2,
  }));
}

test('each mark has its text in the panel, the same every time; of thirteen anywhere no two texts overlap', () => {
  fc.assert(
    fc.property(marks, (given) => {
      const placed = placeLabels(given, PANEL, widthOf);
      expect(placed).toEqual(placeLabels(given, PANEL, widthOf));
      expect(placed.map(({ width }) => width)).toEqual(given.map(({ text }) => widthOf(text)));
      const all = boxes(placed);
      for (const [index, box] of all.entries()) {
        expect(Math.min(box.left, box.top)).toBeGreaterThanOrEqual(0);
        expect(box.right).toBeLessThanOrEqual(PANEL.width);
        expect(box.bottom).toBeLessThanOrEqual(PANEL.height);
        for (const other of all.slice(0, index)) {
          const apart =
            box.left >= other.right ||
            other.left >= box.right ||
            box.top >= other.bottom ||
            other.top >= box.bottom;
          expect(apart, `${index}`).toBe(true);
        }
      }
    }),
    { numRuns: either(200, 25) },
  );
});

test('a text without a line stands beside its own mark and nearer to it than to any other', () => {
  const crowd: LabelledMark[] = [
    { x: 40, y: 20, text: 'none' },
    { x: 40, y: 28, text: 'nodma' },
    { x: 41, y: 160, text: 'dev' },
    { x: 41, y: 172, text: 'iommu:direct-map' },
    { x: 41, y: 200, text: 'iommu:persistent' },
    { x: 62, y: 160, text: 'cdna' },
    { x: 300, y: 140, text: 'driver-domain' },
  ];
  const placed = placeLabels(crowd, PANEL, widthOf);
  const all = boxes(placed);
  for (const [index, { leader }] of placed.entries()) {
    const far = ({ x, y }: LabelledMark) => {
      const box = all[index];
      if (box === undefined) return Number.NaN;
      const [dx, dy] = [Math.max(box.left - x, 0, x - box.right), Math.max(box.top - y, 0, y - box.bottom)];
      return Math.hypot(dx, dy);
    };
    const own = crowd[index];
    if (own === undefined) continue;
    if (leader === undefined) {
      expect(far(own)).toBeLessThanOrEqual(10);
      expect(Math.min(...crowd.filter((one) => one !== own).map(far))).toBeGreaterThanOrEqual(1);
    } else {
      // The line ends at the text.
      expect(far({ ...leader, text: '' })).toBeLessThan(1e-9);
    }
  }
  // At the right edge a text stands to the left.
  expect(all[6]?.right).toBeLessThan(300);
});
