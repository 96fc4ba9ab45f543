import { ParameterError } from '../../../scheduler/errors.js';
import type { UnitFeatures } from './unit-features.js';

/** CAP and ECAP of VT-d, as a driver knows them. */
const CAP = 0x08;
const ECAP = 0x10;

/** The fields of CAP and ECAP that a driver needs, besides how the unit may be used. */
export interface VtdFeatures extends UnitFeatures {
  readonly levels: 3 | 4 | 5;
  /** CAP.NFR and CAP.FRO: fault recording registers, and where they begin, bytes. */
  readonly faultRecords: number;
  readonly faultRecordOffset: number;
}

/** Depths of tables in the order in which they are taken: four levels, as Linux does for 48 bits, or what there is. */
const DEPTHS = [4, 3, 5] as const;

/**
 * Reads CAP and ECAP. SAGAW is a mask of depths, ND says how many bits a domain number has (4 + 2 ND), MAMV how many
 * pages one invalidation may name; nothing of it is the same on all machines.
 *
 * @throws ParameterError for a unit without queued invalidation, or without any depth of tables
 */
export function readVtdFeatures(read64: (offset: number) => bigint): VtdFeatures {
  const cap = read64(CAP);
  const ecap = read64(ECAP);
  const field = (of: bigint, low: number, bits: number) =>
    Number((of >> BigInt(low)) & (2n ** BigInt(bits) - 1n));
  const sagaw = field(cap, 8, 5);
  const levels = DEPTHS.find((depth) => (sagaw & (1 << (depth - 2))) !== 0);
  if (levels === undefined)
    throw new ParameterError(`CAP.SAGAW of the VT-d unit is ${sagaw}, expected tables of 3, 4 or 5 levels`);
  if (field(ecap, 1, 1) === 0)
    throw new ParameterError('ECAP.QI of the VT-d unit is 0, expected queued invalidation');
  const pageSelective = field(cap, 39, 1) === 1;
  return {
    levels,
    addressBits: Math.min(field(cap, 16, 6) + 1, 12 + 9 * levels),
    largePages: field(cap, 34, 1) === 1,
    maxOrder: pageSelective ? field(cap, 48, 6) : -1,
    domainLimit: 2 ** (4 + 2 * field(cap, 0, 3)),
    cachingMode: field(cap, 7, 1) === 1,
    writeOnlyPages: field(cap, 22, 1) === 1,
    deviceTlbs: field(ecap, 2, 1) === 1,
    interruptRemapping: field(ecap, 3, 1) === 1,
    faultRecords: field(cap, 40, 8) + 1,
    faultRecordOffset: field(cap, 24, 10) * 16,
  };
}
