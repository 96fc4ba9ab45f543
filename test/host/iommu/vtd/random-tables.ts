import fc from 'fast-check';
import type { Region } from '../support/regions.js';
import type { SparseMemory } from '../support/sparse-memory.js';

interface PageSpec {
  readonly kind: 'page';
  readonly read: boolean;
  readonly write: boolean;
  readonly page: number;
  readonly ignored: number;
}
interface TableSpec {
  readonly kind: 'table';
  readonly read: boolean;
  readonly write: boolean;
  readonly table: EntrySpec[];
}
interface DamagedSpec {
  readonly kind: 'reserved';
  readonly bit: bigint;
}
export interface EntrySpec {
  readonly index: number;
  readonly entry: PageSpec | TableSpec | DamagedSpec;
}

const permission = fc.constantFrom([true, true], [true, true], [true, false], [false, true]);
// Few indices, the edges among them, so that random walks meet entries.
const index = fc.oneof(fc.constantFrom(0, 1, 2, 255, 510, 511), fc.integer({ min: 0, max: 511 }));

const page: fc.Arbitrary<PageSpec> = fc
  .record({
    kind: fc.constant('page' as const),
    permission,
    page: fc.nat({ max: 2 ** 15 }),
    ignored: fc.nat({ max: 1023 }),
  })
  .map(({ kind, permission: [read = true, write = true], page, ignored }) => ({
    kind,
    read,
    write,
    page,
    ignored,
  }));

/**
 * A table of `level`: pages where the level may hold them, tables below, now and then an entry with a reserved bit. A
 * unit with 46 address bits has bits 51:46 reserved everywhere; bits 11 and 62 are reserved in a table's entry.
 */
export function tableSpec(level: number, addressBits = 46): fc.Arbitrary<EntrySpec[]> {
  const kinds: { arbitrary: fc.Arbitrary<EntrySpec['entry']>; weight: number }[] = [];
  if (level <= 3) kinds.push({ arbitrary: page, weight: level === 1 ? 9 : 2 });
  if (level > 1) {
    const table = fc
      .record({ permission, table: tableSpec(level - 1, addressBits) })
      .map(({ permission: [read = true, write = true], table }) => ({
        kind: 'table' as const,
        read,
        write,
        table,
      }));
    kinds.push({ arbitrary: table, weight: 5 });
  }
  const bits = [...(level > 1 ? [11n, 62n] : []), ...(addressBits < 52 ? [46n, 51n] : [])];
  if (bits.length > 0) {
    const damaged = fc.record({ kind: fc.constant('reserved' as const), bit: fc.constantFrom(...bits) });
    kinds.push({ arbitrary: damaged, weight: 1 });
  }
  return fc.uniqueArray(fc.record({ index, entry: fc.oneof(...kinds) }), {
    selector: (spec) => spec.index,
    minLength: 1,
    maxLength: level > 3 ? 2 : 4,
  });
}

/** Writes the tables with constants of its own (bits as the specification numbers them) and gives the model of them. */
export function writeTables(
  memory: SparseMemory,
  level: number,
  spec: readonly EntrySpec[],
  regions: Region[],
  base = 0n,
): bigint {
  const table = 0x1000n * BigInt(memory.pages.size + 256);
  memory.add(Number(table));
  const span = 1n << BigInt(12 + 9 * (level - 1));
  for (const { index: at, entry } of spec) {
    const start = base + BigInt(at) * span;
    const place = Number(table) + at * 8;
    const common = { start, end: start + span, level, physical: 0n, pageBits: 0 };
    if (entry.kind === 'reserved') {
      memory.writeU64(place, 0x3n | (1n << entry.bit));
      regions.push({ ...common, kind: 'reserved', read: true, write: true });
      continue;
    }
    const permissions = (entry.read ? 1n : 0n) | (entry.write ? 2n : 0n);
    const rights = { read: entry.read, write: entry.write };
    if (entry.kind === 'page') {
      const pageBits = 12 + 9 * (level - 1);
      const physical = (BigInt(entry.page) * span) % (1n << 46n);
      const pageSize = level > 1 ? 1n << 7n : 0n;
      memory.writeU64(place, physical | permissions | pageSize | (BigInt(entry.ignored) << 52n));
      regions.push({ ...common, kind: 'page', ...rights, physical, pageBits });
    } else {
      const child = writeTables(memory, level - 1, entry.table, regions, start);
      memory.writeU64(place, child | permissions);
      regions.push({ ...common, kind: 'table', ...rights });
    }
  }
  return table;
}
