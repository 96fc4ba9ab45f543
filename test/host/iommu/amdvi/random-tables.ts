import fc from 'fast-check';
import type { Region } from '../support/regions.js';
import type { SparseMemory } from '../support/sparse-memory.js';

interface PageSpec {
  readonly kind: 'page';
  readonly read: boolean;
  readonly write: boolean;
  /** 0 for the level's standard size, 1 to 8 for that many doublings of it (NextLevel 7). */
  readonly doublings: number;
  readonly page: number;
}
interface TableSpec {
  readonly kind: 'table';
  readonly read: boolean;
  readonly write: boolean;
  readonly level: number;
  readonly table: EntrySpec[];
}
interface DamagedSpec {
  readonly kind: 'reserved';
  readonly value: bigint;
}
export interface EntrySpec {
  readonly index: number;
  readonly entry: PageSpec | TableSpec | DamagedSpec;
}

const permission = fc.constantFrom([true, true], [true, true], [true, false], [false, true]);
// IR and IW are bits 61 and 62, PR is bit 0, NextLevel is 11:9.
const BOTH = (3n << 61n) | 1n;

function indexAt(level: number): fc.Arbitrary<number> {
  if (level === 6) return fc.constantFrom(0, 0, 1, 127);
  if (level === 5) return fc.oneof(fc.constantFrom(0, 1, 511), fc.nat({ max: 31 }));
  return fc.oneof(fc.constantFrom(0, 1, 2, 256, 510, 511), fc.nat({ max: 511 }));
}

/** A table of `level`: pages of all its sizes, tables of any level below, now and then an entry that is wrong. */
export function tableSpec(level: number): fc.Arbitrary<EntrySpec[]> {
  const kinds: { arbitrary: fc.Arbitrary<EntrySpec['entry']>; weight: number }[] = [];
  if (level < 6) {
    // Bits 51:12 hold the address, so a page of level 5 has at most 2^51 bytes.
    const doublings = fc.oneof(fc.constant(0), fc.nat({ max: level === 5 ? 3 : 8 }));
    const page = fc
      .record({ permission, doublings, page: fc.nat({ max: 2 ** 15 }) })
      .map(({ permission: [read = true, write = true], ...rest }) => ({
        kind: 'page' as const,
        read,
        write,
        ...rest,
      }));
    kinds.push({ arbitrary: page, weight: level === 1 ? 9 : 2 });
  }
  if (level > 1) {
    const below = Array.from({ length: level - 1 }, (_, at) => at + 1);
    const table = fc.oneof(fc.constant(level - 1), fc.constantFrom(...below)).chain((next) =>
      fc
        .record({ permission, table: tableSpec(next) })
        .map(({ permission: [read = true, write = true], table: entries }) => ({
          kind: 'table' as const,
          read,
          write,
          level: next,
          table: entries,
        })),
    );
    kinds.push({ arbitrary: table, weight: 5 });
  }
  const wrong = [BOTH | (1n << 52n), BOTH | (1n << 58n)];
  if (level < 6) wrong.push(BOTH | (BigInt(level) << 9n)); // points at a table of its own level
  if (level === 1) wrong.push(BOTH | (6n << 9n), BOTH | (7n << 9n) | 0x000f_ffff_ffff_f000n); // no zero bit
  if (level === 2) wrong.push(BOTH | (7n << 9n)); // 8 KB at level 2
  if (level === 6) wrong.push(BOTH); // no pages at level 6
  const damaged = fc.record({ kind: fc.constant('reserved' as const), value: fc.constantFrom(...wrong) });
  kinds.push({ arbitrary: damaged, weight: 1 });
  return fc.array(fc.record({ index: indexAt(level), entry: fc.oneof(...kinds) }), {
    minLength: 1,
    maxLength: level > 3 ? 2 : 4,
  });
}

/** Writes the tables with constants of its own and gives the model of them. Entries that would overlap are left out. */
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
  const taken = new Set<number>();
  for (const { index, entry } of spec) {
    const count = entry.kind === 'page' ? 2 ** entry.doublings : 1;
    const first = index - (index % count);
    const slots = Array.from({ length: count }, (_, at) => first + at);
    if (slots.some((slot) => taken.has(slot))) continue;
    for (const slot of slots) taken.add(slot);
    const start = base + BigInt(first) * span;
    const end = start + BigInt(count) * span;
    const common = { start, end, level, physical: 0n, pageBits: 0 };
    if (entry.kind === 'reserved') {
      memory.writeU64(Number(table) + first * 8, entry.value);
      regions.push({ ...common, kind: 'reserved', read: true, write: true });
      continue;
    }
    const rights = (entry.read ? 1n << 61n : 0n) | (entry.write ? 1n << 62n : 0n);
    const { read, write } = entry;
    if (entry.kind === 'page') {
      const pageBits = 12 + 9 * (level - 1) + entry.doublings;
      const size = 1n << BigInt(pageBits);
      const physical = (BigInt(entry.page) * size) % (1n << 52n);
      // A size in between: ones from bit 12, then a zero at the top bit of the offset.
      const code = entry.doublings === 0 ? 0n : (7n << 9n) | ((size / 2n - 1n) & ~0xfffn);
      for (const slot of slots) memory.writeU64(Number(table) + slot * 8, physical | code | rights | 1n);
      regions.push({ ...common, kind: 'page', read, write, physical, pageBits });
    } else {
      const child = writeTables(memory, entry.level, entry.table, regions, start);
      memory.writeU64(Number(table) + first * 8, child | (BigInt(entry.level) << 9n) | rights | 1n);
      regions.push({ ...common, kind: 'table', read, write });
    }
  }
  return table;
}
