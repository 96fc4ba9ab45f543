import {
  addressAfter,
  type HostPhysicalAddress,
  type IoVirtualAddress,
  type RequesterId,
} from '../../../nic/addresses.js';
import { absent } from '../../../scheduler/present.js';
import type { ContextGranularity, IotlbGranularity } from '../invalidation-sink.js';
import type { TableMemory } from '../table-walker.js';

/** Type, bits 3:0 of an invalidation descriptor. */
export const DESCRIPTOR = { CONTEXT: 1, IOTLB: 2, DEVICE_TLB: 3, INTERRUPT_ENTRY: 4, WAIT: 5 } as const;

/** Bits of the first word of a wait descriptor. */
export const WAIT = { INTERRUPT: 1 << 4, STATUS_WRITE: 1 << 5, FENCE: 1 << 6 } as const;

/** Granularity as descriptors, CCMD and IOTLB encode it; 0 is reserved. */
export const CONTEXT_GRANULARITY = [undefined, 'global', 'domain', 'device'] as const;
export const IOTLB_GRANULARITY = [undefined, 'global', 'domain', 'page'] as const;

/** Reserved bits a type, four words each: of types 1 to 5. Type 0 and those beyond have no descriptor. */
const RESERVED = Uint32Array.of(
  ...[0, 0, 0, 0],
  ...[0x0000_ffc0, 0xfffc_0000, 0xffff_ffff, 0xffff_ffff],
  ...[0x0000_ff00, 0xffff_ffff, 0x0000_0f80, 0],
  ...[0xffe0_fff0, 0xffff_0000, 0x0000_0ffe, 0],
  ...[0x07ff_ffe0, 0xffff_0000, 0xffff_ffff, 0xffff_ffff],
  ...[0xffff_ff80, 0, 0x0000_0003, 0],
);

/** True if a descriptor has a type that the unit knows and no reserved bit set. */
export function isWellFormed(word0: number, word1: number, word2: number, word3: number): boolean {
  const type = word0 & 0xf;
  if (type < DESCRIPTOR.CONTEXT || type > DESCRIPTOR.WAIT) return false;
  const at = type * 4;
  const low = (word0 & (RESERVED[at] ?? absent())) | (word1 & (RESERVED[at + 1] ?? absent()));
  return (low | (word2 & (RESERVED[at + 2] ?? absent())) | (word3 & (RESERVED[at + 3] ?? absent()))) === 0;
}

/** What host software puts into the queue. */
export type InvalidationDescriptor =
  | {
      readonly type: 'context';
      readonly granularity: ContextGranularity;
      readonly domainId?: number;
      readonly requesterId?: RequesterId;
      readonly functionMask?: number;
    }
  | {
      readonly type: 'iotlb';
      readonly granularity: IotlbGranularity;
      readonly domainId?: number;
      readonly address?: IoVirtualAddress;
      /** 2^addressMask pages. */
      readonly addressMask?: number;
      /** IH: upper levels have not changed. */
      readonly leafOnly?: boolean;
    }
  | {
      readonly type: 'device-tlb';
      readonly requesterId: RequesterId;
      readonly address: IoVirtualAddress;
      /** Log2 of the pages, or everything that the device holds. @defaultValue 0 */
      readonly order?: number | 'all';
    }
  | {
      readonly type: 'interrupt-entry';
      /** The entry; all without it. */
      readonly index?: number;
      /** 2^indexMask entries. */
      readonly indexMask?: number;
    }
  | {
      readonly type: 'wait';
      readonly statusAddress?: HostPhysicalAddress;
      readonly statusData?: number;
      readonly interrupt?: boolean;
      readonly fence?: boolean;
    };

const TWO_32 = 2 ** 32;

/** Writes a descriptor into a slot of the queue, as a driver does before it moves the tail. */
export function writeDescriptor(
  memory: TableMemory,
  at: HostPhysicalAddress,
  descriptor: InvalidationDescriptor,
): void {
  switch (descriptor.type) {
    case 'context': {
      const { granularity, domainId = 0, requesterId = 0, functionMask = 0 } = descriptor;
      const code = CONTEXT_GRANULARITY.indexOf(granularity);
      const word0 = DESCRIPTOR.CONTEXT | (code << 4) | (domainId << 16);
      writeWords(memory, at, word0, requesterId | (functionMask << 16), 0);
      break;
    }
    case 'iotlb': {
      const { granularity, domainId = 0, address = 0, addressMask = 0, leafOnly = false } = descriptor;
      const code = IOTLB_GRANULARITY.indexOf(granularity);
      const word0 = DESCRIPTOR.IOTLB | (code << 4) | (domainId << 16);
      // By words: an address that is handed on would be allocated anew.
      const high = Math.floor(address / TWO_32);
      const low = (address - high * TWO_32) | (leafOnly ? 1 << 6 : 0) | addressMask;
      writeFourWords(memory, at, word0, 0, low, high);
      break;
    }
    case 'device-tlb': {
      const { requesterId, address, order = 0 } = descriptor;
      if (order === 'all') {
        writeWords(memory, at, DESCRIPTOR.DEVICE_TLB, requesterId, 0x7fff_ffff * TWO_32, 0xffff_f001);
      } else {
        // With S = 1 the lowest zero from bit 12 up is the top bit of the offset.
        const size = 4096 * 2 ** order;
        const code = address - (address % size) + (order === 0 ? 0 : size / 2 - 4096);
        writeWords(memory, at, DESCRIPTOR.DEVICE_TLB, requesterId, code, order === 0 ? 0 : 1);
      }
      break;
    }
    case 'interrupt-entry':
      writeWords(
        memory,
        at,
        descriptor.index === undefined
          ? DESCRIPTOR.INTERRUPT_ENTRY
          : DESCRIPTOR.INTERRUPT_ENTRY | (1 << 4) | ((descriptor.indexMask ?? 0) << 27),
        descriptor.index ?? 0,
        0,
      );
      break;
    case 'wait': {
      const { statusAddress, statusData = 0, interrupt = false, fence = false } = descriptor;
      const flags =
        (statusAddress === undefined ? 0 : WAIT.STATUS_WRITE) |
        (interrupt ? WAIT.INTERRUPT : 0) |
        (fence ? WAIT.FENCE : 0);
      writeWords(memory, at, DESCRIPTOR.WAIT | flags, statusData, statusAddress ?? 0);
      break;
    }
  }
}

/** Two words, then an address with flags in the bits that it leaves. */
function writeWords(
  memory: TableMemory,
  at: HostPhysicalAddress,
  word0: number,
  word1: number,
  address: number,
  flags = 0,
): void {
  const high = Math.floor(address / TWO_32);
  writeFourWords(memory, at, word0, word1, (address - high * TWO_32) | flags, high);
}

function writeFourWords(
  memory: TableMemory,
  at: HostPhysicalAddress,
  word0: number,
  word1: number,
  word2: number,
  word3: number,
): void {
  memory.writeU32(at, word0 >>> 0);
  memory.writeU32(addressAfter(at, 4), word1 >>> 0);
  memory.writeU32(addressAfter(at, 8), word2 >>> 0);
  memory.writeU32(addressAfter(at, 12), word3);
}
