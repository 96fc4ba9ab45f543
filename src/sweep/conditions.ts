import { isDeepStrictEqual } from 'node:util';
import type { Assignment, Variable } from './axes.js';
import type { Condition } from './study-schema.js';
import { SweepError } from './sweep-error.js';

/** One entry of `except`, by the place of its variables in an assignment. */
export interface Exception {
  readonly tests: readonly { readonly at: number; readonly condition: Condition }[];
}

/** Finds the variables that an entry of `except` names. @throws SweepError */
export function readException(
  entry: Readonly<Record<string, Condition>>,
  variables: readonly Variable[],
  where: string,
): Exception {
  const tests = Object.entries(entry).map(([name, condition]) => {
    const at = variables.findIndex(({ column, paths }) => column === name || paths.includes(name));
    if (at < 0) {
      const columns = variables.map(({ column }) => column).join(', ');
      throw new SweepError(`${where}.${name} is no variable of this study, expected one of: ${columns}`);
    }
    return { at, condition };
  });
  if (tests.length === 0) throw new SweepError(`${where} is {}, expected at least one variable`);
  return { tests };
}

/** Whether every condition of the entry is true. */
export function matches({ tests }: Exception, assignment: Assignment): boolean {
  return tests.every(({ at, condition }) => holds(condition, assignment[at]));
}

const BOUNDS = {
  below: (value: number, bound: number) => value < bound,
  atMost: (value: number, bound: number) => value <= bound,
  above: (value: number, bound: number) => value > bound,
  atLeast: (value: number, bound: number) => value >= bound,
} as const;

function holds(condition: Condition, value: unknown): boolean {
  if (Array.isArray(condition)) return condition.some((one) => isDeepStrictEqual(one, value));
  if (typeof condition !== 'object' || condition === null) return isDeepStrictEqual(condition, value);
  const {
    in: list,
    not,
    ...bounds
  } = condition as {
    readonly in?: readonly unknown[];
    readonly not?: unknown;
  } & { readonly [Name in keyof typeof BOUNDS]?: number };
  if (list !== undefined && !list.some((one) => isDeepStrictEqual(one, value))) return false;
  if (not !== undefined && isDeepStrictEqual(not, value)) return false;
  return Object.entries(bounds).every(
    ([name, bound]) => typeof value === 'number' && BOUNDS[name as keyof typeof BOUNDS](value, Number(bound)),
  );
}
