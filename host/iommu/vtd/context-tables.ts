import {
  type HostPhysicalAddress,
  hostPhysicalAddress,
  PAGE_BYTES,
  type RequesterId,
} from '../../../nic/addresses.js';
import { InvariantViolation } from '../../../scheduler/errors.js';
import type { PageAllocator } from '../entry-format.js';
import type { TableMemory } from '../table-walker.js';
import {
  type ContextEntry,
  readContextEntry,
  readRootEntry,
  writeContextEntry,
  writeRootEntry,
} from './entries.js';

/**
 * The root table and the context tables of a VT-d unit, kept in memory by host software. A bus gets its context
 * table with its first device. Software must invalidate the context cache after each change.
 */
export class ContextTables {
  /** Physical address of the root table, for RTADDR. */
  readonly rootTable: HostPhysicalAddress;
  readonly #memory: TableMemory;
  readonly #pages: PageAllocator;

  /** @throws Error if there is no page for the root table. */
  constructor(memory: TableMemory, pages: PageAllocator) {
    this.#memory = memory;
    this.#pages = pages;
    this.rootTable = this.#newTable();
    if (this.rootTable < 0) throw new InvariantViolation('no page for the root table');
  }

  /** Writes the context entry of a requester; false if its bus needs a table and there is no page. */
  set(requesterId: RequesterId, entry: ContextEntry): boolean {
    const bus = requesterId >>> 8;
    let { present, contextTable } = readRootEntry(this.#memory, this.rootTable, bus);
    if (!present) {
      contextTable = this.#newTable();
      if (contextTable < 0) return false;
      present = true;
      writeRootEntry(this.#memory, this.rootTable, bus, { present, contextTable });
    }
    writeContextEntry(this.#memory, contextTable, requesterId & 0xff, entry);
    return true;
  }

  /** The context entry of a requester, or undefined if its bus has none. */
  get(requesterId: RequesterId): ContextEntry | undefined {
    const { present, contextTable } = readRootEntry(this.#memory, this.rootTable, requesterId >>> 8);
    return present ? readContextEntry(this.#memory, contextTable, requesterId & 0xff) : undefined;
  }

  /** Takes a requester's entry away; its requests then fault with "context entry not present". */
  clear(requesterId: RequesterId): void {
    const { present, contextTable } = readRootEntry(this.#memory, this.rootTable, requesterId >>> 8);
    if (!present) return;
    writeContextEntry(this.#memory, contextTable, requesterId & 0xff, {
      present: false,
      faultProcessingDisable: false,
      translationType: 0,
      secondLevelTable: hostPhysicalAddress(0),
      addressWidth: 0,
      domainId: 0,
    });
  }

  /** Physical addresses of the root table and all context tables. */
  tableAddresses(): HostPhysicalAddress[] {
    const found = [this.rootTable];
    for (let bus = 0; bus < 256; bus += 1) {
      const { present, contextTable } = readRootEntry(this.#memory, this.rootTable, bus);
      if (present) found.push(contextTable);
    }
    return found;
  }

  #newTable(): HostPhysicalAddress {
    const table = this.#pages.allocate();
    if (table >= 0) this.#memory.fill(table, PAGE_BYTES, 0);
    return table;
  }
}
