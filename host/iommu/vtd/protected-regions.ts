import type { HostPhysicalAddress } from '../../../nic/addresses.js';
import type { RegisterFile } from '../register-file.js';
import { PMEN, PROTECTED_REGION_ALIGNMENT, type VtdRegisterName } from './registers.js';

/**
 * The two protected memory regions (PMR): while PMEN.EPM is set, no device reaches physical memory inside them.
 * Their check is independent of translation: it looks at the address that an access finally goes to. What they
 * block is not recorded as a fault.
 */
export class ProtectedRegions {
  readonly #registers: RegisterFile<VtdRegisterName>;
  #lowStart = 0;
  #lowEnd = 0;
  #highStart = 0;
  #highEnd = 0;

  constructor(registers: RegisterFile<VtdRegisterName>) {
    this.#registers = registers;
  }

  /** True if an access to `length` bytes at a physical address touches a region that is in force. */
  blocks(physical: HostPhysicalAddress, length: number): boolean {
    const end = physical + length;
    return (
      (physical < this.#lowEnd && end > this.#lowStart) || (physical < this.#highEnd && end > this.#highStart)
    );
  }

  /** Software has written PMEN or one of the bounds; bounds count from the moment at which EPM is set. */
  onWrite(name: VtdRegisterName): void {
    if (name !== 'PMEN') return;
    const enabled = (this.#registers.low('PMEN') & PMEN.EPM) !== 0;
    this.#registers.set('PMEN', enabled ? (PMEN.EPM | PMEN.PRS) >>> 0 : 0);
    const end = (limit: number) => (enabled ? limit + PROTECTED_REGION_ALIGNMENT : 0);
    this.#lowStart = this.#registers.low('PLMBASE');
    this.#lowEnd = end(this.#registers.low('PLMLIMIT'));
    this.#highStart = this.#registers.address('PHMBASE');
    this.#highEnd = end(this.#registers.address('PHMLIMIT'));
    // A limit below its base switches a region off.
    if (this.#lowEnd <= this.#lowStart) this.#lowEnd = 0;
    if (this.#highEnd <= this.#highStart) this.#highEnd = 0;
  }
}
