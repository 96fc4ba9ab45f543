import { exponential, naturalLog } from '../../guests/traffic/elementary-functions.js';
import { takenColumn } from './columns.js';
import { approachNames, disciplineNames } from './names.js';
import { canonical } from './planned-run.js';
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
  const assignments = parts.reduce<readonly Assignment[]>(
    (left, { assignments: right }) => left.flatMap((one) => right.map((other) => [...one, ...other])),
    [[]],
  );
  return { variables, assignments };
}

/**
 * Requires a column for each variable that no other variable and no table of a study has.
 * @throws SweepError that names the column
 */
export function requireOwnColumns(variables: readonly Variable[], where: string): void {
  const known = new Set<string>();
  for (const { column, paths } of variables) {
    if (!/^[a-z]/iu.test(column)) {
      throw new SweepError(
        `${where} has the path "${paths[0]}", of which no column can be named, expected a name beside it`,
      );
    }
    const taken = takenColumn(column);
    if (taken !== undefined) {
      throw new SweepError(
        `${where} names the column "${column}" of ${paths.join(', ')}, which the tables have already ` +
          `("${taken.name}": ${taken.meaning}), expected another name`,
      );
    }
    // As in the tables' own columns, case makes no difference.
    if (known.has(column.toLowerCase())) {
      throw new SweepError(`${where} names the column "${column}" twice, expected a name for each variable`);
    }
    known.add(column.toLowerCase());
  }
}

/** Refuses values, or combinations of a zip, that are there twice: their runs would count twice. @throws SweepError */
function requireDistinct(assignments: readonly Assignment[], where: string): void {
  const known = new Set<string>();
  for (const assignment of assignments) {
    const text = canonical(assignment);
    if (known.has(text)) {
      const shown = assignment.map((value) => JSON.stringify(value)).join(', ');
      throw new SweepError(`${where} has ${shown} twice, expected each once`);
    }
    known.add(text);
  }
}

function expand(axis: Axis, where: string): Expansion {
  const expansion = expandAny(axis, where);
  requireDistinct(expansion.assignments, where);
  return expansion;
}

function expandAny(axis: Axis, where: string): Expansion {
  if ('product' in axis) return expandProduct(axis.product, `${where}.product`);
  if ('zip' in axis) return expandZip(axis.zip, `${where}.zip`);
  const paths = typeof axis.path === 'string' ? [axis.path] : axis.path;
  const column = axis.name ?? columnOf(paths[0] ?? '');
  return { variables: [{ column, paths }], assignments: valuesOf(axis, where).map((value) => [value]) };
}

function expandZip(axes: readonly Axis[], where: string): Expansion {
  // A part of a zip may repeat a value: what must differ is the combination.
  const parts = axes.map((axis, index) => expandAny(axis, `${where}[${index}]`));
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
