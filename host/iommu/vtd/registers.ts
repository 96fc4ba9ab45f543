import type { RegisterDefinition } from '../register-file.js';
import { encodeCap, encodeEcap, type VtdCapabilities } from './capabilities.js';

/** Bytes of a unit's register window. */
export const VTD_WINDOW_BYTES = 4096;

/** Bits 31:23 of GCMD and, with the same numbers, of GSTS. */
export const GCMD = {
  TE: 1 << 31,
  SRTP: 1 << 30,
  WBF: 1 << 27,
  QIE: 1 << 26,
  IRE: 1 << 25,
  SIRTP: 1 << 24,
  CFI: 1 << 23,
} as const;

export const FSTS = { PFO: 1 << 0, PPF: 1 << 1, IQE: 1 << 4, ICE: 1 << 5, ITE: 1 << 6 } as const;

/** IQER.IQEI: why the invalidation queue stopped with FSTS.IQE. */
export const IQEI = { TAIL: 1, FETCH: 2, TYPE: 3, RESERVED: 4 } as const;

/** FECTL and IECTL. */
export const EVENT_CONTROL = { IM: 1 << 31, IP: 1 << 30 } as const;

/** ICS: an invalidation wait asked for an interrupt. */
export const ICS_IWC = 1 << 0;

/** PMEN: enable, and the status that software polls. */
export const PMEN = { EPM: 1 << 31, PRS: 1 << 0 } as const;

/** Alignment of the protected memory regions, bytes. Software finds it by writing ones. */
export const PROTECTED_REGION_ALIGNMENT = 2 ** 21;

export type VtdRegisterName =
  | 'VER'
  | 'CAP'
  | 'ECAP'
  | 'GCMD'
  | 'GSTS'
  | 'RTADDR'
  | 'CCMD'
  | 'FSTS'
  | 'FECTL'
  | 'FEDATA'
  | 'FEADDR'
  | 'FEUADDR'
  | 'PMEN'
  | 'PLMBASE'
  | 'PLMLIMIT'
  | 'PHMBASE'
  | 'PHMLIMIT'
  | 'IQH'
  | 'IQT'
  | 'IQA'
  | 'ICS'
  | 'IECTL'
  | 'IEDATA'
  | 'IEADDR'
  | 'IEUADDR'
  | 'IQER'
  | 'IRTA'
  | 'IVA'
  | 'IOTLB'
  | FaultRegisterName;

/** A fault recording register has 128 bits: two lines of the table. */
export type FaultRegisterName = `FRCD${number}_LOW` | `FRCD${number}_HIGH`;

type Line = readonly [
  VtdRegisterName,
  number,
  4 | 8,
  'ro' | 'rw' | 'wo',
  string,
  (Partial<RegisterDefinition> & object)?,
];

const LOW_REGION = { writable: 0xffe0_0000n };
const HIGH_REGION = { writable: 0x000f_ffff_ffe0_0000n };

const FIXED: readonly Line[] = [
  ['VER', 0x00, 4, 'ro', 'Architecture version: 7:4 major, 3:0 minor', { reset: 0x10n }],
  [
    'GCMD',
    0x18,
    4,
    'wo',
    'Command: 31 TE translate, 30 SRTP take RTADDR, 27 WBF, 26 QIE queue, 25 IRE, 24 SIRTP take IRTA, 23 CFI',
  ],
  ['GSTS', 0x1c, 4, 'ro', 'Status of what GCMD asked for, bit by bit'],
  ['RTADDR', 0x20, 8, 'rw', '51:12 root table, taken by SRTP', { writable: 0x000f_ffff_ffff_f000n }],
  [
    'CCMD',
    0x28,
    8,
    'rw',
    'Context invalidation: 63 ICC go, 62:61 granularity, 60:59 what was done, 33:32 FM, 31:16 SID, 15:0 DID',
    // SID and FM are written and never read.
    { writable: 0xe000_0003_ffff_ffffn, readable: 0xffff_fffc_0000_ffffn },
  ],
  [
    'FSTS',
    0x34,
    4,
    'rw',
    'Fault status: 0 PFO overflow, 1 PPF pending, 4 IQE, 5 ICE, 6 ITE, 15:8 FRI first record',
    { writable: 0n, clearedByOne: 0x71n },
  ],
  [
    'FECTL',
    0x38,
    4,
    'rw',
    'Fault event: 31 IM mask, 30 IP pending',
    { reset: 0x8000_0000n, writable: 0x8000_0000n },
  ],
  ['FEDATA', 0x3c, 4, 'rw', 'Fault event: message data'],
  ['FEADDR', 0x40, 4, 'rw', 'Fault event: message address', { writable: 0xffff_fffcn }],
  // Without extended interrupt mode (ECAP.EIM) a message address has 32 bits.
  ['FEUADDR', 0x44, 4, 'ro', 'Fault event: upper message address, reserved'],
  ['PMEN', 0x64, 4, 'rw', 'Protected memory: 31 EPM enable, 0 PRS status', { writable: 0x8000_0000n }],
  ['PLMBASE', 0x68, 4, 'rw', 'Low protected region: base', LOW_REGION],
  ['PLMLIMIT', 0x6c, 4, 'rw', 'Low protected region: last 2 MB', LOW_REGION],
  ['PHMBASE', 0x70, 8, 'rw', 'High protected region: base', HIGH_REGION],
  ['PHMLIMIT', 0x78, 8, 'rw', 'High protected region: last 2 MB', HIGH_REGION],
  ['IQH', 0x80, 8, 'ro', 'Invalidation queue head: 18:4'],
  [
    'IQT',
    0x88,
    8,
    'rw',
    'Invalidation queue tail: 18:4; writing it sets the queue going',
    { writable: 0x7_fff0n },
  ],
  [
    'IQA',
    0x90,
    8,
    'rw',
    'Invalidation queue: 51:12 base, 2:0 QS, 2^(QS+8) descriptors of 16 bytes',
    { writable: 0x000f_ffff_ffff_f007n },
  ],
  ['ICS', 0x9c, 4, 'rw', 'Invalidation completion: 0 IWC', { writable: 0n, clearedByOne: 1n }],
  [
    'IECTL',
    0xa0,
    4,
    'rw',
    'Invalidation event: 31 IM mask, 30 IP pending',
    { reset: 0x8000_0000n, writable: 0x8000_0000n },
  ],
  ['IEDATA', 0xa4, 4, 'rw', 'Invalidation event: message data'],
  ['IEADDR', 0xa8, 4, 'rw', 'Invalidation event: message address', { writable: 0xffff_fffcn }],
  ['IEUADDR', 0xac, 4, 'ro', 'Invalidation event: upper message address, reserved'],
  [
    'IQER',
    0xb0,
    8,
    'ro',
    'Invalidation queue error: 3:0 IQEI reason, 47:32 ITESID device that did not answer, 63:48 ICESID',
  ],
  [
    'IRTA',
    0xb8,
    8,
    'rw',
    'Interrupt remapping table, taken by SIRTP: 51:12 address, 3:0 S, 2^(S+1) entries of 16 bytes',
    { writable: 0x000f_ffff_ffff_f00fn },
  ],
];

/** The registers of a unit with these capabilities: they give the offsets of IVA, IOTLB and FRCD. */
export function vtdRegisters(capabilities: VtdCapabilities): RegisterDefinition<VtdRegisterName>[] {
  const { iotlbOffset, faultRecordOffset, faultRecords } = capabilities;
  const lines: Line[] = [
    ...FIXED,
    ['CAP', 0x08, 8, 'ro', 'What the unit can do', { reset: encodeCap(capabilities) }],
    ['ECAP', 0x10, 8, 'ro', 'What else the unit can do', { reset: encodeEcap(capabilities) }],
    [
      'IVA',
      iotlbOffset,
      8,
      'wo',
      'Address to invalidate: 63:12 page, 6 IH keep upper levels, 5:0 AM, 2^AM pages',
    ],
    [
      'IOTLB',
      iotlbOffset + 8,
      8,
      'rw',
      'IOTLB invalidation: 63 IVT go, 61:60 granularity, 58:57 what was done, 49 DR, 48 DW, 47:32 DID',
      { writable: 0xb003_ffff_0000_0000n },
    ],
  ];
  for (let record = 0; record < faultRecords; record += 1) {
    const offset = faultRecordOffset + 16 * record;
    lines.push([`FRCD${record}_LOW`, offset, 8, 'ro', 'Fault record: 63:12 page']);
    lines.push([
      `FRCD${record}_HIGH`,
      offset + 8,
      8,
      'rw',
      'Fault record: 63 F valid, 62 T read, 39:32 FR reason, 15:0 SID',
      { writable: 0n, clearedByOne: 1n << 63n },
    ]);
  }
  return lines
    .map(([name, offset, width, access, meaning, more]) => {
      return { reset: 0n, ...more, name, offset, width, access, meaning };
    })
    .sort((a, b) => a.offset - b.offset);
}
