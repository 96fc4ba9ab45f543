import { join } from 'node:path';
import type { AtomicFile } from '../report/atomic-file.js';
import { FileGroup } from '../report/file-group.js';
import type { CellValue, Table } from './tables.js';

/** Rows that are held in memory at once, and the size of a Parquet row group. */
const GROUP_ROWS = 5_000;

export const TABLE_FORMATS = ['parquet', 'csv', 'ndjson'] as const;
export type TableFormat = (typeof TABLE_FORMATS)[number];

/**
 * Writes tables into a folder, `NAME.FORMAT` each. They appear when all are whole, or none does.
 * @returns their paths
 * @throws OutputFileError
 */
export async function writeTables(
  folder: string,
  tables: readonly (Omit<Table, 'name'> & { readonly name: string })[],
  formats: readonly TableFormat[],
): Promise<string[]> {
  const files = new FileGroup();
  try {
    for (const table of tables)
      for (const format of formats)
        await WRITERS[format](files.open(join(folder, `${table.name}.${format}`)), table);
    return files.commit();
  } catch (error) {
    files.withdraw();
    throw error;
  }
}

type Rows = Pick<Table, 'columns' | 'rows'>;

const WRITERS: Readonly<Record<TableFormat, (file: AtomicFile, table: Rows) => void | Promise<void>>> = {
  csv(file, { columns, rows }) {
    file.text(`${columns.map(({ name }) => csvCell(name)).join()}\r\n`);
    for (const row of rows()) file.text(`${row.map(csvCell).join()}\r\n`);
  },
  ndjson(file, { columns, rows }) {
    for (const row of objectsOf({ columns, rows })) file.text(`${JSON.stringify(row)}\n`);
  },
  parquet: writeParquet,
};

/** RFC 4180; a missing value is an empty field, which readers take for NULL. */
function csvCell(value: CellValue): string {
  if (value === null) return '';
  const text = String(value);
  return /[",\r\n]/u.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

async function writeParquet(file: AtomicFile, { columns, rows }: Rows): Promise<void> {
  const { ByteWriter, parquetWriteRows } = await import('hyparquet-writer');
  const writer = new ByteWriter();
  const ensure = writer.ensure.bind(writer);
  const drain = () => {
    writeBytes(file, new Uint8Array(writer.buffer, 0, writer.index));
    writer.index = 0;
  };
  // The writer asks for space before it writes: what it has until then can go to the file.
  writer.ensure = (size) => {
    if (writer.index >= DRAINED_BYTES) drain();
    ensure(size);
  };
  writer.finish = drain;
  await parquetWriteRows({
    writer,
    columns: columns.map(({ name, type }) => ({ name, type: PARQUET_TYPES[type], nullable: true })),
    rows: parquetRows({ columns, rows }),
    rowGroupSize: GROUP_ROWS,
  });
}

const PARQUET_TYPES = { number: 'DOUBLE', integer: 'INT64', text: 'STRING', boolean: 'BOOLEAN' } as const;
const DRAINED_BYTES = 1 << 20;

/** Rows whose whole numbers are what the writer takes for 64 bits. */
function* parquetRows({ columns, rows }: Rows): Generator<Record<string, CellValue | bigint>> {
  const whole = new Set(columns.filter(({ type }) => type === 'integer').map(({ name }) => name));
  for (const row of objectsOf({ columns, rows })) {
    yield Object.fromEntries(
      Object.entries(row).map(([name, value]) => [
        name,
        typeof value === 'number' && whole.has(name) ? BigInt(value) : value,
      ]),
    );
  }
}

function* objectsOf({ columns, rows }: Rows): Generator<Record<string, CellValue>> {
  for (const row of rows()) {
    yield Object.fromEntries(columns.map(({ name }, at) => [name, row[at] ?? null]));
  }
}

function writeBytes(file: AtomicFile, bytes: Uint8Array): void {
  const piece = file.buffer.length;
  for (let from = 0; from < bytes.length; from += piece) {
    const part = bytes.subarray(from, from + piece);
    file.buffer.set(part, file.reserve(part.length));
    file.advance(part.length);
  }
}
