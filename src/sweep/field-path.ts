import { distance } from 'fastest-levenshtein';
import { COSTS } from '../../host/cpu/costs.js';
import { knownFields } from '../scenario/known-fields.js';
import { type ScenarioInput, scenarioSchema } from '../scenario/schema.js';
import { SweepError } from './sweep-error.js';

/** Steps from a scenario to one of its fields: names, and places in lists. */
export type FieldPath = readonly (string | number)[];

/** Fields of a scenario that do not decide what a run computes, or are the study's own. */
const NOT_VARIED = new Set(['$schema', 'name', 'seed', 'warmUpNs', 'durationNs']);
const NEAREST = 3;

/**
 * Reads `nic.rateBps`, `guests[0].weight`, `guests[voice].weight` (by name) as steps into `scenario`.
 * @throws SweepError that names the nearest fields when there is no such one
 */
export function parseFieldPath(text: string, scenario: ScenarioInput, where: string): FieldPath {
  const steps: (string | number)[] = [];
  for (const match of text.matchAll(/\[(?<inside>[^\]]*)\]|(?<name>[^.[\]]+)|(?<other>.)/gu)) {
    const { inside, name, other } = match.groups ?? {};
    if (name !== undefined) steps.push(name);
    else if (inside !== undefined) steps.push(indexOf(inside, steps, scenario, text, where));
    else if (other !== '.') throw unknown(text, scenario, where);
  }
  if (NOT_VARIED.has(String(steps[0]))) {
    const instead = steps[0] === 'seed' ? 'seeds' : steps[0] === 'durationNs' ? 'windowNs' : 'another field';
    throw new SweepError(`${where} is "${text}", which a study does not vary; expected ${instead}`);
  }
  if (!isKnown(steps, scenario)) throw unknown(text, scenario, where);
  return steps;
}

/** A copy of `scenario` in which the field at `path` is `value`; objects on the way that are missing are made. */
export function withField<T>(scenario: T, path: FieldPath, value: unknown): T {
  const [step, ...rest] = path;
  if (step === undefined) return value as T;
  const within = (scenario ?? {}) as Readonly<Record<string | number, unknown>>;
  const inner = withField(within[step], rest, value);
  if (Array.isArray(scenario)) return scenario.with(Number(step), inner) as T;
  return { ...within, [step]: inner } as T;
}

/** The field at `path`; undefined where there is none. */
function fieldAt(scenario: unknown, path: FieldPath): unknown {
  let value = scenario;
  for (const step of path) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = (value as Readonly<Record<string | number, unknown>>)[step];
  }
  return value;
}

/** Every field that a study of `scenario` can vary, as `parseFieldPath` reads it. */
function knownPaths(scenario: ScenarioInput): string[] {
  const paths: string[] = [];
  const visit = (path: FieldPath, text: string) => {
    const fields = fieldsAt(path, scenario);
    for (const field of fields) {
      if (path.length === 0 && NOT_VARIED.has(field)) continue;
      const inner = [...path, field];
      const innerText = text === '' ? field : `${text}.${field}`;
      const value = fieldAt(scenario, inner);
      if (Array.isArray(value) && fieldsAt([...inner, 0], scenario).length > 0) {
        for (const index of value.keys()) visit([...inner, index], `${innerText}[${index}]`);
      } else if (fieldsAt(inner, scenario).length > 0) visit(inner, innerText);
      else paths.push(innerText);
    }
  };
  visit([], '');
  return paths;
}

function fieldsAt(path: FieldPath, scenario: ScenarioInput): readonly string[] {
  if (path.length === 2 && path[0] === 'host' && path[1] === 'costs') return Object.keys(COSTS);
  return knownFields(scenarioSchema, scenario, path);
}

function isKnown(steps: FieldPath, scenario: ScenarioInput): boolean {
  return (
    steps.length > 0 &&
    steps.every(
      (step, at) => typeof step === 'number' || fieldsAt(steps.slice(0, at), scenario).includes(step),
    )
  );
}

function indexOf(
  inside: string,
  steps: FieldPath,
  scenario: ScenarioInput,
  text: string,
  where: string,
): number {
  const list = fieldAt(scenario, steps);
  if (!Array.isArray(list)) throw unknown(text, scenario, where);
  const index = /^\d+$/u.test(inside)
    ? Number(inside)
    : list.findIndex((entry: unknown) => fieldAt(entry, ['name']) === inside);
  if (index >= 0 && index < list.length) return index;
  const names = list.map((entry: unknown, at) => String(fieldAt(entry, ['name']) ?? at));
  throw new SweepError(`${where} is "${text}", expected one of ${names.join(', ')} in the brackets`);
}

function unknown(text: string, scenario: ScenarioInput, where: string): SweepError {
  const near = knownPaths(scenario)
    .map((path) => ({ path, far: farFrom(text.toLowerCase(), path.toLowerCase()) }))
    .toSorted((one, other) => one.far - other.far)
    .slice(0, NEAREST);
  const names = near.map(({ path }) => path).join(', ');
  return new SweepError(`${where} is "${text}", which no scenario has; the nearest are ${names}`);
}

/** How far a name is from what was written: one that was left unfinished is the nearest. */
function farFrom(written: string, path: string): number {
  return written !== '' && path.startsWith(written) ? 0 : distance(path, written);
}
