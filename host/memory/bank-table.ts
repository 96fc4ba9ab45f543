import { addressAfter, type HostPhysicalAddress } from '../../nic/addresses.js';
import { InvariantViolation } from '../../scheduler/errors.js';
import { absent } from '../../scheduler/present.js';
import type { MemoryBank } from './memory-bank.js';

/** A bank at its place in the machine's memory. */
export interface AttachedBank {
  readonly bank: MemoryBank;
  /** Its first physical address, and the first behind it. */
  readonly first: HostPhysicalAddress;
  readonly end: HostPhysicalAddress;
}

/** Where banks lie, in the order of their addresses. */
export class BankTable {
  readonly #banks: AttachedBank[] = [];

  get size(): number {
    return this.#banks.length;
  }

  /** The bank at an address, or undefined. */
  at(address: HostPhysicalAddress): AttachedBank | undefined {
    const candidate = this.#banks[this.#countUpTo(address) - 1];
    return candidate !== undefined && address < candidate.end ? candidate : undefined;
  }

  /** @throws InvariantViolation when there is a bank in its place already. */
  attach(first: HostPhysicalAddress, bank: MemoryBank): void {
    const end = addressAfter(first, bank.bytes);
    const place = this.#countUpTo(first);
    const before = this.#banks[place - 1];
    const after = this.#banks[place];
    if ((before !== undefined && before.end > first) || (after !== undefined && after.first < end))
      throw new InvariantViolation(`two memory banks at 0x${first.toString(16)}`);
    this.#banks.splice(place, 0, { bank, first, end });
  }

  /** Takes away the bank that begins at `first`. @throws InvariantViolation when none does. */
  detach(first: HostPhysicalAddress): AttachedBank {
    const place = this.#countUpTo(first) - 1;
    if (this.#banks[place]?.first !== first)
      throw new InvariantViolation(`no memory bank begins at 0x${first.toString(16)}`);
    return this.#banks.splice(place, 1)[0] ?? absent();
  }

  checkInvariants(): void {
    for (const [index, { first, end, bank }] of this.#banks.entries()) {
      const before = this.#banks[index - 1];
      if (end !== first + bank.bytes || (before !== undefined && before.end > first))
        throw new InvariantViolation(`the memory bank at 0x${first.toString(16)} overlaps another`);
    }
  }

  /** How many banks begin at `address` or before it. */
  #countUpTo(address: HostPhysicalAddress): number {
    let low = 0;
    let high = this.#banks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#banks[middle] ?? absent()).first <= address) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
