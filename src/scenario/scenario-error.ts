import type * as z from 'zod';
import { UserError } from '../../scheduler/errors.js';
import { shownValue } from '../../scheduler/shown-value.js';
import { expectationText } from './expectation-text.js';
import { knownFields } from './known-fields.js';

/** A scenario that cannot be run: names the file, the field, the value and what was expected. */
export class ScenarioError extends UserError {
  override readonly name = 'ScenarioError';
}

/** Reports every problem that a schema found, one line each. */
export function scenarioErrorOf(
  where: string,
  schema: z.ZodType,
  input: unknown,
  error: z.ZodError,
): ScenarioError {
  const { issues } = error;
  const lines = issues
    .filter((issue) => !issues.some((other) => isTighter(other, issue)))
    .flatMap((issue) => linesOf(schema, input, issue));
  return new ScenarioError(lines.map((line) => `${where}: ${line}`).join('\n'));
}

/** Whether a limit of the same field is said by the other issue already: a whole number has one of its own, 2^53 - 1. */
function isTighter(other: z.core.$ZodIssue, issue: z.core.$ZodIssue): boolean {
  if (other === issue || fieldName(other.path) !== fieldName(issue.path)) return false;
  if (issue.code === 'too_big') return other.code === 'too_big' && other.maximum < issue.maximum;
  return issue.code === 'too_small' && other.code === 'too_small' && other.minimum > issue.minimum;
}

function linesOf(schema: z.ZodType, input: unknown, issue: z.core.$ZodIssue): string[] {
  const { path } = issue;
  if (issue.code === 'unrecognized_keys') {
    const known = knownFields(schema, input, path);
    const expected = known.length === 0 ? '' : `, expected one of: ${known.join(', ')}`;
    return issue.keys.map(
      (key) => `${fieldName([...path, key])} is not a field that is known here${expected}`,
    );
  }
  const value = valueAt(input, path);
  return [`${fieldName(path)} is ${shownValue(value)}, ${expectationText(issue)}${unitHint(path, value)}`];
}

const UNIT_NS: Readonly<Record<string, number>> = { ns: 1, us: 1e3, ms: 1e6, s: 1e9 };

/** For a time with its unit where nanoseconds are expected: the number to write. */
function unitHint(path: readonly PropertyKey[], value: unknown): string {
  if (typeof value !== 'string' || !/Ns$/u.test(String(path.at(-1)))) return '';
  const found = /^(?<amount>\d+(?:\.\d+)?) ?(?<unit>ns|us|ms|s)$/u.exec(value.trim())?.groups;
  const ns = Number(found?.amount) * (UNIT_NS[found?.unit ?? ''] ?? Number.NaN);
  return Number.isNaN(ns) ? ' (nanoseconds)' : ` of nanoseconds: ${Math.round(ns)}`;
}

function fieldName(path: readonly PropertyKey[]): string {
  if (path.length === 0) return 'the scenario';
  return path
    .map((part, index) => (typeof part === 'number' ? `[${part}]` : `${index > 0 ? '.' : ''}${String(part)}`))
    .join('');
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  let value = input;
  for (const part of path) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = (value as Record<PropertyKey, unknown>)[part];
  }
  return value;
}
