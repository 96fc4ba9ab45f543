import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { amdviRegisters } from '../../../host/iommu/amdvi/registers.js';
import { type RegisterDefinition, RegisterFile } from '../../../host/iommu/register-file.js';
import { DEFAULT_VTD_CAPABILITIES } from '../../../host/iommu/vtd/capabilities.js';
import { vtdRegisters } from '../../../host/iommu/vtd/registers.js';
import { runs } from '../../support/whole.js';

const silent = () => {};

describe('register files decode from their tables', () => {
  const tables: [string, RegisterDefinition[], number][] = [
    ['VT-d', vtdRegisters(DEFAULT_VTD_CAPABILITIES), 0x1000],
    ['AMD-Vi', amdviRegisters(6), 0x4000],
  ];

  it.each(tables)('%s: any write changes only bits that may be written', (_name, table, bytes) => {
    const registers = new RegisterFile(table, bytes, silent);
    const all = fc.array(fc.tuple(fc.nat({ max: bytes / 4 - 1 }), fc.bigInt({ min: 0n, max: 0xffff_ffffn })));
    fc.assert(
      fc.property(all, (writes) => {
        registers.reset();
        const model = new Map(table.map((one) => [one.name, one.reset]));
        for (const [word, value] of writes) {
          registers.write32(word * 4, Number(value));
          const one = table.find(({ offset, width }) => word * 4 >= offset && word * 4 < offset + width);
          if (one === undefined || one.access !== 'rw') continue;
          const shift = BigInt(word * 4 - one.offset) * 8n;
          const half = 0xffff_ffffn << shift;
          const cleared = (one.clearedByOne ?? 0n) & half;
          const writable = (one.writable ?? (1n << 64n) - 1n) & half & ~cleared;
          const old = model.get(one.name) ?? 0n;
          const written = value << shift;
          model.set(one.name, (old & ~writable & ~(written & cleared)) | (written & writable));
        }
        for (const { name, offset, width, access } of table) {
          const expected = access === 'wo' ? 0n : model.get(name);
          const got = width === 8 ? registers.read64(offset) : BigInt(registers.read32(offset));
          expect(got, name).toBe(expected);
        }
      }),
      { numRuns: runs(100) },
    );
  });

  it.each(tables)('%s: nothing is defined elsewhere', (_name, table, bytes) => {
    const registers = new RegisterFile(table, bytes, silent);
    const defined = new Set<number>();
    for (const { offset, width } of table)
      for (let at = offset; at < offset + width; at += 4) defined.add(at);
    for (let offset = 0; offset < bytes; offset += 4) {
      if (defined.has(offset)) continue;
      registers.write32(offset, 0xffff_ffff);
      expect(registers.read32(offset)).toBe(0);
    }
    for (const { meaning } of table) expect(meaning).toMatch(/^.{10,110}$/);
  });

  it('tells the unit what was written, half by half', () => {
    const seen: string[] = [];
    const table = [{ name: 'A', offset: 8, width: 8, access: 'wo', reset: 0n, meaning: '' }] as const;
    const registers = new RegisterFile<'A'>(table, 16, (name, value, high) =>
      seen.push(`${name} ${value} ${high}`),
    );
    registers.write64(8, 0x5_0000_0007n);
    expect(seen).toEqual(['A 7 false', 'A 5 true']);
    for (const offset of [2, 16, -4])
      expect(() => registers.read32(offset)).toThrow(/register access of 4 bytes/);
    expect(() => registers.write64(4, 0n)).toThrow(/expected a multiple of 8/);
  });

  it('refuses tables that contradict themselves', () => {
    const one = { name: 'A', offset: 0, width: 8, access: 'rw', reset: 0n, meaning: '' } as const;
    expect(() => new RegisterFile([one, one], 16, silent)).toThrow(/there twice/);
    expect(() => new RegisterFile([one, { ...one, name: 'B' }], 16, silent)).toThrow(/overlaps/);
    expect(() => new RegisterFile([{ ...one, offset: 4 }], 16, silent)).toThrow(/register A at 4/);
  });
});
