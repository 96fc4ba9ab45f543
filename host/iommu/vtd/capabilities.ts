import { refuseValue, requireFlag } from '../../../scheduler/checked-values.js';
import { refuseUnknownOptions } from '../../../scheduler/known-options.js';

/** What a VT-d unit can do: the CAP and ECAP registers, as software reads them, in words. */
export interface VtdCapabilities {
  /** Width of a physical address, bits, 33..52 (HAW). */
  readonly hostAddressBits: number;
  /** Widest address that a device may use, bits, up to 57 (MGAW). */
  readonly guestAddressBits: number;
  /** Table depths that a context entry may ask for (SAGAW). */
  readonly tableLevels: readonly (3 | 4 | 5)[];
  /** 2 MB and 1 GB pages (SLLPS). */
  readonly pages2M: boolean;
  readonly pages1G: boolean;
  /** Translation type 2 (ECAP.PT). */
  readonly passThrough: boolean;
  /** Translation type 1, translated requests and the TM bit (ECAP.DT). */
  readonly deviceTlb: boolean;
  /** The SNP bit of a leaf entry (ECAP.SC). */
  readonly snoopControl: boolean;
  /** "Not present" may be cached too, so software must invalidate when it maps (CAP.CM). */
  readonly cachingMode: boolean;
  /** Zero-length reads of pages that may only be written (CAP.ZLR); without it software grants reads there too. */
  readonly zeroLengthReads: boolean;
  /** Invalidation queue (ECAP.QI). */
  readonly queuedInvalidation: boolean;
  /** Interrupt remapping (ECAP.IR), with 8-bit destinations (ECAP.EIM = 0) and without posting (CAP.PI = 0). */
  readonly interruptRemapping: boolean;
  /** Page-selective invalidation of up to 2^maxAddressMask pages (CAP.PSI, CAP.MAMV). */
  readonly pageSelective: boolean;
  readonly maxAddressMask: number;
  /** Fault recording registers, 1..256 (CAP.NFR). */
  readonly faultRecords: number;
  /** Domain IDs are this many bits: 4, 6, .. 16 (CAP.ND). */
  readonly domainBits: number;
  /** Offset of the first fault recording register, bytes, a multiple of 16 (CAP.FRO). */
  readonly faultRecordOffset: number;
  /** Offset of IVA, bytes, a multiple of 16 (ECAP.IRO); the IOTLB register follows it. */
  readonly iotlbOffset: number;
}

/** A server part's unit: 39, 48 and 57 bits, all page sizes, one register page of 4 KB. */
export const DEFAULT_VTD_CAPABILITIES: VtdCapabilities = {
  hostAddressBits: 46,
  guestAddressBits: 57,
  tableLevels: [3, 4, 5],
  pages2M: true,
  pages1G: true,
  passThrough: true,
  deviceTlb: true,
  snoopControl: true,
  cachingMode: false,
  zeroLengthReads: true,
  queuedInvalidation: true,
  interruptRemapping: true,
  pageSelective: true,
  maxAddressMask: 18,
  faultRecords: 8,
  domainBits: 16,
  faultRecordOffset: 0x220,
  iotlbOffset: 0xf0,
};

const flag = (set: boolean, bit: bigint): bigint => (set ? 1n << bit : 0n);

/** The CAP register. Protected memory regions (PLMR, PHMR) and drain of reads and writes are always there. */
export function encodeCap(capabilities: VtdCapabilities): bigint {
  let sagaw = 0n;
  for (const levels of capabilities.tableLevels) sagaw |= 1n << BigInt(levels - 2);
  return (
    BigInt((capabilities.domainBits - 4) / 2) |
    flag(true, 5n) |
    flag(true, 6n) |
    flag(capabilities.cachingMode, 7n) |
    (sagaw << 8n) |
    (BigInt(capabilities.guestAddressBits - 1) << 16n) |
    flag(capabilities.zeroLengthReads, 22n) |
    (BigInt(capabilities.faultRecordOffset / 16) << 24n) |
    flag(capabilities.pages2M, 34n) |
    flag(capabilities.pages1G, 35n) |
    flag(capabilities.pageSelective, 39n) |
    (BigInt(capabilities.faultRecords - 1) << 40n) |
    (BigInt(capabilities.maxAddressMask) << 48n) |
    flag(true, 54n) |
    flag(true, 55n)
  );
}

/** ECAP.MHMV: an index of an interrupt entry has 16 bits, and any number of them may be masked. */
const MAX_HANDLE_MASK = 15n;

/** The ECAP register. */
export function encodeEcap(capabilities: VtdCapabilities): bigint {
  return (
    flag(true, 0n) |
    flag(capabilities.queuedInvalidation, 1n) |
    flag(capabilities.deviceTlb, 2n) |
    flag(capabilities.interruptRemapping, 3n) |
    flag(capabilities.passThrough, 6n) |
    flag(capabilities.snoopControl, 7n) |
    (BigInt(capabilities.iotlbOffset / 16) << 8n) |
    (capabilities.interruptRemapping ? MAX_HANDLE_MASK << 20n : 0n)
  );
}

/** The defaults with some changed. @throws ParameterError naming the capability, its value and what was expected */
export function vtdCapabilities(changes: Partial<VtdCapabilities> = {}): VtdCapabilities {
  refuseUnknownOptions('iommu.capabilities', changes, DEFAULT_VTD_CAPABILITIES);
  const all = { ...DEFAULT_VTD_CAPABILITIES, ...changes };
  assertCapabilities(all);
  return all;
}

/** @throws ParameterError if the capabilities contradict themselves */
export function assertCapabilities(capabilities: VtdCapabilities): void {
  const refuse = (name: string, value: unknown, expected: string): never =>
    refuseValue(`iommu.capabilities.${name}`, value, expected);
  const whole = (name: keyof VtdCapabilities, low: number, high: number): void => {
    const value = capabilities[name];
    if (typeof value !== 'number' || !Number.isInteger(value) || value < low || value > high) {
      refuse(name, value, `a whole number from ${low} to ${high}`);
    }
  };
  whole('hostAddressBits', 33, 52);
  whole('guestAddressBits', 30, 57);
  whole('maxAddressMask', 0, 52);
  whole('faultRecords', 1, 256);
  whole('domainBits', 4, 16);
  whole('faultRecordOffset', 0x100, 0x1000 - 16 * capabilities.faultRecords);
  whole('iotlbOffset', 0xf0, 0xff0);
  if (capabilities.domainBits % 2 !== 0) refuse('domainBits', capabilities.domainBits, 'an even number');
  const { tableLevels } = capabilities;
  if (
    !Array.isArray(tableLevels) ||
    tableLevels.length === 0 ||
    tableLevels.some((levels) => ![3, 4, 5].includes(levels))
  )
    refuse('tableLevels', tableLevels, 'at least one depth of 3, 4 and 5');
  for (const name of Object.keys(DEFAULT_VTD_CAPABILITIES) as (keyof VtdCapabilities)[])
    if (typeof DEFAULT_VTD_CAPABILITIES[name] === 'boolean')
      requireFlag(`iommu.capabilities.${name}`, capabilities[name]);
  for (const name of ['faultRecordOffset', 'iotlbOffset'] as const) {
    if (capabilities[name] % 16 !== 0) refuse(name, capabilities[name], 'a multiple of 16');
  }
  const recordsEnd = capabilities.faultRecordOffset + 16 * capabilities.faultRecords;
  const { iotlbOffset } = capabilities;
  if (iotlbOffset + 16 > capabilities.faultRecordOffset && iotlbOffset < recordsEnd) {
    refuse('iotlbOffset', iotlbOffset, 'a place outside the fault recording registers');
  }
}
