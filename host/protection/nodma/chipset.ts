import {
  addressAfter,
  type BusPageNumber,
  type HostPhysicalAddress,
  hostPhysicalAddress,
  type PageNumber,
  pageAddress,
  pageOf,
  passedThroughPage,
  type RequesterId,
} from '../../../nic/addresses.js';
import { type AccessGate, DENIED } from '../../bus/access-gate.js';

/** The memory from which the chipset reads its table. */
export interface TableMemory {
  readU32(address: HostPhysicalAddress): number;
}

/** The checks, in the order in which an access meets them. */
const CHECKS = ['nodma-table', 'nodma-table-protect', 'pmr', 'dpr'] as const;
export type CheckName = (typeof CHECKS)[number];

/** Host bridge 0:0.0, configuration space. */
export const DPR_OFFSET = 0x5c;
/** DPR: 0 lock, 1 status, 2 enable, 11:4 megabytes, 31:20 top (the address behind the region). */
export const DPR = { LOCK: 1 << 0, STATUS: 1 << 1, ENABLE: 1 << 2 } as const;

/** Protected memory registers, in the window of the remapping unit. */
export const PMR = {
  ENABLE: 0x64,
  LOW_BASE: 0x68,
  LOW_LIMIT: 0x6c,
  HIGH_BASE: 0x70,
  HIGH_LIMIT: 0x78,
} as const;
/** PMEN: 31 enable protected memory, 0 protected region status. */
export const PMEN = { ENABLE: 0x80000000, STATUS: 1 } as const;

/** TXT.STS bits: 5 NoDMA enabled, 8 block map status, 9 NoDMA cache, 10 NoDMA table protect. */
const TXT_STATUS = {
  NODMA: 1 << 5,
  BLOCK_MAP: 1 << 8,
  CACHE: 1 << 9,
  TABLE_PROTECT: 1 << 10,
} as const;

/** Ranges begin and end at multiples of this. Real chipsets choose; software finds out by writing ones. */
export const PMR_ALIGNMENT = 2 ** 21;

const MEGABYTE = 2 ** 20;
const FOUR_GIGABYTES = 2 ** 32;

/**
 * Intel's generation before translation: four checks that know addresses, and no devices. An access must pass
 * all of them: the NoDMA table (one bit per page), the protection of that table, the protected memory ranges
 * (PMR: one below 4 GB and one anywhere), and the DMA protected range (DPR), which comes last.
 *
 * DPR and PMR registers are as in public register headers. **The NoDMA table's layout is in none of our
 * sources; this one is chosen here**: one bit per 4 KB page from address 0, byte = page / 8, bit = page mod 8,
 * 1 = no DMA; memory behind the table's end passes. How it is told where the table is (`setTable`) is chosen
 * as well. Nothing of it is cached: bit 9 of TXT.STS reads 0.
 */
export class NoDmaChipset implements AccessGate {
  /** The checks are address comparators; the table's bit is read beside the access. Assumed to cost nothing. */
  readonly delayNs = 0;
  readonly #memory: TableMemory;
  #tableBase = hostPhysicalAddress(0);
  #tableBytes = 0;
  #tableProtect = false;
  #pmen = 0;
  #low = { base: 0, limit: 0 };
  #high = { base: 0, limit: 0 };
  #dpr = 0;
  #checks = 0;
  readonly #denials: Record<CheckName, number> = {
    'nodma-table': 0,
    'nodma-table-protect': 0,
    pmr: 0,
    dpr: 0,
  };

  constructor(memory: TableMemory) {
    this.#memory = memory;
  }

  get checks(): number {
    return this.#checks;
  }

  /** Denials by the check that made them; an access that several would deny counts for the first. */
  get denials(): Readonly<Record<CheckName, number>> {
    return this.#denials;
  }

  /** Where the NoDMA table is, bytes; 0 bytes for none. `protect` keeps devices out of the table itself. */
  setTable(base: HostPhysicalAddress, bytes: number, protect: boolean): void {
    this.#tableBase = base;
    this.#tableBytes = bytes;
    this.#tableProtect = protect;
  }

  /** TXT.STS, the bits that this is about. */
  get txtStatus(): number {
    const enabled = this.#tableBytes > 0 ? TXT_STATUS.NODMA | TXT_STATUS.BLOCK_MAP : 0;
    return enabled | (this.#tableProtect ? TXT_STATUS.TABLE_PROTECT : 0);
  }

  /** Configuration read of the host bridge: DPR, or 0. */
  readConfig(offset: number): number {
    return offset === DPR_OFFSET ? this.#dpr : 0;
  }

  /** Configuration write of the host bridge. A locked DPR stays as it is until reset. */
  writeConfig(offset: number, value: number): void {
    if (offset !== DPR_OFFSET || (this.#dpr & DPR.LOCK) !== 0) return;
    const status = (value & DPR.ENABLE) !== 0 ? DPR.STATUS : 0;
    this.#dpr = ((value & 0xfff00ff5) | status) >>> 0;
  }

  /** Reads a protected memory register, 32 bits; the upper half of a 64-bit one at its offset + 4. */
  readPmr(offset: number): number {
    switch (offset) {
      case PMR.ENABLE:
        return this.#pmen;
      case PMR.LOW_BASE:
        return this.#low.base;
      case PMR.LOW_LIMIT:
        return this.#low.limit;
      case PMR.HIGH_BASE:
        return this.#high.base % FOUR_GIGABYTES;
      case PMR.HIGH_BASE + 4:
        return Math.floor(this.#high.base / FOUR_GIGABYTES);
      case PMR.HIGH_LIMIT:
        return this.#high.limit % FOUR_GIGABYTES;
      case PMR.HIGH_LIMIT + 4:
        return Math.floor(this.#high.limit / FOUR_GIGABYTES);
      default:
        return 0;
    }
  }

  /** Writes one. Address bits below the alignment do not stick; the limit is the first byte of the last piece. */
  writePmr(offset: number, value: number): void {
    const aligned = value - (value % PMR_ALIGNMENT);
    switch (offset) {
      case PMR.ENABLE:
        // The status follows at once; software waits for it all the same.
        this.#pmen = (value & PMEN.ENABLE) !== 0 ? (PMEN.ENABLE | PMEN.STATUS) >>> 0 : 0;
        break;
      case PMR.LOW_BASE:
        this.#low.base = aligned;
        break;
      case PMR.LOW_LIMIT:
        this.#low.limit = aligned;
        break;
      case PMR.HIGH_BASE:
        this.#high.base += aligned - (this.#high.base % FOUR_GIGABYTES);
        break;
      case PMR.HIGH_BASE + 4:
        this.#high.base = value * FOUR_GIGABYTES + (this.#high.base % FOUR_GIGABYTES);
        break;
      case PMR.HIGH_LIMIT:
        this.#high.limit += aligned - (this.#high.limit % FOUR_GIGABYTES);
        break;
      case PMR.HIGH_LIMIT + 4:
        this.#high.limit = value * FOUR_GIGABYTES + (this.#high.limit % FOUR_GIGABYTES);
        break;
      default:
        break;
    }
  }

  check(_requesterId: RequesterId, page: BusPageNumber, offset: number, length: number): PageNumber {
    this.#checks += 1;
    const physical = passedThroughPage(page);
    const denied = this.deniedBy(addressAfter(pageAddress(physical), offset), length);
    if (denied === undefined) return physical;
    this.#denials[denied] += 1;
    return DENIED;
  }

  /** The first check that an access fails, or undefined. */
  deniedBy(address: HostPhysicalAddress, length: number): CheckName | undefined {
    if (this.#inTable(address)) return 'nodma-table';
    const end = address + length;
    if (this.#tableProtect && address < this.#tableBase + this.#tableBytes && end > this.#tableBase)
      return 'nodma-table-protect';
    if (this.#pmen !== 0 && (inRange(this.#low, address, end) || inRange(this.#high, address, end)))
      return 'pmr';
    return this.#inDpr(address, end) ? 'dpr' : undefined;
  }

  /** Address of the word of the NoDMA table that holds the bit of a page, or -1 behind the table's end. */
  wordOf(address: HostPhysicalAddress): number {
    const page = pageOf(address);
    return page < this.#tableBytes * 8 ? addressAfter(this.#tableBase, Math.floor(page / 32) * 4) : -1;
  }

  #inTable(address: HostPhysicalAddress): boolean {
    const at = this.wordOf(address);
    if (at < 0) return false;
    const word = this.#memory.readU32(hostPhysicalAddress(at));
    return ((word >>> (pageOf(address) & 31)) & 1) === 1;
  }

  #inDpr(address: HostPhysicalAddress, end: number): boolean {
    if ((this.#dpr & DPR.ENABLE) === 0) return false;
    const top = (this.#dpr & 0xfff00000) >>> 0;
    const bytes = ((this.#dpr >>> 4) & 0xff) * MEGABYTE;
    return address < top && end > top - bytes;
  }
}

/** The limit's piece belongs to the range, so base = limit = 0 is the first piece of memory; limit < base is none. */
function inRange(range: { base: number; limit: number }, address: HostPhysicalAddress, end: number): boolean {
  if (range.limit < range.base) return false;
  return address < range.limit + PMR_ALIGNMENT && end > range.base;
}
