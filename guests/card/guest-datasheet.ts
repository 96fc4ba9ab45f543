import { hex, registerTable, table } from '../../nic/datasheet-tables.js';
import {
  CALL_REGISTERS,
  CALL_RESULTS,
  CALL_STATES,
  CALLS,
  type CallName,
  type CallResult,
  COUNTERS_OFFSET,
  HAND_OVERS,
  PAGE_COUNTERS,
  REFUSALS,
  REQUEST_ENTRIES,
} from './call-registers.js';
import { CARD_FAULTS } from './card-faults.js';
import { CARD_BARS, CARD_IDENTITY } from './card-function.js';

const HAND_OVER_MEANINGS: Record<(typeof HAND_OVERS)[number], string> = {
  write:
    'The driver writes descriptors into rings in its own memory. An address is that of the machine: ADDRESS plus the guest-physical one. No call is needed',
  'map-then-write':
    'As 0, but a buffer has an address for the card only from a transmit or receive call until a finished call, and the call says which',
  'hypervisor-writes':
    'The rings are memory of the hypervisor, which writes the descriptors of a transmit or receive call with their sequence numbers; BAR 2 shows them. There is nothing to tell of when they are finished',
};

const CALL_MEANINGS: Record<CallName, string> = {
  none: '-',
  open: 'Opens a context with rings of the sizes of RING_SIZES at RINGS (which hand-over 2 ignores). Indices and sequence numbers begin anew',
  close: 'Gives the context back, open or stopped. When the write is over nothing reaches memory any more',
  transmit:
    'Hands the first ARGUMENT requests over as the next transmit descriptors; frames whole or not at all',
  receive: 'The same as the next receive descriptors',
  'transmit-finished':
    'Transmit descriptors before the index ARGUMENT are finished: what they were mapped for goes',
  'receive-finished': 'The same of receive descriptors; only then do their buffers hold what was received',
};
const CALLED_UNDER: Record<CallName, string> = {
  none: '-',
  open: 'all',
  close: 'all',
  transmit: '1, 2',
  receive: '1, 2',
  'transmit-finished': '1',
  'receive-finished': '1',
};

const RESULT_MEANINGS: Record<CallResult, string> = {
  done: 'It was carried out',
  busy: 'It is being carried out; another call meanwhile is lost',
  'no-such-call': 'There is no such call, or not with this hand-over',
  'wrong-state': 'It needs an open context, or for open and close one that is not',
  'bad-rings': "RINGS is no multiple of 1000h, or the rings do not lie in the guest's memory",
  'bad-requests': `REQUESTS is no multiple of 1000h or not in the guest's memory, or ARGUMENT is not 1 to ${REQUEST_ENTRIES}`,
  'no-context': 'The card has no context left, or the guest may have none any more',
  'no-space': 'The ring has space for ACCEPTED of them only',
  refused:
    'The request behind the first ACCEPTED ones is refused, for the reason in REFUSAL; those behind it were not looked at',
};

const REFUSAL_MEANINGS: Record<(typeof REFUSALS)[number], string> = {
  none: 'It was not',
  'not-ram': 'The machine has no such memory',
  'not-owner': 'A page of the buffer belongs to another',
  'wrong-kind': 'A page of the buffer is no ordinary memory of a guest',
  pinned: 'A page is held for something else',
  'out-of-memory': 'The machine has no memory left for it',
  'bad-length': 'A buffer of no bytes, or a longer one than a descriptor may name',
  'no-mapping-left': 'No address is left for the card',
  'bad-grant': 'Not with a context of the card',
  'bad-ring': 'Not with a context of the card',
  'port-closed': 'The context is gone',
};

const STATE_MEANINGS: Record<(typeof CALL_STATES)[number], string> = {
  closed: 'No context',
  open: 'BAR 0 is its page',
  stopped: 'The context has been taken back, for the reason in FAULT; close or open comes next',
};

/** The datasheet of the PCI function that a guest sees, as Markdown. */
export function guestDatasheet(): string {
  return `${[
    '# Datasheet: the function of a guest',
    'What a real guest finds in its machine when its scenario entry has `"card": "cdna"`: a context of the card and a ' +
      'hypervisor to ask. Context page, descriptors, status block, faults and drops are those of the ' +
      '[datasheet of the card](datasheet.md); this page is what comes besides. It is written by `npm run ' +
      'docs:datasheet` from the tables in `guests/card/`; a test holds it to them. `guests/linux/` has a driver that was ' +
      'written from both pages, and a header with their numbers from the same tables.',
    ...pciFunction(),
    ...callPage(),
    ...rings(),
    ...operation(),
    ...counters(),
    ...driverFaults(),
  ].join('\n\n')}\n`;
}

function pciFunction(): string[] {
  const { vendor, device, classCode } = CARD_IDENTITY;
  return [
    '## PCI function',
    `Vendor ${hex(vendor, 4)}, device ${hex(device, 4)}, class ${hex(classCode, 6)}. Vendor and device are of those ` +
      'that QEMU keeps for experiments (docs/specs/pci-ids.rst). One MSI with a 64-bit address is its only interrupt; it has ' +
      'neither INTx nor MSI-X. All BARs are 32 bits wide, of memory, and not prefetchable.',
    table(
      ['BAR', 'Bytes', 'What'],
      CARD_BARS.map(({ meaning }, bar) => [
        String(bar),
        bar === 2 ? 'as the rings need, a power of two' : '1000h',
        meaning,
      ]),
    ),
    'BAR 0 reads as ones while no context is open, and writes to it are lost. Accesses of 1, 2 and 4 bytes reach it as they ' +
      'are, longer ones as words of 4. BAR 1 takes accesses of 4 bytes. A write to BAR 2 changes nothing and is counted ' +
      'as a fault of the guest.',
  ];
}

function callPage(): string[] {
  return [
    '## The hypercall page',
    registerTable(CALL_REGISTERS),
    `Counters follow from ${hex(COUNTERS_OFFSET)} on (below). Everything else reads as ones.`,
    '### HAND_OVER',
    table(
      ['Value', 'Name', 'How buffers come to the card'],
      HAND_OVERS.map((name, value) => [String(value), name, HAND_OVER_MEANINGS[name]]),
    ),
    'It follows from the approach to protection: plain DMA, DEV and NoDMA have 0, the IOMMU 1, CDNA with or without an ' +
      'IOMMU 2. A driver domain has none, since guests have no context of the card there. A guest with an IOMMU of its own ' +
      '(`iommu:guest`) has 0 too, with ADDRESS 0: whatever it names, RINGS and REQUESTS as well, it names by an address of ' +
      'that IOMMU.',
    '### Calls',
    table(
      ['CALL', 'Name', 'HAND_OVER', 'What it does'],
      CALLS.map((name, value) => [String(value), name, CALLED_UNDER[name], CALL_MEANINGS[name]]).slice(1),
    ),
    'Operands are taken as they are when CALL is written. Open and close are over when the write is; of the others RESULT ' +
      'reads busy until the hypervisor has carried them out.',
    table(
      ['RESULT', 'Name', 'Meaning'],
      CALL_RESULTS.map((name, value) => [String(value), name, RESULT_MEANINGS[name]]),
    ),
    table(
      ['REFUSAL', 'Name', 'Why a request was refused'],
      REFUSALS.map((name, value) => [String(value), name, REFUSAL_MEANINGS[name]]),
    ),
    table(
      ['STATE', 'Name', 'Meaning'],
      CALL_STATES.map((name, value) => [String(value), name, STATE_MEANINGS[name]]),
    ),
    '### The request page',
    `Up to ${REQUEST_ENTRIES} entries of 16 bytes in the guest's memory, each a descriptor without a sequence number: the ` +
      "buffer's address in the machine (ADDRESS plus the guest-physical one), its length, and the flags END_OF_PACKET and " +
      'INTERRUPT. With hand-over 1 the call replaces the address of each accepted request by the one that goes into the ' +
      'descriptor. The page is read once per call.',
  ];
}

function rings(): string[] {
  return [
    '## Rings and status block',
    'One piece of memory: the transmit ring, the receive ring and the status block, each on pages of its own. With T and R ' +
      'slots the receive ring begins at 16 x T, rounded up to a page of 1000h, the status block 16 x R behind it, rounded ' +
      'up likewise, and all of it ends a page later. With hand-over 0 and 1 it lies at RINGS, and the driver clears it ' +
      'before open. With hand-over 2 it lies in BAR 2.',
  ];
}

function operation(): string[] {
  return [
    '## Operation',
    '1. Enable memory, bus mastering and MSI. Write RINGS and REQUESTS, then call open.\n' +
      '2. Hand buffers over: leave requests and make the call (hand-over 1 and 2); write descriptors with their sequence ' +
      'numbers (0 and 1; the card does not check those of rings that a guest writes). Then write the new producer index to ' +
      'TX_PRODUCER or RX_PRODUCER. What was stored before is in memory before the doorbell arrives.\n' +
      '3. An MSI says that the status block has changed, or that the context was stopped. While the driver polls it holds ' +
      'interrupts back with INTERRUPT_MASK; what was held back comes when it is cleared.\n' +
      '4. Descriptors before the consumer indices of the status block are finished. With hand-over 1 say so by a call ' +
      'before you look at what was received.\n' +
      '5. When STATE is 2 the context has been stopped and taken back: nothing of it reaches memory, and what it had not ' +
      'finished never will be. Call open to go on with empty rings.',
    'A transmit or receive call fails as a whole where RESULT is above 2 and ACCEPTED is 0. A hypervisor may also take the ' +
      'context away for what a call has asked for (`--policy`), and then STATE is 2.',
  ];
}

function counters(): string[] {
  return [
    '## Counters',
    "64 bits each, lower word first, read in this order; they are the guest's own, whatever context it has had. What each " +
      'counts is in the datasheet of the card; those with `drop_` are its drops.',
    table(
      ['Offset', 'Name'],
      PAGE_COUNTERS.map(({ name }, index) => [hex(COUNTERS_OFFSET + 8 * index, 3), name]),
    ),
  ];
}

function driverFaults(): string[] {
  return [
    '## Faults of the driver',
    'What the hypercall page and BAR 2 count as faults of the guest, by name: `replay --json` gives them (`driverFaults`), ' +
      '`serve` their sum. `context-stopped` tells of a context that is gone; the others take none.',
    table(
      ['Name', 'Meaning'],
      CARD_FAULTS.map(({ name, meaning }) => [name, meaning]),
    ),
  ];
}
