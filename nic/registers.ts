import { powerOfTwoFrom } from '../scheduler/whole-logarithm.js';
import { PAGE_BYTES } from './addresses.js';
import { MAILBOXES } from './event-vector.js';

export { PAGE_BYTES } from './addresses.js';

/** Where the shared memory of a context's page begins, right behind its mailboxes. */
export const SHARED_MEMORY_OFFSET = MAILBOXES * 4;
/** What a read of anything undefined returns, like a PCI read that no device claims. */
export const ALL_ONES = 0xffffffff;
/** Value of the ID register: "CDNA". */
export const DEVICE_ID = 0x43444e41;
export const DEVICE_VERSION = 0x00010000;

/** rw: read and write; ro: writes are ignored; wo: reads give zero. */
export type RegisterAccess = 'rw' | 'ro' | 'wo';

/** One line of the datasheet. All registers are 32 bits wide and aligned to 4 bytes. */
export interface RegisterDefinition {
  readonly name: string;
  readonly offset: number;
  readonly access: RegisterAccess;
  /** Value after a reset; `as-built` where it follows from the card's parameters. */
  readonly reset: number | 'as-built';
  readonly meaning: string;
}

const register = <Name extends string, Reset extends RegisterDefinition['reset']>(
  name: Name,
  offset: number,
  access: RegisterAccess,
  reset: Reset,
  meaning: string,
) => ({ name, offset, access, reset, meaning }) as const;

/** The mailboxes of a context's page. A write to one sets its bit in the event vector. */
export const MAILBOX_REGISTERS = [
  register(
    'TX_PRODUCER',
    0x00,
    'rw',
    0,
    'Doorbell: one past the last transmit descriptor posted; runs freely modulo 2^32',
  ),
  register(
    'RX_PRODUCER',
    0x04,
    'rw',
    0,
    'Doorbell: one past the last receive descriptor posted; runs freely modulo 2^32',
  ),
  register(
    'INTERRUPT_MASK',
    0x08,
    'rw',
    0,
    'Bit 0: hold interrupts back; pending events are raised when it is cleared',
  ),
  register('COALESCE_FRAMES', 0x0c, 'rw', 8, 'Completions per interrupt, 1 to 65,535'),
  register(
    'COALESCE_NS',
    0x10,
    'rw',
    20_000,
    'Longest time that a completion waits for company, ns; 0 does not wait',
  ),
  register('RX_MODE', 0x14, 'rw', 0, 'Bit 0: promiscuous, if the hypervisor allows it; bit 1: all multicast'),
  register('TX_CONSUMER', 0x18, 'ro', 0, 'One past the last transmit descriptor finished'),
  register('RX_CONSUMER', 0x1c, 'ro', 0, 'One past the last receive descriptor finished'),
  register('STATUS', 0x20, 'ro', 0, '0 free, 1 allocated, 2 open, 3 faulted'),
  register('FAULT_REASON', 0x24, 'ro', 0, 'Why the context was stopped; 0 while it was not'),
  register('MAC_LOW', 0x28, 'ro', 0, 'Station address, lower 32 bits'),
  register('MAC_HIGH', 0x2c, 'ro', 0, 'Station address, upper 16 bits'),
  register(
    'RING_SIZES',
    0x30,
    'ro',
    0,
    'Bits 7:0 log2 of the transmit slots, 15:8 log2 of the receive slots',
  ),
  register('GROUP_LOW', 0x34, 'rw', 0, 'Multicast address to join or leave, lower 32 bits'),
  register(
    'GROUP_HIGH',
    0x38,
    'rw',
    0,
    'Bits 15:0 upper part of it; bit 30 joins (up to 64 groups), bit 31 leaves',
  ),
] as const;

/** The management page: only the hypervisor maps it. */
export const MANAGEMENT_REGISTERS = [
  register('ID', 0x00, 'ro', DEVICE_ID, 'Reads 43444E41h ("CDNA")'),
  register('VERSION', 0x04, 'ro', DEVICE_VERSION, 'Bits 31:16 major, 15:0 minor'),
  register('CONTEXTS', 0x08, 'ro', 'as-built', 'Number of contexts; their pages lie before this one'),
  register('MAX_FRAME', 0x0c, 'ro', 9018, 'Largest frame, bytes without FCS'),
  register(
    'SELECT',
    0x10,
    'rw',
    0,
    'Context that COMMAND and STATE are about; the open command copies 20h to 58h into it',
  ),
  register(
    'COMMAND',
    0x14,
    'wo',
    0,
    '1 allocate, 2 open, 3 revoke, 4 reweigh, 5 limit, 6 prioritise the selected context',
  ),
  register(
    'COMMAND_STATUS',
    0x18,
    'ro',
    0,
    'How the last command ended: 0 done, else the reason (see below)',
  ),
  register('STATE', 0x1c, 'ro', 0, 'State of the selected context, as its STATUS'),
  register('MAC_LOW', 0x20, 'rw', 0, 'Station address, lower 32 bits'),
  register('MAC_HIGH', 0x24, 'rw', 0, 'Station address, upper 16 bits'),
  register('WEIGHT', 0x28, 'rw', 1, 'Weight for the DMA schedulers, 1 to 65,535'),
  register('SEQUENCE', 0x2c, 'rw', 0, 'Bit 0: check sequence numbers'),
  register(
    'SEQUENCE_MODULUS',
    0x30,
    'rw',
    16,
    'log2 of N, 1 to 32; N is at least twice the slots of either ring',
  ),
  register('TX_RING_LOW', 0x34, 'rw', 0, 'Transmit ring, bus address, lower 32 bits; 16-byte aligned'),
  register('TX_RING_HIGH', 0x38, 'rw', 0, 'Transmit ring, bus address, upper bits'),
  register('TX_RING_SIZE', 0x3c, 'rw', 0, 'log2 of its slots, 1 to 15'),
  register('RX_RING_LOW', 0x40, 'rw', 0, 'Receive ring, bus address, lower 32 bits; 16-byte aligned'),
  register('RX_RING_HIGH', 0x44, 'rw', 0, 'Receive ring, bus address, upper bits'),
  register('RX_RING_SIZE', 0x48, 'rw', 0, 'log2 of its slots, 1 to 15'),
  register(
    'STATUS_LOW',
    0x4c,
    'rw',
    0,
    'Status block (two consumer indices), bus address, lower 32 bits; 0 for none',
  ),
  register('STATUS_HIGH', 0x50, 'rw', 0, 'Status block, bus address, upper bits'),
  register(
    'PERMISSIONS',
    0x54,
    'rw',
    0,
    'Bit 0: may be promiscuous; bit 1: frames must carry the own source address',
  ),
  register('TRAFFIC_CLASS', 0x58, 'rw', 0, 'Traffic class for priority flow control, 0 to 7'),
  register('VECTOR_RING_LOW', 0x60, 'rw', 0, 'Interrupt vector ring, bus address, lower 32 bits'),
  register('VECTOR_RING_HIGH', 0x64, 'rw', 0, 'Interrupt vector ring, bus address, upper bits'),
  register('VECTOR_RING_SIZE', 0x68, 'rw', 0, 'log2 of its entries, 1 to 15; the write attaches the ring'),
  register('VECTOR_CONSUMER', 0x6c, 'rw', 0, 'One past the last vector read'),
  register('VECTOR_PRODUCER', 0x70, 'ro', 0, 'One past the last vector written'),
  register(
    'VECTOR_BYTES',
    0x74,
    'ro',
    'as-built',
    'Bytes of one vector: one bit per context, then one for the NIC itself',
  ),
  register('FAULT_CONTEXT', 0x80, 'ro', ALL_ONES, 'Context of the oldest unread fault, or all ones'),
  register('FAULT_REASON', 0x84, 'ro', 0, 'Its reason'),
  register('FAULT_POP', 0x88, 'wo', 0, 'Any write: the oldest fault has been read'),
  register('SWITCHING', 0x90, 'rw', 0, 'Bit 0: frames between contexts stay inside the NIC'),
  register('LIMIT_LOW', 0xa0, 'rw', 0, 'Rate limit for the limit command, bits per second, lower 32 bits'),
  register('LIMIT_HIGH', 0xa4, 'rw', 0, 'Its upper bits; at most 10^13 in all, 0 for no limit'),
  register('PRIORITY', 0xa8, 'rw', 0, 'Priority for the prioritise command, 0 to 31, smaller goes first'),
  register('PFC_CLASSES', 0xb0, 'ro', 'as-built', 'Traffic classes with priority flow control, a bit each'),
  register(
    'PFC_PAUSED',
    0xb4,
    'ro',
    0,
    'Bits 7:0 classes that the far end has paused, 15:8 classes that it was asked to pause',
  ),
  register('PFC_SELECT', 0xb8, 'rw', 0, 'Traffic class that BCh and C0h are about, 0 to 7'),
  register('PFC_RECEIVED', 0xbc, 'ro', 0, 'Frames of flow control from the far end that named this class'),
  register('PFC_SENT', 0xc0, 'ro', 0, 'Frames of flow control from the card that named this class'),
] as const;

export type MailboxName = (typeof MAILBOX_REGISTERS)[number]['name'];
export type ManagementName = (typeof MANAGEMENT_REGISTERS)[number]['name'];

/** Commands of COMMAND; the index is the value written. */
export const COMMANDS = ['none', 'allocate', 'open', 'revoke', 'reweigh', 'limit', 'prioritise'] as const;

/** Values of COMMAND_STATUS; the index is the value read. */
export const COMMAND_STATUSES = [
  'done',
  'unknown-command',
  'no-such-context',
  'wrong-state',
  'bad-ring',
  'bad-sequence-modulus',
  'mac-missing-or-taken',
  'bad-weight',
  'bad-limit',
  'bad-priority',
] as const;
export type CommandStatus = (typeof COMMAND_STATUSES)[number];

/** Index of a register by name; fails to compile for a name that is not in the table. */
export const MAILBOX = Object.fromEntries(
  MAILBOX_REGISTERS.map((entry) => [entry.name, entry.offset / 4]),
) as Readonly<Record<MailboxName, number>>;

/** Offset of a management register by name. */
export const MANAGEMENT = Object.fromEntries(
  MANAGEMENT_REGISTERS.map((entry) => [entry.name, entry.offset]),
) as Readonly<Record<ManagementName, number>>;

/** Bytes of the BAR: a page per context and the management page, rounded up to a power of two as a BAR must be. */
export function barBytes(contexts: number): number {
  return powerOfTwoFrom((contexts + 1) * PAGE_BYTES);
}

/** The management register at an offset. */
export const MANAGEMENT_BY_OFFSET: ReadonlyMap<number, RegisterDefinition> = new Map(
  MANAGEMENT_REGISTERS.map((entry) => [entry.offset, entry]),
);
