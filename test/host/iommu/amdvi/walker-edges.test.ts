import { describe, expect, it } from 'vitest';
import {
  DENY_ALL,
  type DeviceTableEntry,
  readDeviceTableEntry,
  writeDeviceTableEntry,
} from '../../../../host/iommu/amdvi/entries.js';
import { AmdviWalker } from '../../../../host/iommu/amdvi/walker.js';
import { WalkResult } from '../../../../host/iommu/table-walker.js';
import {
  hostPhysicalAddress,
  ioPageNumber,
  ioVirtualAddress,
  requesterId,
} from '../../../../nic/addresses.js';
import { SparseMemory } from '../support/sparse-memory.js';

// Bits as the manual has them (AMD 48882, 2.2.2 and 2.2.3).
const [DEVICES, TOP, DEVICE] = [0x1000, 0x8000, 5];
const [V, TV, PR, IR, IW] = [1n, 2n, 1n, 1n << 61n, 1n << 62n];
const level = (bits: number) => BigInt(bits) << 9n;
const [ILLEGAL_ENTRY, PAGE_FAULT, DEVICE_TABLE_UNREADABLE, TABLE_UNREADABLE, INVALID_REQUEST] = [
  1, 2, 3, 4, 8,
];

function machine(low: bigint, upper = 0x55n) {
  const memory = new SparseMemory();
  for (const page of [DEVICES, TOP]) memory.add(page);
  memory.writeU64(DEVICES + DEVICE * 32, low);
  memory.writeU64(DEVICES + DEVICE * 32 + 8, upper);
  const walker = new AmdviWalker(memory, memory.reachable);
  walker.setDeviceTable(hostPhysicalAddress(DEVICES), 0x1000);
  const out = new WalkResult();
  const walk = (iova: number, write = false, requester = DEVICE) => {
    walker.walk(requesterId(requester), ioVirtualAddress(iova), write, out);
    return out;
  };
  return { memory, walker, walk, out };
}

describe('the AMD-Vi walker', () => {
  it('takes a device table of whole pages up to 2 MB below 2^52', () => {
    const { walker } = machine(0n);
    const set = (address: number, bytes: number) => () =>
      walker.setDeviceTable(hostPhysicalAddress(address), bytes);
    for (const address of [0, 0x1000, 2 ** 52 - 4096]) expect(set(address, 0x1000)).not.toThrow();
    for (const bytes of [0, 0x1000, 2 ** 21]) expect(set(0x1000, bytes)).not.toThrow();
    for (const address of [-4096, 2 ** 52, 0x1001, Number.NaN])
      expect(set(address, 0x1000)).toThrow(`device table is at ${address}, expected a multiple of 4096`);
    for (const bytes of [-4096, 2 ** 21 + 4096, 100, Number.NaN])
      expect(set(0x1000, bytes)).toThrow(`device table has ${bytes} bytes, expected a multiple of 4096`);
  });

  it('reads all memory unless it is told what can be read', () => {
    const memory = new SparseMemory();
    memory.add(DEVICES);
    const walker = new AmdviWalker(memory);
    walker.setDeviceTable(hostPhysicalAddress(DEVICES), 0x1000);
    const out = new WalkResult();
    walker.walk(requesterId(DEVICE), ioVirtualAddress(0x7123), true, out);
    expect(out).toMatchObject({ ok: true, physical: 0x7000 });
  });

  it('stops a request whose entry it cannot read, whatever the request before it found', () => {
    const { walk, walker } = machine(0n);
    expect(walk(0x1000).ok).toBe(true);
    expect(walk(0x1000, false, 128)).toMatchObject({ ok: false, faultReason: ILLEGAL_ENTRY });
    walker.setDeviceTable(hostPhysicalAddress(0xbad_0000), 0x1000);
    expect(walk(0x1000, true)).toMatchObject({
      ok: false,
      faultReason: DEVICE_TABLE_UNREADABLE,
      faultFlags: 0x20,
      entryAddress: 0xbad_0000 + DEVICE * 32,
    });
  });

  it('passes a device without V whatever else is in its entry, and one in the exclusion range by the address alone', () => {
    const invalid = machine((1n << 2n) | (1n << 63n), 1n << 42n).walk(0x9abc, true);
    expect(invalid).toMatchObject({ ok: true, entryPasses: true, read: true, write: true, domainId: 0 });
    const { walk, walker } = machine(V | TV | level(1));
    walker.setExclusion({ start: 0x4000, end: 0x6000, allowAll: true });
    expect(walk(0x4000, true)).toMatchObject({ ok: true, entryPasses: false, read: true, write: true });
    for (const beside of [0x3fff, 0x6000]) expect(walk(beside).ok).toBe(false);
  });

  it('gives a device that is not translated the rights of its entry', () => {
    expect(machine(V | TV | IR).walk(0x1000)).toMatchObject({ ok: true, read: true, write: false });
    expect(machine(V | TV | IW).walk(0x1000, true)).toMatchObject({ ok: true, read: false, write: true });
  });

  it('looks at a cached entry again before it decides by it', () => {
    const { walker, out } = machine(0n);
    out.reset();
    out.entry.set([Number(V | TV) | 0x4, Number((IR | IW) >> 32n), 0x55, 0]);
    expect(walker.applyEntry(ioPageNumber(1), false, out)).toBe(false);
    expect(out).toMatchObject({ ok: false, faultReason: ILLEGAL_ENTRY, faultFlags: 0x80 });
  });

  it('takes translated requests only of a valid entry with I, and below 2^52', () => {
    const I = 1n << 32n;
    const ask = (low: bigint, address: number, upper = I) => {
      const { walker, out } = machine(low, upper);
      walker.checkTranslatedRequest(requesterId(DEVICE), ioVirtualAddress(address), true, out);
      return out;
    };
    expect(ask(V, 2 ** 52 - 4096)).toMatchObject({
      ok: true,
      read: true,
      write: true,
      physical: 2 ** 52 - 4096,
    });
    for (const refused of [ask(0n, 0x1000), ask(V, 2 ** 52), ask(V, 0x1000, 0n)])
      expect(refused).toMatchObject({ ok: false, faultReason: INVALID_REQUEST, faultFlags: 0x20 });
  });

  it('names the entry of a page table that cannot be read (row A56)', () => {
    const { memory, walk } = machine(BigInt(TOP) | V | TV | level(2) | IR | IW);
    memory.writeU64(TOP + 3 * 8, 0xbad_0000n | level(1) | IR | IW | PR);
    expect(walk(3 * 2 ** 21 + 7 * 4096)).toMatchObject({
      ok: false,
      faultReason: TABLE_UNREADABLE,
      entryAddress: 0xbad_0000 + 7 * 8,
    });
  });

  it('takes sizes of NextLevel 7 from that of its level to below the next, and none without a zero bit (row A50)', () => {
    const ones = (bits: number) => (1n << BigInt(bits - 1)) - 0x1000n;
    const at = (levels: number, code: bigint, iova = 0) => {
      const { memory, walk } = machine(BigInt(TOP) | V | TV | level(levels) | IR | IW);
      memory.writeU64(TOP, code | level(7) | IR | IW | PR);
      return walk(iova);
    };
    expect(at(2, ones(21))).toMatchObject({ ok: true, pageBits: 21, physical: 0 });
    expect(at(2, ones(29))).toMatchObject({ ok: true, pageBits: 29 });
    expect(at(1, ones(20))).toMatchObject({ ok: true, pageBits: 20 });
    // 2 MB at level 1, 1 GB at level 2, 1 MB at level 2, and every address bit set.
    for (const malformed of [at(1, ones(21)), at(2, ones(30)), at(2, ones(20)), at(3, 0xf_ffff_ffff_f000n)])
      expect(malformed).toMatchObject({ ok: false, faultReason: PAGE_FAULT, faultFlags: 0x90 });
  });
});

describe('a device table entry', () => {
  const ALL: DeviceTableEntry = {
    valid: true,
    translationValid: true,
    mode: 4,
    pageTable: hostPhysicalAddress(0x1_2345_6000),
    read: true,
    write: true,
    domainId: 0xabcd,
    remoteIotlb: true,
    suppressEvents: true,
    suppressAllEvents: true,
    exclusion: true,
    blocksInterrupts: true,
  };
  const AT = hostPhysicalAddress(DEVICES);
  const device = requesterId(DEVICE);

  /** The entry's four quadwords after it was written over ones. */
  function written(entry: DeviceTableEntry): bigint[] {
    const memory = new SparseMemory();
    for (let at = 0; at < 4096; at += 8) memory.writeU64(DEVICES + at, (1n << 64n) - 1n);
    writeDeviceTableEntry(memory, AT, device, entry);
    const words = [-8, 0, 8, 16, 24, 32].map((offset) => memory.readU64(DEVICES + DEVICE * 32 + offset));
    // Its neighbours are as they were.
    expect([words[0], words[5]]).toEqual([(1n << 64n) - 1n, (1n << 64n) - 1n]);
    expect(readDeviceTableEntry(memory, AT, device)).toEqual(entry);
    return words.slice(1, 5);
  }

  it('is written as the manual has it, over whatever was there', () => {
    expect(written(ALL)).toEqual([
      0x1_2345_6000n | V | TV | level(4) | IR | IW,
      0xabcdn | (1n << 32n) | (1n << 33n) | (1n << 34n) | (1n << 39n),
      1n,
      0n,
    ]);
    expect(written(DENY_ALL)).toEqual([V | TV, 0n, 0n, 0n]);
  });

  it.each(
    Object.entries(ALL)
      .filter(([, value]) => value === true)
      .map(([name]) => name),
  )('is read field by field: %s alone', (name) => {
    const none: DeviceTableEntry = { ...DENY_ALL, valid: false, translationValid: false };
    written({ ...none, [name]: true });
    written({ ...ALL, [name]: false });
  });

  it('blocks interrupts only with IntCtl 0', () => {
    const memory = new SparseMemory();
    memory.add(DEVICES);
    const at = DEVICES + DEVICE * 32;
    for (const [control, blocks] of [
      [0n, true],
      [1n, false],
      [2n, false],
      [4n, true],
    ] as const) {
      memory.writeU64(at + 16, 1n | (control << 60n));
      expect(readDeviceTableEntry(memory, AT, device).blocksInterrupts).toBe(blocks);
    }
  });
});
