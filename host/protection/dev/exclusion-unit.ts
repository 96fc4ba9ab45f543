import {
  addressAfter,
  type BusPageNumber,
  type HostPhysicalAddress,
  hostPhysicalAddress,
  PAGE_BYTES,
  type PageNumber,
  pageAddress,
  pageOf,
  passedThroughPage,
  type RequesterId,
} from '../../../nic/addresses.js';
import { ParameterError } from '../../../scheduler/errors.js';
import { present } from '../../../scheduler/present.js';
import { type AccessGate, DENIED } from '../../bus/access-gate.js';
import {
  BASE,
  CAPABILITY_ID,
  CAPABILITY_KIND,
  CONTROL,
  DEV_CAPABILITY,
  DEV_FUNCTION,
  domainInMap,
  ERROR,
  LOADER_BYTES,
} from './registers.js';

/** What the unit reads its tables from. */
export interface TableMemory {
  readU32(address: HostPhysicalAddress): number;
}

/** How large and how fast the unit is. */
export interface ExclusionUnitOptions {
  /** Protection domains, 2 to 64; first parts had at least 4. */
  readonly domains: number;
  /** DEV_MAP registers, each for two units. The number is assumed. */
  readonly maps: number;
  /** Lines of 64 bytes (2 MB of memory each) that walks keep: a power of two. Assumed. */
  readonly cacheLines: number;
  /** Reading one line of a table from memory, ns. Assumed. */
  readonly walkNs: number;
}

export const DEFAULT_EXCLUSION_UNIT: ExclusionUnitOptions = {
  domains: 4,
  maps: 4,
  cacheLines: 16,
  walkNs: 100,
};

/** Pages whose addresses have the same upper 32 bits. */
const PAGES_OF_A_WORD = 2 ** 32 / PAGE_BYTES;
const LINE_BYTES = 64;
const LINE_WORDS = LINE_BYTES / 4;
const REVISION = 1;

/**
 * AMD's Device Exclusion Vector: the northbridge looks up each access of a device in the bit vector of the
 * device's protection domain. It does not translate. It knows a device by bus and unit number (5 bits), not by
 * function, so eight functions in a row are one device to it.
 *
 * Lines of the vector are kept in a walk cache that nothing but DEV_CR bit 4 invalidates: a table that is
 * changed without it goes on being what it was, for as long as the line stays.
 *
 * Reads of registers that are not there give 0, writes to them do nothing.
 */
export class ExclusionUnit implements AccessGate {
  delayNs = 0;
  readonly options: ExclusionUnitOptions;
  readonly #memory: TableMemory;
  readonly #onReport: () => void;
  readonly #baseLow: Uint32Array;
  readonly #baseHigh: Uint32Array;
  readonly #map: Uint32Array;
  readonly #cacheTag: Float64Array;
  readonly #cacheWords: Uint32Array;
  #functionIndex = 0;
  #control = 0;
  #errorStatus = 0;
  #errorLow = 0;
  #errorHigh = 0;
  #loaderBlock = -1;
  #checks = 0;
  #denials = 0;
  #walks = 0;
  #invalidations = 0;
  #errorsLost = 0;

  /** @param onReport the machine check, when DEV_CR bit 3 asks for one an error. */
  constructor(memory: TableMemory, options: ExclusionUnitOptions, onReport: () => void) {
    requireExclusionUnit(options);
    this.#memory = memory;
    this.options = options;
    this.#onReport = onReport;
    this.#baseLow = new Uint32Array(options.domains);
    this.#baseHigh = new Uint32Array(options.domains);
    this.#map = new Uint32Array(options.maps);
    this.#cacheTag = new Float64Array(options.cacheLines).fill(-1);
    this.#cacheWords = new Uint32Array(options.cacheLines * LINE_WORDS);
  }

  get checks(): number {
    return this.#checks;
  }

  get denials(): number {
    return this.#denials;
  }

  /** Lines of tables read from memory. */
  get walks(): number {
    return this.#walks;
  }

  get invalidations(): number {
    return this.#invalidations;
  }

  /** Denials that found the error registers taken: only the overflow bit tells of them. */
  get errorsLost(): number {
    return this.#errorsLost;
  }

  /** SKINIT has put its secure loader here; DEV_CR bit 5 protects 64 KB of it. */
  setLoaderBlock(address: HostPhysicalAddress): void {
    this.#loaderBlock = address;
  }

  /** Configuration read in the capability block (0, 4 or 8). */
  readConfig(offset: number): number {
    if (offset === DEV_CAPABILITY.HEADER) return CAPABILITY_ID | (CAPABILITY_KIND << 16);
    if (offset === DEV_CAPABILITY.FUNCTION_INDEX) return this.#functionIndex;
    return offset === DEV_CAPABILITY.DATA ? this.#readRegister() : 0;
  }

  /** Configuration write in the capability block. */
  writeConfig(offset: number, value: number): void {
    if (offset === DEV_CAPABILITY.FUNCTION_INDEX) this.#functionIndex = value & 0xffff;
    else if (offset === DEV_CAPABILITY.DATA) this.#writeRegister(value >>> 0);
  }

  check(
    requesterId: RequesterId,
    page: BusPageNumber,
    offset: number,
    length: number,
    write: boolean,
  ): PageNumber {
    this.#checks += 1;
    this.delayNs = 0;
    const physical = passedThroughPage(page);
    if ((this.#control & CONTROL.ENABLE) === 0 || !this.#excluded(requesterId, physical, offset, length))
      return physical;
    this.#denials += 1;
    this.#capture(page, offset, write);
    return DENIED;
  }

  /** The protection domain of a device: what the maps say of its bus and unit, or 0. */
  domainOf(requesterId: RequesterId): number {
    const bus = requesterId >>> 8;
    const unit = (requesterId >>> 3) & 0x1f;
    for (let index = 0; index < this.#map.length; index += 1) {
      const domain = domainInMap(present(this.#map[index]), bus, unit);
      if (domain >= 0) return domain;
    }
    return 0;
  }

  /** Address of the word of a device's vector that holds the bit of a page, or -1 when no vector covers it. */
  wordOf(requesterId: RequesterId, address: HostPhysicalAddress): number {
    const domain = this.domainOf(requesterId);
    const low = this.#low(domain);
    const coverage = 2 ** (32 + ((low >>> BASE.SIZE_SHIFT) & BASE.SIZE_MASK));
    if ((low & BASE.VALID) === 0 || address >= coverage) return -1;
    const base = this.#high(domain) * 2 ** 32 + ((low & 0xfffff000) >>> 0);
    return base + Math.floor(pageOf(address) / 32) * 4;
  }

  #excluded(requesterId: RequesterId, page: PageNumber, offset: number, length: number): boolean {
    const address = addressAfter(pageAddress(page), offset);
    const loader = this.#loaderBlock;
    if ((this.#control & CONTROL.PROTECT_LOADER) !== 0 && loader >= 0)
      if (address < loader + LOADER_BYTES && address + length > loader) return true;
    const domain = this.domainOf(requesterId);
    const low = this.#low(domain);
    if ((low & BASE.VALID) === 0) return false;
    const coverage = 2 ** (32 + ((low >>> BASE.SIZE_SHIFT) & BASE.SIZE_MASK));
    if (address >= coverage) return (low & BASE.PROTECT_BEYOND) !== 0;
    const base = hostPhysicalAddress(this.#high(domain) * 2 ** 32 + ((low & 0xfffff000) >>> 0));
    return this.#bit(domain, base, page);
  }

  #bit(domain: number, base: HostPhysicalAddress, page: PageNumber): boolean {
    const line = Math.floor(page / (LINE_BYTES * 8));
    const entry = (line ^ (domain * 5)) & (this.options.cacheLines - 1);
    const tag = line * 64 + domain;
    const at = entry * LINE_WORDS;
    if (this.#cacheTag[entry] !== tag) {
      this.#walks += 1;
      this.delayNs = this.options.walkNs;
      const address = addressAfter(base, line * LINE_BYTES);
      for (let word = 0; word < LINE_WORDS; word += 1)
        this.#cacheWords[at + word] = this.#memory.readU32(addressAfter(address, word * 4));
      this.#cacheTag[entry] = tag;
    }
    const within = page % (LINE_BYTES * 8);
    return ((present(this.#cacheWords[at + (within >>> 5)]) >>> (within & 31)) & 1) === 1;
  }

  /** The first error stays until software clears it; those that come meanwhile leave only the overflow bit. */
  #capture(page: BusPageNumber, offset: number, write: boolean): void {
    if ((this.#errorStatus & ERROR.VALID) !== 0) {
      this.#errorStatus = (this.#errorStatus | ERROR.OVERFLOW) >>> 0;
      this.#errorsLost += 1;
      return;
    }
    const what = (write ? ERROR.WRITE : ERROR.READ) | ERROR.SOURCE_DEVICE | ERROR.DESTINATION_DRAM;
    this.#errorStatus = (what | ERROR.ADDRESS_VALID | ERROR.VALID) >>> 0;
    // Of the page: an address from 2^53 on is no exact number.
    this.#errorLow = (((page % PAGES_OF_A_WORD) * PAGE_BYTES + offset) & ~3) >>> 0;
    this.#errorHigh = Math.floor(page / PAGES_OF_A_WORD) % 2 ** 16;
    if ((this.#control & CONTROL.REPORT) !== 0) this.#onReport();
  }

  /**
   * DEV_BASE_LO of a domain. Software may ask for one that the unit does not have, and a map may name one: as a register
   * that is not there it reads as 0, so its vector is not valid.
   */
  #low(domain: number): number {
    // 0: the unit has no such register.
    return this.#baseLow[domain] ?? 0;
  }

  /** DEV_BASE_HI, likewise. */
  #high(domain: number): number {
    // 0: likewise.
    return this.#baseHigh[domain] ?? 0;
  }

  #readRegister(): number {
    const index = this.#functionIndex & 0xff;
    switch (this.#functionIndex >>> 8) {
      case DEV_FUNCTION.BASE_LO:
        return this.#low(index);
      case DEV_FUNCTION.BASE_HI:
        return this.#high(index);
      case DEV_FUNCTION.MAP:
        // 0: likewise.
        return this.#map[index] ?? 0;
      case DEV_FUNCTION.CAP:
        return REVISION | (this.options.domains << 8) | (this.options.maps << 16);
      case DEV_FUNCTION.CR:
        return this.#control;
      case DEV_FUNCTION.ERR_STATUS:
        return this.#errorStatus;
      case DEV_FUNCTION.ERR_ADDR_LO:
        return this.#errorLow;
      case DEV_FUNCTION.ERR_ADDR_HI:
        return this.#errorHigh;
      default:
        return 0;
    }
  }

  #writeRegister(value: number): void {
    const index = this.#functionIndex & 0xff;
    switch (this.#functionIndex >>> 8) {
      case DEV_FUNCTION.BASE_LO:
        // Bits 11:7 are not there.
        this.#baseLow[index] = value & ~0xf80;
        break;
      case DEV_FUNCTION.BASE_HI:
        this.#baseHigh[index] = value & 0xffff;
        break;
      case DEV_FUNCTION.MAP:
        this.#map[index] = value;
        break;
      case DEV_FUNCTION.CR:
        this.#control = value & 0x6d;
        if ((value & CONTROL.INVALIDATE) !== 0) this.#invalidate();
        break;
      case DEV_FUNCTION.ERR_STATUS:
        // How it is cleared is not in our sources; here it takes what is written, as machine-check registers do.
        this.#errorStatus = value;
        break;
      default:
        break;
    }
  }

  /** At once: the bit has cleared itself before software can read it. The wait is in the cost of the access. */
  #invalidate(): void {
    this.#invalidations += 1;
    this.#cacheTag.fill(-1);
  }
}

/** @throws ParameterError for a unit that cannot be. */
export function requireExclusionUnit(options: ExclusionUnitOptions): void {
  requireRange('dev.domains', options.domains, 2, 64);
  requireRange('dev.maps', options.maps, 1, 255);
  requireRange('dev.cacheLines', options.cacheLines, 1, 4096);
  if ((options.cacheLines & (options.cacheLines - 1)) !== 0)
    throw new ParameterError(`dev.cacheLines is ${options.cacheLines}, expected a power of two`);
  requireRange('dev.walkNs', options.walkNs, 0, 1e6);
}

function requireRange(field: string, value: number, least: number, most: number): void {
  if (!Number.isInteger(value) || value < least || value > most)
    throw new ParameterError(`${field} is ${value}, expected a whole number from ${least} to ${most}`);
}
