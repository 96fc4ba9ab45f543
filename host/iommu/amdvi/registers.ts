import { RING_ENTRY_BYTES } from '../command-ring.js';
import type { RegisterDefinition } from '../register-file.js';

/** Bytes of a unit's register window. */
export const AMDVI_WINDOW_BYTES = 0x4000;

/** CONTROL, lower word. */
export const CONTROL = {
  IOMMU_EN: 1 << 0,
  EVENT_LOG_EN: 1 << 2,
  EVENT_INT_EN: 1 << 3,
  COM_WAIT_INT_EN: 1 << 4,
  CMD_BUF_EN: 1 << 12,
} as const;

/** CONTROL.InvTimeOut, bits 7:5: how long a device has to answer an invalidation; 0 is for ever. */
export const CONTROL_INV_TIMEOUT_SHIFT = 5;

/** STATUS, lower word. */
export const STATUS = {
  EVENT_OVERFLOW: 1 << 0,
  EVENT_LOG_INT: 1 << 1,
  COM_WAIT_INT: 1 << 2,
  EVENT_LOG_RUN: 1 << 3,
  CMD_BUF_RUN: 1 << 4,
} as const;

export type AmdviRegisterName =
  | 'DEVICE_TABLE_BASE'
  | 'COMMAND_BASE'
  | 'EVENT_BASE'
  | 'CONTROL'
  | 'EXCLUSION_BASE'
  | 'EXCLUSION_LIMIT'
  | 'FEATURES'
  | 'COMMAND_HEAD'
  | 'COMMAND_TAIL'
  | 'EVENT_HEAD'
  | 'EVENT_TAIL'
  | 'STATUS';

type Line = readonly [
  AmdviRegisterName,
  number,
  'ro' | 'rw',
  string,
  { readonly writable?: bigint; readonly clearedByOne?: bigint }?,
];

const RING_BASE = { writable: 0x0f0f_ffff_ffff_f000n };
const POINTER = { writable: 0x7_fff0n };

const LINES: readonly Line[] = [
  [
    'DEVICE_TABLE_BASE',
    0x00,
    'rw',
    '51:12 device table, 8:0 its size in 4 KB, minus 1',
    { writable: 0x000f_ffff_ffff_f1ffn },
  ],
  ['COMMAND_BASE', 0x08, 'rw', '59:56 log2 of the entries (8..15), 51:12 command buffer', RING_BASE],
  ['EVENT_BASE', 0x10, 'rw', '59:56 log2 of the entries (8..15), 51:12 event log', RING_BASE],
  [
    'CONTROL',
    0x18,
    'rw',
    '0 translate, 2 log events, 3 event interrupt, 4 wait interrupt, 7:5 timeout, 12 take commands',
    { writable: 0x10fdn },
  ],
  [
    'EXCLUSION_BASE',
    0x20,
    'rw',
    '51:12 first page that is not translated, 1 for all devices, 0 in force',
    { writable: 0x000f_ffff_ffff_f003n },
  ],
  [
    'EXCLUSION_LIMIT',
    0x28,
    'rw',
    '51:12 last page that is not translated',
    { writable: 0x000f_ffff_ffff_f000n },
  ],
  ['FEATURES', 0x30, 'ro', 'What the unit can do: 6 INVALIDATE_ALL, 11:10 most levels (0: 4, 1: 5, 2: 6)'],
  ['COMMAND_HEAD', 0x2000, 'rw', '18:4 next command to carry out', POINTER],
  ['COMMAND_TAIL', 0x2008, 'rw', '18:4 one past the last command; writing it sets the unit going', POINTER],
  ['EVENT_HEAD', 0x2010, 'rw', '18:4 next event for software to read', POINTER],
  ['EVENT_TAIL', 0x2018, 'rw', '18:4 where the unit writes the next event', POINTER],
  [
    'STATUS',
    0x2020,
    'rw',
    '0 event overflow, 1 event logged, 2 wait completed, 3 log running, 4 commands running',
    { writable: 0n, clearedByOne: 0x7n },
  ],
];

/** The registers of a unit that walks up to `maxMode` levels, 4 to 6. */
export function amdviRegisters(maxMode: number): RegisterDefinition<AmdviRegisterName>[] {
  return LINES.map(([name, offset, access, meaning, more]) => ({
    name,
    offset,
    width: 8,
    access,
    meaning,
    reset: name === 'FEATURES' ? (1n << 6n) | (BigInt(maxMode - 4) << 10n) : 0n,
    ...more,
  }));
}

/** Bytes of a ring, from the upper word of its base register; lengths below 2^8 entries are not allowed and count as 2^8. */
export function ringBytes(baseHigh: number): number {
  return 2 ** Math.max(8, (baseHigh >>> 24) & 0xf) * RING_ENTRY_BYTES;
}
