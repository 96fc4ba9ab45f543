import { FAULT_REASONS } from '../../nic/counters.js';
import { GROUPS_PER_CONTEXT } from '../../nic/demultiplexer.js';
import {
  DESCRIPTOR_FIELDS,
  DESCRIPTOR_FLAGS,
  MAX_FRAME_BYTES,
  MIN_FRAME_BYTES,
} from '../../nic/descriptor.js';
import { MAILBOX_REGISTERS, MANAGEMENT_REGISTERS, PAGE_BYTES } from '../../nic/registers.js';
import { present } from '../../scheduler/present.js';
import {
  CALL_PAGE_ID,
  CALL_PAGE_VERSION,
  CALL_REGISTERS,
  CALL_RESULTS,
  CALL_STATES,
  CALLS,
  COUNTERS_OFFSET,
  FAULT_TAKEN_AWAY,
  HAND_OVERS,
  PAGE_COUNTERS,
  REFUSALS,
  REQUEST_ENTRIES,
} from './call-registers.js';
import { CARD_BARS, CARD_IDENTITY } from './card-function.js';

/** The numbers of both datasheets as a header for drivers in C. */
export function linuxHeader(): string {
  return `${[
    '/* SPDX-License-Identifier: MIT OR GPL-2.0-only */',
    '/*',
    ' * Registers and structures of the card as a guest has it. Written by `npm run docs:datasheet` from the tables that the card',
    ' * runs on; docs/datasheet.md and docs/datasheet-guest.md say what each means.',
    ' */',
    '#ifndef CDNA_REGS_H',
    '#define CDNA_REGS_H',
    '',
    '#include <linux/types.h>',
    ...registers(),
    ...structures(),
    ...names(),
    '#endif',
  ].join('\n')}\n`;
}

/** What the driver reads and writes by its offset, and what stands there. */
function registers(): string[] {
  return [
    ...section('PCI function', [
      ['CDNA_VENDOR_ID', hex(CARD_IDENTITY.vendor)],
      ['CDNA_DEVICE_ID', hex(CARD_IDENTITY.device)],
      ['CDNA_PAGE_BYTES', hex(PAGE_BYTES)],
      ...CARD_BARS.map(({ name }, bar) => [`CDNA_BAR_${macro(name)}`, String(bar)] as const),
    ]),
    ...section(
      'Mailboxes of the context page',
      MAILBOX_REGISTERS.map(({ name, offset }) => [`CDNA_${name}`, hex(offset)]),
    ),
    ...section('Bits of mailboxes', [
      ['CDNA_INTERRUPTS_MASKED', 'BIT(0)'],
      ['CDNA_RX_PROMISCUOUS', 'BIT(0)'],
      ['CDNA_RX_ALL_MULTICAST', 'BIT(1)'],
      ['CDNA_GROUP_JOIN', 'BIT(30)'],
      ['CDNA_GROUP_LEAVE', 'BIT(31)'],
      ['CDNA_MOST_GROUPS', String(GROUPS_PER_CONTEXT)],
    ]),
    ...section(
      'Hypercall page',
      CALL_REGISTERS.map(({ name, offset }) => [`CDNA_CALL_${name}`, hex(offset)]),
    ),
    ...section('Its contents', [
      ['CDNA_CALL_PAGE_ID', hex(CALL_PAGE_ID)],
      ['CDNA_CALL_PAGE_MAJOR', String(Math.floor(CALL_PAGE_VERSION / 2 ** 16))],
      ['CDNA_REQUEST_ENTRIES', String(REQUEST_ENTRIES)],
      ['CDNA_COUNTERS', hex(COUNTERS_OFFSET)],
      ['CDNA_FAULT_TAKEN_AWAY', hex(FAULT_TAKEN_AWAY)],
    ]),
    ...numbered('cdna_hand_over', 'CDNA_HAND_OVER', HAND_OVERS),
    ...numbered('cdna_call', 'CDNA_DO', CALLS),
    ...numbered('cdna_result', 'CDNA_RESULT', CALL_RESULTS),
    ...numbered('cdna_refusal', 'CDNA_REFUSAL', REFUSALS),
    ...numbered('cdna_state', 'CDNA_STATE', CALL_STATES),
  ];
}

/** What the driver and the card share in memory. */
function structures(): string[] {
  const modulusLog2 = MANAGEMENT_REGISTERS.find(({ name }) => name === 'SEQUENCE_MODULUS')?.reset;
  return [
    ...section(
      'Descriptors',
      DESCRIPTOR_FLAGS.map(({ name, mask }) => [`CDNA_FLAG_${name}`, hex(mask)]),
    ),
    `#define CDNA_SEQUENCE_MASK\t${hex(2 ** Number(present(modulusLog2)) - 1)}`,
    `#define CDNA_MIN_FRAME\t\t${MIN_FRAME_BYTES}`,
    `#define CDNA_MAX_FRAME\t\t${MAX_FRAME_BYTES}`,
    '',
    'struct cdna_descriptor {',
    ...DESCRIPTOR_FIELDS.map(({ name, bytes }) => `\t__le${8 * bytes} ${name};`),
    '};',
    '',
    'struct cdna_status_block {',
    '\t__le32 transmit;\t/* one past the last transmit descriptor finished */',
    '\t__le32 receive;\t\t/* one past the last receive descriptor finished */',
    '};',
    '',
  ];
}

/** What the driver calls things that it has read a number of. */
function names(): string[] {
  return [
    '/* Counters from CDNA_COUNTERS on, 64 bits each, as ethtool -S shows them. */',
    ...strings(
      'cdna_counter_names',
      PAGE_COUNTERS.map(({ name }) => name),
    ),
    '/* By the value of CDNA_CALL_FAULT. */',
    ...strings('cdna_fault_names', FAULT_REASONS),
    '/* By the value of CDNA_CALL_REFUSAL. */',
    ...strings('cdna_refusal_names', REFUSALS),
  ];
}

function section(title: string, definitions: readonly (readonly [string, string])[]): string[] {
  return ['', `/* ${title}. */`, ...definitions.map(([name, value]) => `#define ${name}\t${value}`)];
}

function numbered(type: string, prefix: string, names: readonly string[]): string[] {
  return [
    '',
    `enum ${type} {`,
    ...names.map((name, value) => `\t${prefix}_${macro(name)} = ${value},`),
    '};',
  ];
}

function strings(name: string, values: readonly string[]): string[] {
  return [
    `static const char * const ${name}[] __maybe_unused = {`,
    ...values.map((value) => `\t"${value}",`),
    '};',
    '',
  ];
}

function macro(name: string): string {
  return name.replaceAll('-', '_').toUpperCase();
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
