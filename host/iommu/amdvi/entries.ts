import {
  addressAfter,
  type HostPhysicalAddress,
  hostPhysicalAddress,
  type RequesterId,
} from '../../../nic/addresses.js';
import { spanBits } from '../entry-format.js';
import type { TableMemory } from '../table-walker.js';

/** Device table entry (DTE), 32 bytes, one per device ID. Fields of guest translation stay 0. */
export interface DeviceTableEntry {
  /** V: the entry counts. Without it, requests pass untranslated. */
  readonly valid: boolean;
  /** TV: Mode, the root, IR and IW count. */
  readonly translationValid: boolean;
  /** Mode: 0 for no translation, 1 to 6 for the levels of the page tables. */
  readonly mode: number;
  /** Physical address of the top page table, 4 KB aligned. */
  readonly pageTable: HostPhysicalAddress;
  /** IR and IW. */
  readonly read: boolean;
  readonly write: boolean;
  /** DomainID, 16 bits. */
  readonly domainId: number;
  /** I: the device may have a TLB of its own and send translated requests. */
  readonly remoteIotlb: boolean;
  /** SE: only the device's first page fault is logged. SA: none is. */
  readonly suppressEvents: boolean;
  readonly suppressAllEvents: boolean;
  /** EX: the exclusion range holds for this device. */
  readonly exclusion: boolean;
  /** IV with IntCtl 0: interrupt messages of the device are stopped. Without it they pass unmapped. */
  readonly blocksInterrupts: boolean;
}

/** A DTE that refuses everything: valid, not translated, no permission. */
export const DENY_ALL: DeviceTableEntry = {
  valid: true,
  translationValid: true,
  mode: 0,
  pageTable: hostPhysicalAddress(0),
  read: false,
  write: false,
  domainId: 0,
  remoteIotlb: false,
  suppressEvents: false,
  suppressAllEvents: false,
  exclusion: false,
  blocksInterrupts: false,
};

export const DTE_BYTES = 32;
export const DTE_VALID = 1 << 0;
export const DTE_TRANSLATION_VALID = 1 << 1;
/** IR and IW, in the high word of a DTE's first half and of a page table entry alike (bits 61 and 62). */
export const HIGH_READ = 1 << 29;
export const HIGH_WRITE = 1 << 30;
/** I, SE, SA and EX, in a DTE's fourth word (bits 96, 97, 98 and 103). */
export const DTE_I = 1 << 0;
export const DTE_SE = 1 << 1;
export const DTE_SA = 1 << 2;
export const DTE_EX = 1 << 7;
/** Reserved bits of a DTE: 6:2, 63 and 106, and without guest translation and peripheral page requests 55:52. */
export const DTE_RESERVED_0 = 0x7c;
export const DTE_RESERVED_1 = 0x80f0_0000;
export const DTE_RESERVED_3 = 1 << 10;

export const PTE_PRESENT = 1 << 0;
/** Bits 58:52 of a page table entry, in its high word. */
export const PTE_RESERVED_HIGH = 0x07f0_0000;

const TWO_32 = 2 ** 32;

/** Mode of a DTE and NextLevel of a page table entry: bits 11:9. */
export function levelField(low: number): number {
  return (low >>> 9) & 7;
}

/** The address in bits 51:12. */
export function addressField(low: number, high: number): HostPhysicalAddress {
  return hostPhysicalAddress(((low & 0xffff_f000) >>> 0) + (high & 0xf_ffff) * TWO_32);
}

/**
 * Log2 of the size that an entry with NextLevel 7 encodes: the lowest zero bit of its address, from bit 12 up, is
 * the top bit of the offset. 0 if there is no zero bit.
 */
function encodedPageBits(low: number, high: number): number {
  const zeroLow = ~low & 0xffff_f000;
  if (zeroLow !== 0) return 32 - Math.clz32(zeroLow & -zeroLow);
  const zeroHigh = ~high & 0xf_ffff;
  return zeroHigh === 0 ? 0 : 64 - Math.clz32(zeroHigh & -zeroHigh);
}

/** Log2 of the size of the page that an entry at `level` holds (NextLevel 0 or 7); 0 if its encoding is not allowed. */
export function pageBitsOf(low: number, high: number, level: number): number {
  if (levelField(low) === 0) return level < 6 ? spanBits(level) : 0;
  const bits = encodedPageBits(low, high);
  return bits >= spanBits(level) && bits < spanBits(level + 1) ? bits : 0;
}

/** Reads the DTE of a device. */
export function readDeviceTableEntry(
  memory: TableMemory,
  deviceTable: HostPhysicalAddress,
  deviceId: RequesterId,
): DeviceTableEntry {
  const at = addressAfter(deviceTable, deviceId * DTE_BYTES);
  const low = memory.readU32(at);
  const high = memory.readU32(addressAfter(at, 4));
  const flags = memory.readU32(addressAfter(at, 12));
  return {
    valid: (low & DTE_VALID) !== 0,
    translationValid: (low & DTE_TRANSLATION_VALID) !== 0,
    mode: levelField(low),
    pageTable: addressField(low, high),
    read: (high & HIGH_READ) !== 0,
    write: (high & HIGH_WRITE) !== 0,
    domainId: memory.readU32(addressAfter(at, 8)) & 0xffff,
    remoteIotlb: (flags & DTE_I) !== 0,
    suppressEvents: (flags & DTE_SE) !== 0,
    suppressAllEvents: (flags & DTE_SA) !== 0,
    exclusion: (flags & DTE_EX) !== 0,
    blocksInterrupts:
      (memory.readU32(addressAfter(at, 16)) & 1) !== 0 &&
      (memory.readU32(addressAfter(at, 20)) >>> 28) % 4 === 0,
  };
}

/** Writes the DTE of a device; the word with V and TV goes last. */
export function writeDeviceTableEntry(
  memory: TableMemory,
  deviceTable: HostPhysicalAddress,
  deviceId: RequesterId,
  entry: DeviceTableEntry,
): void {
  const at = addressAfter(deviceTable, deviceId * DTE_BYTES);
  const rights = (entry.read ? HIGH_READ : 0) | (entry.write ? HIGH_WRITE : 0);
  const flags =
    (entry.remoteIotlb ? DTE_I : 0) |
    (entry.suppressEvents ? DTE_SE : 0) |
    (entry.suppressAllEvents ? DTE_SA : 0) |
    (entry.exclusion ? DTE_EX : 0);
  for (let offset = 16; offset < DTE_BYTES; offset += 4)
    memory.writeU32(addressAfter(at, offset), offset === 16 && entry.blocksInterrupts ? 1 : 0);
  memory.writeU32(addressAfter(at, 12), flags);
  memory.writeU32(addressAfter(at, 8), entry.domainId);
  memory.writeU32(addressAfter(at, 4), (Math.floor(entry.pageTable / TWO_32) | rights) >>> 0);
  const valid = (entry.valid ? DTE_VALID : 0) | (entry.translationValid ? DTE_TRANSLATION_VALID : 0);
  memory.writeU32(at, ((entry.pageTable % TWO_32) | (entry.mode << 9) | valid) >>> 0);
}
