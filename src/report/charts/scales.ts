import { scaleBand, scaleLinear, scaleLog, scalePow, scaleSymlog } from 'd3-scale';
import { present } from '../../../scheduler/present.js';
import { textWidth } from '../text-width.js';
import type { Axis, Mark, Place } from './chart.js';

/** An axis that is laid out: where values lie, px, and which of them are labelled. */
export interface LaidScale {
  at(place: Place): number;
  /** Of the band of a row, px; 0 where there are no rows. */
  readonly band: number;
  readonly ticks: readonly { readonly at: number; readonly text: string }[];
}

export const FONT_PIXELS = 11;
const LABEL_GAP = 8;

/**
 * Lays an axis out over pixels.
 * @param ends the least and the most that is drawn
 * @param spacing px for each label that a tick needs at least
 */
export function layScale(
  axis: Axis,
  ends: readonly [number, number],
  range: readonly [number, number],
  direction: 'x' | 'y',
): LaidScale {
  const { scale = 'linear', rows = [] } = axis;
  if (scale === 'rows') {
    const bands = scaleBand(rows, direction === 'x' ? range : [...range].sort((a, b) => a - b)).padding(0.24);
    const centre = (name: string) => present(bands(name)) + bands.bandwidth() / 2;
    const ticks = rows.map((text) => ({ at: centre(text), text }));
    return {
      at: (place) => centre(`${place}`),
      band: bands.bandwidth(),
      ticks: direction === 'x' ? apart(ticks) : ticks,
    };
  }
  const made = {
    linear: () => scaleLinear(),
    sqrt: () => scalePow().exponent(0.5),
    log: () => scaleLog(),
    symlog: () => scaleSymlog().constant(1),
  }[scale]();
  made.domain([...ends]).range([...range]);
  const length = Math.abs(range[1] - range[0]);
  const count = Math.max(2, Math.round(length / (direction === 'x' ? 75 : 38)));
  const values = (axis.ticks ?? ticksOf(scale, ends, count, (most) => made.ticks(most))).filter(
    (value) => value >= ends[0] - 1e-9 && value <= ends[1] + 1e-9,
  );
  const label = axis.label ?? plainNumber;
  const ticks = values.map((value) => ({ at: made(value), text: label(value) }));
  return {
    at: (place) => made(Number(place)),
    band: 0,
    ticks: direction === 'x' ? apart(ticks) : ticks,
  };
}

function ticksOf(
  scale: NonNullable<Axis['scale']>,
  [least, most]: readonly [number, number],
  count: number,
  linear: (count: number) => number[],
): number[] {
  if (scale !== 'log') return linear(count);
  const decades = powers(least, most, [1]);
  if (decades.length > count)
    return decades.filter((_, index) => index % Math.ceil(decades.length / count) === 0);
  return decades.length >= 3 ? decades : powers(least, most, [1, 2, 5]);
}

/** Powers of ten, times each factor, between two values. */
function powers(least: number, most: number, factors: readonly number[]): number[] {
  const values: number[] = [];
  for (let power = Math.floor(Math.log10(least)); power <= Math.ceil(Math.log10(most)); power += 1) {
    for (const factor of factors) {
      const value = Number((factor * 10 ** power).toPrecision(3));
      if (value >= least && value <= most) values.push(value);
    }
  }
  return values;
}

/** Those labels that leave a gap to the one before. */
function apart<T extends { readonly at: number; readonly text: string }>(ticks: readonly T[]): T[] {
  const kept: T[] = [];
  let freeFrom = Number.NEGATIVE_INFINITY;
  for (const tick of ticks) {
    const half = textWidth(tick.text, FONT_PIXELS) / 2;
    if (tick.at - half < freeFrom) continue;
    kept.push(tick);
    freeFrom = tick.at + half + LABEL_GAP;
  }
  return kept;
}

export function plainNumber(value: number): string {
  return Number(value.toPrecision(10)).toLocaleString('en', { maximumFractionDigits: 6 });
}

/** The least and the most that marks reach in a direction. */
export function endsOf(axis: Axis, marks: readonly Mark[], direction: 'x' | 'y'): readonly [number, number] {
  if (axis.domain !== undefined) return axis.domain;
  let least = Number.POSITIVE_INFINITY;
  let most = Number.NEGATIVE_INFINITY;
  for (const value of marks.flatMap((mark) => valuesOf(mark, direction))) {
    if (value === undefined || (axis.scale === 'log' && value <= 0)) continue;
    least = Math.min(least, value);
    most = Math.max(most, value);
  }
  if (least > most) return axis.scale === 'log' ? [1, 10] : [0, 1];
  // A little beyond the outermost marks, so that they do not lie on the edge.
  if (axis.scale === 'log') {
    const margin = Math.max(1.1, (most / least) ** 0.04);
    return [least / margin, most * margin];
  }
  // Bars and lines are seen in full: from zero on.
  return [Math.min(0, least), most === 0 ? 1 : Math.max(0, most) * 1.03];
}

function valuesOf(mark: Mark, direction: 'x' | 'y'): (number | undefined)[] {
  const isX = direction === 'x';
  switch (mark.kind) {
    case 'line':
      return mark.points.map(([x, y]) => (isX ? x : y));
    case 'band':
      return mark.points.flatMap(([x, low, high]) => (isX ? [x] : [low, high]));
    case 'bar':
      return [mark.from, mark.to];
    case 'rule':
      return [numeric(isX ? mark.x : mark.y), isX ? mark.toX : mark.toY];
    default:
      return [numeric(isX ? mark.x : mark.y)];
  }
}

function numeric(place: Place | undefined): number | undefined {
  return typeof place === 'number' ? place : undefined;
}
