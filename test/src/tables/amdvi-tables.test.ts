import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseDump } from '../../../src/tables/dump.js';
import { showTables } from '../../../src/tables/tables-command.js';
import { tableSpec, writeTables } from '../../host/iommu/amdvi/random-tables.js';
import type { Region } from '../../host/iommu/support/regions.js';
import { SparseMemory } from '../../host/iommu/support/sparse-memory.js';
import { runs } from '../../support/whole.js';
import { captured, framesOf, hex, type Listed, listTranslations } from './dump-maker.js';

const DEVICE_TABLE = 0x1000;
const V_TV = 3n;
const IR = 1n << 61n;
const IW = 1n << 62n;
const mode = (levels: number) => BigInt(levels) << 9n;

function show(dump: unknown, options: { check?: boolean; json?: boolean }) {
  const capture = captured();
  const code = showTables(parseDump(dump, 'dump'), options, capture.io);
  return { code, out: capture.out() };
}

/**
 * A dump as a Linux guest leaves it: 256 devices whose entries are valid without permission, two of them given
 * mode-3 tables. Among the pages are write-only ones (buffers that a device fills) and two of 8 KB.
 */
function linuxLike() {
  const memory = new SparseMemory();
  for (let device = 0; device < 256; device += 1) memory.writeU64(DEVICE_TABLE + device * 32, V_TV);
  const translations: Listed[] = [];
  const tables = [0x4000, 0x5000, 0x6000];
  const [top = 0, middle = 0, last = 0] = tables;
  for (const device of [0x08, 0x10]) {
    memory.writeU64(DEVICE_TABLE + device * 32, BigInt(top) | V_TV | mode(3) | IR | IW);
    memory.writeU64(DEVICE_TABLE + device * 32 + 8, 2n);
  }
  memory.writeU64(top + 3 * 8, BigInt(middle) | mode(2) | IR | IW | 1n);
  memory.writeU64(middle + 511 * 8, BigInt(last) | mode(1) | IR | IW | 1n);
  const base = 3 * 2 ** 30 + 511 * 2 ** 21;
  const write = (slot: number, physical: number, bits: number, rights: bigint) => {
    for (let at = 0; at < 2 ** (bits - 12); at += 1) {
      const code = bits === 13 ? mode(7) : 0n;
      memory.writeU64(last + (slot + at) * 8, BigInt(physical) | code | rights | (1n << 60n) | 1n); // FC set
    }
    for (const device of [0x08, 0x10]) {
      translations.push({
        device_id: hex(device),
        iova: hex(base + slot * 4096),
        physical: hex(physical),
        page_bits: bits,
        read: (rights & IR) !== 0n,
        write: (rights & IW) !== 0n,
      });
    }
  };
  for (let slot = 0; slot < 100; slot += 1) write(slot, 0x40_0000 + ((slot * 37) % 100) * 4096, 12, IW);
  for (let slot = 100; slot < 125; slot += 1) write(slot, 0x60_0000 + slot * 4096, 12, IR | IW);
  write(126, 0x70_2000, 13, IR);
  write(510, 0x70_8000, 13, IW);
  const devices = Array.from({ length: 256 }, (_, device) => ({
    device_id: hex(device),
    mode: device === 8 || device === 16 ? 3 : 0,
    domain: device === 8 || device === 16 ? 2 : 0,
    flags: { iw: false },
    group: 'g7',
  }));
  const dump = {
    description: 'made for a test',
    device_table: hex(DEVICE_TABLE),
    device_table_bytes: 8192,
    devices,
    frames: framesOf(memory),
    translations,
  };
  return { memory, dump, base };
}

describe('AMD-Vi dumps', () => {
  it('like those of a Linux guest hold what they list', () => {
    const { dump } = linuxLike();
    const { code, out } = show(dump, { check: true });
    expect(code).toBe(0);
    expect(out).toContain('256 devices, 2 domains, 5 pages');
    expect(out).toContain('00:01.0, 00:02.0  domain 2, 3 levels, table 0x4000');
    expect(out).toContain('(254 in all)  domain 0, blocked\n  nothing mapped');
    expect(out).toContain('-> 0x702000       r-  8 KB');
    expect(out).toContain('-> 0x708000       -w  8 KB');
    expect(out).toContain('check: all 254 translations');
  });

  it('may list a page that several entries hold once an entry, or in 4 KB pieces', () => {
    const { dump } = linuxLike();
    const pieces = dump.translations.flatMap((one) =>
      one.page_bits !== 13
        ? [one]
        : [0, 4096].map((offset) => ({
            ...one,
            iova: hex(Number(one.iova) + offset),
            physical: hex(Number(one.physical) + offset),
            page_bits: 12,
          })),
    );
    expect(show({ ...dump, translations: pieces }, { check: true }).code).toBe(0);
    const wrong = pieces.map((one, at) => (at === pieces.length - 1 ? { ...one, physical: '0x0' } : one));
    expect(show({ ...dump, translations: wrong }, { check: true }).code).toBe(1);
    const again = dump.translations.flatMap((one) =>
      one.page_bits === 13 ? [one, { ...one, iova: hex(Number(one.iova) + 4096) }] : [one],
    );
    expect(show({ ...dump, translations: again }, { check: true }).code).toBe(0);
  });

  it('may be written in several ways', () => {
    const { dump } = linuxLike();
    const translations = dump.translations.map((one) => ({
      device_id: Number(one.device_id),
      iova: Number(one.iova),
      physical: String(Number(one.physical)),
      page_bits: one.page_bits,
      read: one.read ? 1 : 0,
      write: one.write ? 1 : 0,
      level: 1,
    }));
    const other = {
      ...dump,
      device_table: 4096,
      device_table_bytes: '0x2000',
      devices: { a: 1 },
      translations,
    };
    expect(show(other, { check: true }).code).toBe(0);
    const { device_table_bytes, ...unsized } = dump;
    expect(device_table_bytes).toBe(8192);
    // No frame follows the table, so that is where it ends.
    expect(show(unsized, { check: true }).out).toContain('256 devices');
  });

  it('differ where a device or a permission does', () => {
    const { dump } = linuxLike();
    const devices = dump.devices.map((device) =>
      device.device_id === '0x8' ? { ...device, mode: 4 } : device,
    );
    expect(show({ ...dump, devices }, { check: true }).out).toContain(
      'different 00:01.0  listed mode 4, found mode 3',
    );
    const translations = dump.translations.map((one, at) => (at === 0 ? { ...one, read: true } : one));
    const { code, out } = show({ ...dump, translations }, { check: true, json: true });
    expect(code).toBe(1);
    expect(JSON.parse(out).check.differences).toEqual([
      {
        kind: 'different',
        device_id: '0x8',
        listed: { iova: '0xffe00000', physical: '0x400000', page_bits: 12, read: true, write: true },
        found: { iova: '0xffe00000', physical: '0x400000', page_bits: 12, read: false, write: true },
      },
    ]);
  });

  it('tell of missing frames and of pages whose entries differ', () => {
    const { memory, dump } = linuxLike();
    const { '0x6000': gone, ...frames } = dump.frames;
    expect(gone).toBeDefined();
    expect(show({ ...dump, frames }, {}).out).toContain('the dump lacks the level 1 table at 0x6000');
    const { '0x2000': half, ...rest } = dump.frames;
    expect(half).toBeDefined();
    expect(show({ ...dump, frames: rest }, {}).out).toContain(
      'lacks part of the device table, first at 0x2000',
    );
    memory.writeU64(0x6000 + 127 * 8, 0n);
    const { out } = show({ ...dump, frames: framesOf(memory) }, {});
    expect(out).toContain('entry 126 of the level 1 table at 0x6000 is one of 2 that should be equal');
  });

  it('hold nothing past the 64 bits of an address', () => {
    const memory = new SparseMemory();
    memory.writeU64(DEVICE_TABLE, 0x3000n | V_TV | mode(6) | IR | IW);
    const page = (level: number) => BigInt(0x4000) | mode(level) | IR | IW | 1n;
    for (const entry of [127, 128, 511]) memory.writeU64(0x3000 + entry * 8, page(1)); // level 6 to level 1
    memory.writeU64(0x4000, 0x7000n | IR | 1n);
    const frames = framesOf(memory);
    const iova = hex(127n << 57n);
    const one = { device_id: 0, iova, physical: '0x7000', page_bits: 12, read: true, write: false };
    const dump = { device_table: DEVICE_TABLE, device_table_bytes: 4096, frames, translations: [one] };
    expect(show(dump, { check: true }).code).toBe(0);
  });

  it.each([1, 2, 3, 4, 5, 6])('of random tables of mode %i hold what a brute-force model holds', (levels) => {
    const rights = fc.constantFrom([true, true], [true, true], [true, false], [false, true]);
    fc.assert(
      fc.property(tableSpec(levels), rights, fc.nat(), (spec, [read = true, write = true], pick) => {
        const memory = new SparseMemory();
        memory.add(DEVICE_TABLE);
        const end = 1n << 64n;
        const regions: Region[] = [
          { start: 0n, end, level: 9, read, write, kind: 'table', physical: 0n, pageBits: 0 },
        ];
        const top = writeTables(memory, levels, spec, regions);
        const entry = top | V_TV | mode(levels) | (read ? IR : 0n) | (write ? IW : 0n);
        memory.writeU64(DEVICE_TABLE + 5 * 32, entry);
        const translations = listTranslations(regions, { device_id: 5 });
        const dump = {
          device_table: DEVICE_TABLE,
          device_table_bytes: 4096,
          frames: framesOf(memory),
          translations,
        };
        const { code, out } = show(dump, { check: true, json: true });
        expect(code, out).toBe(0);
        expect(JSON.parse(out).translation_count).toBe(translations.length);
        if (translations.length === 0) return;
        const at = pick % translations.length;
        const changed = translations.map((one, index) =>
          index === at ? { ...one, read: !one.read, write: !one.write } : one,
        );
        expect(show({ ...dump, translations: changed }, { check: true }).code).toBe(1);
      }),
      { numRuns: runs(80) },
    );
  });
});
