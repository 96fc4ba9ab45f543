import type { SetupRefusal } from '../../host/protection/guest-port.js';
import type { HandOverKind } from '../../host/protection/protection.js';
import { COUNTERS, DROP_REASONS, FAULT_REASONS } from '../../nic/counters.js';
import type { RegisterDefinition } from '../../nic/registers.js';

/** Value of the ID register of the hypercall page: "CDNH". */
export const CALL_PAGE_ID = 0x43444e48;
export const CALL_PAGE_VERSION = 0x00010000;
/** Entries of the request page: descriptors without a sequence number. */
export const REQUEST_ENTRIES = 256;

const register = <Name extends string>(
  name: Name,
  offset: number,
  access: RegisterDefinition['access'],
  reset: RegisterDefinition['reset'],
  meaning: string,
) => ({ name, offset, access, reset, meaning }) as const;

/** The hypercall page of a guest: how its driver asks the hypervisor. All registers are 32 bits wide. */
export const CALL_REGISTERS = [
  register('ID', 0x00, 'ro', CALL_PAGE_ID, 'Reads 43444E48h ("CDNH")'),
  register('VERSION', 0x04, 'ro', CALL_PAGE_VERSION, 'Bits 31:16 major, 15:0 minor'),
  register('HAND_OVER', 0x08, 'ro', 'as-built', 'How buffers are handed over (see below)'),
  register(
    'RING_SIZES',
    0x0c,
    'ro',
    'as-built',
    'Bits 7:0 log2 of the transmit slots, 15:8 log2 of the receive slots',
  ),
  register('MAC_LOW', 0x10, 'ro', 'as-built', 'Station address, lower 32 bits'),
  register('MAC_HIGH', 0x14, 'ro', 'as-built', 'Station address, upper 16 bits'),
  register('ADDRESS_LOW', 0x18, 'ro', 'as-built', 'Where the guest-physical address 0 lies in the machine'),
  register('ADDRESS_HIGH', 0x1c, 'ro', 'as-built', 'Its upper 32 bits'),
  register(
    'RINGS_LOW',
    0x20,
    'rw',
    0,
    "Guest-physical address of the driver's rings and status block, a multiple of 1000h",
  ),
  register('RINGS_HIGH', 0x24, 'rw', 0, 'Its upper 32 bits'),
  register('REQUESTS_LOW', 0x28, 'rw', 0, 'Guest-physical address of the request page, a multiple of 1000h'),
  register('REQUESTS_HIGH', 0x2c, 'rw', 0, 'Its upper 32 bits'),
  register('ARGUMENT', 0x30, 'rw', 0, 'What the call is about: a number of requests, or an index'),
  register('CALL', 0x34, 'wo', 0, 'Makes a hypercall (see below)'),
  register('RESULT', 0x38, 'ro', 0, 'How the last call has ended; 1 while it is being made'),
  register('ACCEPTED', 0x3c, 'ro', 0, 'Requests that the last call has accepted, from the first on'),
  register('REFUSAL', 0x40, 'ro', 0, 'Why the request behind those was refused, where RESULT is 8'),
  register('STATE', 0x44, 'ro', 0, '0 no context, 1 it is open, 2 it was stopped'),
  register('FAULT', 0x48, 'ro', 0, 'Why it was stopped: as FAULT_REASON, or 80h when it was taken away'),
] as const;

export type CallRegisterName = (typeof CALL_REGISTERS)[number]['name'];

/** Offset of a register of the hypercall page by name. */
export const CALL_REGISTER = Object.fromEntries(
  CALL_REGISTERS.map(({ name, offset }) => [name, offset]),
) as Readonly<Record<CallRegisterName, number>>;

/** Values of HAND_OVER; the index is the value read. */
export const HAND_OVERS = ['write', 'map-then-write', 'hypervisor-writes'] as const;
HAND_OVERS satisfies readonly HandOverKind[];

/** Hypercalls; the index is the value written to CALL. */
export const CALLS = [
  'none',
  'open',
  'close',
  'transmit',
  'receive',
  'transmit-finished',
  'receive-finished',
] as const;
export type CallName = (typeof CALLS)[number];

/** Values of RESULT; the index is the value read. */
export const CALL_RESULTS = [
  'done',
  'busy',
  'no-such-call',
  'wrong-state',
  'bad-rings',
  'bad-requests',
  'no-context',
  'no-space',
  'refused',
] as const;
export type CallResult = (typeof CALL_RESULTS)[number];

/** Values of REFUSAL; the index is the value read. */
export const REFUSALS = [
  'none',
  'not-ram',
  'not-owner',
  'wrong-kind',
  'pinned',
  'out-of-memory',
  'bad-length',
  'no-mapping-left',
  'bad-grant',
  'bad-ring',
  'port-closed',
] as const;
REFUSALS satisfies readonly (SetupRefusal | 'none')[];

/** Values of STATE; the index is the value read. */
export const CALL_STATES = ['closed', 'open', 'stopped'] as const;

/** FAULT when the context was taken away, and not by a fault of the card. */
export const FAULT_TAKEN_AWAY = 0x80;

/** Where the counters begin: 64 bits each, those of the card in the order of the datasheet, then the drops. */
export const COUNTERS_OFFSET = 0x200;

/** Counters as `ethtool -S` shows them, in the order in which they lie in the page. */
export const PAGE_COUNTERS = [
  ...COUNTERS.map((name) => ({ name: snakeCase(name), counter: name, drop: undefined })),
  ...DROP_REASONS.map((name) => ({
    name: `drop_${name.replaceAll('-', '_')}`,
    counter: undefined,
    drop: name,
  })),
] as const;

/** The value of FAULT for a reason of the card. */
export function faultNumber(reason: (typeof FAULT_REASONS)[number]): number {
  return FAULT_REASONS.indexOf(reason);
}

function snakeCase(name: string): string {
  return name.replaceAll(/[A-Z]/gu, (letter) => `_${letter.toLowerCase()}`);
}
