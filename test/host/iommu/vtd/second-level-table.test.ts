import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { READ, WRITE } from '../../../../host/iommu/entry-format.js';
import type { RadixTable } from '../../../../host/iommu/radix-table.js';
import { WalkResult } from '../../../../host/iommu/table-walker.js';
import { DEFAULT_VTD_CAPABILITIES } from '../../../../host/iommu/vtd/capabilities.js';
import { ContextTables } from '../../../../host/iommu/vtd/context-tables.js';
import { createSecondLevelTable } from '../../../../host/iommu/vtd/second-level-table.js';
import { VtdWalker } from '../../../../host/iommu/vtd/walker.js';
import { hostPhysicalAddress, ioVirtualAddress, requesterId } from '../../../../nic/addresses.js';
import { runs } from '../../../support/whole.js';
import { CountingPages, SparseMemory } from '../support/sparse-memory.js';

const DEVICE = 0x0100;

function machine(levels: 3 | 4 | 5, pageLimit = Number.POSITIVE_INFINITY) {
  const memory = new SparseMemory();
  const pages = new CountingPages(0x10_0000, pageLimit);
  const contexts = new ContextTables(memory, pages);
  const table = createSecondLevelTable(memory, pages, levels);
  const walker = new VtdWalker(memory, DEFAULT_VTD_CAPABILITIES, memory.reachable);
  walker.rootTable = contexts.rootTable;
  contexts.set(requesterId(DEVICE), {
    present: true,
    faultProcessingDisable: false,
    translationType: 0,
    secondLevelTable: table.root,
    addressWidth: levels - 2,
    domainId: 5,
  });
  const out = new WalkResult();
  const translate = (iova: number, write = false) => {
    walker.walk(requesterId(DEVICE), ioVirtualAddress(iova), write, out);
    return out.ok ? out.physical + (iova % 2 ** out.pageBits) : undefined;
  };
  return { memory, pages, contexts, table, walker, out, translate };
}

interface Model {
  readonly pages: Map<number, { physical: number; permissions: number; pageBits: number }>;
}
interface Real {
  readonly table: RadixTable;
  readonly pages: CountingPages;
  readonly translate: (iova: number, write?: boolean) => number | undefined;
}

const MB2 = 2 ** 21;
const GB = 2 ** 30;

/** A mapping is modelled 4 KB at a time for small pages and whole for large ones: ranges are few and close together. */
class MapPage implements fc.Command<Model, Real> {
  readonly iova: number;
  readonly bits: number;
  readonly page: number;
  readonly permissions: number;
  constructor(slot: number, bits: number, page: number, permissions: number) {
    this.iova = bits === 12 ? slot * 4096 : bits === 21 ? (slot % 8) * MB2 : (slot % 2) * GB;
    this.bits = bits;
    this.page = page;
    this.permissions = permissions;
  }
  check = () => true;
  run(model: Model, real: Real): void {
    const end = this.iova + 2 ** this.bits;
    const taken = [...model.pages].some(
      ([iova, page]) => iova < end && this.iova < iova + 2 ** page.pageBits,
    );
    const physical = this.page * 2 ** this.bits;
    expect(
      real.table.map(ioVirtualAddress(this.iova), hostPhysicalAddress(physical), this.bits, this.permissions),
    ).toBe(taken ? 'already-mapped' : 'mapped');
    if (!taken) model.pages.set(this.iova, { physical, permissions: this.permissions, pageBits: this.bits });
    compare(model, real);
  }
  toString = () => `map(0x${this.iova.toString(16)}, 2^${this.bits}, page ${this.page}, ${this.permissions})`;
}

class Unmap implements fc.Command<Model, Real> {
  readonly start: number;
  readonly bytes: number;
  constructor(slot: number, pages: number) {
    this.start = slot * 4096;
    this.bytes = pages * 4096;
  }
  check = () => true;
  run(model: Model, real: Real): void {
    const end = this.start + this.bytes;
    const hit = [...model.pages].filter(
      ([iova, page]) => iova < end && this.start < iova + 2 ** page.pageBits,
    );
    const splits = hit.some(([iova, page]) => iova < this.start || iova + 2 ** page.pageBits > end);
    if (splits) {
      expect(() => real.table.unmap(ioVirtualAddress(this.start), this.bytes)).toThrow(/splits a page/);
    } else {
      const before = real.table.tables;
      const freed = real.table.unmap(ioVirtualAddress(this.start), this.bytes);
      expect(real.table.tables).toBe(before - freed);
      expect(real.table.bytesUnmapped).toBe(hit.reduce((sum, [, page]) => sum + 2 ** page.pageBits, 0));
      for (const [iova] of hit) model.pages.delete(iova);
    }
    compare(model, real);
  }
  toString = () => `unmap(0x${this.start.toString(16)}, 0x${this.bytes.toString(16)})`;
}

function compare(model: Model, real: Real): void {
  real.table.checkInvariants();
  expect(real.pages.out.size).toBe(real.table.tables + 2); // root and one context table
  for (const [iova, { physical, permissions, pageBits }] of model.pages) {
    const last = 2 ** pageBits - 1;
    expect(real.translate(iova + last, false)).toBe(permissions & READ ? physical + last : undefined);
    expect(real.translate(iova, true)).toBe(permissions & WRITE ? physical : undefined);
    const after = iova + 2 ** pageBits;
    if (![...model.pages].some(([at, page]) => after >= at && after < at + 2 ** page.pageBits)) {
      expect(real.translate(after)).toBeUndefined();
    }
  }
}

describe('second-level tables as host software builds them', () => {
  it.each([3, 4, 5] as const)('map and unmap as a model, %i levels', (levels) => {
    const slot = fc.oneof(fc.nat({ max: 8 }), fc.nat({ max: 4096 }), fc.constantFrom(512, 1024, 262_144));
    const commands = [
      fc
        .tuple(slot, fc.constantFrom(12, 12, 12, 21, 30), fc.nat({ max: 15 }), fc.integer({ min: 1, max: 3 }))
        .map((args) => new MapPage(...args)),
      fc
        .tuple(slot, fc.oneof(fc.integer({ min: 1, max: 16 }), fc.constantFrom(512, 1024, 262_144)))
        .map((args) => new Unmap(...args)),
    ];
    fc.assert(
      fc.property(fc.commands(commands, { maxCommands: 40 }), (cmds) => {
        fc.modelRun(() => ({ model: { pages: new Map() }, real: machine(levels) }), cmds);
      }),
      { numRuns: runs(60) },
    );
  });

  it('frees a table page only when one unmap covers all that it maps, as Linux does', () => {
    const { table } = machine(4);
    for (let page = 0; page < 512; page += 1)
      table.map(ioVirtualAddress(page * 4096), hostPhysicalAddress(page * 4096), 12, READ);
    expect(table.tables).toBe(4);
    for (let page = 0; page < 512; page += 1)
      expect(table.unmap(ioVirtualAddress(page * 4096), 4096)).toBe(0);
    expect(table.tables).toBe(4);
    table.map(ioVirtualAddress(0), hostPhysicalAddress(0), 12, READ);
    expect(table.unmap(ioVirtualAddress(0), MB2)).toBe(1);
    expect(table.unmap(ioVirtualAddress(0), GB)).toBe(1); // the level-2 table, empty since
    expect(table.tables).toBe(2);
  });

  it('puts a large page where unmaps left empty tables, and frees those', () => {
    const { table, translate } = machine(3);
    table.map(ioVirtualAddress(0x5000), hostPhysicalAddress(0x9000), 12, READ);
    expect(table.map(ioVirtualAddress(0), hostPhysicalAddress(0), 21, READ)).toBe('already-mapped');
    table.unmap(ioVirtualAddress(0x5000), 4096);
    expect(table.map(ioVirtualAddress(0), hostPhysicalAddress(0x60_0000), 21, READ)).toBe('mapped');
    expect(table.tablesFreed).toBe(1);
    expect(translate(0x5123)).toBe(0x60_5123);
  });

  it('reports when there is no page, and leaves existing mappings unchanged', () => {
    const { table, translate } = machine(3, 5); // root, context, top, two more
    expect(table.map(ioVirtualAddress(0), hostPhysicalAddress(0x7000), 12, READ)).toBe('mapped');
    expect(table.map(ioVirtualAddress(GB), hostPhysicalAddress(0x8000), 12, READ)).toBe('no-page');
    expect([translate(0), translate(GB)]).toEqual([0x7000, undefined]);
    table.checkInvariants();
  });

  it('refuses what no table can hold', () => {
    const { table } = machine(3);
    expect(() => table.map(ioVirtualAddress(2 ** 39), hostPhysicalAddress(0), 12, READ)).toThrow(
      /expected multiples of 4096 below/,
    );
    expect(() => table.map(ioVirtualAddress(0x800), hostPhysicalAddress(0), 12, READ)).toThrow(RangeError);
    expect(() => table.map(ioVirtualAddress(0), hostPhysicalAddress(0x1000), 21, READ)).toThrow(
      /expected a multiple of 2\^21/,
    );
    expect(() => table.map(ioVirtualAddress(0), hostPhysicalAddress(0), 13, READ)).toThrow(/no such size/);
    expect(() => table.map(ioVirtualAddress(0), hostPhysicalAddress(0), 12, 0)).toThrow(/permissions are 0/);
  });

  it('gives everything back at the end', () => {
    const { table, pages, contexts } = machine(5);
    table.map(ioVirtualAddress(GB * 700), hostPhysicalAddress(0), 12, READ);
    table.map(ioVirtualAddress(GB), hostPhysicalAddress(GB), 30, READ);
    table.destroy();
    expect([...pages.out].sort()).toEqual(contexts.tableAddresses().sort());
  });

  it('keeps one context entry per requester', () => {
    const { contexts, translate, table, out } = machine(3);
    table.map(ioVirtualAddress(0), hostPhysicalAddress(0x3000), 12, READ | WRITE);
    expect(contexts.get(requesterId(DEVICE))).toMatchObject({
      domainId: 5,
      addressWidth: 1,
      secondLevelTable: table.root,
    });
    expect(contexts.get(requesterId(0x0200))).toBeUndefined();
    contexts.clear(requesterId(0x0200));
    contexts.clear(requesterId(DEVICE));
    expect([translate(0), out.faultReason]).toEqual([undefined, 2]);
  });
});
