import { STATUS_BLOCK_BYTES } from './completions.js';
import { CONTEXT_STATES, type ContextState } from './context.js';
import {
  COUNTERS,
  type CounterName,
  DROP_REASONS,
  type DropReason,
  FAULT_REASONS,
  type FaultReason,
} from './counters.js';
import { hex, number, registerTable, table } from './datasheet-tables.js';
import { GROUPS_PER_CONTEXT } from './demultiplexer.js';
import {
  DESCRIPTOR_BYTES,
  DESCRIPTOR_FIELDS,
  DESCRIPTOR_FLAGS,
  DESCRIPTOR_STATES,
  type DescriptorState,
  MAX_BUFFER_BYTES,
  MAX_FRAME_BYTES,
  MIN_FRAME_BYTES,
  PADDED_FRAME_BYTES,
  WIRE_OVERHEAD_BYTES,
} from './descriptor.js';
import { MAILBOXES } from './event-vector.js';
import { VECTOR_RING_HEADER_BYTES } from './interrupt-vectors.js';
import { DEFAULT_NIC, NIC_PARAMETERS } from './parameters.js';
import { DEFAULT_PCIE, PCIE_PARAMETERS, type PcieParameters } from './pcie-link.js';
import {
  COMMAND_STATUSES,
  COMMANDS,
  type CommandStatus,
  MAILBOX_REGISTERS,
  MANAGEMENT_REGISTERS,
  PAGE_BYTES,
  SHARED_MEMORY_OFFSET,
} from './registers.js';

const CONTEXT_STATE_MEANINGS: Record<ContextState, string> = {
  free: 'Not allocated',
  allocated: 'The hypervisor sets it up',
  open: 'It takes doorbells and frames',
  faulted: 'It was stopped; it stays so until it is revoked',
};

const COMMAND_MEANINGS: Record<(typeof COMMANDS)[number], string> = {
  none: '-',
  allocate: 'Takes a free context and resets it',
  open: 'Copies 20h to 58h into an allocated context and starts it; its page is as after a reset',
  revoke:
    'Takes a context back in any state; what of it has not touched memory yet never will, and its faults are forgotten',
  reweigh: 'Gives an open context the weight of 28h; what it has under way stays',
  limit:
    'Gives an open context the rate limit of A0h and A4h; what it has sent in advance stays charged, in bytes',
  prioritise: 'Gives an open context the priority of A8h; what it has under way stays',
};

const STATUS_MEANINGS: Record<CommandStatus, string> = {
  done: 'It was carried out',
  'unknown-command': 'There is no such command',
  'no-such-context': 'SELECT names no context',
  'wrong-state': 'The context is not in the state that the command begins with',
  'bad-ring': 'A ring is not aligned to 16 bytes, or its size is not 1 to 15',
  'bad-sequence-modulus': 'N is less than twice the slots of the larger ring, or more than 2^32',
  'mac-missing-or-taken': 'The address is zero, a group, or that of another open context',
  'bad-weight': 'The weight is not 1 to 65,535',
  'bad-limit': 'The limit is more than 10^13 bits per second',
  'bad-priority': 'The priority is not 0 to 31',
};

const DESCRIPTOR_STATE_MEANINGS: Record<DescriptorState, string> = {
  posted: 'The producer index has passed it',
  fetched: 'It is on the card and has been found right',
  granted: 'The scheduler has chosen its frame',
  transferring: 'Its buffer is being read or written',
  buffered: 'Transmit only: its frame is whole in the FIFO',
  completed: 'The consumer index has passed it',
  faulted: 'Its context was stopped by a fault before that',
  discarded: 'Its context was revoked before that',
};

const FAULT_MEANINGS: Record<FaultReason, string> = {
  none: 'No fault',
  'sequence-break': 'A descriptor does not carry the sequence number that comes next',
  'producer-out-of-range': 'A producer index went back, or further on than the ring has slots',
  'descriptor-length': `A buffer of no bytes, or of more than ${number(MAX_BUFFER_BYTES)}`,
  'frame-too-short': `A frame to send of fewer than ${MIN_FRAME_BYTES} bytes`,
  'frame-too-long': `A frame to send of more than ${number(MAX_FRAME_BYTES)} bytes`,
  'chain-too-long': 'A frame to send in more descriptors than fit the card or the ring',
  'descriptor-fetch-abort': 'The host refused the read of descriptors',
  'payload-abort': 'The host refused the read or write of a buffer',
  'write-back-abort': 'The host refused the write of a descriptor or of the status block',
};

const DROP_MEANINGS: Record<DropReason, string> = {
  'no-receive-buffer': 'Too few receive descriptors are posted, or it takes more than fit the card',
  'receive-share-full':
    'The context has its share of the receive buffer full, or its traffic class the buffer of the class',
  'unknown-destination': 'The address is that of no open context (counted for none)',
  'mac-control':
    'A context sent a MAC control frame (EtherType 8808h) or one to 01-80-C2-00-00-00 to -0F, which speak to the port',
  'source-mac-spoofed': 'A context that must send under its own address did not',
  'frame-too-short': `Fewer than ${PADDED_FRAME_BYTES} bytes came in (counted for none)`,
  'frame-too-long': `More than ${number(MAX_FRAME_BYTES)} bytes came in (counted for none)`,
  'dma-abort': 'The host refused one of its transfers; the context faulted',
  'context-stopped': 'Its context was revoked or faulted while the frame was on the card',
};

const COUNTER_MEANINGS: Record<CounterName, string> = {
  framesTransmitted: 'Frames that left, over the wire or to other contexts',
  bytesTransmitted: 'Their bytes',
  framesReceived: 'Frames complete in memory',
  bytesReceived: 'Their bytes',
  framesSwitched: 'Frames sent that went to other contexts of the card',
  descriptorsFetched: 'Descriptors read and found right',
  descriptorsCompleted: 'Descriptors that the consumer indices have passed',
  doorbells: 'Mailbox writes',
  interruptRequests: "Times that the context's bit was set in the interrupt vector",
  writeBacks: 'Times that its consumer indices were written to memory',
};

/** The datasheet of the card as Markdown, from the tables that the card itself runs on. */
export function datasheet(): string {
  return `${[
    '# Datasheet',
    'The card as its driver sees it. This page is written by `npm run docs:datasheet` from the tables in `nic/`; ' +
      'a test holds it to them. All registers and structures in memory are little-endian; numbers that end in `h` ' +
      'are hexadecimal.',
    ...bar(),
    ...mailboxes(),
    ...management(),
    ...descriptors(),
    ...structures(),
    ...faultsAndDrops(),
    ...countersSection(),
    ...wire(),
    ...flowControl(),
    ...parameters(),
  ].join('\n\n')}\n`;
}

function bar(): string[] {
  const page = hex(PAGE_BYTES);
  return [
    '## The BAR',
    `One page of ${page} bytes per context, from offset 0, then the management page, which only the hypervisor maps; ` +
      'the whole is rounded up to a power of two. With C contexts:',
    table(
      ['Offset', 'What', 'Widths'],
      [
        [`c x ${page}`, `Mailboxes of context c, ${MAILBOXES} words`, '4'],
        [`c x ${page} + ${hex(SHARED_MEMORY_OFFSET)}`, 'Shared memory of context c', '1, 2, 4'],
        [`C x ${page}`, 'Management page', '4'],
      ],
    ),
    'Everything else (a word that has no register, another width, an address that is not a multiple of the width, the ' +
      'rest of the BAR) reads as ones in its width, and a write to it changes nothing. So does a write to a read-only ' +
      'register, a write of a value that is refused, and a write to a mailbox of a context that is not open.',
    'The shared memory is memory in every state of its context, and zero after open and revoke.',
  ];
}

function mailboxes(): string[] {
  return [
    '## Mailboxes',
    'A write sets the bit of its mailbox in the two-level event vector (first level: contexts; second level: mailboxes ' +
      'of one). The firmware decodes it and clears all bits of a context at once, so a mailbox that was written twice ' +
      `meanwhile counts once, with its last value. Settings (08h to 14h, 34h, 38h) ` +
      `take effect with the write. A context may be in ${GROUPS_PER_CONTEXT} multicast groups.`,
    registerTable(MAILBOX_REGISTERS),
  ];
}

function management(): string[] {
  return [
    '## Management page',
    registerTable(MANAGEMENT_REGISTERS),
    '### Commands',
    table(
      ['COMMAND', 'Name', 'What it does'],
      COMMANDS.flatMap((name, index) => (index === 0 ? [] : [[String(index), name, COMMAND_MEANINGS[name]]])),
    ),
    table(
      ['COMMAND_STATUS', 'Name', 'Meaning'],
      COMMAND_STATUSES.map((name, index) => [String(index), name, STATUS_MEANINGS[name]]),
    ),
    '### States of a context',
    table(
      ['STATUS', 'Name', 'Meaning'],
      CONTEXT_STATES.map((name, index) => [String(index), name, CONTEXT_STATE_MEANINGS[name]]),
    ),
  ];
}

function descriptors(): string[] {
  return [
    '## Descriptors',
    `${DESCRIPTOR_BYTES} bytes each, in a ring of a power of two of slots.`,
    table(
      ['Bytes', 'Field', 'Meaning'],
      DESCRIPTOR_FIELDS.map(({ name, offset, bytes, meaning }) => [
        `${offset}-${offset + bytes - 1}`,
        name,
        meaning,
      ]),
    ),
    table(
      ['Flag', 'Mask', 'Meaning'],
      DESCRIPTOR_FLAGS.map(({ name, mask, meaning }) => [name, hex(mask), meaning]),
    ),
    'Indices run freely modulo 2^32; a slot is an index modulo the slots of the ring. A frame is a chain of ' +
      'descriptors up to the one with END_OF_PACKET. The card fetches descriptors in batches, ahead of the frames that ' +
      'need them; a chain has to fit the card. With sequence checking the first descriptor after open carries 1, each ' +
      'one more than the one before, modulo N; N is at least twice the slots of either ring, so no descriptor of the ' +
      'lap before, and no slot that was never written, passes for one of this lap.',
    '### States of a descriptor',
    'In this order; each descriptor ends in one of the last three. `nic.streams.descriptors$` tells of every step.',
    table(
      ['State', 'Meaning'],
      DESCRIPTOR_STATES.map((state) => [state, DESCRIPTOR_STATE_MEANINGS[state]]),
    ),
  ];
}

function structures(): string[] {
  return [
    '## Structures that the card writes',
    `**Status block**, ${STATUS_BLOCK_BYTES} bytes in the memory of the context's owner: transmit consumer index, receive ` +
      'consumer index. It is written when so many frames have completed as COALESCE_FRAMES says, when the first of them ' +
      'has waited for COALESCE_NS, or at once when a descriptor asked for an interrupt. A change of either ' +
      'holds for what waits already.',
    `**Interrupt vector ring**, in hypervisor memory: ${VECTOR_RING_HEADER_BYTES} bytes of header that begin with the ` +
      'producer index, then the entries of VECTOR_BYTES each. Bit c of an entry says that context c was updated, the bit ' +
      'after the last context that faults wait in the management page. A full ring holds the next vector back, and bits ' +
      'gather in it.',
    'Writes reach memory in the order in which they were asked for: payload, descriptor, status block, vector, producer ' +
      'index of the vectors; then the physical interrupt is raised. A context that masks its interrupts still gets its ' +
      'status block; what was held back is raised when it unmasks.',
  ];
}

function faultsAndDrops(): string[] {
  return [
    '## Faults',
    'A fault stops its context, and no other. The value stands in FAULT_REASON of both pages.',
    table(
      ['Value', 'Reason', 'Meaning'],
      FAULT_REASONS.map((reason, index) => [String(index), reason, FAULT_MEANINGS[reason]]),
    ),
    '## Drops',
    'Every frame that the card drops is counted under one of these, per context.',
    table(
      ['Reason', 'Meaning'],
      DROP_REASONS.map((reason) => [reason, DROP_MEANINGS[reason]]),
    ),
  ];
}

function countersSection(): string[] {
  return [
    '## Counters',
    'A context each; bytes are those of a capture: padded, without FCS.',
    table(
      ['Counter', 'What it counts'],
      COUNTERS.map((name) => [name, COUNTER_MEANINGS[name]]),
    ),
  ];
}

function wire(): string[] {
  const bytes = PADDED_FRAME_BYTES + WIRE_OVERHEAD_BYTES;
  return [
    '## MAC and wire',
    `Frames have ${MIN_FRAME_BYTES} to ${number(MAX_FRAME_BYTES)} bytes without FCS; shorter ones than ` +
      `${PADDED_FRAME_BYTES} are padded with zeros. On the wire each takes ${WIRE_OVERHEAD_BYTES} bytes more: preamble ` +
      'and delimiter 8, FCS 4, inter-frame gap 12 (IEEE 802.3). A frame of 1,514 bytes (1,500 of payload) takes 1,538 ' +
      `byte-times, the shortest one ${bytes}. Both directions run at the full rate at once.`,
  ];
}

function flowControl(): string[] {
  return [
    '## Priority flow control',
    'For the traffic classes of `nic.pfcClasses` (IEEE 802.1Q, clause 36, which was 802.1Qbb; IEEE 802.3, annex 31D). A ' +
      'context has the class of TRAFFIC_CLASS, and so have the frames that it sends and those that are for it: frames ' +
      'need no tag, since both ends know the stations.',
    'A frame to 01-80-C2-00-00-01 with EtherType 8808h and opcode 0101h is for the port and reaches no context. Its vector ' +
      'says which of its eight timers count, in quanta of 512 bit times; a timer pauses its class from then on, 0 lets it ' +
      'go on. While a class is paused no context of it is granted a frame for the wire; what was granted before, at most ' +
      'the transmit FIFO, still goes.',
    'Received frames of these classes wait for descriptors instead of being dropped, in a buffer of `nic.pfcReceiveBytes` per ' +
      'class in place of the shares of contexts. At `nic.pfcXoffBytes` the card sends such a frame with a timer of ' +
      '`nic.pfcQuanta`, again whenever half of it is over, and at `nic.pfcXonBytes` one with 0: each behind the frame that ' +
      'is on the wire and before all others. A frame that does not fit the buffer is dropped (receive-share-full). Frames ' +
      'that stay inside the card take part in the buffer and cannot be paused.',
  ];
}

function parameters(): string[] {
  return [
    '## Parameters',
    'Whole numbers, all of them; `chosen` is said of defaults that no source gives.',
    table(
      ['Parameter', 'Default', 'Range', 'Unit', 'Meaning', 'Default from'],
      NIC_PARAMETERS.map(({ name, least, most, unit, meaning, source }) => [
        `\`nic.${name}\``,
        number(DEFAULT_NIC[name]),
        `${number(least)} to ${number(most)}`,
        unit,
        meaning,
        source,
      ]),
    ),
    '### The PCIe link',
    'Sizes of headers and the share of the data link layer are those of Neugebauer et al., "Understanding PCIe ' +
      'performance for end host networking", SIGCOMM 2018, section 3. A read takes its requests up, one way, the access ' +
      'gate and memory, its completions down, one way; a write takes its packets up, one way, the gate and memory. ' +
      'Packets of different transfers share the link one after the other, each way for itself.',
    table(
      ['Parameter', 'Default', 'Expected', 'Unit', 'Meaning'],
      (Object.keys(PCIE_PARAMETERS) as (keyof PcieParameters)[]).map((name) => {
        const { expected, unit, meaning } = PCIE_PARAMETERS[name];
        return [`\`pcie.${name}\``, number(DEFAULT_PCIE[name]), expected, unit, meaning];
      }),
    ),
  ];
}
