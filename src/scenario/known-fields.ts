import * as z from 'zod';

/**
 * Names of the fields that a schema knows where `path` leads in `input`; none where fields have no names of their own.
 * The input chooses among alternatives, by the field that tells them apart.
 */
export function knownFields(
  schema: z.core.$ZodType,
  input: unknown,
  path: readonly PropertyKey[],
): readonly string[] {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault)
    return knownFields(schema.unwrap(), input, path);
  if (schema instanceof z.ZodDiscriminatedUnion) {
    const { discriminator, options } = schema.def;
    const chosen = options.find((option) => accepts(option, discriminator, fieldOf(input, discriminator)));
    return chosen === undefined ? [] : knownFields(chosen, input, path);
  }
  const [part, ...rest] = path;
  if (schema instanceof z.ZodObject) {
    if (part === undefined) return Object.keys(schema.shape);
    const field: z.core.$ZodType | undefined = schema.shape[String(part)];
    return field === undefined ? [] : knownFields(field, fieldOf(input, part), rest);
  }
  if (schema instanceof z.ZodArray && part !== undefined)
    return knownFields(schema.element, fieldOf(input, part), rest);
  return [];
}

function accepts(option: z.core.$ZodType, name: string, value: unknown): boolean {
  if (!(option instanceof z.ZodObject)) return false;
  const field: z.core.$ZodType | undefined = option.shape[name];
  return field !== undefined && z.safeParse(field, value).success;
}

function fieldOf(input: unknown, name: PropertyKey): unknown {
  if (typeof input !== 'object' || input === null) return undefined;
  return (input as Record<PropertyKey, unknown>)[name];
}
