import type { ContextGranularity, IotlbGranularity } from '../invalidation-sink.js';
import type { TableMemory } from '../table-walker.js';

export const DESCRIPTOR_BYTES = 16;

/** Type, bits 3:0 of an invalidation descriptor. */
export const DESCRIPTOR = { CONTEXT: 1, IOTLB: 2, DEVICE_TLB: 3, INTERRUPT_ENTRY: 4, WAIT: 5 } as const;

/** Bits of the first word of a wait descriptor. */
export const WAIT = { INTERRUPT: 1 << 4, STATUS_WRITE: 1 << 5, FENCE: 1 << 6 } as const;

/** Granularity as descriptors, CCMD and IOTLB encode it; 0 is reserved. */
export const CONTEXT_GRANULARITY = [undefined, 'global', 'domain', 'device'] as const;
export const IOTLB_GRANULARITY = [undefined, 'global', 'domain', 'page'] as const;

/** Reserved bits a type: first, second, third and fourth word. */
const RESERVED: readonly (readonly [number, number, number, number] | undefined)[] = [
  undefined,
  [0x0000_ffc0, 0xfffc_0000, 0xffff_ffff, 0xffff_ffff],
  [0x0000_ff00, 0xffff_ffff, 0x0000_0f80, 0],
  [0xffe0_fff0, 0xffff_0000, 0x0000_0ffe, 0],
  [0x07ff_ffe0, 0xffff_0000, 0xffff_ffff, 0xffff_ffff],
  [0xffff_ff80, 0, 0x0000_0003, 0],
];

/** True if a descriptor has a type that the unit knows and no reserved bit set. */
export function isWellFormed(word0: number, word1: number, word2: number, word3: number): boolean {
  const reserved = RESERVED[word0 & 0xf];
  if (reserved === undefined) return false;
  const [r0, r1, r2, r3] = reserved;
  return ((word0 & r0) | (word1 & r1) | (word2 & r2) | (word3 & r3)) === 0;
}

/** What host software puts into the queue. */
export type InvalidationDescriptor =
  | {
      readonly type: 'context';
      readonly granularity: ContextGranularity;
      readonly domainId?: number;
      readonly requesterId?: number;
      readonly functionMask?: number;
    }
  | {
      readonly type: 'iotlb';
      readonly granularity: IotlbGranularity;
      readonly domainId?: number;
      readonly address?: number;
      /** 2^addressMask pages. */
      readonly addressMask?: number;
      /** IH: upper levels have not changed. */
      readonly leafOnly?: boolean;
    }
  | {
      readonly type: 'device-tlb';
      readonly requesterId: number;
      readonly address: number;
      readonly all?: boolean;
    }
  | { readonly type: 'interrupt-entry' }
  | {
      readonly type: 'wait';
      readonly statusAddress?: number;
      readonly statusData?: number;
      readonly interrupt?: boolean;
      readonly fence?: boolean;
    };

const TWO_32 = 2 ** 32;

/** Writes a descriptor into a slot of the queue, as a driver does before it moves the tail. */
export function writeDescriptor(memory: TableMemory, at: number, descriptor: InvalidationDescriptor): void {
  const [word0, word1, word2, word3] = encode(descriptor);
  memory.writeU32(at, word0 >>> 0);
  memory.writeU32(at + 4, word1 >>> 0);
  memory.writeU32(at + 8, word2 >>> 0);
  memory.writeU32(at + 12, word3 >>> 0);
}

function encode(descriptor: InvalidationDescriptor): readonly [number, number, number, number] {
  switch (descriptor.type) {
    case 'context': {
      const { granularity, domainId = 0, requesterId = 0, functionMask = 0 } = descriptor;
      const code = CONTEXT_GRANULARITY.indexOf(granularity);
      return [DESCRIPTOR.CONTEXT | (code << 4) | (domainId << 16), requesterId | (functionMask << 16), 0, 0];
    }
    case 'iotlb': {
      const { granularity, domainId = 0, address = 0, addressMask = 0, leafOnly = false } = descriptor;
      const code = IOTLB_GRANULARITY.indexOf(granularity);
      const low = (address % TWO_32) | (leafOnly ? 1 << 6 : 0) | addressMask;
      return [DESCRIPTOR.IOTLB | (code << 4) | (domainId << 16), 0, low, Math.floor(address / TWO_32)];
    }
    case 'device-tlb': {
      const { requesterId, address, all = false } = descriptor;
      if (all) return [DESCRIPTOR.DEVICE_TLB, requesterId, 0xffff_f001, 0x7fff_ffff];
      return [DESCRIPTOR.DEVICE_TLB, requesterId, address % TWO_32, Math.floor(address / TWO_32)];
    }
    case 'interrupt-entry':
      return [DESCRIPTOR.INTERRUPT_ENTRY, 0, 0, 0];
    case 'wait': {
      const { statusAddress, statusData = 0, interrupt = false, fence = false } = descriptor;
      const flags =
        (statusAddress === undefined ? 0 : WAIT.STATUS_WRITE) |
        (interrupt ? WAIT.INTERRUPT : 0) |
        (fence ? WAIT.FENCE : 0);
      const address = statusAddress ?? 0;
      return [DESCRIPTOR.WAIT | flags, statusData, address % TWO_32, Math.floor(address / TWO_32)];
    }
  }
}
