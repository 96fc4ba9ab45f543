/** Fault reasons of VT-d legacy mode and of interrupt remapping, as FRCD.FR reports them. */
export const VTD_FAULT = {
  ROOT_NOT_PRESENT: 0x1,
  CONTEXT_NOT_PRESENT: 0x2,
  CONTEXT_INVALID: 0x3,
  ADDRESS_BEYOND_MGAW: 0x4,
  NO_WRITE_PERMISSION: 0x5,
  NO_READ_PERMISSION: 0x6,
  PAGING_ENTRY_UNREADABLE: 0x7,
  ROOT_TABLE_UNREADABLE: 0x8,
  CONTEXT_TABLE_UNREADABLE: 0x9,
  ROOT_RESERVED: 0xa,
  CONTEXT_RESERVED: 0xb,
  PAGING_ENTRY_RESERVED: 0xc,
  BLOCKED_BY_TRANSLATION_TYPE: 0xd,
  PAGE_IN_INTERRUPT_WINDOW: 0xe,
  INTERRUPT_REQUEST_RESERVED: 0x20,
  INTERRUPT_INDEX_BEYOND_TABLE: 0x21,
  INTERRUPT_ENTRY_NOT_PRESENT: 0x22,
  INTERRUPT_TABLE_UNREADABLE: 0x23,
  INTERRUPT_ENTRY_RESERVED: 0x24,
  INTERRUPT_COMPATIBILITY: 0x25,
  INTERRUPT_SOURCE: 0x26,
} as const;

const TEXT: Readonly<Record<number, string>> = {
  [VTD_FAULT.ROOT_NOT_PRESENT]: 'root entry not present',
  [VTD_FAULT.CONTEXT_NOT_PRESENT]: 'context entry not present',
  [VTD_FAULT.CONTEXT_INVALID]: 'context entry asks for a width or type that the unit does not have',
  [VTD_FAULT.ADDRESS_BEYOND_MGAW]: 'address beyond the guest address width',
  [VTD_FAULT.NO_WRITE_PERMISSION]: 'no write permission',
  [VTD_FAULT.NO_READ_PERMISSION]: 'no read permission',
  [VTD_FAULT.PAGING_ENTRY_UNREADABLE]: 'second-level table cannot be read',
  [VTD_FAULT.ROOT_TABLE_UNREADABLE]: 'root table cannot be read',
  [VTD_FAULT.CONTEXT_TABLE_UNREADABLE]: 'context table cannot be read',
  [VTD_FAULT.ROOT_RESERVED]: 'reserved bit set in a root entry',
  [VTD_FAULT.CONTEXT_RESERVED]: 'reserved bit set in a context entry',
  [VTD_FAULT.PAGING_ENTRY_RESERVED]: 'reserved bit set in a second-level entry',
  [VTD_FAULT.BLOCKED_BY_TRANSLATION_TYPE]: 'request blocked by the translation type',
  [VTD_FAULT.PAGE_IN_INTERRUPT_WINDOW]: 'translated into the interrupt window',
  [VTD_FAULT.INTERRUPT_REQUEST_RESERVED]: 'reserved bit set in an interrupt message',
  [VTD_FAULT.INTERRUPT_INDEX_BEYOND_TABLE]: 'interrupt message names an entry beyond the remapping table',
  [VTD_FAULT.INTERRUPT_ENTRY_NOT_PRESENT]: 'interrupt remapping entry not present',
  [VTD_FAULT.INTERRUPT_TABLE_UNREADABLE]: 'interrupt remapping table cannot be read',
  [VTD_FAULT.INTERRUPT_ENTRY_RESERVED]:
    'reserved bit set in an interrupt remapping entry, or the posted format, which the unit does not have',
  [VTD_FAULT.INTERRUPT_COMPATIBILITY]: 'interrupt message of the compatibility format blocked',
  [VTD_FAULT.INTERRUPT_SOURCE]: 'interrupt message of another requester than the entry is for',
};

/** A fault reason in words. */
export function vtdFaultText(reason: number): string {
  return TEXT[reason] ?? `fault reason 0x${reason.toString(16)}`;
}
