import { describe, expect, it } from 'vitest';
import { PhysicalMemory } from '../../../../host/memory/physical-memory.js';
import { NoDmaChipset } from '../../../../host/protection/nodma/chipset.js';
import { NoDma } from '../../../../host/protection/nodma/no-dma.js';
import { hostPhysicalAddress } from '../../../../nic/addresses.js';
import { Machine } from '../../support/machine.js';

const DPR = 0x5c;
const MB = 2 ** 20;
const TABLE = 0x3000;

const chipset = () => new NoDmaChipset(new PhysicalMemory(64));

describe('the edges of the chipset’s checks', () => {
  it('DPR: keeps the bits that are there, says that it is on, and takes no other register for itself', () => {
    const made = chipset();
    made.writeConfig(DPR, 0xffff_fffa);
    expect(made.readConfig(DPR)).toBe(0xfff0_0ff0);
    made.writeConfig(DPR, 0x1234_5674);
    // Enabled: bit 1 says so, whatever was written there.
    expect(made.readConfig(DPR)).toBe(0x1230_0676);
    for (const other of [0, DPR - 4, DPR + 4]) {
      made.writeConfig(other, 0);
      expect(made.readConfig(other)).toBe(0);
    }
    expect(made.readConfig(DPR)).toBe(0x1230_0676);
    made.writeConfig(DPR, 0x1230_0001);
    expect(made.readConfig(DPR), 'locked, and off').toBe(0x1230_0001);
    made.writeConfig(DPR, 0x1230_0075);
    expect(made.readConfig(DPR)).toBe(0x1230_0001);
  });

  it('table protection: an access that touches its first or last byte is denied, one beside it is not', () => {
    const made = chipset();
    made.setTable(hostPhysicalAddress(TABLE), 4096, true);
    const denied = (address: number, length: number) => made.deniedBy(hostPhysicalAddress(address), length);
    expect([
      denied(TABLE - 4, 4),
      denied(TABLE - 4, 5),
      denied(TABLE + 4095, 1),
      denied(TABLE + 4096, 1),
    ]).toEqual([undefined, 'nodma-table-protect', 'nodma-table-protect', undefined]);
  });

  it('the first check that denies is the one that counts: table, its protection, PMR, DPR', () => {
    const memory = new PhysicalMemory(64);
    const made = new NoDmaChipset(memory);
    const address = hostPhysicalAddress(TABLE);
    made.writeConfig(DPR, (16 * MB) | (16 << 4) | 4);
    expect(made.deniedBy(address, 4)).toBe('dpr');
    made.writePmr(0x64, 0x8000_0000);
    expect(made.deniedBy(address, 4)).toBe('pmr');
    made.setTable(address, 4096, true);
    expect(made.deniedBy(address, 4)).toBe('nodma-table-protect');
    memory.writeU32(address, 1 << (TABLE / 4096));
    expect(made.deniedBy(address, 4)).toBe('nodma-table');
  });

  it('TXT.STS says of the table whether it is there and whether it is protected', () => {
    const made = chipset();
    made.setTable(hostPhysicalAddress(TABLE), 0, true);
    expect(made.txtStatus).toBe(1 << 10);
    made.setTable(hostPhysicalAddress(TABLE), 64, false);
    expect(made.txtStatus).toBe((1 << 5) | (1 << 8));
  });
});

describe('the measured memory', () => {
  it.each([1, 3, 255])(
    'has %i MB behind the DPR when it is told so, right behind the range',
    (dprMegabytes) => {
      const machine = new Machine(new NoDma({ dprMegabytes }), { host: { memoryBytes: 512 * MB } });
      const { gate, measured } = machine.host.protection;
      const { pmr, dpr, table } = measured;
      expect([pmr.bytes, dpr.base - pmr.base, dpr.bytes, table.base - dpr.base]).toEqual([
        2 * MB,
        2 * MB,
        dprMegabytes * MB,
        0,
      ]);
      const denied = (address: number) => gate.deniedBy(hostPhysicalAddress(address), 1);
      expect([denied(dpr.base + table.bytes), denied(dpr.base + dpr.bytes - 1)]).toEqual(['dpr', 'dpr']);
      expect([denied(pmr.base), denied(pmr.base + pmr.bytes - 1)]).toEqual(['pmr', 'pmr']);
      expect(denied(dpr.base + dpr.bytes)).not.toBe('dpr');
      // Nobody opens it again.
      gate.writeConfig(DPR, 0);
      expect(denied(dpr.base + dpr.bytes - 1)).toBe('dpr');
      machine.host.checkInvariants();
    },
  );
});
