import { addressAfter, type HostPhysicalAddress, hostPhysicalAddress } from '../../../nic/addresses.js';
import type { TableMemory } from '../table-walker.js';

/** Root entry, 16 bytes, one a bus. */
export interface RootEntry {
  /** P. */
  readonly present: boolean;
  /** CTP, the context table's physical address, 4 KB aligned. */
  readonly contextTable: HostPhysicalAddress;
}

/** TT: what is done with a device's requests. */
export const TRANSLATION_TYPE = { TRANSLATE: 0, TRANSLATE_AND_DEVICE_TLB: 1, PASS_THROUGH: 2 } as const;

/** Context entry, 16 bytes, one per device function. */
export interface ContextEntry {
  /** P. */
  readonly present: boolean;
  /** FPD: faults of this device are not recorded. */
  readonly faultProcessingDisable: boolean;
  /** TT, 0..3. */
  readonly translationType: number;
  /** SLPTPTR, physical address of the top second-level table, 4 KB aligned. */
  readonly secondLevelTable: HostPhysicalAddress;
  /** AW: 1 for 39 bits and 3 levels, 2 for 48 and 4, 3 for 57 and 5. */
  readonly addressWidth: number;
  /** DID, 16 bits. */
  readonly domainId: number;
}

export const ROOT_ENTRY_BYTES = 16;
export const CONTEXT_ENTRY_BYTES = 16;

/** Bits of the low word of a second-level entry. */
export const SL_READ = 1 << 0;
export const SL_WRITE = 1 << 1;
export const SL_PAGE_SIZE = 1 << 7;
export const SL_SNOOP = 1 << 11;
/** Bit 62, in the high word. */
export const SL_HIGH_TRANSIENT = 1 << 30;

const TWO_32 = 2 ** 32;

/** The 4 KB aligned address in bits 51:12 of an entry given as two words. */
export function addressOf(low: number, high: number): HostPhysicalAddress {
  return hostPhysicalAddress(((low & 0xffff_f000) >>> 0) + (high & 0xf_ffff) * TWO_32);
}

/** Reads the root entry of `bus`. */
export function readRootEntry(memory: TableMemory, rootTable: HostPhysicalAddress, bus: number): RootEntry {
  const at = addressAfter(rootTable, bus * ROOT_ENTRY_BYTES);
  const low = memory.readU32(at);
  return { present: (low & 1) !== 0, contextTable: addressOf(low, memory.readU32(addressAfter(at, 4))) };
}

/** Writes the root entry of `bus`; the word with the present bit goes last, as a driver must write it. */
export function writeRootEntry(
  memory: TableMemory,
  rootTable: HostPhysicalAddress,
  bus: number,
  entry: RootEntry,
): void {
  const at = addressAfter(rootTable, bus * ROOT_ENTRY_BYTES);
  memory.writeU32(addressAfter(at, 8), 0);
  memory.writeU32(addressAfter(at, 12), 0);
  memory.writeU32(addressAfter(at, 4), Math.floor(entry.contextTable / TWO_32));
  memory.writeU32(at, ((entry.contextTable % TWO_32) | (entry.present ? 1 : 0)) >>> 0);
}

/** Reads the context entry of `devfn` (device in bits 7:3, function in bits 2:0). */
export function readContextEntry(
  memory: TableMemory,
  contextTable: HostPhysicalAddress,
  devfn: number,
): ContextEntry {
  const at = addressAfter(contextTable, devfn * CONTEXT_ENTRY_BYTES);
  const low = memory.readU32(at);
  const upper = memory.readU32(addressAfter(at, 8));
  return {
    present: (low & 1) !== 0,
    faultProcessingDisable: (low & 2) !== 0,
    translationType: (low >>> 2) & 3,
    secondLevelTable: addressOf(low, memory.readU32(addressAfter(at, 4))),
    addressWidth: upper & 7,
    domainId: (upper >>> 8) & 0xffff,
  };
}

/** Writes the context entry of `devfn`; the word with the present bit goes last. */
export function writeContextEntry(
  memory: TableMemory,
  contextTable: HostPhysicalAddress,
  devfn: number,
  entry: ContextEntry,
): void {
  const at = addressAfter(contextTable, devfn * CONTEXT_ENTRY_BYTES);
  memory.writeU32(addressAfter(at, 8), (entry.addressWidth | (entry.domainId << 8)) >>> 0);
  memory.writeU32(addressAfter(at, 12), 0);
  memory.writeU32(addressAfter(at, 4), Math.floor(entry.secondLevelTable / TWO_32));
  const flags =
    (entry.present ? 1 : 0) | (entry.faultProcessingDisable ? 2 : 0) | (entry.translationType << 2);
  memory.writeU32(at, ((entry.secondLevelTable % TWO_32) | flags) >>> 0);
}
