import type { Host } from '../../host/host.js';
import { PAGE_BYTES } from '../../host/memory/physical-memory.js';
import { APPROACHES } from '../../host/protection/approaches.js';
import type { ContextPort } from '../../host/protection/context-port.js';
import type { PortQueue } from '../../host/protection/guest-port.js';
import { pageNumber } from '../../nic/addresses.js';
import type { Context } from '../../nic/context.js';
import { DESCRIPTOR_FIELDS, DESCRIPTOR_FLAGS, LENGTH_AND_FLAGS_OFFSET } from '../../nic/descriptor.js';
import { NIC_PARAMETERS } from '../../nic/parameters.js';
import { MAILBOX_REGISTERS, MANAGEMENT_REGISTERS, type RegisterDefinition } from '../../nic/registers.js';
import type { ContextId } from '../../scheduler/branded.js';
import type { Discipline } from '../../scheduler/discipline.js';
import { DISCIPLINES } from '../../scheduler/disciplines/index.js';
import { accessSteps } from './access-steps.js';
import type { ShownGuest } from './columns.js';
import { hex, requester } from './notation.js';
import { contextPortOf, isContextQueue, slotAddress } from './probes.js';
import { wordsOf } from './words.js';

/** Something on the picture that can be asked about. */
export type Subject =
  | { readonly kind: 'domain'; readonly id: number }
  | { readonly kind: 'context'; readonly id: number }
  | { readonly kind: 'page'; readonly id: number }
  | { readonly kind: 'set-up-gate' }
  | { readonly kind: 'access-gate' }
  | { readonly kind: 'scheduler' }
  | { readonly kind: 'wire' }
  | { readonly kind: 'card' };

/** A table of what is known of a subject. */
export interface Section {
  readonly title: string;
  /** A sentence from the datasheet or the documents. */
  readonly about?: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** What is known of a subject now. */
export interface Details {
  readonly title: string;
  readonly about: string;
  readonly sections: readonly Section[];
}

/** What a look inside needs of a machine. */
export interface Inspected {
  readonly host: Host;
  readonly guests: readonly ShownGuest[];
  readonly transmitDiscipline: Discipline;
  readonly receiveDiscipline: Discipline;
}

/** Looks at a subject. Reads registers, memory and counters, and changes nothing. */
export function inspect(machine: Inspected, subject: Subject): Details {
  switch (subject.kind) {
    case 'domain':
      return domainDetails(machine, subject.id);
    case 'context':
      return contextDetails(machine, subject.id);
    case 'page':
      return pageDetails(machine, subject.id);
    case 'set-up-gate':
      return setUpDetails(machine);
    case 'access-gate':
      return accessDetails(machine);
    case 'scheduler':
      return schedulerDetails(machine);
    case 'wire':
      return wireDetails(machine);
    case 'card':
      return cardDetails(machine);
  }
}

function domainDetails(machine: Inspected, id: number): Details {
  const { host, guests } = machine;
  const domain = host.hypervisor.domains[id];
  if (domain === undefined) return { title: 'No such domain', about: '', sections: [] };
  const guest = guests.find((candidate) => candidate.domain.id === id);
  const kinds = {
    hypervisor: 'Owns what no guest may touch, takes the one physical interrupt, and hands out contexts.',
    'driver-domain': 'Has the card to itself, bridges, and copies frames through grants.',
    guest:
      'Has a context of the card as if it were a card of its own, or a front end before a driver domain.',
  } as const;
  const { accounts } = host.processor;
  const rows = [
    ['state', domain.state],
    ['core', String(accounts[domain.account]?.core ?? 'unknown')],
    ['CPU time', `${host.processor.nsOf(domain.account)} ns`],
    ['work waiting', String(host.processor.backlogOf(domain.account))],
    ['pages unused', String(domain.unusedPages)],
  ];
  const sections: Section[] = [{ title: 'Now', head: ['', ''], rows }];
  if (guest !== undefined) {
    const traffic = host.trafficOf(guest.port);
    sections.push({
      title: 'Traffic',
      head: ['', 'frames', 'bytes'],
      rows: [
        ['sent', String(traffic.framesTransmitted), String(traffic.bytesTransmitted)],
        ['received', String(traffic.framesReceived), String(traffic.bytesReceived)],
        ...Object.entries(traffic.drops).map(([reason, count]) => [`dropped: ${reason}`, String(count), '']),
      ],
    });
    sections.push({
      title: 'Queues',
      about: 'What the driver has handed over, and how far it has taken buffers back.',
      head: ['queue', 'slots', 'producer', 'consumer'],
      rows: (['transmit', 'receive'] as const).map((way) => {
        const queue = guest.port[way];
        return [
          way,
          String(queue.slots),
          String(queue.producer),
          isReadable(queue) ? String(queue.consumer()) : UNREADABLE,
        ];
      }),
    });
  }
  return { title: domain.name, about: kinds[domain.kind], sections };
}

function contextDetails(machine: Inspected, index: number): Details {
  const { host } = machine;
  const context = host.nic.contexts[index];
  if (context === undefined) return { title: `No context ${index}`, about: '', sections: [] };
  const owner = host.hypervisor.domainOf(context.index)?.name ?? 'no domain';
  const sections: Section[] = [
    {
      title: 'Share',
      head: ['scheduler', 'deficit or tags', 'weight'],
      rows: [
        ['transmit', savedBy(machine.transmitDiscipline, context.index), String(context.share.weight)],
        ['receive', savedBy(machine.receiveDiscipline, context.index), String(context.share.weight)],
      ],
    },
    registers('Registers of its page', MAILBOX_REGISTERS, (offset) =>
      host.nic.read(index * PAGE_BYTES + offset, 4),
    ),
  ];
  const port = contextPortOf(machine.guests, context.index);
  for (const way of ['transmit', 'receive'] as const) {
    sections.push(indices(way, context));
    if (port !== undefined) sections.push(ringSection(host, port, way, context));
  }
  if (context.state === 'open') sections.push(...tableSections(host, context));
  return {
    title: `Context ${index}`,
    about: `A register context of the card, ${requester(context.requesterId)} on the bus, that belongs to ${owner}. It is ${context.state}${context.faultReason === 'none' ? '' : `: ${context.faultReason}`}.`,
    sections,
  };
}

/**
 * What the access gate has for a context: the entries on the way to its transmit ring, and to the oldest receive buffer that is on
 * the card, each with its bits. None where the gate stands open.
 */
function tableSections(host: Host, { requesterId, transmit, receive }: Context): Section[] {
  const accesses = [
    { what: 'a read of its transmit ring', address: transmit.base as number, write: false },
    ...(receive.available > 0
      ? [
          {
            what: 'a write to its oldest receive buffer',
            address: receive.address(receive.taken) as number,
            write: true,
          },
        ]
      : []),
  ];
  return accesses.flatMap(({ what, address, write }) => {
    const { gate, steps, verdict } = accessSteps(host, requesterId, address, write);
    if (steps.length === 0) return [];
    return {
      title: `Tables: ${what}, at ${hex(address)}`,
      about: `${gate}, as the tables are in memory now. ${verdict}`,
      head: ['read', 'at', 'value', 'bits that are set', 'says'],
      rows: steps.map(({ what: entry, at, value, bits, says }) => {
        const set = bits.filter((bit) => bit.set).map(({ name }) => name);
        return [entry, at < 0 ? '' : hex(at), value, set.join(' ') || (bits.length > 0 ? 'none' : ''), says];
      }),
    };
  });
}

function indices(way: 'transmit' | 'receive', context: Context): Section {
  const { producer, requested, fetched, taken, consumer } = context[way];
  return {
    title: `Indices, ${way}`,
    about: 'Indices run freely modulo 2^32; a slot is an index modulo the slots of the ring.',
    head: ['posted', 'asked for', 'fetched', 'taken', 'finished'],
    rows: [[producer, requested, fetched, taken, consumer].map(String)],
  };
}

/** What stands where a value would, of what cannot be looked at. */
const UNREADABLE = 'not readable';
const FOREIGN_RING =
  "The ring lies where the guest's own IOMMU says: its address means something to the card, and nothing here.";

/** Whether rings and status words of a queue are to be found in memory. */
function isReadable(queue: PortQueue): boolean {
  return !isContextQueue(queue) || queue.isReadable;
}

/** Slots of a ring that are listed. */
const SHOWN_SLOTS = 16;

function ringSection(host: Host, port: ContextPort, way: 'transmit' | 'receive', context: Context): Section {
  const queue = port[way];
  const title = `Ring, ${way}, from the oldest that is not finished`;
  if (!queue.isReadable) return { title, about: FOREIGN_RING, head: ['', ''], rows: [['ring', UNREADABLE]] };
  const { consumer, producer } = context[way];
  const rows: string[][] = [];
  const count = Math.min(SHOWN_SLOTS, queue.slots);
  for (let step = 0; step < count; step += 1) {
    const index = (consumer + step) >>> 0;
    const slot = index & (queue.slots - 1);
    const at = slotAddress(queue, index);
    const address = wordsOf(host).readU32(at + 4) * 2 ** 32 + wordsOf(host).readU32(at);
    const word = wordsOf(host).readU32(at + LENGTH_AND_FLAGS_OFFSET);
    const flags = DESCRIPTOR_FLAGS.filter(({ mask }) => ((word >>> 16) & mask) !== 0).map(({ name }) => name);
    const isPosted = step < (producer - consumer) >>> 0;
    rows.push([
      String(slot),
      isPosted ? 'posted' : 'old',
      hex(address),
      String(word & 0xffff),
      flags.join(' '),
      String(wordsOf(host).readU32(at + 12)),
    ]);
  }
  return {
    title,
    about: DESCRIPTOR_FIELDS.map(({ name, meaning }) => `${name}: ${meaning}`).join('. '),
    head: ['slot', '', 'address', 'length', 'flags', 'sequence'],
    rows,
  };
}

function pageDetails(machine: Inspected, page: number): Details {
  const { host } = machine;
  const { pages, hypervisor } = host;
  if (!(Number.isInteger(page) && page >= 0 && page < host.memory.pageCount))
    return { title: `No page ${page}`, about: '', sections: [] };
  const owner = hypervisor.domains[pages.owner(pageNumber(page))]?.name ?? 'no domain';
  const walkRows = host.nic.contexts
    .filter(({ state }) => state === 'open')
    .map(({ index, requesterId }) => {
      const write = accessSteps(host, requesterId, page * PAGE_BYTES, true);
      const read = accessSteps(host, requesterId, page * PAGE_BYTES, false);
      return [`context ${index}`, read.allowed ? 'yes' : 'no', write.allowed ? 'yes' : 'no', read.verdict];
    });
  const word = (at: number) =>
    wordsOf(host)
      .readU32(page * PAGE_BYTES + at)
      .toString(16)
      .padStart(8, '0');
  return {
    title: `Page ${page}`,
    about: `Physical memory from ${hex(page * PAGE_BYTES)}, ${PAGE_BYTES} bytes.`,
    sections: [
      {
        title: 'Ownership',
        head: ['owner', 'use', 'pinned', 'being released'],
        rows: [
          [
            owner,
            pages.kind(pageNumber(page)),
            String(pages.count(pageNumber(page))),
            pages.isReleasing(pageNumber(page)) ? 'yes' : 'no',
          ],
        ],
      },
      {
        title: 'Which contexts the access gate lets use its number as a bus address',
        about:
          'Where an IOMMU translates, a bus address and the page of the same number are different things.',
        head: ['', 'read', 'write', 'because'],
        rows: walkRows,
      },
      {
        title: 'First bytes',
        head: ['offset', 'words, hexadecimal'],
        rows: [0, 16, 32, 48].map((at) => [hex(at), [0, 4, 8, 12].map((step) => word(at + step)).join(' ')]),
      },
    ],
  };
}

function setUpDetails({ host }: Inspected): Details {
  const { accepted, refused } = host.protection.counters();
  const approach = APPROACHES.find(({ name }) => name === host.protection.name);
  return {
    title: 'Set-up gate',
    about: 'Validation when a transfer is set up, before the card is told of it.',
    sections: [
      {
        title: host.protection.name,
        about: approach?.meaning ?? '',
        head: ['buffers accepted', 'refused'],
        rows: [[String(accepted), String(refused)]],
      },
      claims(host.protection.name),
      faultSection(host),
    ],
  };
}

function accessDetails({ host }: Inspected): Details {
  const { checked, denied, details } = host.protection.counters();
  const approach = APPROACHES.find(({ name }) => name === host.protection.name);
  return {
    title: 'Access gate',
    about: 'Translation and protection when a transfer is carried out, as it reaches memory.',
    sections: [
      {
        title: host.protection.name,
        about: approach?.meaning ?? '',
        head: ['accesses checked', 'denied', 'mean delay'],
        rows: [
          [
            String(checked),
            String(denied),
            `${(host.bus.gateNs / Math.max(1, host.bus.reads + host.bus.writes)).toFixed(1)} ns`,
          ],
        ],
      },
      {
        title: 'Counters',
        head: ['', ''],
        rows: Object.entries(details).map(([name, value]) => [name, String(value)]),
      },
      claims(host.protection.name),
    ],
  };
}

function claims(name: string): Section {
  const found = APPROACHES.find((approach) => approach.name === name)?.claims;
  const yes = (value: boolean | undefined) => (value === true ? 'yes' : 'no');
  return {
    title: 'What the approach claims to protect',
    head: ['', ''],
    rows: [
      ["the hypervisor's memory", yes(found?.hypervisor)],
      [
        "other guests' memory",
        found?.separates === undefined ? yes(found?.interGuest) : `for up to ${found.separates} guests`,
      ],
      ["the guest's own memory from its own mistakes", yes(found?.ownMistakes)],
      ['memory from a card that acts of its own accord', yes(found?.device)],
    ],
  };
}

function faultSection(host: Host): Section {
  const rows = host.hypervisor.faultLog
    .slice(-12)
    .map(({ atNs, domain, context, caughtBy, reason }) => [
      `${atNs} ns`,
      domain,
      String(context),
      caughtBy,
      reason,
    ]);
  return {
    title: 'Faults that the hypervisor has logged',
    head: ['when', 'domain', 'context', 'caught by', 'reason'],
    rows,
  };
}

/** The schedulers of a card. */
const SCHEDULERS = [
  ['transmitScheduler', 'transmit'],
  ['innerScheduler', 'transmit, inside'],
  ['receiveScheduler', 'receive'],
] as const;

function schedulerDetails({ host, transmitDiscipline, receiveDiscipline }: Inspected): Details {
  const { name } = transmitDiscipline;
  const entry = DISCIPLINES.find((discipline) => discipline.name === name);
  const open = host.nic.contexts.filter(({ state }) => state === 'open');
  return {
    title: `DMA scheduler: ${name}`,
    about: entry?.meaning ?? 'Disciplines put together.',
    sections: [
      ...(entry === undefined
        ? []
        : [
            {
              title: 'Bounds',
              head: ['', ''],
              rows: [
                ['fairness', entry.fairness],
                ['delay', entry.delay],
                ['cost of a decision', entry.complexity],
                ['from', entry.paper],
              ],
            },
          ]),
      {
        title: 'Contexts',
        head: ['context', 'weight', 'transmit', 'receive'],
        rows: open.map(({ index, share }) => [
          String(index),
          String(share.weight),
          savedBy(transmitDiscipline, index),
          savedBy(receiveDiscipline, index),
        ]),
      },
      {
        title: 'Now',
        head: ['', 'decisions', 'backlogged', 'credit'],
        rows: SCHEDULERS.map(([way, label]) => {
          const { decisions, backlogged, creditBytes } = host.nic[way];
          return [label, String(decisions), String(backlogged), `${creditBytes} bytes`];
        }),
      },
    ],
  };
}

/** What a discipline has saved for a context, as far as it says so. */
function savedBy(discipline: Discipline, context: ContextId): string {
  const told = discipline as {
    deficitBytes?: (context: ContextId) => number;
    creditBytes?: (context: ContextId) => number;
    tagsOf?: (context: ContextId) => {
      readonly start: number;
      readonly finish: number;
      readonly clock: number;
    };
  };
  if (typeof told.deficitBytes === 'function') return `deficit ${told.deficitBytes(context)} bytes`;
  if (typeof told.creditBytes === 'function') return `credit ${told.creditBytes(context)} bytes`;
  if (typeof told.tagsOf === 'function') {
    const { start, finish, clock } = told.tagsOf(context);
    return `starts at ${Math.round(start)}, finishes at ${Math.round(finish)}, V = ${Math.round(clock)}`;
  }
  return 'not told by this discipline';
}

function wireDetails({ host }: Inspected): Details {
  const { nic, kernel } = host;
  const busy = kernel.nowNs === 0 ? 0 : nic.line.busyNs / kernel.nowNs;
  return {
    title: 'Wire',
    about:
      'On the wire each frame takes 24 bytes more: preamble and delimiter, FCS, and the gap between frames (IEEE 802.3).',
    sections: [
      {
        title: 'Now',
        head: ['rate', 'busy', 'frames in the card, out', 'in'],
        rows: [
          [
            `${nic.parameters.rateBps / 1e9} Gb/s`,
            `${(busy * 100).toFixed(1)} %`,
            String(nic.framesInside.transmit),
            String(nic.framesInside.receive),
          ],
        ],
      },
    ],
  };
}

function cardDetails({ host }: Inspected): Details {
  const { nic, window } = host;
  return {
    title: 'The card',
    about: 'A NIC with a register context per guest; the management page is mapped by the hypervisor alone.',
    sections: [
      registers('Management page', MANAGEMENT_REGISTERS, (offset) =>
        nic.read(window.managementPage * PAGE_BYTES + offset, 4),
      ),
      {
        title: 'Parameters',
        head: ['', '', 'meaning'],
        rows: NIC_PARAMETERS.map(({ name, unit, meaning }) => [
          name,
          `${nic.parameters[name]} ${unit}`,
          meaning,
        ]),
      },
    ],
  };
}

function registers(
  title: string,
  table: readonly RegisterDefinition[],
  read: (offset: number) => number,
): Section {
  return {
    title,
    head: ['register', 'value', 'meaning'],
    rows: table
      .filter(({ access }) => access !== 'wo')
      .map(({ name, offset, meaning }) => [name, hex(read(offset)), meaning]),
  };
}
