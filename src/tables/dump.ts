import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import * as z from 'zod';
import { UserError } from '../../scheduler/errors.js';
import { expectationText } from '../scenario/expectation-text.js';
import { reasonOf } from '../scenario/import-module.js';
import { parsePage, parseRequester, parseWhole } from './address.js';
import { DumpPages } from './dump-pages.js';

/** A dump that cannot be used. The message names the field, its value and what was expected. */
export class DumpError extends UserError {
  override readonly name = 'DumpError';
}

/** A value that `convert` understands, or an issue that says what it should have been. */
function readable<T>(convert: (value: unknown) => T | undefined, expected: string) {
  return z.unknown().transform((input, context): T => {
    const value = convert(input);
    if (value !== undefined) return value;
    context.addIssue({ code: 'custom', message: `expected ${expected}` });
    return z.NEVER;
  });
}

const physical = readable((value) => parsePage(value, 52), 'a 4 KB aligned address below 2^52');
const iova = readable((value) => parsePage(value, 64), 'a 4 KB aligned address of up to 64 bits');
const register = readable((value) => {
  const whole = parseWhole(value);
  return whole !== undefined && whole >> 64n === 0n ? whole : undefined;
}, 'a 64-bit register value, as "0x..." or a number');
const small = (limit: number) =>
  readable((value) => {
    const whole = parseWhole(value);
    return whole !== undefined && whole < BigInt(limit) ? Number(whole) : undefined;
  }, `a whole number below ${limit}`);
const requester = readable(parseRequester, 'a requester ID: 16 bits, or bus:device.function');
const yes = readable(
  (value) => (value === true || value === 1 ? true : value === false || value === 0 ? false : undefined),
  'true or false',
);

const translation = z
  .looseObject({
    source_id: requester.optional(),
    device_id: requester.optional(),
    iova,
    physical,
    page_bits: small(64).refine((bits) => bits >= 12, 'expected at least 12'),
    read: yes,
    write: yes,
  })
  .transform(({ source_id, device_id, iova, physical, page_bits, read, write }, context) => {
    const requesterId = source_id ?? device_id;
    if (requesterId === undefined) {
      context.addIssue({ code: 'custom', path: ['source_id'], message: 'expected a requester ID' });
      return z.NEVER;
    }
    return { requesterId, iovaPage: iova, physicalPage: physical, pageBits: page_bits, read, write };
  });

/** A translation as the dump lists it; addresses as page numbers. */
export type ListedTranslation = z.infer<typeof translation>;

/** A translation in the usual spelling: hexadecimal text and true or false. Undefined leaves it to the schema. */
function usualTranslation(entry: unknown): ListedTranslation | undefined {
  if (typeof entry !== 'object' || entry === null) return undefined;
  const fields: Readonly<Record<string, unknown>> = { ...entry };
  const { page_bits: pageBits, read, write } = fields;
  const requesterId = parseRequester(fields.source_id ?? fields.device_id);
  const iovaPage = parsePage(fields.iova, 64);
  const physicalPage = parsePage(fields.physical, 52);
  if (requesterId === undefined || iovaPage === undefined || physicalPage === undefined) return undefined;
  if (typeof read !== 'boolean' || typeof write !== 'boolean') return undefined;
  if (typeof pageBits !== 'number' || !Number.isInteger(pageBits) || pageBits < 12 || pageBits > 63) {
    return undefined;
  }
  return { requesterId, iovaPage, physicalPage, pageBits, read, write };
}

// Dumps may list millions of translations: only what is not in the usual spelling goes through the schema.
const translations = z.array(z.unknown()).transform((entries, context) => {
  const listed: ListedTranslation[] = [];
  for (const [at, entry] of entries.entries()) {
    const usual = usualTranslation(entry);
    if (usual !== undefined) {
      listed.push(usual);
      continue;
    }
    const result = translation.safeParse(entry);
    if (result.success) listed.push(result.data);
    for (const { path, message } of result.error?.issues ?? []) {
      context.addIssue({ code: 'custom', path: [at, ...path], message });
    }
  }
  return listed;
});

const context = z.looseObject({
  bus: small(256),
  devfn: small(256),
  translation_type: small(4).optional(),
  address_width: small(8).optional(),
  domain: small(0x1_0000).optional(),
  table: physical.optional(),
});

/** A context entry as a VT-d dump lists it. */
export type ListedContext = z.infer<typeof context>;

// What a dump tells about devices beside their tables varies: what is not understood is not compared.
const device = z.looseObject({
  device_id: requester.optional().catch(undefined),
  mode: small(8).optional().catch(undefined),
  domain: small(0x1_0000).optional().catch(undefined),
});

/** A device as an AMD-Vi dump lists it. */
export type ListedDevice = z.infer<typeof device>;

const frameBytes = readable((value) => {
  if (typeof value !== 'string' || !/^[A-Za-z0-9+/]*={0,2}$/.test(value)) return undefined;
  const bytes = Buffer.from(value, 'base64');
  return bytes.length === 4096 ? new Uint8Array(bytes) : undefined;
}, 'base64 of 4096 bytes');

const common = {
  description: z.string().optional(),
  frames: z.record(z.string(), frameBytes),
  translations: translations.optional(),
};

const vtdDump = z.looseObject({
  ...common,
  root_table: physical,
  cap: register.optional(),
  ecap: register.optional(),
  contexts: z.array(context).optional(),
});

const amdviDump = z.looseObject({
  ...common,
  device_table: physical,
  device_table_bytes: small(2 ** 21 + 1)
    .refine((bytes) => bytes % 32 === 0 && bytes > 0, 'expected a multiple of 32 up to 2 MB')
    .optional(),
  devices: z.array(device).optional().catch(undefined),
});

interface DumpCommon {
  /** Where it was read, for messages. */
  readonly source: string;
  readonly description: string;
  readonly pages: DumpPages;
  readonly translations: readonly ListedTranslation[] | undefined;
}

/** Tables of an Intel VT-d unit. Addresses are bytes. */
export interface VtdDump extends DumpCommon {
  readonly kind: 'vtd';
  readonly rootTable: number;
  readonly cap: bigint | undefined;
  readonly contexts: readonly ListedContext[] | undefined;
}

/** Tables of an AMD-Vi unit. Addresses are bytes. */
export interface AmdviDump extends DumpCommon {
  readonly kind: 'amdvi';
  readonly deviceTable: number;
  /** Size of the device table, bytes; undefined if the dump does not say. */
  readonly deviceTableBytes: number | undefined;
  readonly devices: readonly ListedDevice[] | undefined;
}

export type Dump = VtdDump | AmdviDump;

/** Most bytes that a gzip'd dump may unpack to: a small file can name any number of them. */
const UNPACKED_LIMIT_BYTES = 2 ** 28;

/**
 * Reads a dump from a file, gzip'd or not.
 *
 * @param limitBytes most that it may unpack to
 * @throws DumpError
 */
export async function readDump(file: string, limitBytes = UNPACKED_LIMIT_BYTES): Promise<Dump> {
  let bytes: Buffer;
  try {
    bytes = await readFile(file);
  } catch (error) {
    throw new DumpError(
      `${file}: cannot be read (${reasonOf(error)}), expected a dump of translation tables`,
    );
  }
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) {
    try {
      bytes = await promisify(gunzip)(bytes, { maxOutputLength: limitBytes });
    } catch (error) {
      if (error instanceof RangeError) {
        throw new DumpError(`${file}: unpacks to more than ${limitBytes} bytes, expected at most that`);
      }
      throw new DumpError(`${file}: expected gzip'd JSON, but it does not unpack (${reasonOf(error)})`);
    }
  }
  let data: unknown;
  try {
    data = JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    throw new DumpError(`${file}: is not JSON (${reasonOf(error)}), expected JSON, gzip'd or not`);
  }
  return parseDump(data, file);
}

/** Checks data that was read from `source`. @throws DumpError */
export function parseDump(data: unknown, source: string): Dump {
  if (typeof data !== 'object' || data === null || Array.isArray(data)) {
    throw new DumpError(`${source}: expected an object with root_table (VT-d) or device_table (AMD-Vi)`);
  }
  if ('root_table' in data) {
    const { root_table, cap, contexts, ...rest } = checked(vtdDump, data, source);
    return { kind: 'vtd', rootTable: root_table * 4096, cap, contexts, ...commonOf(rest, source) };
  }
  if ('device_table' in data) {
    const { device_table, device_table_bytes, devices, ...rest } = checked(amdviDump, data, source);
    const deviceTable = device_table * 4096;
    return {
      kind: 'amdvi',
      deviceTable,
      deviceTableBytes: device_table_bytes,
      devices,
      ...commonOf(rest, source),
    };
  }
  throw new DumpError(`${source}: neither root_table (VT-d) nor device_table (AMD-Vi), expected one of them`);
}

interface ParsedCommon {
  readonly description?: string | undefined;
  readonly frames: Readonly<Record<string, Uint8Array>>;
  readonly translations?: ListedTranslation[] | undefined;
}

function commonOf(parsed: ParsedCommon, source: string): DumpCommon {
  const pages = new DumpPages();
  for (const [key, bytes] of Object.entries(parsed.frames)) {
    const page = parsePage(key, 52);
    if (page === undefined) {
      throw new DumpError(
        `${source}: frames has the key "${key}", expected a 4 KB aligned address below 2^52`,
      );
    }
    if (!pages.add(page, bytes)) throw new DumpError(`${source}: frames["${key}"] is there twice`);
  }
  return { source, description: parsed.description ?? '', pages, translations: parsed.translations };
}

const MAX_ISSUES = 3;

function checked<T>(schema: z.ZodType<T>, data: object, source: string): T {
  const result = schema.safeParse(data);
  if (result.success) return result.data;
  const { issues } = result.error;
  const lines = issues.slice(0, MAX_ISSUES).map((issue) => {
    const { path } = issue;
    const name = path.map((part, at) =>
      typeof part === 'number' ? `[${part}]` : at > 0 ? `.${String(part)}` : String(part),
    );
    return `${name.join('')} is ${shown(valueAt(data, path))}, ${expectationText(issue)}`;
  });
  if (issues.length > MAX_ISSUES) lines.push(`and ${issues.length - MAX_ISSUES} more`);
  throw new DumpError(`${source}: ${lines.join('; ')}`);
}

function valueAt(data: unknown, path: readonly PropertyKey[]): unknown {
  let value = data;
  for (const part of path) {
    value = typeof value === 'object' && value !== null ? Reflect.get(value, part) : undefined;
  }
  return value;
}

function shown(value: unknown): string {
  if (value === undefined) return 'missing';
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 60)}...` : text;
}
