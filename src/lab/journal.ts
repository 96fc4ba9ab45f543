import { merge, type Subscription } from 'rxjs';
import type { Host } from '../../host/host.js';
import { PAGE_BYTES } from '../../host/memory/physical-memory.js';
import { machineAddress, pageNumber } from '../../nic/addresses.js';
import { MAILBOX_REGISTERS } from '../../nic/registers.js';
import { type ContextId, NO_CONTEXT } from '../../scheduler/branded.js';
import { Columns, type GuestList } from './columns.js';
import { hex, requester } from './notation.js';
import { contextPortOf } from './probes.js';

/** What happened, as the picture shows it moving. */
const ENTRY_KINDS = {
  'set-up': 'buffers passed the set-up gate, and their descriptors are in the ring',
  refused: 'the set-up gate refused a buffer',
  doorbell: 'a mailbox of the card was written',
  fetch: 'the card read descriptors',
  read: 'the card read payload from memory',
  write: 'the card wrote payload to memory',
  status: 'the card wrote a completion to memory',
  vector: 'the card wrote an interrupt vector',
  denied: 'the access gate denied an access',
  grant: 'the scheduler chose a context',
  sent: 'a frame left over the wire',
  switched: 'a frame went from context to context inside the card',
  received: 'a frame is complete in memory',
  interrupt: 'the card raised its physical interrupt',
  drop: 'a frame was dropped',
  fault: 'the card stopped a context',
} as const;
export type EntryKind = keyof typeof ENTRY_KINDS;

/** One line of the journal. */
export interface JournalEntry {
  readonly kind: EntryKind;
  readonly atNs: number;
  /** Domain that it belongs to. */
  readonly column: number;
  /** Physical page that was touched, or -1. */
  readonly page: number;
  readonly bytes: number;
  readonly direction: 'transmit' | 'receive' | '';
  /** What is particular to it, in words. */
  readonly text: string;
}

/** Lines that are kept. */
const MOST_ENTRIES = 400;

/**
 * Writes down what happens in a machine, in words and with the page that it happened to. Faults and refusals are always
 * written down; all else only while a front end asks for it, because the taps on the packet path build an object per event.
 */
export class Journal {
  readonly #host: Host;
  readonly #columns: Columns;
  readonly #guests: GuestList;
  readonly #seldom: Subscription[] = [];
  readonly #often: Subscription[] = [];
  #entries: JournalEntry[] = [];
  #dropped = 0;

  constructor(host: Host, guests: GuestList) {
    this.#host = host;
    this.#guests = guests;
    this.#columns = new Columns(host, guests);
    this.#watchFaults();
  }

  get watching(): boolean {
    return this.#often.length > 0;
  }

  /** Whether what happens often is written down too. */
  watch(wanted: boolean): void {
    if (wanted === this.watching) return;
    if (wanted) this.#watchAll();
    else for (const subscription of this.#often.splice(0)) subscription.unsubscribe();
  }

  /** What has been written since the last call, the oldest first, and how many lines were too many. */
  take(): { readonly entries: readonly JournalEntry[]; readonly missed: number } {
    const taken = { entries: this.#entries, missed: this.#dropped };
    this.#entries = [];
    this.#dropped = 0;
    return taken;
  }

  close(): void {
    this.watch(false);
    for (const subscription of this.#seldom.splice(0)) subscription.unsubscribe();
  }

  #add(
    kind: EntryKind,
    column: number,
    text: string,
    more: { page?: number; bytes?: number; direction?: JournalEntry['direction'] } = {},
  ): void {
    const { page = -1, bytes = 0, direction = '' } = more;
    if (this.#entries.length === MOST_ENTRIES) {
      this.#entries.shift();
      this.#dropped += 1;
    }
    this.#entries.push({ kind, atNs: this.#host.kernel.nowNs, column, page, bytes, direction, text });
  }

  #watchFaults(): void {
    const { nic, bus, hypervisor } = this.#host;
    this.#seldom.push(
      bus.denied$.subscribe(({ requesterId, address, length, write, beyondMemory, crossesPage }) => {
        const why = crossesPage
          ? 'it crosses a page, and PCI Express has no such request'
          : beyondMemory
            ? 'the gate let it pass, and there is no RAM behind it'
            : `${this.#host.protection.name} has no entry that allows it`;
        const what = `${write ? 'write' : 'read'} of ${length} bytes at ${hex(address)} by ${requester(requesterId)}`;
        this.#add('denied', this.#columns.ofRequester(requesterId), `access gate: ${what} denied: ${why}`, {
          page: Math.floor(address / PAGE_BYTES),
          bytes: length,
        });
      }),
      hypervisor.faults$.subscribe(({ context, caughtBy, reason }) => {
        const column = this.#columns.ofContext(context);
        if (caughtBy !== 'set-up') {
          const from = caughtBy === 'nic' ? 'the card' : 'the IOMMU';
          const what = caughtBy === 'nic' ? 'stopped' : 'is at fault';
          this.#add(
            'fault',
            column,
            `the hypervisor reads from ${from}: context ${context} ${what}, ${reason}`,
          );
          return;
        }
        const { page, text } = this.#refusalOf(context);
        this.#add('refused', column, `set-up gate: ${reason}${text}`, { page });
      }),
      nic.streams.faults$.subscribe(({ context, direction, reason, detail }) => {
        this.#add(
          'fault',
          this.#columns.ofContext(context),
          `the card stops context ${context}: ${reason} (${hex(detail)}) in the ${direction} ring`,
          { direction },
        );
      }),
      nic.streams.drops$.subscribe(({ context, direction, reason, bytes }) => {
        this.#add('drop', this.#columns.ofContext(context), `frame of ${bytes} bytes dropped: ${reason}`, {
          bytes,
          direction,
        });
      }),
    );
  }

  /** Which byte a refused buffer is about: the first of it that lies in a page that the guest may not name. */
  #refusalOf(context: ContextId): { page: number; text: string } {
    const guest = this.#guests().find(({ port }) => port.context === context);
    const { nowNs } = this.#host.kernel;
    for (const queue of guest === undefined ? [] : [guest.port.transmit, guest.port.receive]) {
      const { refusal } = queue;
      if (guest === undefined || refusal === undefined || refusal.atNs !== nowNs) continue;
      const { address, length } = refusal;
      const foreign =
        length > 0
          ? this.#host.pages.firstForeign(guest.domain.id, machineAddress(address), length)
          : undefined;
      const page = foreign?.page ?? Math.floor(address / PAGE_BYTES);
      const byte = Math.max(address, page * PAGE_BYTES);
      const owner =
        this.#host.hypervisor.domains[this.#host.pages.owner(pageNumber(page))]?.name ?? 'no domain';
      return {
        page,
        text: `: buffer of ${length} bytes at ${hex(address)}; byte ${byte - address} of it, at ${hex(byte)}, lies in page ${page} of ${owner}`,
      };
    }
    return { page: -1, text: '' };
  }

  #watchAll(): void {
    const { nic, bus, hypervisor } = this.#host;
    this.#often.push(
      hypervisor.setUps$.subscribe(({ context, domain, direction, count }) => {
        const port = contextPortOf(this.#guests(), context);
        const ring = port?.ringMemory?.address;
        const page = ring === undefined ? -1 : Math.floor(ring / PAGE_BYTES);
        this.#add('set-up', domain, `${count} ${direction} ${count === 1 ? 'buffer' : 'buffers'} set up`, {
          page,
          direction,
        });
      }),
      nic.streams.doorbells$.subscribe(({ context, mailbox, value }) => {
        const name = MAILBOX_REGISTERS[mailbox]?.name ?? `mailbox ${mailbox}`;
        this.#add('doorbell', this.#columns.ofContext(context), `${name} = ${value}`);
      }),
      bus.accesses$.subscribe(({ requesterId, address, physical, length, write, gateNs }) => {
        const column = this.#columns.ofRequester(requesterId);
        const kind = this.#kindOf(requesterId, physical, write);
        const way = address === physical ? hex(physical) : `${hex(address)}, which is ${hex(physical)}`;
        const gate = gateNs > 0 ? `; the gate took ${gateNs} ns` : '';
        this.#add(kind, column, `${write ? 'writes' : 'reads'} ${length} bytes at ${way}${gate}`, {
          page: Math.floor(physical / PAGE_BYTES),
          bytes: length,
        });
      }),
      merge(nic.grants$, nic.innerGrants$).subscribe(({ context, bytes, reason }) =>
        this.#add('grant', this.#columns.ofContext(context), `${reason} grants ${bytes} bytes`, {
          bytes,
          direction: 'transmit',
        }),
      ),
      nic.streams.lentFrames$.subscribe(({ direction, context, length, switched }) => {
        const column = this.#columns.ofContext(context);
        if (switched) {
          this.#add('switched', column, `${length} bytes stay inside the card`, { bytes: length, direction });
          return;
        }
        const text = direction === 'transmit' ? 'on the wire' : 'received';
        this.#add(direction === 'transmit' ? 'sent' : 'received', column, `${length} bytes ${text}`, {
          bytes: length,
          direction,
        });
      }),
      nic.streams.interrupts$.subscribe(({ contexts, management }) => {
        const bits = contexts.join(', ');
        this.#add(
          'interrupt',
          0,
          `vector with contexts ${bits || 'none'}${management ? ' and the card' : ''}`,
        );
      }),
    );
  }

  #kindOf(requesterId: number, physical: number, write: boolean): EntryKind {
    const context = this.#columns.contextOf(requesterId);
    if (context === NO_CONTEXT) return 'vector';
    const rings = contextPortOf(this.#guests(), context)?.ringMemory;
    if (rings !== undefined) {
      const { address, bytes } = rings;
      if (physical >= address && physical < address + bytes) return write ? 'status' : 'fetch';
    }
    return write ? 'write' : 'read';
  }
}
