import { type BusAddress, busAddress } from '../../../nic/addresses.js';
import { COST } from '../../cpu/costs.js';
import type { Processor } from '../../cpu/processor.js';
import type { ExclusionUnit } from './exclusion-unit.js';
import type { ExclusionVector } from './exclusion-vector.js';
import { BASE, CONTROL, DEV_CAPABILITY, DEV_FUNCTION, ERROR, encodeMap, type MapEntry } from './registers.js';

/** An access that the unit caught and the hypervisor has read. */
export interface CaughtAccess {
  /** As the device named it. */
  readonly address: BusAddress;
  readonly write: boolean;
  /** More were denied before this one was read; what they were is lost. */
  readonly overflowed: boolean;
}

/** The hypervisor's driver for the exclusion unit: all of it goes through the function/index and data ports. */
export class ExclusionDriver {
  readonly #unit: ExclusionUnit;
  readonly #processor: Processor;
  readonly #payer: number;
  #control = 0;

  /** @param payer the account charged for configuration accesses, a number on the processor. */
  constructor(unit: ExclusionUnit, processor: Processor, payer: number) {
    this.#unit = unit;
    this.#processor = processor;
    this.#payer = payer;
  }

  /** How many protection domains and maps the unit says that it has. */
  capability(): { readonly domains: number; readonly maps: number } {
    const value = this.#read(DEV_FUNCTION.CAP, 0);
    return { domains: (value >>> 8) & 0xff, maps: (value >>> 16) & 0xff };
  }

  /** Gives a protection domain its vector. What the vector does not cover is blocked. */
  setVector(domain: number, vector: ExclusionVector): void {
    this.#write(DEV_FUNCTION.BASE_HI, domain, Math.floor(vector.base / 2 ** 32));
    const low =
      (vector.base % 2 ** 32) + vector.size * 2 ** BASE.SIZE_SHIFT + BASE.PROTECT_BEYOND + BASE.VALID;
    this.#write(DEV_FUNCTION.BASE_LO, domain, low);
  }

  setMap(index: number, entry: MapEntry): void {
    this.#write(DEV_FUNCTION.MAP, index, encodeMap(entry));
  }

  /** From now on vectors count, and errors are reported. */
  enable(): void {
    this.#control = CONTROL.ENABLE | CONTROL.BLOCK_IO_UPSTREAM | CONTROL.REPORT;
    this.#write(DEV_FUNCTION.CR, 0, this.#control);
  }

  /** Makes the unit forget what it has read of the vectors; returns when it has. */
  invalidate(): void {
    this.#write(DEV_FUNCTION.CR, 0, this.#control | CONTROL.INVALIDATE);
    while ((this.#read(DEV_FUNCTION.CR, 0) & CONTROL.INVALIDATE) !== 0) {
      // the unit clears the bit when it is done
    }
  }

  /** Reads and clears the error registers; undefined if they hold none. */
  takeError(): CaughtAccess | undefined {
    const status = this.#read(DEV_FUNCTION.ERR_STATUS, 0);
    if ((status & ERROR.VALID) === 0) return undefined;
    const low = this.#read(DEV_FUNCTION.ERR_ADDR_LO, 0);
    const high = this.#read(DEV_FUNCTION.ERR_ADDR_HI, 0);
    this.#write(DEV_FUNCTION.ERR_STATUS, 0, 0);
    return {
      address: busAddress(high * 2 ** 32 + low),
      write: (status & 3) === ERROR.WRITE,
      overflowed: (status & ERROR.OVERFLOW) !== 0,
    };
  }

  #read(func: number, index: number): number {
    this.#unit.writeConfig(DEV_CAPABILITY.FUNCTION_INDEX, (func << 8) | index);
    this.#processor.chargeAccount(this.#payer, COST.configAccess, 2);
    return this.#unit.readConfig(DEV_CAPABILITY.DATA);
  }

  #write(func: number, index: number, value: number): void {
    this.#unit.writeConfig(DEV_CAPABILITY.FUNCTION_INDEX, (func << 8) | index);
    this.#unit.writeConfig(DEV_CAPABILITY.DATA, value);
    this.#processor.chargeAccount(this.#payer, COST.configAccess, 2);
  }
}
