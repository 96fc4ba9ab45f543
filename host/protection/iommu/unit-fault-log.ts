import { COST } from '../../cpu/costs.js';
import type { HostParts } from '../../host-parts.js';
import { FAULTS_KEPT, type IommuFault } from './iommu-driver.js';

/**
 * Reads a unit's fault log on the hypervisor's time: an interrupt posts the work, and while that waits for the core
 * further interrupts say nothing new. All faults that are read are counted, the first thousand are kept.
 */
export class UnitFaultLog {
  readonly faults: IommuFault[] = [];
  readonly #parts: HostParts;
  readonly #readLog: () => void;
  #posted = false;
  #read = 0;

  /** @param readLog empties the unit's log and calls `add` for each record. */
  constructor(parts: HostParts, readLog: () => void) {
    this.#parts = parts;
    this.#readLog = () => {
      this.#posted = false;
      parts.processor.charge(COST.interrupt);
      readLog();
    };
  }

  /** Faults that were read. */
  get read(): number {
    return this.#read;
  }

  /** The unit has something in its log. */
  onInterrupt(): void {
    if (this.#posted) return;
    this.#posted = true;
    this.#parts.processor.post(this.#parts.hypervisor.account, this.#readLog);
  }

  /** A record of the log; `registers` reads were needed for it. */
  add(fault: Omit<IommuFault, 'readAtNs'>, registers: number): void {
    this.#read += 1;
    this.#parts.processor.charge(COST.registerRead, registers);
    if (this.faults.length < FAULTS_KEPT) {
      this.faults.push({ ...fault, readAtNs: this.#parts.kernel.nowNs });
    }
  }
}
