import { describe, expect, it } from 'vitest';
import { WalkResult } from '../../../../host/iommu/table-walker.js';
import { DEFAULT_VTD_CAPABILITIES } from '../../../../host/iommu/vtd/capabilities.js';
import {
  type ContextEntry,
  readContextEntry,
  readRootEntry,
  writeContextEntry,
  writeRootEntry,
} from '../../../../host/iommu/vtd/entries.js';
import { VtdWalker } from '../../../../host/iommu/vtd/walker.js';
import {
  hostPhysicalAddress,
  ioPageNumber,
  ioVirtualAddress,
  requesterId,
} from '../../../../nic/addresses.js';
import { SparseMemory } from '../support/sparse-memory.js';

// Bits as the specification has them (VT-d 9.1, 9.3).
const [ROOT, CONTEXTS, TOP, DEVICE] = [0x1000, 0x2000, 0x3000, 0x0210];
const PRESENT = 1n;
const type = (tt: number) => BigInt(tt) << 2n;
const WIDTH_39 = 1n;
const HOST_LIMIT = 2 ** DEFAULT_VTD_CAPABILITIES.hostAddressBits;
const [CONTEXT_NOT_PRESENT, BEYOND, CONTEXT_RESERVED, BLOCKED] = [2, 4, 0xb, 0xd];

function machine(low: bigint, upper = (0x77n << 8n) | WIDTH_39) {
  const memory = new SparseMemory();
  for (const page of [ROOT, CONTEXTS, TOP]) memory.add(page);
  memory.writeU64(ROOT + 2 * 16, BigInt(CONTEXTS) | PRESENT);
  memory.writeU64(CONTEXTS + 0x10 * 16, low);
  memory.writeU64(CONTEXTS + 0x10 * 16 + 8, upper);
  const walker = new VtdWalker(memory, DEFAULT_VTD_CAPABILITIES, memory.reachable);
  walker.rootTable = hostPhysicalAddress(ROOT);
  const out = new WalkResult();
  const walk = (iova: number, write = false, requester = DEVICE) => {
    walker.walk(requesterId(requester), ioVirtualAddress(iova), write, out);
    return out;
  };
  return { memory, walker, walk, out };
}

describe('the VT-d walker', () => {
  it('takes a root table at a multiple of 4096', () => {
    const { walker } = machine(0n);
    for (const address of [0, 0x5000]) {
      walker.rootTable = hostPhysicalAddress(address);
      expect(walker.rootTable).toBe(address);
    }
    for (const address of [-4096, 0x5001, 2 ** 53, Number.NaN])
      expect(() => {
        walker.rootTable = hostPhysicalAddress(address);
      }).toThrow(`root table is at ${address}, expected a multiple of 4096`);
  });

  it('reads all memory unless it is told what can be read', () => {
    const { memory, out } = machine(type(2) | PRESENT);
    const walker = new VtdWalker(memory, DEFAULT_VTD_CAPABILITIES);
    walker.rootTable = hostPhysicalAddress(ROOT);
    walker.walk(requesterId(DEVICE), ioVirtualAddress(0x7123), true, out);
    expect(out).toMatchObject({ ok: true, physical: 0x7000 });
  });

  it('stops a request whose entry is absent, whatever the request before it found', () => {
    const { walk } = machine(type(2) | PRESENT);
    expect(walk(0x1000)).toMatchObject({
      ok: true,
      entryPasses: true,
      read: true,
      write: true,
      domainId: 0x77,
    });
    expect(walk(0x1000, false, DEVICE + 1)).toMatchObject({
      ok: false,
      faultReason: CONTEXT_NOT_PRESENT,
      absent: 'entry',
      passThrough: false,
    });
    expect(walk(0x1000, false, 0x0310)).toMatchObject({ ok: false, faultReason: 1, contextReads: 1 });
  });

  it('passes untranslated up to the width of host addresses, and not beyond', () => {
    const { walk } = machine(type(2) | PRESENT);
    expect(walk(HOST_LIMIT - 1)).toMatchObject({ ok: true, physical: HOST_LIMIT - 4096 });
    expect(walk(HOST_LIMIT)).toMatchObject({ ok: false, faultReason: BEYOND });
  });

  it('looks at a cached entry again before it decides by it', () => {
    const { walker, out } = machine(0n);
    out.reset();
    out.entry.set([1 | 0x10, 0, 1, 0]);
    expect(walker.applyEntry(ioPageNumber(1), false, out)).toBe(false);
    expect(out).toMatchObject({ ok: false, faultReason: CONTEXT_RESERVED });
    // What is left of an entry that is not present does not matter.
    out.reset();
    out.entry.set([TOP, 0, 1, 0]);
    expect(walker.applyEntry(ioPageNumber(1), false, out)).toBe(false);
    expect(out).toMatchObject({ ok: false, faultReason: CONTEXT_NOT_PRESENT, absent: 'entry' });
  });

  it('takes translated requests of translation type 1 alone, below the width of host addresses', () => {
    const ask = (low: bigint, address: number) => {
      const { walker, out } = machine(low);
      walker.checkTranslatedRequest(requesterId(DEVICE), ioVirtualAddress(address), out);
      return out;
    };
    const allowed = BigInt(TOP) | type(1) | PRESENT;
    expect(ask(allowed, HOST_LIMIT - 4096)).toMatchObject({
      ok: true,
      passThrough: true,
      read: true,
      write: true,
    });
    expect(ask(allowed, HOST_LIMIT)).toMatchObject({ ok: false, faultReason: BEYOND });
    for (const tt of [0, 2])
      expect(ask(BigInt(TOP) | type(tt) | PRESENT, 0x1000)).toMatchObject({
        ok: false,
        faultReason: BLOCKED,
      });
    expect(ask(0n, 0x1000)).toMatchObject({ ok: false, faultReason: CONTEXT_NOT_PRESENT });
  });

  it('starts below the context entry with all rights, and says which table and level', () => {
    const { walker, out } = machine(BigInt(TOP) | (1n << 40n) | PRESENT);
    out.reset();
    expect(walker.readEntry(requesterId(DEVICE), false, out)).toBe(true);
    expect(walker.applyEntry(ioPageNumber(1), false, out)).toBe(true);
    expect(out).toMatchObject({
      table: TOP + 2 ** 40,
      level: 3,
      rights: 3,
      contextReads: 2,
      entryPasses: false,
    });
  });
});

describe('entries of VT-d tables', () => {
  const ALL: ContextEntry = {
    present: true,
    faultProcessingDisable: true,
    translationType: 2,
    secondLevelTable: hostPhysicalAddress(0x1_2345_6000),
    addressWidth: 3,
    domainId: 0xabcd,
  };
  const AT = hostPhysicalAddress(CONTEXTS);

  function written(entry: ContextEntry): bigint[] {
    const memory = new SparseMemory();
    for (let at = 0; at < 4096; at += 8) memory.writeU64(CONTEXTS + at, (1n << 64n) - 1n);
    writeContextEntry(memory, AT, 0x11, entry);
    const words = [-8, 0, 8, 16].map((offset) => memory.readU64(CONTEXTS + 0x11 * 16 + offset));
    expect([words[0], words[3]]).toEqual([(1n << 64n) - 1n, (1n << 64n) - 1n]);
    expect(readContextEntry(memory, AT, 0x11)).toEqual(entry);
    return words.slice(1, 3);
  }

  it('are written as the specification has them, over whatever was there', () => {
    expect(written(ALL)).toEqual([0x1_2345_6000n | type(2) | 2n | PRESENT, (0xabcdn << 8n) | 3n]);
    const none = { ...ALL, present: false, faultProcessingDisable: false, translationType: 0 };
    expect(written(none)).toEqual([0x1_2345_6000n, (0xabcdn << 8n) | 3n]);
    written({ ...none, present: true });
    written({ ...none, faultProcessingDisable: true });
  });

  it('have a root entry per bus', () => {
    const memory = new SparseMemory();
    for (let at = 0; at < 4096; at += 8) memory.writeU64(ROOT + at, (1n << 64n) - 1n);
    const root = hostPhysicalAddress(ROOT);
    for (const present of [true, false]) {
      const entry = { present, contextTable: hostPhysicalAddress(0x3_0000_5000) };
      writeRootEntry(memory, root, 7, entry);
      expect(readRootEntry(memory, root, 7)).toEqual(entry);
      expect(memory.readU64(ROOT + 7 * 16)).toBe(0x3_0000_5000n | (present ? 1n : 0n));
      expect(memory.readU64(ROOT + 7 * 16 + 8)).toBe(0n);
      expect(memory.readU64(ROOT + 8 * 16)).toBe((1n << 64n) - 1n);
    }
  });
});
