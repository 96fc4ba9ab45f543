import type { Host } from '../../host/host.js';
import {
  DTE_BYTES,
  DTE_TRANSLATION_VALID,
  DTE_VALID,
  HIGH_READ,
  HIGH_WRITE,
  levelField,
  PTE_PRESENT,
} from '../../host/iommu/amdvi/entries.js';
import { amdviEventText } from '../../host/iommu/amdvi/events.js';
import { WalkResult } from '../../host/iommu/table-walker.js';
import {
  CONTEXT_ENTRY_BYTES,
  ROOT_ENTRY_BYTES,
  readContextEntry,
  readRootEntry,
  SL_PAGE_SIZE,
  SL_READ,
  SL_WRITE,
} from '../../host/iommu/vtd/entries.js';
import { vtdFaultText } from '../../host/iommu/vtd/fault-reasons.js';
import { PAGE_BYTES } from '../../host/memory/physical-memory.js';
import { ExclusionUnit } from '../../host/protection/dev/exclusion-unit.js';
import { AmdviDriver } from '../../host/protection/iommu/amdvi-driver.js';
import { VtdDriver } from '../../host/protection/iommu/vtd-driver.js';
import { NoDmaChipset } from '../../host/protection/nodma/chipset.js';
import { requesterId as asRequester, hostPhysicalAddress, ioVirtualAddress } from '../../nic/addresses.js';
import { present } from '../../scheduler/present.js';
import { hex, requester } from './notation.js';
import { driverOf } from './probes.js';
import { type Words, wordsOf } from './words.js';

/** One thing that the access gate looks at, with the bits that it finds. */
export interface AccessStep {
  /** What is read: `root entry of bus 3`, `level 2, entry 17`. */
  readonly what: string;
  /** Physical address of the entry, or -1 where a comparator decides. */
  readonly at: number;
  /** The entry as it is in memory, 16 hexadecimal digits, or what decides in words. */
  readonly value: string;
  /** Its bits by name, set or not. */
  readonly bits: readonly { readonly name: string; readonly set: boolean }[];
  /** What follows from it. */
  readonly says: string;
}

/** How the access gate comes to its answer about one access. */
export interface AccessWalk {
  readonly gate: string;
  readonly allowed: boolean;
  readonly steps: readonly AccessStep[];
  readonly verdict: string;
}

/** One walk serves all: nothing of it is kept. */
const result = new WalkResult();

/**
 * What an access would be answered by the tables as they are in memory now, step by step. It reads memory and no
 * cache, so an IOTLB that still remembers an older entry may answer otherwise; that difference is worth seeing.
 */
export function accessSteps(host: Host, requesterId: number, address: number, write: boolean): AccessWalk {
  const { gate } = host.protection;
  if (gate instanceof ExclusionUnit) return exclusionSteps(host, gate, requesterId, address);
  if (gate instanceof NoDmaChipset) return noDmaSteps(host, gate, address);
  const driver = driverOf(host);
  if (driver instanceof VtdDriver) return vtdSteps(host, driver, requesterId, address, write);
  if (driver instanceof AmdviDriver) return amdviSteps(host, driver, requesterId, address, write);
  return {
    gate: 'open',
    allowed: true,
    steps: [],
    verdict: 'The access gate stands open: the northbridge takes the address as it is, and no table is read.',
  };
}

function vtdSteps(host: Host, driver: VtdDriver, id: number, address: number, write: boolean): AccessWalk {
  const { walker } = driver.unit;
  const memory = wordsOf(host);
  walker.walk(asRequester(id), ioVirtualAddress(address), write, result);
  const steps: AccessStep[] = [];
  const bus = id >>> 8;
  if (result.contextReads > 0) {
    const at = walker.rootTable + bus * ROOT_ENTRY_BYTES;
    steps.push({
      what: `root entry of bus ${bus}`,
      at,
      value: word64(memory, at),
      bits: [{ name: 'P', set: readRootEntry(host.memory, walker.rootTable, bus).present }],
      says: 'points at the context table of the bus',
    });
  }
  if (result.contextReads > 1) {
    const devfn = id & 0xff;
    const { contextTable } = readRootEntry(host.memory, walker.rootTable, bus);
    const at = contextTable + devfn * CONTEXT_ENTRY_BYTES;
    const entry = readContextEntry(host.memory, contextTable, devfn);
    steps.push({
      what: `context entry of ${requester(id)}`,
      at,
      value: `${word64(memory, at + 8)} ${word64(memory, at)}`,
      bits: [
        { name: 'P', set: entry.present },
        { name: 'FPD', set: entry.faultProcessingDisable },
      ],
      // AW counts from two levels (VT-d 9.3).
      says: `domain ${entry.domainId}, ${entry.addressWidth + 2} levels of tables`,
    });
  }
  for (let level = 0; level < result.levels; level += 1) {
    const depth = result.tableLevel[level] ?? 1;
    const at = entryAt(present(result.tableAddress[level]), address, depth);
    const low = memory.readU32(at);
    const isPage = depth === 1 || (low & SL_PAGE_SIZE) !== 0;
    steps.push({
      what: `level ${depth}, entry ${indexAt(address, depth)}`,
      at,
      value: word64(memory, at),
      bits: [
        { name: 'R', set: (low & SL_READ) !== 0 },
        { name: 'W', set: (low & SL_WRITE) !== 0 },
        ...(depth > 1 ? [{ name: 'PS', set: (low & SL_PAGE_SIZE) !== 0 }] : []),
      ],
      says: isPage ? `page at ${hex(tableOf(memory, at))}` : `table at ${hex(tableOf(memory, at))}`,
    });
  }
  return walkOf('VT-d', steps, address, vtdFaultText(result.faultReason));
}

function amdviSteps(
  host: Host,
  driver: AmdviDriver,
  id: number,
  address: number,
  write: boolean,
): AccessWalk {
  const { unit } = driver;
  const memory = wordsOf(host);
  unit.walker.walk(asRequester(id), ioVirtualAddress(address), write, result);
  const steps: AccessStep[] = [];
  // Outside of the device table, or where memory cannot be read, there is no entry to show.
  if (result.contextReads > 0) {
    const entry = unit.registers.address('DEVICE_TABLE_BASE') + id * DTE_BYTES;
    const low = memory.readU32(entry);
    const high = memory.readU32(entry + 4);
    steps.push({
      what: `device table entry of ${requester(id)}`,
      at: entry,
      value: word64(memory, entry),
      bits: [
        { name: 'V', set: (low & DTE_VALID) !== 0 },
        { name: 'TV', set: (low & DTE_TRANSLATION_VALID) !== 0 },
        { name: 'IR', set: (high & HIGH_READ) !== 0 },
        { name: 'IW', set: (high & HIGH_WRITE) !== 0 },
      ],
      says: `domain ${memory.readU32(entry + 8) & 0xffff}, mode ${levelField(low)}`,
    });
  }
  for (let level = 0; level < result.levels; level += 1) {
    const depth = result.tableLevel[level] ?? 1;
    const at = entryAt(present(result.tableAddress[level]), address, depth);
    const entryLow = memory.readU32(at);
    const entryHigh = memory.readU32(at + 4);
    const next = levelField(entryLow);
    steps.push({
      what: `level ${depth}, entry ${indexAt(address, depth)}`,
      at,
      value: word64(memory, at),
      bits: [
        { name: 'PR', set: (entryLow & PTE_PRESENT) !== 0 },
        { name: 'IR', set: (entryHigh & HIGH_READ) !== 0 },
        { name: 'IW', set: (entryHigh & HIGH_WRITE) !== 0 },
      ],
      says: next === 0 || next === 7 ? `page at ${hex(tableOf(memory, at))}` : `table of level ${next}`,
    });
  }
  return walkOf('AMD-Vi', steps, address, amdviEventText(result.faultReason, result.faultFlags));
}

function walkOf(gate: string, steps: AccessStep[], address: number, reason: string): AccessWalk {
  const denied = `Denied: ${result.interruptWindow ? 'the interrupt window' : reason}.`;
  if (!result.ok) return { gate, allowed: false, steps, verdict: denied };
  if (result.passThrough) return { gate, allowed: true, steps, verdict: 'Passes with its own address.' };
  // A page of the tables may be a large one; pages of memory have 4 KB all the same.
  const physical = result.physical + (address % 2 ** result.pageBits);
  const verdict = `Translated to page ${Math.floor(physical / PAGE_BYTES)}, at ${hex(physical)}.`;
  return { gate, allowed: true, steps, verdict };
}

function exclusionSteps(host: Host, unit: ExclusionUnit, id: number, address: number): AccessWalk {
  const domain = unit.domainOf(asRequester(id));
  const at = unit.wordOf(asRequester(id), hostPhysicalAddress(address));
  const page = Math.floor(address / PAGE_BYTES);
  const steps: AccessStep[] = [
    {
      what: `protection domain of ${requester(id)}`,
      at: -1,
      value: `domain ${domain}`,
      bits: [],
      says: 'found by bus and unit; the function is not looked at',
    },
  ];
  const excluded = at >= 0 && ((wordsOf(host).readU32(at) >>> (page & 31)) & 1) === 1;
  if (at >= 0) {
    steps.push({
      what: `exclusion vector of domain ${domain}, page ${page}`,
      at,
      value: word32(wordsOf(host), at),
      bits: [{ name: `bit ${page & 31}`, set: excluded }],
      says: excluded ? 'excluded: neither read nor write' : 'permitted',
    });
  }
  const verdict = excluded ? 'Denied: the bit of the page is set.' : 'Passes with its own address.';
  return { gate: 'DEV', allowed: !excluded, steps, verdict };
}

function noDmaSteps(host: Host, chipset: NoDmaChipset, address: number): AccessWalk {
  const deniedBy = chipset.deniedBy(hostPhysicalAddress(address), 1);
  const at = chipset.wordOf(hostPhysicalAddress(address));
  const page = Math.floor(address / PAGE_BYTES);
  const steps: AccessStep[] = [];
  if (at >= 0) {
    const set = ((wordsOf(host).readU32(at) >>> (page & 31)) & 1) === 1;
    steps.push({
      what: `NoDMA table, page ${page}`,
      at,
      value: word32(wordsOf(host), at),
      bits: [{ name: `bit ${page & 31}`, set }],
      says: set ? 'no device may touch the page' : 'every device may',
    });
  }
  for (const [name, check] of [
    ['PMR', 'pmr'],
    ['DPR', 'dpr'],
  ] as const) {
    steps.push({
      what: `${name} range`,
      at: -1,
      value: deniedBy === check ? 'inside' : 'outside',
      bits: [],
      says: deniedBy === check ? 'closed to every device' : 'does not apply',
    });
  }
  const verdict =
    deniedBy === undefined ? 'Passes: the checks know addresses, and no devices.' : `Denied by ${deniedBy}.`;
  return { gate: 'NoDMA', allowed: deniedBy === undefined, steps, verdict };
}

function indexAt(address: number, level: number): number {
  return Math.floor(address / 2 ** (3 + 9 * level)) % 512;
}

function entryAt(table: number, address: number, level: number): number {
  return table + indexAt(address, level) * 8;
}

/** Bits 51:12 of a 64-bit entry. */
function tableOf(memory: Words, at: number): number {
  return ((memory.readU32(at) & 0xffff_f000) >>> 0) + (memory.readU32(at + 4) & 0xf_ffff) * 2 ** 32;
}

function word32(memory: Words, at: number): string {
  return memory.readU32(at).toString(16).padStart(8, '0');
}

function word64(memory: Words, at: number): string {
  return word32(memory, at + 4) + word32(memory, at);
}
