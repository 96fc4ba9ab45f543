import {
  addressAfter,
  type HostPhysicalAddress,
  hostPhysicalAddress,
  type RequesterId,
} from '../../../nic/addresses.js';
import { absent } from '../../../scheduler/present.js';
import { deliverUnmapped, type InterruptRemapper, type InterruptResult } from '../interrupt-remapping.js';
import { pageStart } from '../page-arithmetic.js';
import type { Reachable, TableMemory } from '../table-walker.js';
import { VTD_FAULT } from './fault-reasons.js';

export const IRTE_BYTES = 16;
const IRTE_WORDS = 4;

/** Bits of the first word of an interrupt remapping table entry (IRTE). */
export const IRTE = { PRESENT: 1 << 0, FPD: 1 << 1, POSTED: 1 << 15 } as const;
/** Reserved bits of a remapped-format IRTE: 14:12 and 31:24; without EIM the destination is bits 47:40; 95:84 and 127:96. */
const RESERVED_0 = 0xff00_7000;
const RESERVED_1 = 0xffff_00ff;
const RESERVED_2 = 0xfff0_0000;
/** SVT, bits 83:82: how the source is verified. */
const VERIFY = { NONE: 0, REQUESTER: 1, BUSES: 2 } as const;
/** SQ, bits 81:80: function bits of the source that are ignored. */
const IGNORED_FUNCTION_BITS = [0, 0b100, 0b110, 0b111] as const;

/**
 * VT-d interrupt remapping: a message of the remappable format names an entry of the table at IRTA, which says what is
 * delivered and to whom, and whose message it may be. Messages of the old format pass only with GSTS.CFIS. Entries are
 * cached as they were read until an IEC descriptor names them. CAP.PI is 0, so the posted format is refused.
 */
export class VtdInterruptRemapper implements InterruptRemapper {
  readonly #memory: TableMemory;
  readonly #reachable: Reachable;
  readonly #cached = new Map<number, Uint32Array>();
  #table: HostPhysicalAddress = hostPhysicalAddress(0);
  #entries = 0;
  /** GSTS.IRES and GSTS.CFIS. */
  enabled = false;
  passesCompatibility = false;

  constructor(memory: TableMemory, reachable: Reachable) {
    this.#memory = memory;
    this.#reachable = reachable;
  }

  /** SIRTP: takes the table at `address` with `entries`, 2 to 65,536. What is cached stays, until software invalidates it. */
  setTable(address: HostPhysicalAddress, entries: number): void {
    this.#table = address;
    this.#entries = entries;
  }

  /** An IEC descriptor: drops 2^mask entries from `index` on, aligned, or all without an index. */
  invalidate(index: number | undefined, mask: number): void {
    if (index === undefined) {
      this.#cached.clear();
      return;
    }
    // A mask of 31 names more entries than any table has: those that are held are looked at, not those that are named.
    const count = 2 ** mask;
    const first = index - (index % count);
    for (const at of this.#cached.keys()) if (at >= first && at < first + count) this.#cached.delete(at);
  }

  reset(): void {
    this.#cached.clear();
    this.setTable(hostPhysicalAddress(0), 0);
    this.enabled = false;
    this.passesCompatibility = false;
  }

  remap(requesterId: RequesterId, address: number, data: number, out: InterruptResult): void {
    out.reset();
    const remappable = (address & 0x10) !== 0;
    if (!this.enabled || (!remappable && this.passesCompatibility)) {
      deliverUnmapped(address, data, out);
      return;
    }
    if (!remappable) {
      out.fail(VTD_FAULT.INTERRUPT_COMPATIBILITY);
      return;
    }
    const subhandle = (address & 8) !== 0;
    out.index = (((address >>> 5) & 0x7fff) | ((address & 4) << 13)) + (subhandle ? data & 0xffff : 0);
    if (subhandle && data >>> 16 !== 0) {
      out.fail(VTD_FAULT.INTERRUPT_REQUEST_RESERVED);
      return;
    }
    if (out.index >= this.#entries) {
      out.fail(VTD_FAULT.INTERRUPT_INDEX_BEYOND_TABLE);
      return;
    }
    const entry = this.#entry(out.index);
    if (entry === undefined) out.fail(VTD_FAULT.INTERRUPT_TABLE_UNREADABLE);
    else this.#apply(requesterId, entry, out);
  }

  #entry(index: number): Uint32Array | undefined {
    const cached = this.#cached.get(index);
    if (cached !== undefined) return cached;
    const at = addressAfter(this.#table, index * IRTE_BYTES);
    if (!this.#reachable(pageStart(at, 12))) return undefined;
    const entry = Uint32Array.from({ length: IRTE_WORDS }, (_, word) =>
      this.#memory.readU32(addressAfter(at, word * 4)),
    );
    // An entry that is not present is not cached: the unit is not in caching mode for interrupts.
    if (((entry[0] ?? absent()) & IRTE.PRESENT) !== 0) this.#cached.set(index, entry);
    return entry;
  }

  #apply(requesterId: RequesterId, entry: Uint32Array, out: InterruptResult): void {
    const low = entry[0] ?? absent();
    const destination = entry[1] ?? absent();
    const source = entry[2] ?? absent();
    if ((low & IRTE.FPD) !== 0) out.logging = 'never';
    if ((low & IRTE.PRESENT) === 0) {
      out.fail(VTD_FAULT.INTERRUPT_ENTRY_NOT_PRESENT);
      return;
    }
    if ((low & IRTE.POSTED) !== 0) {
      out.fail(VTD_FAULT.INTERRUPT_ENTRY_RESERVED);
      return;
    }
    const verify = (source >>> 18) & 3;
    const reserved =
      (low & RESERVED_0) | (destination & RESERVED_1) | (source & RESERVED_2) | (entry[3] ?? absent());
    if (reserved !== 0 || verify > VERIFY.BUSES) out.fail(VTD_FAULT.INTERRUPT_ENTRY_RESERVED);
    else if (!isSource(requesterId, source & 0xffff, (source >>> 16) & 3, verify))
      out.fail(VTD_FAULT.INTERRUPT_SOURCE);
    else out.deliver((low >>> 16) & 0xff, (low >>> 5) & 7, (destination >>> 8) & 0xff);
  }
}

/** Whether a message of a requester may use an entry with this SID, SQ and SVT. */
function isSource(requesterId: RequesterId, sourceId: number, qualifier: number, verify: number): boolean {
  if (verify === VERIFY.NONE) return true;
  if (verify === VERIFY.REQUESTER)
    return ((requesterId ^ sourceId) & ~(IGNORED_FUNCTION_BITS[qualifier] ?? absent()) & 0xffff) === 0;
  const bus = requesterId >>> 8;
  return bus >= sourceId >>> 8 && bus <= (sourceId & 0xff);
}
