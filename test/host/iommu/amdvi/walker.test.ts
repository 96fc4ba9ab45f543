import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AmdviWalker } from '../../../../host/iommu/amdvi/walker.js';
import { WalkResult } from '../../../../host/iommu/table-walker.js';
import { hostPhysicalAddress, ioVirtualAddress, requesterId } from '../../../../nic/addresses.js';
import { runs } from '../../../support/whole.js';
import { expectAt, outcomeText, probes, type Region } from '../support/regions.js';
import { SparseMemory } from '../support/sparse-memory.js';
import { tableSpec, writeTables } from './random-tables.js';

const DEVICE_TABLE = 0x1000;
const TOP = 0x8000;
const DEVICE = 0x0009;
const V = 1n;
const TV = 2n;
const IR = 1n << 61n;
const IW = 1n << 62n;
const PR = 1n;
const mode = (levels: number) => BigInt(levels) << 9n;
const next = mode;
const PAGE_FAULT = 2;
const ILLEGAL_ENTRY = 1;

function machine(words: { low?: bigint; domain?: bigint; maxMode?: number } = {}) {
  const memory = new SparseMemory();
  for (const page of [DEVICE_TABLE, DEVICE_TABLE + 0x1000, TOP]) memory.add(page);
  const entry = DEVICE_TABLE + DEVICE * 32;
  memory.writeU64(entry, words.low ?? BigInt(TOP) | V | TV | mode(3) | IR | IW);
  memory.writeU64(entry + 8, words.domain ?? 0x55n);
  const walker = new AmdviWalker(memory, memory.reachable, words.maxMode ?? 6);
  walker.setDeviceTable(hostPhysicalAddress(DEVICE_TABLE), 0x2000);
  const out = new WalkResult();
  const walk = (iova: number, write = false, requester = DEVICE) => {
    walker.walk(requesterId(requester), ioVirtualAddress(iova), write, out);
    return out;
  };
  return { memory, walker, walk, out, entry };
}

describe('AMD-Vi walker against a brute-force model', () => {
  it.each([1, 2, 3, 4, 5, 6])('translates as the model says, mode %i', (levels) => {
    const rights = fc.constantFrom([true, true], [true, true], [true, false], [false, true]);
    fc.assert(
      fc.property(
        tableSpec(levels),
        rights,
        fc.array(fc.double({ min: 0, max: 1, noNaN: true })),
        (spec, [mayRead = true, mayWrite = true], extra) => {
          const { memory, walk, entry } = machine();
          const model: string[] = [];
          const walked: string[] = [];
          const all = 1n << 64n;
          // The device table entry takes part in the AND: a region above all levels.
          const regions: Region[] = [
            {
              start: 0n,
              end: all,
              level: 9,
              read: mayRead,
              write: mayWrite,
              kind: 'table',
              physical: 0n,
              pageBits: 0,
            },
          ];
          const top = writeTables(memory, levels, spec, regions);
          memory.writeU64(entry, top | V | TV | mode(levels) | (mayRead ? IR : 0n) | (mayWrite ? IW : 0n));
          const limit = 1n << BigInt(Math.min(12 + 9 * levels, 64));
          const random = extra.map((part) => BigInt(Math.floor(part * (Number(limit / 2n) - 1))));
          for (const probe of [...probes(regions, limit), ...random]) {
            // From 2^53 on a walker gets the first byte of the page.
            const iova = probe < 1n << 53n ? probe : probe - (probe % 4096n);
            if (iova >> 20n === 0xfeen) continue;
            for (const write of [false, true]) {
              const expected = expectAt(regions, iova, write);
              const got = walk(Number(iova), write);
              const flags = expected.ok ? 0 : { absent: 0, permission: 0x50, reserved: 0x90 }[expected.why];
              const fault = { reason: PAGE_FAULT, flags: flags | (write ? 0x20 : 0) };
              model.push(outcomeText(iova, write, expected.ok ? expected : fault));
              walked.push(
                outcomeText(iova, write, got.ok ? got : { reason: got.faultReason, flags: got.faultFlags }),
              );
            }
          }
          expect(walked).toEqual(model);
        },
      ),
      { numRuns: runs(80) },
    );
  });

  it('reports which tables it read, and that levels were skipped', () => {
    const { memory, walk, entry } = machine();
    memory.writeU64(entry, BigInt(TOP) | V | TV | mode(4) | IR | IW);
    memory.writeU64(TOP + 8, 0x9000n | next(1) | IR | IW | PR); // level 4 to level 1
    memory.writeU64(0x9000 + 3 * 8, 0x7_0000n | IR | PR);
    const base = 2 ** 39;
    expect(walk(base + 3 * 4096 + 5)).toMatchObject({
      ok: true,
      physical: 0x7_0000,
      levels: 2,
      contextReads: 1,
      domainId: 0x55,
      read: true,
      write: false,
    });
    expect([...walk(base + 3 * 4096).tableLevel.slice(0, 2)]).toEqual([4, 1]);
    // A bit that was skipped must be zero.
    expect(walk(base + 2 ** 21 + 3 * 4096)).toMatchObject({
      ok: false,
      faultReason: PAGE_FAULT,
      faultFlags: 0,
    });
  });

  it('reads the size of a NextLevel 7 page from its lowest zero address bit', () => {
    const { memory, walk, entry } = machine();
    memory.writeU64(entry, BigInt(TOP) | V | TV | mode(1) | IR | IW);
    for (const slot of [4, 5]) memory.writeU64(TOP + slot * 8, 0x2a_2000n | next(7) | IW | IR | PR);
    expect(walk(0x5abc)).toMatchObject({ ok: true, physical: 0x2a_2000, pageBits: 13 });
    for (let slot = 256; slot < 512; slot += 1) {
      memory.writeU64(TOP + slot * 8, 0x70_0000n | 0x7_f000n | next(7) | IR | IW | PR);
    }
    expect(walk(0x1f_ffff)).toMatchObject({ ok: true, physical: 0x70_0000, pageBits: 20 });
  });
});

describe('AMD-Vi device table entries', () => {
  const at = (low: bigint, iova = 0x1000, write = false) => machine({ low }).walk(iova, write);

  it('lets a device pass whose entry is not valid', () => {
    expect(at(0n, 0x1234, true)).toMatchObject({
      ok: true,
      passThrough: true,
      physical: 0x1000,
      pageBits: 12,
    });
    expect(at(0n, 2 ** 52)).toMatchObject({ ok: false, faultReason: PAGE_FAULT });
  });
  it('stops a device without valid translation information', () => {
    expect(at(V | IR | IW)).toMatchObject({ ok: false, faultReason: PAGE_FAULT, faultFlags: 0 });
  });
  it('does not translate with mode 0, but checks IR and IW', () => {
    expect(at(V | TV | IR | IW)).toMatchObject({ ok: true, passThrough: true, read: true, write: true });
    expect(at(V | TV | IR, 0x1000, true)).toMatchObject({ ok: false, faultFlags: 0x70 });
    expect(at(V | TV)).toMatchObject({ ok: false, faultReason: PAGE_FAULT, faultFlags: 0x50 }); // deny all
  });
  it('refuses reserved bits, mode 7 and modes that the unit lacks', () => {
    for (const bit of [2n, 6n, 63n]) {
      expect(at(V | TV | IR | IW | (1n << bit))).toMatchObject({
        faultReason: ILLEGAL_ENTRY,
        faultFlags: 0x80,
      });
    }
    expect(at(V | TV | IR | IW | mode(7))).toMatchObject({ faultReason: ILLEGAL_ENTRY });
    expect(machine({ low: V | TV | IR | mode(5), maxMode: 4 }).walk(0)).toMatchObject({
      faultReason: ILLEGAL_ENTRY,
    });
    const { memory, walk, entry } = machine();
    memory.writeU64(entry + 8, 1n << 42n); // bit 106
    expect(walk(0)).toMatchObject({ faultReason: ILLEGAL_ENTRY });
  });
  it('refuses a device beyond the end of the table, and one whose entry cannot be read', () => {
    const { walk, walker } = machine();
    expect(walk(0, true, 256)).toMatchObject({
      faultReason: ILLEGAL_ENTRY,
      faultFlags: 0x20,
      contextReads: 0,
    });
    walker.setDeviceTable(hostPhysicalAddress(0xbad_0000), 0x2000);
    expect(walk(0)).toMatchObject({ faultReason: 3 });
  });
  it('reports what may be logged (SE, SA)', () => {
    expect(machine({ domain: 0x55n | (1n << 33n) }).walk(0).logging).toBe('first');
    expect(machine({ domain: 0x55n | (1n << 34n) }).walk(0).logging).toBe('never');
    expect(machine().walk(0).logging).toBe('always');
  });
  it('refuses addresses beyond the mode, of which that of six levels is all (row A54)', () => {
    expect(machine().walk(2 ** 39, true)).toMatchObject({
      faultReason: PAGE_FAULT,
      faultFlags: 0x20,
      levels: 0,
    });
    const low = BigInt(TOP) | V | TV | mode(6) | IR | IW;
    expect(machine({ low }).walk(2 ** 64 - 4096)).toMatchObject({ faultReason: PAGE_FAULT, levels: 1 });
    expect(machine({ low }).walk(2 ** 53 - 1)).toMatchObject({ faultReason: PAGE_FAULT, levels: 1 });
    const five = BigInt(TOP) | V | TV | mode(5) | IR | IW;
    expect(machine({ low: five }).walk(2 ** 57)).toMatchObject({ faultReason: PAGE_FAULT, levels: 0 });
    expect(machine({ low: five }).walk(2 ** 57 - 4096)).toMatchObject({ faultReason: PAGE_FAULT, levels: 1 });
  });
  it('reports a page table that cannot be read', () => {
    const { memory, walk } = machine();
    memory.writeU64(TOP, 0xbad_0000n | next(2) | IR | IW | PR);
    expect(walk(0)).toMatchObject({ ok: false, faultReason: 4, levels: 1 });
  });
  it('takes nothing of the interrupt window to memory', () => {
    expect(at(0n, 0xfee0_0000, true)).toMatchObject({ ok: false, interruptWindow: true, faultReason: 0 });
  });
  it('lets the exclusion range pass', () => {
    const { walk, walker, memory, entry } = machine();
    walker.setExclusion({ start: 0x4000, end: 0x6000, allowAll: true });
    expect(walk(0x5fff)).toMatchObject({ ok: true, passThrough: true, physical: 0x5000 });
    expect(walk(0x6000).ok).toBe(false);
    walker.setExclusion({ start: 0x4000, end: 0x6000, allowAll: false });
    expect(walk(0x4000).ok).toBe(false);
    memory.writeU64(entry + 8, 0x55n | (1n << 39n)); // EX
    expect(walk(0x4000).ok).toBe(true);
  });
  it('takes translated requests only from devices with I set', () => {
    const { walker, out, memory, entry } = machine();
    walker.checkTranslatedRequest(requesterId(DEVICE), ioVirtualAddress(0x1000), false, out);
    expect([out.ok, out.faultReason]).toEqual([false, 8]);
    memory.writeU64(entry + 8, 0x55n | (1n << 32n));
    walker.checkTranslatedRequest(requesterId(DEVICE), ioVirtualAddress(0x1000), false, out);
    expect(out).toMatchObject({ ok: true, passThrough: true });
  });
});
