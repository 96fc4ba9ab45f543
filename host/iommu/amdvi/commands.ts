import {
  addressAfter,
  type HostPhysicalAddress,
  type IoVirtualAddress,
  type RequesterId,
} from '../../../nic/addresses.js';
import { present } from '../../../scheduler/present.js';
import type { TableMemory } from '../table-walker.js';

/** Opcodes, bits 31:28 of a command's second word. */
export const COMMAND = {
  COMPLETION_WAIT: 1,
  INVALIDATE_DEVTAB_ENTRY: 2,
  INVALIDATE_IOMMU_PAGES: 3,
  INVALIDATE_IOTLB_PAGES: 4,
  INVALIDATE_INTERRUPT_TABLE: 5,
  PREFETCH_IOMMU_PAGES: 6,
  COMPLETE_PPR_REQUEST: 7,
  INVALIDATE_IOMMU_ALL: 8,
} as const;

/** Reserved bits by opcode, four words each, from opcode 0 on. A unit without guest translation has no GN and no PASID. */
const RESERVED = Uint32Array.of(
  ...[0, 0, 0, 0],
  ...[0, 0x0ff0_0000, 0, 0],
  ...[0xffff_0000, 0x0fff_ffff, 0xffff_ffff, 0xffff_ffff],
  ...[0xfff0_0000, 0x0fff_0000, 0x0000_0ff8, 0],
  ...[0, 0, 0x0000_0ff2, 0],
  ...[0xffff_0000, 0x0fff_ffff, 0xffff_ffff, 0xffff_ffff],
  ...[0, 0, 0, 0],
  ...[0, 0, 0, 0],
  ...[0xffff_ffff, 0x0fff_ffff, 0xffff_ffff, 0xffff_ffff],
);

/** True if a command has a reserved bit set. Opcodes that do not exist have none. */
export function hasReservedBits(word0: number, word1: number, word2: number, word3: number): boolean {
  const at = (word1 >>> 28) * 4;
  if (at >= RESERVED.length) return false;
  const low = (word0 & present(RESERVED[at])) | (word1 & present(RESERVED[at + 1]));
  return (low | (word2 & present(RESERVED[at + 2])) | (word3 & present(RESERVED[at + 3]))) !== 0;
}

/** COMPLETION_WAIT, first word. */
export const WAIT = { STORE: 1 << 0, INTERRUPT: 1 << 1, FLUSH: 1 << 2 } as const;

/** INVALIDATE_IOMMU_PAGES and INVALIDATE_IOTLB_PAGES, third word. */
export const PAGES = { SIZE: 1 << 0, PDE: 1 << 1 } as const;

/** What host software puts into the command buffer. */
export type AmdviCommand =
  | {
      readonly type: 'completion-wait';
      /** Where to store `data`, 8-byte aligned; nothing is stored without it. */
      readonly storeAddress?: HostPhysicalAddress;
      readonly data?: bigint;
      readonly interrupt?: boolean;
      readonly flush?: boolean;
    }
  | { readonly type: 'invalidate-devtab-entry'; readonly deviceId: RequesterId }
  | {
      readonly type: 'invalidate-pages';
      readonly domainId: number;
      readonly address?: IoVirtualAddress;
      /** Log2 of the range in bytes, 12 and up; the whole domain without it. */
      readonly sizeBits?: number;
      /** PDE: directory entries have changed too. */
      readonly directories: boolean;
    }
  | {
      readonly type: 'invalidate-iotlb-pages';
      readonly deviceId: RequesterId;
      readonly address?: IoVirtualAddress;
      readonly sizeBits?: number;
    }
  | { readonly type: 'invalidate-interrupt-table'; readonly deviceId: RequesterId }
  | { readonly type: 'prefetch'; readonly deviceId: RequesterId; readonly address: IoVirtualAddress }
  | { readonly type: 'complete-ppr'; readonly deviceId: RequesterId }
  | { readonly type: 'invalidate-all' };

const TWO_32 = 2 ** 32;

/** Writes a command into a slot of the buffer, as a driver does before it moves the tail. */
export function writeCommand(memory: TableMemory, at: HostPhysicalAddress, command: AmdviCommand): void {
  const [word0, word1, word2, word3] = encode(command);
  memory.writeU32(at, word0 >>> 0);
  memory.writeU32(addressAfter(at, 4), word1 >>> 0);
  memory.writeU32(addressAfter(at, 8), word2 >>> 0);
  memory.writeU32(addressAfter(at, 12), word3 >>> 0);
}

function encode(command: AmdviCommand): readonly [number, number, number, number] {
  const opcode = (code: number) => code << 28;
  switch (command.type) {
    case 'completion-wait': {
      const { storeAddress, data = 0n, interrupt = false, flush = false } = command;
      const address = storeAddress ?? 0;
      const flags =
        (storeAddress === undefined ? 0 : WAIT.STORE) |
        (interrupt ? WAIT.INTERRUPT : 0) |
        (flush ? WAIT.FLUSH : 0);
      return [
        (address % TWO_32) | flags,
        opcode(COMMAND.COMPLETION_WAIT) | Math.floor(address / TWO_32),
        Number(data & 0xffff_ffffn),
        Number(data >> 32n),
      ];
    }
    case 'invalidate-devtab-entry':
      return [command.deviceId, opcode(COMMAND.INVALIDATE_DEVTAB_ENTRY), 0, 0];
    case 'invalidate-pages': {
      const [low, high] = sized(command.address, command.sizeBits);
      const flags = command.directories ? PAGES.PDE : 0;
      return [0, opcode(COMMAND.INVALIDATE_IOMMU_PAGES) | command.domainId, low | flags, high];
    }
    case 'invalidate-iotlb-pages': {
      const [low, high] = sized(command.address, command.sizeBits);
      return [command.deviceId, opcode(COMMAND.INVALIDATE_IOTLB_PAGES), low, high];
    }
    case 'invalidate-interrupt-table':
      return [command.deviceId, opcode(COMMAND.INVALIDATE_INTERRUPT_TABLE), 0, 0];
    case 'prefetch': {
      const { deviceId, address } = command;
      const high = Math.floor(address / TWO_32);
      return [deviceId, opcode(COMMAND.PREFETCH_IOMMU_PAGES), address % TWO_32, high];
    }
    case 'complete-ppr':
      return [command.deviceId, opcode(COMMAND.COMPLETE_PPR_REQUEST), 0, 0];
    case 'invalidate-all':
      return [0, opcode(COMMAND.INVALIDATE_IOMMU_ALL), 0, 0];
  }
}

/** The address words of a range: with S, ones from bit 12 to below the top bit of the offset, which is zero. */
function sized(address = 0, sizeBits: number | undefined): readonly [number, number] {
  if (sizeBits === undefined) return [0xffff_f000 | PAGES.SIZE, 0x7fff_ffff];
  if (sizeBits === 12) return [address % TWO_32, Math.floor(address / TWO_32)];
  const size = 2 ** sizeBits;
  const code = address - (address % size) + size / 2 - 4096;
  return [(code % TWO_32) | PAGES.SIZE, Math.floor(code / TWO_32)];
}

/**
 * Log2 of the range that the address words of an invalidation name; 64 for all of it. With S clear it is one page.
 */
export function rangeBits(low: number, high: number): number {
  if ((low & PAGES.SIZE) === 0) return 12;
  const zeroLow = ~low & 0xffff_f000;
  if (zeroLow !== 0) return 32 - Math.clz32(zeroLow & -zeroLow);
  const zeroHigh = ~high & 0x7fff_ffff;
  return zeroHigh === 0 ? 64 : 64 - Math.clz32(zeroHigh & -zeroHigh);
}
