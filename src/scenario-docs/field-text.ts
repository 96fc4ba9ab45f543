import { InvariantViolation } from '../../scheduler/errors.js';
import { formatDuration } from '../cli/duration.js';

/** What a JSON Schema says of a field, as far as a table shows it. */
export interface FieldSchema {
  readonly description?: string;
  readonly type?: string;
  readonly default?: unknown;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly items?: FieldSchema;
  readonly properties?: Readonly<Record<string, FieldSchema>>;
  readonly anyOf?: readonly FieldSchema[];
  readonly oneOf?: readonly FieldSchema[];
}

/** The fields of an object of the schema; of a list, those of an entry. @throws InvariantViolation when there is none */
export function fieldsOf(
  schema: FieldSchema,
  path: readonly string[],
): Readonly<Record<string, FieldSchema>> {
  let object = schema;
  for (const name of path) {
    const field = object.properties?.[name];
    if (field === undefined)
      throw new InvariantViolation(`the schema of a scenario has no ${path.join('.')}`);
    object = field.items ?? field;
  }
  if (object.properties === undefined)
    throw new InvariantViolation(`${path.join('.')} has no fields in the schema of a scenario`);
  return object.properties;
}

const HOUR_NS = 3_600e9;
/** Where a field has more choices than these, the text around the table names them. */
const MOST_CHOICES = 8;

/** What a field may be: `1 to 65,535`, `2,048 or 4,096`; empty where its type says all. */
export function rangeText(name: string, field: FieldSchema): string {
  if (field.enum !== undefined) return field.enum.length > MOST_CHOICES ? '' : choices(name, field.enum);
  const { minimum, exclusiveMinimum, maximum } = field;
  if (maximum !== undefined && (minimum ?? exclusiveMinimum) !== undefined) {
    const least = minimum ?? exclusiveMinimum;
    const from = minimum === undefined ? `above ${number(name, least)}` : number(name, least);
    return `${from} to ${number(name, maximum)}`;
  }
  if (field.anyOf === undefined) return '';
  const constants = field.anyOf.flatMap((one) => (one.const === undefined ? [] : [one.const]));
  if (constants.length === field.anyOf.length) return choices(name, constants);
  const numbers = field.anyOf.find(({ type }) => type === 'integer');
  return numbers === undefined ? '' : rangeText(name, numbers);
}

/** A value as a table shows it: times with a unit, words in code. */
export function valueText(name: string, value: unknown): string {
  return typeof value === 'number' ? number(name, value) : `\`${value}\``;
}

function choices(name: string, values: readonly unknown[]): string {
  const texts = values.map((value) => valueText(name, value));
  return texts.length < 2 ? texts.join('') : `${texts.slice(0, -1).join(', ')} or ${texts.at(-1)}`;
}

function number(name: string, value: unknown): string {
  if (typeof value !== 'number') throw new InvariantViolation(`${name} is ${value}, expected a number`);
  if (name.endsWith('Ns') && value === HOUR_NS) return '1 h';
  if (name.endsWith('Ns') && value > 0) return formatDuration(value).replace(/(?<=\d)(?=[a-z])/u, ' ');
  return value.toLocaleString('en-US', { maximumFractionDigits: 6 });
}
