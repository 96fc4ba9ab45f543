import { exponential, naturalLog } from '../../guests/traffic/elementary-functions.js';
import { approachNames, disciplineNames } from './names.js';
import type { Axis } from './study-schema.js';
import { SweepError } from './sweep-error.js';

/** A variable: its column, and the fields that its value goes to. */
export interface Variable {
  readonly column: string;
  readonly paths: readonly string[];
}

/** Values of some variables, in the order of the variables. */
export type Assignment = readonly unknown[];

/** Variables, and every combination of their values that is asked for, in the order of the study. */
export interface Expansion {
  readonly variables: readonly Variable[];
  readonly assignments: readonly Assignment[];
}

/** More points than this are a mistake: a study is held in memory. */
const MOST_POINTS = 1_000_000;

/** Every combination of the axes; the last one changes fastest. @throws SweepError */
export function expandProduct(axes: readonly Axis[], where: string): Expansion {
  const parts = axes.map((axis, index) => expand(axis, `${where}[${index}]`));
  const points = parts.reduce((product, { assignments }) => product * assignments.length, 1);
  if (points > MOST_POINTS) {
    throw new SweepError(`${where} has ${points} combinations, expected at most ${MOST_POINTS}`);
  }
  const variables = parts.flatMap((part) => part.variables);
  const columns = variables.map(({ column }) => column);
  for (const [index, column] of columns.entries()) {
    if (columns.indexOf(column) !== index) {
      throw new SweepError(`${where} names the column "${column}" twice, expected a name for each variable`);
    }
  }
  const assignments = parts.reduce<readonly Assignment[]>(
    (left, { assignments: right }) => left.flatMap((one) => right.map((other) => [...one, ...other])),
    [[]],
  );
  return { variables, assignments };
}

function expand(axis: Axis, where: string): Expansion {
  if ('product' in axis) return expandProduct(axis.product, `${where}.product`);
  if ('zip' in axis) return expandZip(axis.zip, `${where}.zip`);
  const paths = typeof axis.path === 'string' ? [axis.path] : axis.path;
  const column = axis.name ?? columnOf(paths[0] ?? '');
  return { variables: [{ column, paths }], assignments: valuesOf(axis, where).map((value) => [value]) };
}

function expandZip(axes: readonly Axis[], where: string): Expansion {
  const parts = axes.map((axis, index) => expand(axis, `${where}[${index}]`));
  const [first] = parts;
  const length = first?.assignments.length ?? 0;
  for (const [index, { assignments }] of parts.entries()) {
    if (assignments.length !== length) {
      throw new SweepError(
        `${where}[${index}] has ${assignments.length} values, expected ${length} as ${where}[0] has`,
      );
    }
  }
  return {
    variables: parts.flatMap((part) => part.variables),
    assignments: Array.from({ length }, (_, at) => parts.flatMap((part) => part.assignments[at] ?? [])),
  };
}

type Simple = Exclude<Axis, { readonly zip: unknown } | { readonly product: unknown }>;

function valuesOf(axis: Simple, where: string): readonly unknown[] {
  if ('values' in axis) {
    if (axis.values !== 'all') return axis.values;
    if (axis.path === 'protection') return approachNames();
    if (axis.path === 'discipline') return disciplineNames();
    throw new SweepError(
      `${where}.values is "all", expected a list; only protection and discipline have all`,
    );
  }
  const { from, to } = axis;
  if (!(to >= from)) throw new SweepError(`${where}.to is ${to}, expected at least from, which is ${from}`);
  if ('step' in axis) {
    // The end belongs to the range even where the step is no binary fraction.
    const steps = Math.floor((to - from) / axis.step + 1e-9);
    if (steps >= MOST_POINTS) throw new SweepError(`${where}.step is ${axis.step}, expected fewer points`);
    return Array.from({ length: steps + 1 }, (_, at) => cleared(from + at * axis.step));
  }
  const { points, scale, round } = axis;
  if (scale === 'log' && from <= 0) {
    throw new SweepError(`${where}.from is ${from}, expected a number above 0 on a logarithmic scale`);
  }
  const values = Array.from({ length: points }, (_, at) => {
    const fraction = at / (points - 1);
    const value =
      scale === 'log' ? from * exponential(fraction * naturalLog(to / from)) : from + (to - from) * fraction;
    return round ? Math.round(value) : cleared(value);
  });
  // Rounding may bring neighbours together; the same point twice would be run twice.
  return [...new Set(values)];
}

/** Without the last bits that adding fractions leaves. */
function cleared(value: number): number {
  return Number(value.toPrecision(12));
}

function columnOf(path: string): string {
  return path.replace(/[^a-z0-9]+/giu, '_').replace(/^_|_$/gu, '');
}
