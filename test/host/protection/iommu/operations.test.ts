import { describe, expect, it } from 'vitest';
import { AmdviOperations } from '../../../../host/protection/iommu/amdvi-operations.js';
import { TablePages } from '../../../../host/protection/iommu/table-pages.js';
import type { CommandKind } from '../../../../host/protection/iommu/unit-queue.js';
import type { VendorOperations } from '../../../../host/protection/iommu/vendor-operations.js';
import { VtdOperations } from '../../../../host/protection/iommu/vtd-operations.js';
import { PlainDma } from '../../../../host/protection/none/plain-dma.js';
import {
  hostPhysicalAddress,
  ioPageNumber,
  ioVirtualAddress,
  pageNumber,
  requesterId,
} from '../../../../nic/addresses.js';
import { RecordingSink } from '../../iommu/support/recording-sink.js';
import { Machine } from '../../support/machine.js';

const DEVICE = requesterId(0x1234);

function parts() {
  const { host, kernel } = new Machine(new PlainDma());
  const unitParts = {
    kernel,
    memory: host.memory,
    sink: new RecordingSink(),
    interrupts: { raise: () => undefined },
  };
  return { host, unitParts, tablePages: new TablePages(host.hypervisor) };
}

function vtd() {
  const { host, unitParts, tablePages } = parts();
  const operations = new VtdOperations(host, unitParts, tablePages, {});
  operations.program();
  return { host, operations, registers: operations.unit.registers, tablePages };
}

function amdvi() {
  const { host, unitParts, tablePages } = parts();
  const operations = new AmdviOperations(host, unitParts, tablePages);
  operations.program();
  return { host, operations, registers: operations.unit.registers, tablePages };
}

/** What each command is, on its way to the ring and in it. */
function kinds<Command extends object>(operations: VendorOperations<Command>): CommandKind[] {
  const { queue } = operations;
  const commands = [
    operations.invalidateEntry(DEVICE, 3),
    operations.invalidateDomain(3),
    operations.invalidatePages(3, ioPageNumber(5), 2, true),
    operations.invalidateDeviceTlb(DEVICE, ioVirtualAddress(0x5000), 0),
    operations.invalidateDeviceTlb(DEVICE, ioVirtualAddress(0), undefined),
    ...operations.invalidateEverything(),
    queue.wait(7),
    queue.nothing,
  ];
  const at = hostPhysicalAddress(queue.base + queue.slotBytes * 5);
  return commands.map((command) => {
    queue.write(at, command);
    expect(queue.kindAt(at)).toBe(queue.kindOf(command));
    return queue.kindOf(command);
  });
}

describe('what a command is', () => {
  it('can be told from it and from its slot in the ring, by the driver of either vendor', () => {
    const [wait, other] = ['wait', 'other'];
    const common = [other, other, other, DEVICE, DEVICE];
    expect(kinds(vtd().operations)).toEqual([...common, other, other, wait, wait]);
    expect(kinds(amdvi().operations)).toEqual([...common, other, wait, wait]);
  });
});

describe('VT-d as a driver programs it (specification 3.4, 6.5.2, 5.1)', () => {
  it('is translating, with a queue of 2,048 slots and all interrupts open', () => {
    const { host, operations, registers } = vtd();
    const status = registers.read32(0x1c) >>> 0;
    expect([status >>> 31, (status >>> 30) & 1, (status >>> 26) & 1, (status >>> 25) & 1]).toEqual([
      1, 1, 1, 0,
    ]);
    expect(registers.read64(0x90)).toBe(BigInt(operations.queue.base) | 3n);
    expect(operations.queue.slots * operations.queue.slotBytes).toBe(2048 * 16);
    expect([registers.read32(0xa0) >>> 31, registers.read32(0x38) >>> 31]).toEqual([0, 0]);
    const root = Number(registers.read64(0x20));
    expect([root % 4096, host.pages.kind(pageNumber(root / 4096))]).toEqual([0, 'io-table']);
    expect([operations.busy, operations.entryChangesPages, operations.isAccess()]).toEqual([
      false,
      false,
      true,
    ]);
  });

  it('has its tail moved in both halves of the register, and its head where the unit is', () => {
    const { operations, registers } = vtd();
    const { queue } = operations;
    queue.write(queue.base, operations.invalidateDomain(3));
    queue.moveTail(16);
    expect([registers.read32(0x88), registers.read32(0x8c), queue.head(), operations.busy]).toEqual([
      16,
      0,
      0,
      true,
    ]);
  });

  it('remaps interrupts by a table of 256 entries that delivers none, and goes on translating', () => {
    const { host, operations, registers } = vtd();
    expect(operations.remapInterrupts()).toEqual([{ type: 'interrupt-entry' }]);
    const status = registers.read32(0x1c) >>> 0;
    // TES, QIES, IRES and IRTPS are set, CFIS is not.
    expect([31, 26, 25, 24, 23].map((bit) => (status >>> bit) & 1)).toEqual([1, 1, 1, 1, 0]);
    const table = Number(registers.read64(0xb8));
    expect([table % 4096, host.pages.kind(pageNumber(Math.floor(table / 4096)))]).toEqual([7, 'io-table']);
  });

  it('points a requester at tables of its depth, and away from them', () => {
    const { operations, tablePages } = vtd();
    const tables = operations.createTables();
    expect([tables.levels, operations.features.levels]).toEqual([4, 4]);
    const { used } = tablePages;
    operations.writeEntry(DEVICE, 9, tables, false);
    // A context table for the bus.
    expect(tablePages.used).toBe(used + 1);
    operations.writeEntry(DEVICE, 9, undefined, false);
    expect(tablePages.used).toBe(used + 1);
  });

  it('says nothing of errors that it does not have', () => {
    const { operations } = vtd();
    expect(operations.queueError()).toBeUndefined();
    expect(operations.counts()).toEqual({ processed: 0, recorded: 0, compressed: 0, dropped: 0 });
  });
});

describe('AMD-Vi as a driver programs it (specification 3.4.1)', () => {
  it('is on, with 2,048 commands and 512 events, and waits a millisecond for a device', () => {
    const { operations, registers } = amdvi();
    const control = registers.read32(0x18);
    // IommuEn, EventLogEn, EventIntEn, ComWaitIntEn, CmdBufEn; InvTimeOut in bits 7:5.
    expect([0, 2, 3, 4, 12].map((bit) => (control >>> bit) & 1)).toEqual([1, 1, 1, 1, 1]);
    expect((control >>> 5) & 7).toBe(1);
    expect(registers.read64(0x08)).toBe(BigInt(operations.queue.base) | (11n << 56n));
    expect(registers.read64(0x10) >> 56n).toBe(9n);
    const table = registers.read64(0x00);
    // 2 MB of entries: 511 pages of 4 KB more than one.
    expect(table & 0x1ffn).toBe(511n);
    expect([registers.read32(0x2000), registers.read32(0x2008), registers.read32(0x2010)]).toEqual([0, 0, 0]);
    expect([operations.busy, operations.entryChangesPages]).toEqual([false, true]);
  });

  it('has its tail moved in both halves of the register, and is busy until the unit has come there', () => {
    const { operations, registers } = amdvi();
    const { queue } = operations;
    queue.write(queue.base, operations.invalidateDomain(3));
    queue.moveTail(16);
    expect([registers.read32(0x2008), registers.read32(0x200c), operations.busy]).toEqual([16, 0, true]);
  });

  it('knows events of accesses from those of its own command buffer', () => {
    const { operations } = amdvi();
    expect([1, 2, 3, 4, 5, 6, 7, 8].map((code) => operations.isAccess(code))).toEqual([
      true,
      true,
      true,
      true,
      false,
      false,
      false,
      true,
    ]);
  });

  it('drops everything with one command, also where interrupts are to be remapped', () => {
    const { operations } = amdvi();
    expect(operations.invalidateEverything()).toEqual([{ type: 'invalidate-all' }]);
    expect(operations.remapInterrupts()).toEqual([{ type: 'invalidate-all' }]);
    expect(operations.counts()).toEqual({ processed: 0, recorded: 0, compressed: 0, dropped: 0 });
  });
});
