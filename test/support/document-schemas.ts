import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { DOCUMENT_SCHEMAS } from './document-schema-list.js';

/**
 * JSON Schemas of the documents that commands print, from the types that they are made of, so that no key is written
 * down twice. Absent values are `null` in a document, so what may be undefined may be null there.
 */

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

type Schema = Readonly<Record<string, unknown>>;

let checked: ts.Program | undefined;

/** All modules of documents, type checked once. */
function programOf(): ts.Program {
  if (checked !== undefined) return checked;
  const { config } = ts.readConfigFile(`${ROOT}tsconfig.json`, ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, ROOT);
  const modules = DOCUMENT_SCHEMAS.map(({ module }) => `${ROOT}${module}`);
  checked = ts.createProgram(modules, { ...options, noEmit: true });
  return checked;
}

/** The schema of one document as text. */
export function documentSchema({ title, module, type }: (typeof DOCUMENT_SCHEMAS)[number]): string {
  const program = programOf();
  const checker = program.getTypeChecker();
  const source = program.getSourceFile(`${ROOT}${module}`);
  const symbol = source === undefined ? undefined : checker.getSymbolAtLocation(source);
  const found =
    symbol === undefined ? undefined : checker.getExportsOfModule(symbol).find((one) => one.name === type);
  if (found === undefined) throw new Error(`${module} exports no ${type}`);
  const schema = {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title,
    ...schemaOf(checker, checker.getDeclaredTypeOfSymbol(found)),
  };
  return `${JSON.stringify(schema, null, 2)}\n`;
}

function schemaOf(checker: ts.TypeChecker, type: ts.Type): Schema {
  if (type.isUnion()) return unionOf(checker, type);
  if (type.isStringLiteral() || type.isNumberLiteral()) return { const: type.value };
  if ((type.flags & ts.TypeFlags.BooleanLike) !== 0) return { type: 'boolean' };
  if ((type.flags & ts.TypeFlags.StringLike) !== 0) return { type: 'string' };
  if ((type.flags & ts.TypeFlags.NumberLike) !== 0) return { type: 'number' };
  if ((type.flags & (ts.TypeFlags.Undefined | ts.TypeFlags.Null)) !== 0) return { type: 'null' };
  if ((type.flags & (ts.TypeFlags.Unknown | ts.TypeFlags.Any)) !== 0) return {};
  // A branded number is a number with a mark that no document has.
  if (type.isIntersection()) {
    const [plain] = type.types.filter((one) => (one.flags & ts.TypeFlags.Object) === 0);
    if (plain !== undefined) return schemaOf(checker, plain);
  }
  if (checker.isTupleType(type)) {
    const parts = checker.getTypeArguments(type as ts.TypeReference).map((one) => schemaOf(checker, one));
    return { type: 'array', prefixItems: parts, items: false, minItems: parts.length };
  }
  if (checker.isArrayType(type)) {
    const [item] = checker.getTypeArguments(type as ts.TypeReference);
    return { type: 'array', items: item === undefined ? {} : schemaOf(checker, item) };
  }
  return objectOf(checker, type);
}

function unionOf(checker: ts.TypeChecker, type: ts.UnionType): Schema {
  if (type.types.every((one) => (one.flags & ts.TypeFlags.BooleanLiteral) !== 0)) return { type: 'boolean' };
  const literals = type.types.flatMap((one) => (one.isStringLiteral() ? [one.value] : []));
  if (literals.length === type.types.length) return { enum: literals };
  const isAbsent = (one: ts.Type) => (one.flags & (ts.TypeFlags.Undefined | ts.TypeFlags.Null)) !== 0;
  const present = type.types.filter((one) => !isAbsent(one));
  const isBoolean = present.every((one) => (one.flags & ts.TypeFlags.BooleanLiteral) !== 0);
  const strings = present.flatMap((one) => (one.isStringLiteral() ? [one.value] : []));
  const parts = isBoolean
    ? [{ type: 'boolean' }]
    : strings.length === present.length
      ? [{ enum: strings }]
      : present.map((one) => schemaOf(checker, one));
  const all = present.length === type.types.length ? parts : [...parts, { type: 'null' }];
  const [only] = all;
  return all.length === 1 && only !== undefined ? only : { anyOf: all };
}

function objectOf(checker: ts.TypeChecker, type: ts.Type): Schema {
  const index = checker.getIndexInfoOfType(type, ts.IndexKind.String);
  const names: string[] = [];
  const properties: Record<string, Schema> = {};
  for (const property of checker.getPropertiesOfType(type)) {
    const declared = checker.getTypeOfSymbol(property);
    const isOptional = (property.flags & ts.SymbolFlags.Optional) !== 0;
    const about = ts.displayPartsToString(property.getDocumentationComment(checker)).replaceAll(/\s+/gu, ' ');
    const schema = schemaOf(checker, declared);
    properties[property.name] = {
      ...(about === '' ? {} : { description: about }),
      // JSON has no NaN; it prints null.
      ...(about.includes('NaN') ? { anyOf: [schema, { type: 'null' }] } : schema),
    };
    if (!isOptional) names.push(property.name);
  }
  return {
    type: 'object',
    ...(Object.keys(properties).length === 0 ? {} : { properties, required: names }),
    ...(index === undefined ? {} : { additionalProperties: schemaOf(checker, index.type) }),
  };
}
