import { isDeepStrictEqual } from 'node:util';
import { plainNumber } from '../../report/charts/scales.js';
import { UNITS } from '../../report/metrics/metric.js';
import type { Plan, Point } from '../plan.js';
import { SweepError } from '../sweep-error.js';
import { unitOf } from '../units.js';

/** Something by which values differ: a variable of the study. */
export interface Dimension {
  readonly name: string;
  /** What its values are in; empty where they have no unit. */
  readonly unit: string;
  /** In the order of the study. */
  readonly values: readonly unknown[];
  readonly of: (point: Point) => unknown;
}

/** How a report is laid out, as far as the user says. */
export interface LayoutRequest {
  readonly over: string | undefined;
  readonly lines: string | undefined;
  readonly where: readonly { readonly name: string; readonly value: string }[];
}

/** What goes where in the figures of a report. */
export interface Layout {
  /** The points that are shown. */
  readonly points: readonly Point[];
  /** A variable of numbers on the axis. */
  readonly over: Dimension | undefined;
  /** A line, or a row, per value. */
  readonly lines: Dimension | undefined;
  /** A panel per combination of their values. */
  readonly facets: readonly Dimension[];
}

/** More lines than these cannot be told apart. */
const MOST_LINES = 21;
const MOST_PANELS = 60;

/** @throws SweepError that names the variable, or the limit that was exceeded */
export function layOut(plan: Plan, request: LayoutRequest): Layout {
  const all = plan.variables.map(({ column, paths }, at) => ({
    name: column,
    paths,
    unit: unitOf(paths[0] ?? ''),
    of: (point: Point) => point.values[at],
  }));
  const find = (option: string, name: string) => {
    const found = all.find(({ name: column, paths }) => column === name || paths.includes(name));
    if (found !== undefined) return found.name;
    const names = all.map((one) => one.name).join(', ') || 'none, for this study varies nothing';
    throw new SweepError(`${option} is "${name}", expected one of: ${names}`);
  };
  const over = request.over === undefined ? undefined : find('--over', request.over);
  const lines = request.lines === undefined ? undefined : find('--lines', request.lines);
  if (over !== undefined && over === lines) {
    throw new SweepError(`--over and --lines are both "${over}", expected two variables`);
  }
  let points: readonly Point[] = plan.points;
  for (const { name, value } of request.where) {
    const column = find('--where', name);
    const of = all.find((one) => one.name === column)?.of ?? (() => undefined);
    const kept = points.filter((point) => valueText(of(point)) === value);
    if (kept.length === 0) {
      const values = [...new Set(points.map((point) => valueText(of(point))))].join(', ');
      throw new SweepError(`--where has ${column}=${value}, expected one of its values: ${values}`);
    }
    points = kept;
  }
  const named = [over, lines];
  const dimensions = apart(
    all.map(({ name, unit, of }) => ({ name, unit, of, values: distinct(points.map(of)) })),
    named,
    points,
  );
  return chosen(dimensions, points, over, lines, all);
}

/** A value as it stands in tables and titles. */
export function valueText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** A value of a dimension with its unit, as it is shown: `100 Mb/s`. */
export function labelOf({ unit }: Pick<Dimension, 'unit'>, value: unknown): string {
  if (typeof value !== 'number') return valueText(value);
  const shown = UNITS[unit] ?? { unit, divisor: 1 };
  return `${plainNumber(value / shown.divisor)}${shown.unit === '' ? '' : ` ${shown.unit}`}`;
}

function chosen(
  dimensions: readonly Dimension[],
  points: readonly Point[],
  overName: string | undefined,
  linesName: string | undefined,
  all: readonly { readonly name: string; readonly paths: readonly string[] }[],
): Layout {
  const isNumeric = ({ values }: Dimension) => values.every((value) => typeof value === 'number');
  const byName = (name: string | undefined) => dimensions.find((one) => one.name === name);
  const named = byName(overName);
  if (named !== undefined && !isNumeric(named)) {
    throw new SweepError(
      `--over is "${named.name}", whose values are no numbers, expected a variable of numbers`,
    );
  }
  const over =
    named ??
    dimensions
      .filter((one) => isNumeric(one) && one.name !== linesName)
      .toSorted((one, other) => other.values.length - one.values.length)[0];
  const rest = dimensions.filter((one) => one !== over);
  const pathOf = ({ name }: Dimension) => all.find((one) => one.name === name)?.paths[0];
  const lines =
    byName(linesName) ??
    rest.find((one) => pathOf(one) === 'protection') ??
    rest.find((one) => pathOf(one) === 'discipline') ??
    rest.find(({ values }) => values.length <= MOST_LINES);
  if (lines !== undefined && lines.values.length > MOST_LINES) {
    throw new SweepError(
      `--lines is "${lines.name}", which has ${lines.values.length} values, expected at most ${MOST_LINES}`,
    );
  }
  const facets = rest.filter((one) => one !== lines);
  const panels = distinct(points.map((point) => facets.map(({ of }) => of(point)))).length;
  if (panels > MOST_PANELS) {
    throw new SweepError(
      `${facets.map(({ name }) => name).join(' by ')} make ${panels} panels, expected at most ${MOST_PANELS}; --where VARIABLE=VALUE shows a part`,
    );
  }
  return { points, over, lines, facets };
}

/** Without variables that have one value here, and without those that change together with one before them. */
function apart(
  dimensions: readonly Dimension[],
  named: readonly (string | undefined)[],
  points: readonly Point[],
): Dimension[] {
  const kept: Dimension[] = [];
  const wanted = dimensions.toSorted(
    (one, other) => Number(named.includes(other.name)) - Number(named.includes(one.name)),
  );
  for (const dimension of wanted) {
    if (dimension.values.length < 2 && !named.includes(dimension.name)) continue;
    const together = kept.some((other) => {
      const pairs = distinct(points.map((point) => [dimension.of(point), other.of(point)])).length;
      return pairs === dimension.values.length && pairs === other.values.length;
    });
    if (!together || named.includes(dimension.name)) kept.push(dimension);
  }
  return dimensions.filter((one) => kept.includes(one));
}

function distinct(values: readonly unknown[]): unknown[] {
  const seen = new Map<string, unknown>();
  for (const value of values) {
    const key = JSON.stringify(value);
    if (!seen.has(key)) seen.set(key, value);
  }
  return [...seen.values()];
}

/** Whether two points are at the same place of a dimension. */
export function samePlace({ of }: Dimension, one: Point, value: unknown): boolean {
  return isDeepStrictEqual(of(one), value);
}
