/**
 * Registers of AMD's Device Exclusion Vector, as public drivers use them (XMHF's dmap-x86svm, MINIX's amddev,
 * TrenchBoot's dev.c; they cite the AMD64 manual, volume 2, section 15.24).
 *
 * The capability block lies in the configuration space of 0:18h.3: a header, a function/index register
 * (15:8 function, 7:0 index) and a data register that reaches the register so named.
 */
export const DEV_CAPABILITY = { HEADER: 0x0, FUNCTION_INDEX: 0x4, DATA: 0x8 } as const;

/** Capability identifier, and the kind within it: 0 is DEV, 3 is the IOMMU that came later. */
export const CAPABILITY_ID = 0x0f;
export const CAPABILITY_KIND = 0;

/** Functions: which register the data port reaches. */
export const DEV_FUNCTION = {
  BASE_LO: 0,
  BASE_HI: 1,
  MAP: 2,
  CAP: 3,
  CR: 4,
  ERR_STATUS: 5,
  ERR_ADDR_LO: 6,
  ERR_ADDR_HI: 7,
} as const;

/** DEV_BASE_LO: 31:12 base, 6:2 size (the table covers 4 GB x 2^size). */
export const BASE = { VALID: 1 << 0, PROTECT_BEYOND: 1 << 1, SIZE_SHIFT: 2, SIZE_MASK: 0x1f } as const;

/** DEV_CR. Bit 4 clears itself; bit 6 (no cache probe in walks) has nothing to act on here and is only kept. */
export const CONTROL = {
  ENABLE: 1 << 0,
  BLOCK_IO_UPSTREAM: 1 << 2,
  REPORT: 1 << 3,
  INVALIDATE: 1 << 4,
  PROTECT_LOADER: 1 << 5,
  NO_CACHE_PROBE: 1 << 6,
} as const;

/** DEV_ERR_STATUS: 1:0 access, 4:2 source, 7:5 destination. */
export const ERROR = {
  READ: 1,
  WRITE: 2,
  SOURCE_DEVICE: 2 << 2,
  DESTINATION_DRAM: 1 << 5,
  ADDRESS_VALID: 1 << 29,
  OVERFLOW: 1 << 30,
  VALID: 0x80000000,
} as const;

/** The block that SKINIT's secure loader occupies, bytes. */
export const LOADER_BYTES = 65_536;

/** One DEV_MAP register: up to two units of one bus, each with its protection domain. */
export interface MapEntry {
  readonly bus: number;
  readonly unit0: number;
  readonly domain0: number;
  /** Left out: the second half is not valid. */
  readonly unit1?: number;
  readonly domain1?: number;
}

/** 4:0 unit0, 5 valid0, 10:6 unit1, 11 valid1, 19:12 bus, 25:20 domain0, 31:26 domain1. */
export function encodeMap(entry: MapEntry): number {
  const second =
    entry.unit1 === undefined ? 0 : (entry.unit1 << 6) | (1 << 11) | ((entry.domain1 ?? 0) << 26);
  return (entry.unit0 | (1 << 5) | (entry.bus << 12) | (entry.domain0 << 20) | second) >>> 0;
}

/** The domain that a DEV_MAP register gives a unit of a bus, or -1. */
export function domainInMap(map: number, bus: number, unit: number): number {
  if (((map >>> 12) & 0xff) !== bus) return -1;
  if ((map & (1 << 5)) !== 0 && (map & 0x1f) === unit) return (map >>> 20) & 0x3f;
  if ((map & (1 << 11)) !== 0 && ((map >>> 6) & 0x1f) === unit) return map >>> 26;
  return -1;
}
