/** A mark and the text that belongs to it; px from the upper left corner of a panel. */
export interface LabelledMark {
  readonly x: number;
  readonly y: number;
  readonly text: string;
}

/** Where a text stands: its left edge and its middle, px, and where a line to its mark ends, if it needs one. */
export interface PlacedLabel {
  readonly left: number;
  readonly middle: number;
  readonly width: number;
  /** Undefined where the text stands beside its mark. */
  readonly leader: { readonly x: number; readonly y: number } | undefined;
}

interface Box {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

export const LABEL_HEIGHT = 13;
/** A mark takes so much around its middle. */
const MARK_RADIUS = 5;
/** From the middle of a mark to a text that stands beside it. */
const BESIDE = 7;
/** Distances that are tried, and directions: so many round the circle. */
const STEP = 9;
const RINGS = 18;
const DIRECTIONS = 24;
/** A text that is further from its mark has a line to it. */
const NEAR = 10;

/**
 * Places texts beside their marks so that none lies on another, on a mark or on the line of another, and none leaves the
 * panel. A text that finds no place beside its mark stands further away, with a line. The same marks give the same places.
 * @param widthOf width of a text, px
 */
export function placeLabels(
  marks: readonly LabelledMark[],
  panel: { readonly width: number; readonly height: number },
  widthOf: (text: string) => number,
): PlacedLabel[] {
  const placed = new Map<number, PlacedLabel>();
  const taken: { readonly box: Box; readonly mark: LabelledMark; readonly end: LabelledPoint }[] = [];
  // Those in the thick of it have the least choice, and choose first.
  const crowd = (one: LabelledMark) =>
    marks.filter((other) => Math.hypot((one.x - other.x) / 3, one.y - other.y) < 2 * LABEL_HEIGHT).length;
  const order = [...marks.keys()].sort((one, other) => {
    const [a, b] = [marks[one], marks[other]];
    return a === undefined || b === undefined
      ? 0
      : crowd(b) - crowd(a) || a.x - b.x || a.y - b.y || one - other;
  });
  for (const index of order) {
    const mark = marks[index];
    if (mark === undefined) continue;
    const width = widthOf(mark.text);
    let best: { readonly cost: number; readonly box: Box; readonly end: LabelledPoint } | undefined;
    for (const box of candidates(mark, width)) {
      if (box.left < 0 || box.right > panel.width || box.top < 0 || box.bottom > panel.height) continue;
      const end = nearest(box, mark);
      const far = Math.hypot(end.x - mark.x, end.y - mark.y);
      const cost =
        far +
        // To the right is where a reader looks first.
        (box.left < mark.x ? 3 : 0) +
        1000 * taken.filter((other) => overlap(box, other.box, 2)).length +
        1000 * marks.filter((other) => other !== mark && overlap(box, boxOf(other), 1)).length +
        (far > NEAR ? 6 : 0) +
        300 * taken.filter((other) => crosses(mark, end, other.box)).length +
        300 * marks.filter((other) => other !== mark && crosses(mark, end, boxOf(other))).length +
        300 * taken.filter((other) => crosses(other.mark, other.end, box)).length +
        150 * taken.filter((other) => cut(mark, end, other.mark, other.end)).length +
        // A text without a line belongs to the mark that is nearest.
        60 * marks.filter((other) => other !== mark && distance(box, other) < Math.min(far, NEAR)).length;
      if (best === undefined || cost < best.cost) best = { cost, box, end };
    }
    // A panel that is narrower than the text has no better place than this.
    const box =
      best?.box ?? boxAt(Math.max(0, Math.min(mark.x + BESIDE, panel.width - width)), mark.y, width);
    const end = best?.end ?? nearest(box, mark);
    taken.push({ box, mark, end });
    const isFar = Math.hypot(end.x - mark.x, end.y - mark.y) > NEAR;
    placed.set(index, {
      left: box.left,
      middle: (box.top + box.bottom) / 2,
      width,
      leader: isFar ? end : undefined,
    });
  }
  return marks.flatMap((_, index) => placed.get(index) ?? []);
}

interface LabelledPoint {
  readonly x: number;
  readonly y: number;
}

function* candidates({ x, y }: LabelledMark, width: number): Generator<Box> {
  yield boxAt(x + BESIDE, y, width);
  yield boxAt(x - BESIDE - width, y, width);
  for (let ring = 1; ring <= RINGS; ring += 1) {
    for (let turn = 0; turn < DIRECTIONS; turn += 1) {
      const angle = (2 * Math.PI * turn) / DIRECTIONS;
      const [dx, dy] = [Math.cos(angle) * ring * STEP, Math.sin(angle) * ring * STEP];
      // The side of the text that is turned to the mark.
      const left = dx > 1 ? x + dx : dx < -1 ? x + dx - width : x - width / 2;
      yield boxAt(left, y + dy, width);
    }
  }
}

function boxAt(left: number, middle: number, width: number): Box {
  return { left, right: left + width, top: middle - LABEL_HEIGHT / 2, bottom: middle + LABEL_HEIGHT / 2 };
}

function boxOf({ x, y }: LabelledPoint): Box {
  return { left: x - MARK_RADIUS, right: x + MARK_RADIUS, top: y - MARK_RADIUS, bottom: y + MARK_RADIUS };
}

function overlap(one: Box, other: Box, gap: number): boolean {
  return (
    one.left < other.right + gap &&
    other.left < one.right + gap &&
    one.top < other.bottom + gap &&
    other.top < one.bottom + gap
  );
}

/** The place in a box that is nearest to a point. */
function nearest(box: Box, { x, y }: LabelledPoint): LabelledPoint {
  return { x: Math.max(box.left, Math.min(box.right, x)), y: Math.max(box.top, Math.min(box.bottom, y)) };
}

function distance(box: Box, point: LabelledPoint): number {
  const end = nearest(box, point);
  return Math.hypot(end.x - point.x, end.y - point.y);
}

/** Whether the way from one point to another goes through a box. */
function crosses(from: LabelledPoint, to: LabelledPoint, box: Box): boolean {
  let [enter, leave] = [0, 1];
  for (const [start, step, low, high] of [
    [from.x, to.x - from.x, box.left, box.right],
    [from.y, to.y - from.y, box.top, box.bottom],
  ] as const) {
    if (step === 0) {
      if (start < low || start > high) return false;
      continue;
    }
    const ends = [(low - start) / step, (high - start) / step];
    enter = Math.max(enter, Math.min(...ends));
    leave = Math.min(leave, Math.max(...ends));
  }
  return enter < leave;
}

/** Whether two ways cross. */
function cut(a: LabelledPoint, b: LabelledPoint, c: LabelledPoint, d: LabelledPoint): boolean {
  const side = (p: LabelledPoint, q: LabelledPoint, r: LabelledPoint) =>
    Math.sign((q.x - p.x) * (r.y - p.y) - (q.y - p.y) * (r.x - p.x));
  return side(a, b, c) * side(a, b, d) < 0 && side(c, d, a) * side(c, d, b) < 0;
}
