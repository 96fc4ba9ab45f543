/** Codes of the event log (bits 31:28 of an event's second word). */
export const AMDVI_EVENT = {
  ILLEGAL_DEV_TABLE_ENTRY: 0x1,
  IO_PAGE_FAULT: 0x2,
  DEV_TAB_HARDWARE_ERROR: 0x3,
  PAGE_TAB_HARDWARE_ERROR: 0x4,
  ILLEGAL_COMMAND_ERROR: 0x5,
  COMMAND_HARDWARE_ERROR: 0x6,
  IOTLB_INV_TIMEOUT: 0x7,
  INVALID_DEVICE_REQUEST: 0x8,
} as const;

/** Flags of an event (bits 27:16 of its second word), as a number. */
export const AMDVI_FLAG = {
  /** The request was an interrupt. */
  INTERRUPT: 0x008,
  /** The page was present. */
  PRESENT: 0x010,
  /** The request was a write. */
  WRITE: 0x020,
  /** The device lacked the permission. */
  PERMISSION: 0x040,
  /** A reserved bit was set, or a level encoded wrongly. */
  RESERVED: 0x080,
  /** The request was a translation request. */
  TRANSLATION: 0x100,
} as const;

const TEXT: Readonly<Record<number, string>> = {
  [AMDVI_EVENT.ILLEGAL_DEV_TABLE_ENTRY]: 'illegal device table entry',
  [AMDVI_EVENT.DEV_TAB_HARDWARE_ERROR]: 'device table cannot be read',
  [AMDVI_EVENT.PAGE_TAB_HARDWARE_ERROR]: 'page table cannot be read',
  [AMDVI_EVENT.ILLEGAL_COMMAND_ERROR]: 'illegal command',
  [AMDVI_EVENT.COMMAND_HARDWARE_ERROR]: 'command buffer cannot be read',
  [AMDVI_EVENT.IOTLB_INV_TIMEOUT]: 'device did not answer an IOTLB invalidation',
  [AMDVI_EVENT.INVALID_DEVICE_REQUEST]: 'request of a kind that the device may not make',
};

/** An event in words. */
export function amdviEventText(code: number, flags: number): string {
  if (code !== AMDVI_EVENT.IO_PAGE_FAULT) return TEXT[code] ?? `event 0x${code.toString(16)}`;
  if ((flags & AMDVI_FLAG.RESERVED) !== 0) return 'reserved bit or wrong level in a page table entry';
  if ((flags & AMDVI_FLAG.PRESENT) === 0) return 'page not present';
  return (flags & AMDVI_FLAG.WRITE) !== 0 ? 'no write permission' : 'no read permission';
}
