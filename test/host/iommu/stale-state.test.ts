import { describe, expect, it } from 'vitest';
import { type AmdviCommand, writeCommand } from '../../../host/iommu/amdvi/commands.js';
import { AmdviUnit } from '../../../host/iommu/amdvi/unit.js';
import { type TableWalker, WalkResult } from '../../../host/iommu/table-walker.js';
import { STOPPED, TranslationCache } from '../../../host/iommu/translation/translation-cache.js';
import {
  type InvalidationDescriptor,
  writeDescriptor,
} from '../../../host/iommu/vtd/invalidation-descriptors.js';
import { RemappingUnit } from '../../../host/iommu/vtd/remapping-unit.js';
import { hostPhysicalAddress, ioPageOf, ioVirtualAddress, requesterId } from '../../../nic/addresses.js';
import { EventKernel } from '../../../scheduler/event-kernel.js';
import { translatedBy } from '../support/places.js';
import { RecordingInterrupts } from './support/recording-sink.js';
import { SparseMemory } from './support/sparse-memory.js';

// The rows are those of the list of behaviours that peers' tests and emulators show; each title names its source.
const DEVICE = 0x20;
const IOVA = 0x4000_0000;
const OLD = 0x20_0000;
const NEW = 0x30_0000;
const [ROOT, CONTEXTS, QUEUE] = [0x1000, 0x2000, 0x3000];
/** Top tables of two sets of page tables; each has its three lower tables behind it. */
const [TABLES, OTHER_TABLES] = [0x1_0000, 0x2_0000];
const READ_WRITE = 3n;
const TRANSLATED = 0;
const PASS_THROUGH = 2;

// VT-d register offsets.
const [GCMD, GSTS, RTADDR, IQT, IQA] = [0x18, 0x1c, 0x20, 0x88, 0x90];
const [TE, SRTP, QIE] = [0x8000_0000, 0x4000_0000, 0x0400_0000];
const [CONTEXT_NOT_PRESENT, NO_WRITE, NO_READ] = [2, 5, 6];

/** Four levels that lead from IOVA to one page. */
function buildTables(memory: SparseMemory, top: number, physical: number): void {
  for (let level = 4; level >= 1; level -= 1) {
    const table = top + (4 - level) * 0x1000;
    memory.add(table);
    const index = Number((BigInt(IOVA) >> BigInt(3 + 9 * level)) & 511n);
    memory.writeU64(table + index * 8, BigInt(level > 1 ? table + 0x1000 : physical) | READ_WRITE);
  }
}

/** Where the entry of `level` lies for IOVA. */
const entryAt = (top: number, level: number) =>
  top + (4 - level) * 0x1000 + Number((BigInt(IOVA) >> BigInt(3 + 9 * level)) & 511n) * 8;

/** A VT-d unit with its caches in front, a device, and software that forgets what a test leaves out. */
class VtdBench {
  readonly kernel = new EventKernel();
  readonly memory = new SparseMemory();
  readonly caches: TranslationCache;
  readonly unit: RemappingUnit;
  #tail = 0;

  constructor(cachingMode = false) {
    const { memory } = this;
    for (const page of [ROOT, CONTEXTS, QUEUE]) memory.add(page);
    buildTables(memory, TABLES, OLD);
    buildTables(memory, OTHER_TABLES, NEW);
    memory.writeU64(ROOT, BigInt(CONTEXTS) | 1n);
    const walker: TableWalker = {
      walk: (...a) => this.unit.walk(...a),
      readEntry: (...a) => this.unit.readEntry(...a),
      applyEntry: (...a) => this.unit.applyEntry(...a),
      walkTables: (...a) => this.unit.walkTables(...a),
      stopAtAbsentPage: (...a) => this.unit.stopAtAbsentPage(...a),
    };
    this.caches = new TranslationCache(this.kernel, walker, 1, {}, cachingMode);
    this.unit = new RemappingUnit({
      kernel: this.kernel,
      memory,
      reachable: memory.reachable,
      sink: this.caches,
      interrupts: new RecordingInterrupts(),
      capabilities: { cachingMode },
    });
    const { registers } = this.unit;
    registers.write64(RTADDR, BigInt(ROOT));
    registers.write32(GCMD, SRTP);
    registers.write64(IQA, BigInt(QUEUE));
    registers.write32(GCMD, QIE);
    registers.write32(GCMD, (QIE | TE) >>> 0);
  }

  /** The context entry of the device; without `tables` it is not present. */
  setContext(tables: number | undefined, type = TRANSLATED, domain = 5): void {
    const at = CONTEXTS + DEVICE * 16;
    this.memory.writeU64(at + 8, (BigInt(domain) << 8n) | 2n);
    this.memory.writeU64(at, tables === undefined ? 0n : BigInt(tables) | BigInt(type << 2) | 1n);
  }

  invalidate(...descriptors: InvalidationDescriptor[]): void {
    for (const descriptor of descriptors) {
      writeDescriptor(this.memory, hostPhysicalAddress(QUEUE + this.#tail), descriptor);
      this.#tail += 16;
    }
    this.unit.registers.write32(IQT, this.#tail);
    this.settle();
  }

  settle(): void {
    this.kernel.run(this.kernel.nowNs + 100_000);
  }

  /** A request: its physical address, or the fault reason as a negative number. It is not waited for. */
  ask(write = false, iova = IOVA): number {
    const physical = translatedBy(this.caches, DEVICE, iova, write);
    this.caches.checkInvariants();
    return physical === STOPPED ? -this.caches.lastWalk.faultReason : physical;
  }

  /** The same, and what it found is in the caches afterwards. */
  settled(write = false, iova = IOVA): number {
    const outcome = this.ask(write, iova);
    this.settle();
    return outcome;
  }
}

const CONTEXT: InvalidationDescriptor = {
  type: 'context',
  granularity: 'device',
  domainId: 5,
  requesterId: requesterId(DEVICE),
};
const PAGES: InvalidationDescriptor = { type: 'iotlb', granularity: 'global' };

describe('VT-d: what software forgets to invalidate', () => {
  it('V115 (QEMU intel_iommu.c): a changed context entry does not count until the context cache is invalidated', () => {
    const bench = new VtdBench();
    bench.setContext(TABLES);
    expect(bench.settled()).toBe(OLD);
    bench.setContext(OTHER_TABLES, TRANSLATED, 6);
    bench.invalidate(PAGES);
    expect(bench.settled()).toBe(OLD);
    bench.invalidate(CONTEXT, PAGES);
    expect(bench.settled()).toBe(NEW);
  });

  it('V116 (QEMU intel_iommu.c): an entry that was cleared without an invalidation still serves', () => {
    const bench = new VtdBench();
    bench.setContext(TABLES);
    bench.settled();
    bench.setContext(undefined);
    bench.invalidate(PAGES);
    expect(bench.settled()).toBe(OLD);
    bench.invalidate(CONTEXT);
    expect(bench.settled()).toBe(-CONTEXT_NOT_PRESENT);
  });

  it('V117 (QEMU intel_iommu.c): pass-through that was turned off without an invalidation still passes', () => {
    const bench = new VtdBench();
    bench.setContext(TABLES, PASS_THROUGH);
    expect(bench.settled()).toBe(IOVA);
    bench.setContext(TABLES);
    expect(bench.settled()).toBe(IOVA);
    bench.invalidate(CONTEXT);
    expect(bench.settled()).toBe(OLD);
  });

  it('V119 (VT-d 6.5.2): a request after a context invalidation reads the entry anew, though an older walk is under way', () => {
    const bench = new VtdBench();
    bench.setContext(TABLES);
    expect(bench.ask()).toBe(OLD);
    bench.setContext(undefined);
    bench.caches.invalidateContexts('device', 5, requesterId(DEVICE), 0);
    expect(bench.ask()).toBe(-CONTEXT_NOT_PRESENT);
    // Nor does the older walk bring the entry back when it ends.
    bench.settle();
    expect(bench.ask()).toBe(-CONTEXT_NOT_PRESENT);
  });

  it('V119: an invalidation of another device leaves the walk as it is', () => {
    const bench = new VtdBench();
    bench.setContext(TABLES);
    bench.ask();
    bench.caches.invalidateContexts('device', 5, requesterId(DEVICE + 8), 0);
    bench.caches.invalidateContexts('domain', 6, requesterId(0), 0);
    bench.ask();
    expect(bench.caches.counters).toMatchObject({ walks: 1, shared: 1 });
  });

  it('V123 (QEMU intel_iommu.c): IH = 1 with a freed table leaves the old table in use, IH = 0 does not', () => {
    const bench = new VtdBench();
    bench.setContext(TABLES);
    expect(bench.settled()).toBe(OLD);
    // The last table is replaced; the old one keeps its bytes until it is used for something else.
    bench.memory.writeU64(entryAt(TABLES, 2), BigInt(OTHER_TABLES + 0x3000) | READ_WRITE);
    const page = {
      type: 'iotlb',
      granularity: 'page',
      domainId: 5,
      address: ioVirtualAddress(IOVA),
    } as const;
    bench.invalidate({ ...page, leafOnly: true });
    expect(bench.settled()).toBe(OLD);
    bench.invalidate({ ...page, leafOnly: false });
    expect(bench.settled()).toBe(NEW);
  });

  it('V123: a table that was freed and overwritten is followed too, wherever its words lead', () => {
    const bench = new VtdBench();
    bench.setContext(TABLES);
    bench.settled();
    bench.memory.writeU64(entryAt(TABLES, 2), 0n);
    bench.invalidate({
      type: 'iotlb',
      granularity: 'page',
      domainId: 5,
      address: ioVirtualAddress(IOVA),
      leafOnly: true,
    });
    bench.memory.writeU64(entryAt(TABLES, 1), BigInt(0x66_6000) | READ_WRITE);
    expect(bench.settled()).toBe(0x66_6000);
  });

  it('V43 (OpenVMM intel_vtd): rights are those of every level, though a cached pointer leads past the upper ones', () => {
    const bench = new VtdBench();
    bench.setContext(TABLES);
    bench.memory.writeU64(entryAt(TABLES, 3), BigInt(TABLES + 0x2000) | 1n);
    expect(bench.settled()).toBe(OLD);
    bench.invalidate({
      type: 'iotlb',
      granularity: 'page',
      domainId: 5,
      address: ioVirtualAddress(IOVA),
      leafOnly: true,
    });
    expect(bench.settled(true)).toBe(-NO_WRITE);
    // Granting more needs no invalidation: a pointer that lacks the right is not believed.
    bench.memory.writeU64(entryAt(TABLES, 3), BigInt(TABLES + 0x2000) | READ_WRITE);
    expect(bench.settled(true)).toBe(OLD);
  });

  it('V122 (QEMU intel_iommu.c): in caching mode "not present" is remembered until software invalidates', () => {
    for (const cachingMode of [false, true]) {
      const bench = new VtdBench(cachingMode);
      bench.setContext(TABLES);
      bench.memory.writeU64(entryAt(TABLES, 1), 0n);
      expect(bench.settled()).toBe(-NO_READ);
      bench.memory.writeU64(entryAt(TABLES, 1), BigInt(OLD) | READ_WRITE);
      expect(bench.settled()).toBe(cachingMode ? -NO_READ : OLD);
      expect(bench.settled(true)).toBe(cachingMode ? -NO_WRITE : OLD);
      bench.invalidate({ type: 'iotlb', granularity: 'page', domainId: 5, address: ioVirtualAddress(IOVA) });
      expect(bench.settled()).toBe(OLD);
    }
  });

  it('V122: and so is a context entry that was not present', () => {
    for (const cachingMode of [false, true]) {
      const bench = new VtdBench(cachingMode);
      bench.setContext(undefined);
      expect(bench.settled()).toBe(-CONTEXT_NOT_PRESENT);
      bench.setContext(TABLES);
      expect(bench.settled()).toBe(cachingMode ? -CONTEXT_NOT_PRESENT : OLD);
      // What was not present is tagged with domain 0.
      bench.invalidate({ ...CONTEXT, domainId: 0 });
      expect(bench.settled()).toBe(OLD);
    }
  });

  it('V120, V121 (QEMU intel_iommu.c): TE off passes what was cached, and nothing of before counts when it is on again', () => {
    const bench = new VtdBench();
    const { registers } = bench.unit;
    bench.setContext(TABLES);
    expect(bench.settled()).toBe(OLD);
    registers.write32(GCMD, QIE);
    expect(bench.settled()).toBe(IOVA);
    expect(bench.caches.delayNs).toBe(0);
    bench.setContext(OTHER_TABLES);
    registers.write32(GCMD, (registers.read32(GSTS) | TE) >>> 0);
    expect(bench.ask()).toBe(NEW);
    expect(bench.caches.delayNs).toBeGreaterThan(0);
  });

  it('V50 (QEMU intel_iommu.c, vtd_qualified_faults): FPD does not hide a reserved bit of its own entry', () => {
    const bench = new VtdBench();
    bench.memory.writeU64(CONTEXTS + DEVICE * 16, BigInt(TABLES) | (1n << 4n) | 3n);
    expect(bench.settled()).toBe(-0xb);
    expect(bench.caches.lastWalk.logging).toBe('always');
    // Others of the same device are hidden.
    bench.memory.writeU64(CONTEXTS + DEVICE * 16, 2n);
    expect(bench.settled()).toBe(-CONTEXT_NOT_PRESENT);
    expect(bench.caches.lastWalk.logging).toBe('never');
  });

  it('V67 (VT-d 3.14 LGN.4): a large page around the interrupt window lets nothing into it, whatever of it is cached', () => {
    const bench = new VtdBench();
    bench.setContext(TABLES);
    // 2 MB at 0xfee00000: the window is its first half.
    bench.memory.writeU64(entryAt(TABLES, 2), 0xfee0_0000n | (1n << 7n) | READ_WRITE);
    expect(bench.settled(true, IOVA + 0x10_0123)).toBe(0xfef0_0123);
    expect(bench.settled(true, IOVA + 0xf_fffc)).toBe(-0xe);
    expect(bench.settled(true, IOVA + 0x10_0ffc)).toBe(0xfef0_0ffc);
    // And while the walk of its other half is under way.
    bench.ask(true, IOVA + 0x1f_f000);
    expect(bench.ask(true, IOVA)).toBe(-0xe);
    // A large page beside the window is held whole.
    bench.memory.writeU64(entryAt(TABLES, 2), 0xff00_0000n | (1n << 7n) | READ_WRITE);
    bench.invalidate(PAGES);
    bench.settled(true);
    const { walks } = bench.caches.counters;
    expect(bench.settled(true, IOVA + 0x1f_ffff)).toBe(0xff1f_ffff);
    expect(bench.caches.counters.walks).toBe(walks);
  });

  it('V16 (QEMU intel-iommu-test): a reset forgets every cache', () => {
    const bench = new VtdBench();
    bench.setContext(TABLES);
    bench.settled();
    bench.unit.reset();
    expect(bench.settled()).toBe(IOVA);
    expect([bench.caches.cachedContexts, bench.caches.cachedPages]).toEqual([0, 0]);
  });
});

const [AMD_DEVICES, AMD_COMMANDS] = [0x4000, 0x5000];
const [VALID, TRANSLATION, RIGHTS] = [1n, 2n, 3n << 61n];
const IO_PAGE_FAULT = 2;

/** The same for AMD-Vi: four levels by way of NextLevel, one device. */
class AmdviBench {
  readonly kernel = new EventKernel();
  readonly memory = new SparseMemory();
  readonly caches: TranslationCache;
  readonly unit: AmdviUnit;
  #tail = 0;

  constructor() {
    const { memory } = this;
    for (const page of [AMD_DEVICES, AMD_COMMANDS]) memory.add(page);
    for (const [top, physical] of [
      [TABLES, OLD],
      [OTHER_TABLES, NEW],
    ] as const) {
      buildTables(memory, top, physical);
      for (let level = 4; level >= 1; level -= 1) this.point(top, level, level > 1 ? undefined : physical);
    }
    const walker: TableWalker = {
      walk: (...a) => this.unit.walk(...a),
      readEntry: (...a) => this.unit.readEntry(...a),
      applyEntry: (...a) => this.unit.applyEntry(...a),
      walkTables: (...a) => this.unit.walkTables(...a),
      stopAtAbsentPage: (...a) => this.unit.stopAtAbsentPage(...a),
    };
    this.caches = new TranslationCache(this.kernel, walker, 1);
    this.unit = new AmdviUnit({
      kernel: this.kernel,
      memory,
      reachable: memory.reachable,
      sink: this.caches,
      interrupts: new RecordingInterrupts(),
    });
    const { registers } = this.unit;
    registers.write64(0x00, BigInt(AMD_DEVICES));
    registers.write64(0x08, (8n << 56n) | BigInt(AMD_COMMANDS));
    registers.write64(0x18, 1n | (1n << 12n));
  }

  /** Writes the entry of `level` for IOVA: to the next table of its set, or to a page. */
  point(top: number, level: number, physical: number | undefined): void {
    const target = physical ?? top + (5 - level) * 0x1000;
    this.memory.writeU64(
      entryAt(top, level),
      BigInt(target) | BigInt((physical === undefined ? level - 1 : 0) << 9) | 1n | RIGHTS,
    );
  }

  setDevice(tables: number, domain = 5, device = DEVICE, rights = RIGHTS, mode = 4n): void {
    this.memory.writeU64(AMD_DEVICES + device * 32 + 8, BigInt(domain));
    this.memory.writeU64(
      AMD_DEVICES + device * 32,
      BigInt(tables) | (mode << 9n) | VALID | TRANSLATION | rights,
    );
  }

  command(...commands: AmdviCommand[]): void {
    for (const command of commands) {
      writeCommand(this.memory, hostPhysicalAddress(AMD_COMMANDS + this.#tail), command);
      this.#tail += 16;
    }
    this.unit.registers.write64(0x2008, BigInt(this.#tail));
    this.kernel.run(this.kernel.nowNs + 100_000);
  }

  settled(write = false, device = DEVICE, iova = IOVA): number {
    const physical = translatedBy(this.caches, device, iova, write);
    this.caches.checkInvariants();
    this.kernel.run(this.kernel.nowNs + 100_000);
    return physical === STOPPED ? -this.caches.lastWalk.faultReason : physical;
  }
}

describe('AMD-Vi: what software forgets to invalidate', () => {
  it('A38 (Linux amd/iommu.c): a changed device table entry does not count until INVALIDATE_DEVTAB_ENTRY', () => {
    const bench = new AmdviBench();
    bench.setDevice(TABLES);
    expect(bench.settled()).toBe(OLD);
    bench.setDevice(OTHER_TABLES, 6);
    expect(bench.settled()).toBe(OLD);
    bench.command({ type: 'invalidate-devtab-entry', deviceId: requesterId(DEVICE) });
    expect(bench.settled()).toBe(NEW);
  });

  it('A35 (Linux amd/iommu.c): PDE = 0 keeps pointers to a table that was replaced, PDE = 1 drops them', () => {
    const bench = new AmdviBench();
    bench.setDevice(TABLES);
    bench.settled();
    bench.memory.writeU64(entryAt(TABLES, 2), BigInt(OTHER_TABLES + 0x3000) | (1n << 9n) | 1n | RIGHTS);
    bench.command({ type: 'invalidate-pages', domainId: 5, directories: false });
    expect(bench.settled()).toBe(OLD);
    bench.command({ type: 'invalidate-pages', domainId: 5, directories: true });
    expect(bench.settled()).toBe(NEW);
  });

  it('A39 (OpenVMM amd_iommu): IommuEn off passes what was cached, and nothing of before counts when it is on again', () => {
    const bench = new AmdviBench();
    bench.setDevice(TABLES);
    bench.settled();
    bench.unit.registers.write64(0x18, 0n);
    expect(bench.settled()).toBe(IOVA);
    bench.setDevice(OTHER_TABLES);
    bench.unit.registers.write64(0x18, 1n);
    expect(bench.settled()).toBe(NEW);
  });

  it('A61 (Linux amd/iommu.c): the exclusion range passes by the cached entry, and pages beside it are translated', () => {
    const bench = new AmdviBench();
    bench.setDevice(TABLES);
    const { registers } = bench.unit;
    registers.write64(0x28, BigInt(IOVA));
    registers.write64(0x20, BigInt(IOVA) | 3n);
    expect(bench.settled()).toBe(IOVA);
    expect(bench.settled()).toBe(IOVA);
    expect(bench.caches.counters).toMatchObject({ walks: 1, bypassed: 1 });
    registers.write64(0x20, 0n);
    expect(bench.settled()).toBe(OLD);
  });

  it('A61: a large page around the exclusion range is no way past it, whatever of it is cached', () => {
    const bench = new AmdviBench();
    bench.setDevice(TABLES);
    bench.point(TABLES, 2, OLD);
    const { registers } = bench.unit;
    registers.write64(0x28, BigInt(IOVA + 0x4000));
    registers.write64(0x20, BigInt(IOVA + 0x4000) | 3n);
    expect(bench.settled(false, DEVICE, IOVA + 0x3456)).toBe(OLD + 0x3456);
    expect(bench.settled(false, DEVICE, IOVA + 0x4abc)).toBe(IOVA + 0x4abc);
    expect(bench.settled(false, DEVICE, IOVA + 0x5fff)).toBe(OLD + 0x5fff);
  });

  it('A63 (Linux amd/io_pgtable): a pointer that skips levels is no way to addresses whose skipped bits are not 0', () => {
    const bench = new AmdviBench();
    bench.setDevice(TABLES);
    // The entry of level 4 leads to the table of level 1: 2 MB of its 512 GB, from its beginning on.
    const first = Math.floor(IOVA / 2 ** 39) * 2 ** 39;
    const [last, page] = [TABLES + 0x3000, 5];
    bench.memory.writeU64(TABLES, BigInt(last) | (1n << 9n) | 1n | RIGHTS);
    bench.memory.writeU64(last + page * 8, BigInt(OLD) | 1n | RIGHTS);
    const at = (beyond: number) => bench.settled(false, DEVICE, first + page * 0x1000 + beyond);
    expect(at(0)).toBe(OLD);
    for (const beyond of [2 ** 21, 2 ** 30, 2 ** 38]) expect(at(beyond)).toBe(-IO_PAGE_FAULT);
    expect(at(0x123)).toBe(OLD + 0x123);
  });

  it('A49 (OpenVMM amd_iommu): IR and IW of its own entry bind a device, though others of its domain have more', () => {
    const [READS, WRITES] = [1n << 61n, 1n << 62n];
    const other = DEVICE + 1;
    for (const rights of [READS, WRITES, 0n]) {
      const bench = new AmdviBench();
      bench.setDevice(TABLES);
      bench.setDevice(TABLES, 5, other, rights);
      for (const write of [false, true]) {
        const expected = (rights & (write ? WRITES : READS)) === 0n ? -IO_PAGE_FAULT : OLD;
        // First what the other device's walk finds, then what the first one's walk has left in the caches.
        expect([bench.settled(write, other), bench.settled(write), bench.settled(write, other)]).toEqual([
          expected,
          OLD,
          expected,
        ]);
      }
    }
  });

  it('A41 (OpenVMM amd_iommu): mode 0 passes, though another device of the domain has the page translated', () => {
    const bench = new AmdviBench();
    bench.setDevice(TABLES);
    bench.setDevice(0, 5, DEVICE + 1, RIGHTS, 0n);
    expect([bench.settled(false, DEVICE + 1), bench.settled(), bench.settled(false, DEVICE + 1)]).toEqual([
      IOVA,
      OLD,
      IOVA,
    ]);
  });

  it('A20 (OpenVMM amd_iommu): an absent page is walked for each time; AMD-Vi has no caching mode here', () => {
    const bench = new AmdviBench();
    bench.setDevice(TABLES);
    bench.memory.writeU64(entryAt(TABLES, 1), 0n);
    expect(bench.settled()).toBe(-IO_PAGE_FAULT);
    bench.point(TABLES, 1, OLD);
    expect(bench.settled()).toBe(OLD);
  });
});

describe('a walk with nothing cached', () => {
  it('is the three parts of a walk, for both vendors', () => {
    for (const bench of [new VtdBench(), new AmdviBench()]) {
      if (bench instanceof VtdBench) bench.setContext(TABLES);
      else bench.setDevice(TABLES);
      const [whole, parts] = [new WalkResult(), new WalkResult()];
      bench.unit.walk(requesterId(DEVICE), ioVirtualAddress(IOVA + 5), true, whole);
      const page = ioPageOf(ioVirtualAddress(IOVA + 5));
      expect(bench.unit.readEntry(requesterId(DEVICE), true, parts)).toBe(true);
      expect(bench.unit.applyEntry(page, true, parts)).toBe(true);
      bench.unit.walkTables(page, true, parts);
      expect(parts).toEqual(whole);
      expect(whole).toMatchObject({ ok: true, physical: OLD, levels: 4, read: true, write: true });
    }
  });
});
