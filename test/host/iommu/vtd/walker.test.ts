import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { WalkResult } from '../../../../host/iommu/table-walker.js';
import { DEFAULT_VTD_CAPABILITIES, type VtdCapabilities } from '../../../../host/iommu/vtd/capabilities.js';
import { VtdWalker } from '../../../../host/iommu/vtd/walker.js';
import { hostPhysicalAddress, ioVirtualAddress, requesterId } from '../../../../nic/addresses.js';
import { runs } from '../../../support/whole.js';
import { expectAt, outcomeText, probes, type Region } from '../support/regions.js';
import { SparseMemory } from '../support/sparse-memory.js';
import { tableSpec, writeTables } from './random-tables.js';

const ROOT = 0x1000;
const CONTEXT = 0x2000;
const TOP = 0x3000;
const DEVICE = 0x0208; // bus 2, device 1, function 0

function machine(
  options: Partial<VtdCapabilities> = {},
  context: { low?: bigint; high?: bigint; root?: bigint; rootHigh?: bigint } = {},
) {
  const memory = new SparseMemory();
  for (const table of [ROOT, CONTEXT, TOP]) memory.add(table);
  memory.writeU64(ROOT + 2 * 16, context.root ?? BigInt(CONTEXT) + 1n);
  memory.writeU64(ROOT + 2 * 16 + 8, context.rootHigh ?? 0n);
  memory.writeU64(CONTEXT + 8 * 16, context.low ?? BigInt(TOP) + 1n);
  memory.writeU64(CONTEXT + 8 * 16 + 8, context.high ?? (0x77n << 8n) + 1n);
  const walker = new VtdWalker(memory, { ...DEFAULT_VTD_CAPABILITIES, ...options }, memory.reachable);
  walker.rootTable = hostPhysicalAddress(ROOT);
  const out = new WalkResult();
  const walk = (iova: number, write = false, requester = DEVICE) => {
    walker.walk(requesterId(requester), ioVirtualAddress(iova), write, out);
    return out;
  };
  return { memory, walker, walk, out };
}

describe('VT-d walker against a brute-force model', () => {
  it.each([3, 4, 5])('translates as the model says, %i levels', (levels) => {
    fc.assert(
      fc.property(tableSpec(levels), fc.array(fc.double({ min: 0, max: 1, noNaN: true })), (spec, extra) => {
        const { memory, walk, out } = machine();
        const model: string[] = [];
        const walked: string[] = [];
        const regions: Region[] = [];
        const top = writeTables(memory, levels, spec, regions);
        memory.writeU64(CONTEXT + 8 * 16, top | 1n);
        memory.writeU64(CONTEXT + 8 * 16 + 8, (0x77n << 8n) | BigInt(levels - 2));
        const limit = 1n << BigInt(12 + 9 * levels);
        const random = extra.map((part) => BigInt(Math.floor(part * (Number(limit / 2n) - 1))));
        for (const probe of [...probes(regions, limit), ...random]) {
          // From 2^53 on a walker gets the first byte of the page.
          const iova = probe < 1n << 53n ? probe : probe - (probe % 4096n);
          if (iova >> 20n === 0xfeen) continue;
          for (const write of [false, true]) {
            const expected = expectAt(regions, iova, write);
            const got = walk(Number(iova), write);
            const reason = write ? 0x5 : 0x6;
            model.push(
              outcomeText(
                iova,
                write,
                expected.ok ? expected : { reason: expected.why === 'reserved' ? 0xc : reason, flags: 0 },
              ),
            );
            walked.push(
              outcomeText(iova, write, got.ok ? got : { reason: got.faultReason, flags: got.faultFlags }),
            );
          }
        }
        expect(walked).toEqual(model);
        expect(out.domainId).toBe(0x77);
      }),
      { numRuns: runs(120) },
    );
  });

  it('reports which tables it read', () => {
    const { memory, walk } = machine({}, { high: 2n });
    memory.writeU64(TOP + 8, 0x4003n); // 4 levels; IOVA bits 47:39 = 1
    memory.writeU64(0x4000 + 2 * 8, 0x5003n);
    memory.writeU64(0x5000 + 3 * 8, 0xe0_0083n); // 2 MB page
    const got = walk(2 ** 39 + 2 * 2 ** 30 + 3 * 2 ** 21 + 5);
    expect(got.ok).toBe(true);
    expect([got.contextReads, got.levels]).toEqual([2, 3]);
    expect([...got.tableAddress.slice(0, 3)]).toEqual([TOP, 0x4000, 0x5000]);
    expect([...got.tableLevel.slice(0, 3)]).toEqual([4, 3, 2]);
    expect([got.physical, got.pageBits]).toEqual([0xe0_0000, 21]);
  });
});

describe('VT-d faults', () => {
  const first = (reason: number, ...setup: Parameters<typeof machine>) => {
    const got = machine(...setup).walk(0x1000);
    expect([got.ok, got.faultReason]).toEqual([false, reason]);
    return got;
  };

  it('1: root entry not present', () => {
    const got = first(0x1, {}, { root: BigInt(CONTEXT) });
    expect([got.contextReads, got.levels]).toEqual([1, 0]);
  });
  it('2: context entry not present', () => {
    first(0x2, {}, { low: BigInt(TOP) });
    const { walk } = machine();
    expect(walk(0x1000, false, 0x0209).faultReason).toBe(0x2);
    expect(walk(0x1000, false, 0x0308).faultReason).toBe(0x1);
  });
  it('3: width or type that the unit lacks', () => {
    for (const width of [0n, 4n, 5n, 6n, 7n]) first(0x3, {}, { high: width });
    first(0x3, { tableLevels: [4] }, { high: 1n });
    first(0x3, {}, { low: BigInt(TOP) + 1n + (3n << 2n) });
    first(0x3, { passThrough: false }, { low: BigInt(TOP) + 1n + (2n << 2n) });
    first(0x3, { deviceTlb: false }, { low: BigInt(TOP) + 1n + (1n << 2n) });
  });
  it('4: address beyond the width, MGAW, and the host width for pass-through', () => {
    const walkAt = (iova: number, ...setup: Parameters<typeof machine>) =>
      machine(...setup).walk(iova).faultReason;
    expect(walkAt(2 ** 39)).toBe(0x4);
    expect(walkAt(2 ** 39 - 1)).toBe(0x6);
    expect(walkAt(2 ** 36, { guestAddressBits: 36 })).toBe(0x4);
    expect(walkAt(2 ** 48, {}, { high: 2n })).toBe(0x4);
    expect(walkAt(2 ** 57, {}, { high: 3n })).toBe(0x4);
    expect(walkAt(2 ** 57 - 4096, {}, { high: 3n })).toBe(0x6);
    expect(walkAt(2 ** 46, {}, { low: (2n << 2n) + 1n })).toBe(0x4);
  });
  it('5 and 6: permission is needed at every level', () => {
    for (const weak of [3, 2, 1]) {
      const { memory, walk } = machine();
      const entry = (level: number, address: number) => BigInt(address) + (level === weak ? 1n : 3n);
      memory.writeU64(TOP, entry(3, 0x4000));
      memory.writeU64(0x4000, entry(2, 0x5000));
      memory.writeU64(0x5000 + 8, entry(1, 0x9000));
      expect(walk(0x1000, true).faultReason).toBe(0x5);
      expect(walk(0x1000, true).levels).toBe(4 - weak);
      expect(walk(0x1000, false)).toMatchObject({ ok: true, physical: 0x9000, read: true, write: false });
      expect(walk(0x2000, false).faultReason).toBe(0x6);
    }
  });
  it('7, 8, 9: a table that cannot be read', () => {
    const { memory, walk, walker } = machine();
    memory.writeU64(TOP, 0xdead_0003n);
    expect(walk(0x1000).faultReason).toBe(0x7);
    expect(walk(0x1000).levels).toBe(1);
    walker.rootTable = hostPhysicalAddress(0xbad_0000);
    expect(walk(0x1000)).toMatchObject({ faultReason: 0x8, contextReads: 0 });
    first(0x9, {}, { root: 0xbad_0001n });
  });
  it('A: every reserved bit of a root entry', () => {
    for (const bit of [1n, 5n, 11n, 46n, 51n, 52n, 63n]) {
      first(0xa, {}, { root: BigInt(CONTEXT) + 1n + (1n << bit) });
    }
    for (const bit of [0n, 12n, 63n]) first(0xa, {}, { rootHigh: 1n << bit });
  });
  it('B: every reserved bit of a context entry', () => {
    for (const bit of [4n, 7n, 11n, 46n, 52n, 63n]) {
      first(0xb, {}, { low: BigInt(TOP) + 1n + (1n << bit) });
    }
    for (const bit of [7n, 24n, 31n, 32n, 63n]) first(0xb, {}, { high: 1n + (1n << bit) });
    // Bits 6:3 of the upper half are for software.
    first(0x6, {}, { high: 1n + (0xfn << 3n) });
  });
  it('C: every reserved bit of a second-level entry', () => {
    const leafAt = (level: number, value: bigint, options: Partial<VtdCapabilities> = {}) => {
      const { memory, walk } = machine(options, { high: 3n });
      const tables = [TOP, 0x4000, 0x5000, 0x6000, 0x7000];
      for (let at = 5; at > level; at -= 1) {
        memory.writeU64(tables[5 - at] ?? 0, BigInt(tables[6 - at] ?? 0) + 3n);
      }
      for (const table of tables) memory.add(table);
      memory.writeU64(tables[5 - level] ?? 0, value);
      return walk(0).faultReason;
    };
    for (const bit of [46n, 51n])
      for (let level = 1; level <= 5; level += 1) {
        expect(leafAt(level, 3n + (1n << bit))).toBe(0xc);
      }
    for (const level of [4, 5]) expect(leafAt(level, 0x83n)).toBe(0xc);
    for (let bit = 12n; bit <= 20n; bit += 1n) expect(leafAt(2, 0x83n + (1n << bit))).toBe(0xc);
    for (let bit = 12n; bit <= 29n; bit += 1n) expect(leafAt(3, 0x83n + (1n << bit))).toBe(0xc);
    expect(leafAt(2, 0x20_0083n)).toBe(0);
    expect(leafAt(3, 0x4000_0083n)).toBe(0);
    expect(leafAt(2, 0x83n, { pages2M: false })).toBe(0xc);
    expect(leafAt(3, 0x83n, { pages1G: false })).toBe(0xc);
    expect(leafAt(1, 0x803n)).toBe(0);
    expect(leafAt(1, 0x803n, { snoopControl: false })).toBe(0xc);
    expect(leafAt(2, 0x883n, { snoopControl: false })).toBe(0xc);
    expect(leafAt(2, 0x4803n)).toBe(0xc);
    expect(leafAt(1, 3n + (1n << 62n))).toBe(0);
    expect(leafAt(1, 3n + (1n << 62n), { deviceTlb: false })).toBe(0xc);
    expect(leafAt(2, 0x4003n + (1n << 62n))).toBe(0xc);
    // Bits 61:52 and 63 are ignored everywhere.
    expect(leafAt(1, 3n + (0x3ffn << 52n) + (1n << 63n))).toBe(0);
  });
  it('D: a translated request where the translation type is not 1', () => {
    const { walker, out } = machine();
    walker.checkTranslatedRequest(requesterId(DEVICE), ioVirtualAddress(0x1000), out);
    expect([out.ok, out.faultReason]).toEqual([false, 0xd]);
    const granted = machine({}, { low: BigInt(TOP) + 1n + (1n << 2n) });
    granted.walker.checkTranslatedRequest(requesterId(DEVICE), ioVirtualAddress(0x1234), granted.out);
    expect(granted.out).toMatchObject({ ok: true, passThrough: true, physical: 0x1000 });
  });
  it('keeps a fault out of the log if the context entry sets FPD', () => {
    expect(machine({}, { low: 2n }).walk(0).logging).toBe('never');
    expect(machine({}, { low: BigInt(TOP) + 3n }).walk(0)).toMatchObject({
      faultReason: 6,
      logging: 'never',
    });
    expect(machine().walk(0).logging).toBe('always');
  });
});

describe('VT-d requests that are not translated', () => {
  it('passes requests through under translation type 2', () => {
    const got = machine({}, { low: (2n << 2n) + 1n, high: (9n << 8n) + 2n }).walk(0x1234_5678, true);
    expect(got).toMatchObject({ ok: true, passThrough: true, physical: 0x1234_5000, domainId: 9, levels: 0 });
  });
  it('takes nothing of the interrupt window to memory', () => {
    const { walk } = machine({}, { low: (2n << 2n) + 1n });
    for (const iova of [0xfee0_0000, 0xfeef_ffff]) {
      expect(walk(iova, true)).toMatchObject({ ok: false, interruptWindow: true, faultReason: 0 });
    }
    for (const iova of [0xfedf_ffff, 0xfef0_0000]) expect(walk(iova, true)).toMatchObject({ ok: true });
  });
  it('refuses what is not an address', () => {
    const { walk } = machine();
    for (const iova of [-1, 0.5, Number.NaN]) expect(() => walk(iova)).toThrow(RangeError);
    expect(() => walk(0, false, 0x1_0000)).toThrow(/requester ID is 65536/);
  });
});

describe('VT-d, what a walk refuses as peers expect', () => {
  const [LEVEL_2, LEVEL_1] = [0x4000, 0x5000];

  /** Three levels that map IOVA 0 to `physical`. */
  function mapped(physical: bigint) {
    const { memory, walk } = machine();
    for (const table of [LEVEL_2, LEVEL_1]) memory.add(table);
    memory.writeU64(TOP, BigInt(LEVEL_2) + 3n);
    memory.writeU64(LEVEL_2, BigInt(LEVEL_1) + 3n);
    memory.writeU64(LEVEL_1, physical + 3n);
    return walk;
  }

  it('a top table that cannot be read is the context entry at fault: 3 (QEMU intel_iommu.c, row V58)', () => {
    const { memory, walk } = machine({}, { low: 0x9000n + 1n });
    expect(walk(0).faultReason).toBe(3);
    memory.add(0x9000);
    memory.writeU64(0x9000, 0xa000n + 3n);
    expect(walk(0).faultReason).toBe(7);
  });

  it.each([0xfee0_0000n, 0xfee0_1000n, 0xfeef_f000n])(
    'a page that lies in the interrupt range at 0x%s: 0xe (VT-d 3.14 LGN.4, row V67)',
    (physical) => {
      for (const write of [false, true])
        expect(mapped(physical)(0, write)).toMatchObject({ ok: false, faultReason: 0xe });
    },
  );

  it('the pages before and behind the interrupt range are memory', () => {
    for (const physical of [0xfedf_f000n, 0xfef0_0000n]) {
      expect(mapped(physical)(0x123)).toMatchObject({ ok: true, physical: Number(physical) });
    }
  });
});
