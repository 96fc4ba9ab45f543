import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DENIED } from '../../../../host/bus/access-gate.js';
import { PhysicalMemory } from '../../../../host/memory/physical-memory.js';
import { NoDmaChipset } from '../../../../host/protection/nodma/chipset.js';
import { hostPhysicalAddress } from '../../../../nic/addresses.js';
import { reachedThrough } from '../../support/places.js';

const DPR = 0x5c;
const [PMEN, PLMBASE, PLMLIMIT, PHMBASE, PHMLIMIT] = [0x64, 0x68, 0x6c, 0x70, 0x78] as const;
const MB = 2 ** 20;
const ALIGN = 2 * MB;
const TABLE = 0x3000;

function chipset() {
  const memory = new PhysicalMemory(64);
  return { memory, chipset: new NoDmaChipset(memory) };
}

describe("Intel's checks before translation", () => {
  it('let everything pass out of reset', () => {
    const { chipset: made } = chipset();
    expect(reachedThrough(made, 0, 0x1234, 8, false)).toBe(0x1234);
    expect(made.txtStatus).toBe(0);
    expect([made.readConfig(DPR), made.readPmr(PMEN)]).toEqual([0, 0]);
  });

  it('DPR: denies the megabytes below its top once enabled, and can be locked', () => {
    const { chipset: made } = chipset();
    const top = 64 * MB;
    made.writeConfig(DPR, top | (3 << 4));
    expect(made.deniedBy(hostPhysicalAddress(top - 1), 1)).toBeUndefined();
    made.writeConfig(DPR, top | (3 << 4) | (1 << 2) | 1);
    expect(made.readConfig(DPR)).toBe(top | (3 << 4) | (1 << 2) | (1 << 1) | 1);
    for (const [address, length, denied] of [
      [top - 3 * MB - 4, 4, undefined],
      [top - 3 * MB - 4, 5, 'dpr'],
      [top - 3 * MB, 1, 'dpr'],
      [top - 1, 1, 'dpr'],
      [top, 1, undefined],
    ] as const)
      expect(made.deniedBy(hostPhysicalAddress(address), length)).toBe(denied);
    made.writeConfig(DPR, 0);
    expect(made.deniedBy(hostPhysicalAddress(top - 1), 1), 'locked').toBe('dpr');
  });

  it('DPR: a top in the last megabytes below 4 GB is no negative number', () => {
    const { chipset: made } = chipset();
    made.writeConfig(DPR, 0xfff00000 + 255 * 16 + 4);
    expect(made.deniedBy(hostPhysicalAddress(0xfff00000 - 1), 1)).toBe('dpr');
    expect(made.deniedBy(hostPhysicalAddress(0xfff00000 - 255 * MB), 1)).toBe('dpr');
    expect(made.deniedBy(hostPhysicalAddress(0xfff00000 - 255 * MB - 1), 1)).toBeUndefined();
  });

  it('PMR: one range below 4 GB and one anywhere, in pieces of their alignment, both behind one enable', () => {
    const { chipset: made } = chipset();
    made.writePmr(PLMBASE, 0xffffffff);
    expect(made.readPmr(PLMBASE), 'alignment is found by writing ones').toBe(2 ** 32 - ALIGN);
    made.writePmr(PLMBASE, 4 * MB + 5);
    made.writePmr(PLMLIMIT, 8 * MB - 1);
    made.writePmr(PHMBASE, 0);
    made.writePmr(PHMBASE + 4, 2);
    made.writePmr(PHMLIMIT + 4, 2);
    made.writePmr(PHMLIMIT, 4 * MB - 1);
    expect(made.deniedBy(hostPhysicalAddress(4 * MB), 1)).toBeUndefined();
    made.writePmr(PMEN, 0x80000000);
    expect(made.readPmr(PMEN)).toBe(0x80000001);
    for (const [address, denied] of [
      [4 * MB - 1, undefined],
      [4 * MB, 'pmr'],
      [8 * MB - 1, 'pmr'],
      [8 * MB, undefined],
      [2 ** 33 - 1, undefined],
      [2 ** 33, 'pmr'],
      [2 ** 33 + 4 * MB - 1, 'pmr'],
      [2 ** 33 + 4 * MB, undefined],
    ] as const)
      expect(made.deniedBy(hostPhysicalAddress(address), 1)).toBe(denied);
    made.writePmr(PMEN, 0);
    expect(made.readPmr(PMEN)).toBe(0);
    expect(made.deniedBy(hostPhysicalAddress(4 * MB), 1)).toBeUndefined();
  });

  it('PMR: each register reads as it was written, in its alignment, and moves no other', () => {
    const { chipset: made } = chipset();
    const registers = [PLMBASE, PLMLIMIT, PHMBASE, PHMBASE + 4, PHMLIMIT, PHMLIMIT + 4];
    const values = [6 * MB, 10 * MB, 12 * MB, 5, 14 * MB, 9];
    const read = () => registers.map((register) => made.readPmr(register));
    const expected = registers.map(() => 0);
    // In both orders, and a second time with other values: the halves of one register know nothing of each other.
    for (const turn of [0, 1, 2])
      for (const step of registers.keys()) {
        const at = turn === 1 ? registers.length - 1 - step : step;
        const isHigh = at === 3 || at === 5;
        const value = (values[at] ?? 0) + turn * (isHigh ? 1 : ALIGN);
        made.writePmr(registers[at] ?? 0, isHigh ? value : value + 77);
        expected[at] = value;
        expect(read()).toEqual(expected);
      }
    expect(made.readPmr(PMEN)).toBe(0);
    // What is between and behind them is none of theirs.
    for (const other of [0x60, PHMLIMIT + 8]) {
      made.writePmr(other, 0xffffffff);
      expect(made.readPmr(other)).toBe(0);
    }
    expect(read()).toEqual(expected);
  });

  it('PMR: a limit below the base is no range', () => {
    const { chipset: made } = chipset();
    made.writePmr(PMEN, 0x80000000);
    made.writePmr(PLMBASE, 8 * MB);
    made.writePmr(PLMLIMIT, 4 * MB);
    expect(made.deniedBy(hostPhysicalAddress(6 * MB), 1)).toBeUndefined();
    expect(made.deniedBy(hostPhysicalAddress(8 * MB), 1)).toBeUndefined();
    expect(
      made.deniedBy(hostPhysicalAddress(ALIGN - 1), 1),
      'the high range, 0 to 0, is a piece of memory',
    ).toBe('pmr');
    made.writePmr(PHMBASE, ALIGN);
    expect(made.deniedBy(hostPhysicalAddress(ALIGN - 1), 1)).toBeUndefined();
  });

  it('NoDMA table: one bit per page, and the table keeps devices out of itself if told to', () => {
    const { memory, chipset: made } = chipset();
    made.setTable(hostPhysicalAddress(TABLE), 4096, false);
    memory.writeU32(hostPhysicalAddress(TABLE + 4), 1 << 3);
    expect(made.deniedBy(hostPhysicalAddress(35 * 4096 + 5), 4)).toBe('nodma-table');
    expect(made.deniedBy(hostPhysicalAddress(34 * 4096), 4096)).toBeUndefined();
    expect(made.deniedBy(hostPhysicalAddress(TABLE), 4)).toBeUndefined();
    made.setTable(hostPhysicalAddress(TABLE), 4096, true);
    expect(made.deniedBy(hostPhysicalAddress(TABLE), 4)).toBe('nodma-table-protect');
    expect(made.deniedBy(hostPhysicalAddress(TABLE + 4096), 4)).toBeUndefined();
    expect(made.txtStatus).toBe((1 << 5) | (1 << 8) | (1 << 10));
    expect(made.deniedBy(hostPhysicalAddress(4096 * 8 * 4096), 4), 'behind the table').toBeUndefined();
  });

  it('NoDMA table: says where the bit of a page lies, for the pages that it has', () => {
    const { memory, chipset: made } = chipset();
    const wordOf = (page: number) => made.wordOf(hostPhysicalAddress(page * 4096));
    expect(wordOf(0), 'no table').toBe(-1);
    made.setTable(hostPhysicalAddress(TABLE), 8, true);
    expect([0, 31, 32, 63].map(wordOf)).toEqual([TABLE, TABLE, TABLE + 4, TABLE + 4]);
    expect([64, 65, 1000].map(wordOf)).toEqual([-1, -1, -1]);
    for (const page of [0, 31, 32, 63]) {
      const word = hostPhysicalAddress(wordOf(page));
      memory.writeU32(word, 1 << (page & 31));
      expect(made.deniedBy(hostPhysicalAddress(page * 4096), 1)).toBe('nodma-table');
      memory.writeU32(word, 0);
    }
  });

  it('all must pass: an access is denied exactly if one of them denies it, whatever the device', () => {
    const access = fc.record({
      requester: fc.nat(0xffff),
      address: fc.nat(16 * MB),
      length: fc.integer({ min: 1, max: 4096 }),
    });
    const setting = fc.record({
      table: fc.boolean(),
      protect: fc.boolean(),
      pmr: fc.boolean(),
      dpr: fc.boolean(),
      frames: fc.array(fc.nat(4095), { maxLength: 30 }),
    });
    fc.assert(
      fc.property(setting, fc.array(access, { maxLength: 30 }), (on, accesses) => {
        const { memory, chipset: made } = chipset();
        const marked = new Set(on.frames);
        if (on.table) {
          made.setTable(hostPhysicalAddress(TABLE), 512, on.protect);
          for (const frame of marked) {
            const word = TABLE + (frame >>> 5) * 4;
            memory.writeU32(
              hostPhysicalAddress(word),
              memory.readU32(hostPhysicalAddress(word)) | (1 << (frame & 31)),
            );
          }
        }
        made.writePmr(PLMBASE, 4 * MB);
        made.writePmr(PLMLIMIT, 6 * MB - 1);
        made.writePmr(PHMBASE, ALIGN);
        if (on.pmr) made.writePmr(PMEN, 0x80000000);
        if (on.dpr) made.writeConfig(DPR, (12 * MB) | (2 << 4) | 4);
        let denied = 0;
        for (const { requester, address, length: wanted } of accesses) {
          const length = Math.min(wanted, 4096 - (address % 4096));
          const touches = (from: number, to: number) => address < to && address + length > from;
          const bad =
            (on.table && marked.has(Math.floor(address / 4096))) ||
            (on.table && on.protect && touches(TABLE, TABLE + 512)) ||
            (on.pmr && touches(4 * MB, 6 * MB)) ||
            (on.dpr && touches(10 * MB, 12 * MB));
          expect(reachedThrough(made, requester, address, length, false)).toBe(bad ? DENIED : address);
          if (bad) denied += 1;
        }
        expect(Object.values(made.denials).reduce((sum, count) => sum + count, 0)).toBe(denied);
        expect(made.checks).toBe(accesses.length);
      }),
    );
  });
});
