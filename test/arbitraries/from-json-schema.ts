import fc from 'fast-check';

/** The words of JSON Schema that ours use. */
export interface JsonSchema {
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly allOf?: readonly JsonSchema[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly items?: JsonSchema;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
}

/** What takes the place of a part of a schema, by its path: `guests.*.count`. */
export type Replacements = Readonly<Record<string, fc.Arbitrary<unknown>>>;

/** Longest list, and how many of the optional fields of an object are there, out of 16. */
const MOST_ITEMS = 4;
const PRESENT_OF_16 = 4;

/**
 * Values that a JSON Schema allows, as far as its `properties`, ranges and alternatives say: what `not` and `if` forbid is
 * among them too. Numbers are often at the ends of their range. Strings are left to `replacements`.
 */
export function fromJsonSchema(
  schema: JsonSchema,
  replacements: Replacements,
  path = '',
): fc.Arbitrary<unknown> {
  const replaced = replacements[path];
  if (replaced !== undefined) return replaced;
  if ('const' in schema) return fc.constant(schema.const);
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum);
  const enumerated = schema.allOf?.find((part) => part.enum !== undefined)?.enum;
  if (enumerated !== undefined) return fc.constantFrom(...enumerated);
  const alternatives = schema.oneOf ?? schema.anyOf;
  // Alternatives of an object with properties only forbid: what is made of the properties is tried.
  if (alternatives !== undefined && schema.properties === undefined)
    return fc.oneof(...alternatives.map((part) => fromJsonSchema(part, replacements, path)));
  switch (schema.type) {
    case 'boolean':
      return fc.boolean();
    case 'null':
      return fc.constant(null);
    case 'integer':
      return wholeNumber(schema);
    case 'number':
      return number(schema);
    case 'array':
      return fc.array(fromJsonSchema(schema.items ?? {}, replacements, `${path}.*`), {
        minLength: schema.minItems ?? 0,
        maxLength: Math.min(schema.maxItems ?? MOST_ITEMS, MOST_ITEMS),
      });
    case 'object':
      return object(schema, replacements, path);
    default:
      throw new Error(`${path}: a schema of ${schema.type ?? 'any'} type, expected one that is replaced`);
  }
}

function object(schema: JsonSchema, replacements: Replacements, path: string): fc.Arbitrary<unknown> {
  const properties = Object.entries(schema.properties ?? {});
  const fields = properties.map(([name, part]) => {
    const value = fromJsonSchema(part, replacements, path === '' ? name : `${path}.${name}`);
    const isThere = schema.required?.includes(name) === true;
    return fc
      .tuple(fc.nat({ max: 15 }), value)
      .map(([draw, drawn]) => [name, isThere || draw >= 16 - PRESENT_OF_16, drawn]);
  });
  return fc
    .tuple(...fields)
    .map((drawn) =>
      Object.fromEntries(drawn.filter(([, isThere]) => isThere).map(([name, , value]) => [name, value])),
    );
}

function wholeNumber({ minimum = 0, maximum = Number.MAX_SAFE_INTEGER }: JsonSchema): fc.Arbitrary<number> {
  const steps = Math.log2(maximum - minimum + 1);
  return fc.oneof(
    { weight: 2, arbitrary: fc.constantFrom(minimum, maximum) },
    // As often 10 as 10,000: most of a wide range is one order of magnitude.
    {
      weight: 3,
      arbitrary: fc
        .double({ min: 0, max: steps, noNaN: true })
        .map((step) => minimum + Math.floor(2 ** step) - 1),
    },
    { weight: 1, arbitrary: fc.integer({ min: minimum, max: maximum }) },
  );
}

function number({ minimum, exclusiveMinimum, maximum = 1e12 }: JsonSchema): fc.Arbitrary<number> {
  const least = minimum ?? exclusiveMinimum ?? 0;
  const first =
    minimum ?? Math.min(maximum, least + (least === 0 ? Number.MIN_VALUE : least * Number.EPSILON));
  return fc.oneof(fc.constantFrom(first, maximum), fc.double({ min: first, max: maximum, noNaN: true }));
}
