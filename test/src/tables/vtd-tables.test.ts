import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseDump } from '../../../src/tables/dump.js';
import { showTables } from '../../../src/tables/tables-command.js';
import type { Region } from '../../host/iommu/support/regions.js';
import { SparseMemory } from '../../host/iommu/support/sparse-memory.js';
import { tableSpec, writeTables } from '../../host/iommu/vtd/random-tables.js';
import { runs } from '../../support/whole.js';
import { captured, framesOf, hex, listTranslations } from './dump-maker.js';

const ROOT = 0x1000;
const CONTEXT = 0x2000;

function check(dump: unknown, json = false) {
  const capture = captured();
  const code = showTables(parseDump(dump, 'dump'), { check: true, json }, capture.io);
  return { code, out: capture.out() };
}

/** A machine with one device, 3a:1f.7. */
function machine(levels: number, top: bigint, type = 0n) {
  const memory = new SparseMemory();
  memory.writeU64(ROOT + 0x3a * 16, BigInt(CONTEXT) | 1n);
  memory.writeU64(CONTEXT + 255 * 16, top | (type << 2n) | 1n);
  memory.writeU64(CONTEXT + 255 * 16 + 8, (77n << 8n) | BigInt(levels - 2));
  return memory;
}

describe('VT-d dumps', () => {
  it.each([3, 4, 5])('of random tables of %i levels hold what a brute-force model holds', (levels) => {
    fc.assert(
      fc.property(tableSpec(levels, 52), fc.boolean(), fc.nat(), (spec, numbers, pick) => {
        const memory = machine(levels, 0n);
        const regions: Region[] = [];
        const top = writeTables(memory, levels, spec, regions);
        memory.writeU64(CONTEXT + 255 * 16, top | 1n);
        const translations = listTranslations(regions, { source_id: '3a:1f.7' });
        // A number holds addresses up to 2^53; either way of writing them is understood.
        const listed = translations.map((one) =>
          numbers && Number(one.iova) < 2 ** 53
            ? { ...one, iova: Number(one.iova), physical: Number(one.physical), read: one.read ? 1 : 0 }
            : one,
        );
        const dump = { root_table: hex(ROOT), frames: framesOf(memory), translations: listed };
        const { code, out } = check(dump, true);
        expect(code, out).toBe(0);
        expect(JSON.parse(out).translation_count).toBe(listed.length);
        expect(JSON.parse(out).check.matched).toBe(listed.length);

        if (listed.length === 0) return;
        const at = pick % listed.length;
        const without = listed.filter((_, index) => index !== at);
        expect(JSON.parse(check({ ...dump, translations: without }, true).out).check).toMatchObject({
          equal: false,
          extra: 1,
          missing: 0,
        });
      }),
      { numRuns: runs(100) },
    );
  });

  it('show pass-through and what hardware would refuse', () => {
    const passing = machine(4, 0n, 2n);
    const dump = (memory: SparseMemory, more: object = {}) => ({
      root_table: ROOT,
      frames: framesOf(memory),
      translations: [],
      ...more,
    });
    expect(check(dump(passing)).out).toContain('3a:1f.7  domain 77, pass-through');
    expect(check(dump(machine(4, 0n, 3n))).out).toContain('translation type 3, which is reserved');
    expect(check(dump(machine(6, 0n))).out).toContain('address width 4, expected 1, 2 or 3');
    // CAP with SAGAW = 2: 39 bits only.
    const wide = machine(4, 0x3000n);
    wide.add(0x3000);
    expect(check(dump(wide, { cap: '0x200' })).out).toContain(
      'asks for 48 bits, which the CAP register does not',
    );
    const reserved = machine(3, 0x3000n);
    reserved.writeU64(0x3000 + 8, 0x1083n); // 1 GB page off its boundary
    const { code, out } = check(dump(reserved));
    expect(code).toBe(0);
    expect(out).toContain('entry 1 of the level 3 table at 0x3000 has reserved bits set');
  });

  it('that point back at themselves end', () => {
    const memory = machine(5, 0x3000n);
    for (let entry = 0; entry < 8; entry += 1) memory.writeU64(0x3000 + entry * 8, 0x3003n);
    const dump = parseDump({ root_table: ROOT, frames: framesOf(memory) }, 'dump');
    const capture = captured();
    expect(showTables(dump, {}, capture.io)).toBe(0);
    expect(capture.out()).toContain('gave up at 0x3000: the tables point back at themselves');
  });
});
