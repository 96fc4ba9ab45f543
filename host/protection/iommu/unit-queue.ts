import {
  addressAfter,
  type HostPhysicalAddress,
  ioVirtualAddress,
  pageNumber,
} from '../../../nic/addresses.js';
import { InvariantViolation } from '../../../scheduler/errors.js';
import type { HostParts } from '../../host-parts.js';
import type { WhenReported } from './iommu-driver.js';
import { OpenWaits } from './open-waits.js';

/** How a vendor's queue looks to the software that fills it. */
export interface QueueFormat<Command> {
  /** Physical address of the ring. */
  readonly base: HostPhysicalAddress;
  readonly slotBytes: number;
  readonly slots: number;
  /** Physical address of the word that waits are reported in. */
  readonly statusWord: HostPhysicalAddress;
  /** Time per slot besides the command itself, and time of the report of a wait, ns. */
  readonly fetchNs: number;
  readonly statusNs: number;
  write(at: HostPhysicalAddress, command: Command): void;
  /** Offset of the command that the unit works on. */
  head(): number;
  /** Tells the unit of everything up to here. */
  moveTail(offset: number): void;
  /** The command that writes `number` to the status word and interrupts; used before the next one is asked for. */
  wait(number: number): Command;
}

/**
 * The software side of an invalidation queue (VT-d) or command buffer (AMD-Vi). A command is written to the ring
 * and the tail moved; a wait behind it is reported when the unit has come that far, in order. What finds the ring full
 * waits here, and goes in as waits are reported: a guest that goes away may leave more behind than a ring holds.
 */
export class UnitQueue<Command extends object> {
  readonly #parts: HostParts;
  readonly #format: QueueFormat<Command>;
  readonly #bytes: number;
  readonly #waits = new OpenWaits();
  #backlog: Command[] = [];
  #tail = 0;
  #waitNumber = 0;
  /** When the unit will have finished everything requested so far, ns. */
  #idleAtNs = 0;

  constructor(parts: HostParts, format: QueueFormat<Command>) {
    this.#parts = parts;
    this.#format = format;
    this.#bytes = format.slots * format.slotBytes;
  }

  /** Waits that the unit has not reported. */
  get waiting(): number {
    return this.#waits.count;
  }

  /** Hands a command over, which may be used again; `takesNs` is what the unit will need for it. Charges the hypervisor. */
  submit(command: Command, takesNs: number): void {
    const { kernel, processor, hypervisor } = this.#parts;
    processor.chargeAccount(hypervisor.account, 'queueInvalidation');
    const startNs = Math.max(this.#idleAtNs, kernel.nowNs + processor.elapsedNs);
    this.#idleAtNs = startNs + this.#format.fetchNs + takesNs;
    if (this.#backlog.length === 0 && this.#write(command)) {
      this.#format.moveTail(this.#tail);
      return;
    }
    this.#backlog.push({ ...command });
    this.#feed();
  }

  /** `done` runs, with the three numbers, when the unit has finished everything submitted so far. */
  wait(done: WhenReported, iova = ioVirtualAddress(0), pages = 0, page = pageNumber(0)): void {
    this.#waitNumber = (this.#waitNumber + 1) >>> 0;
    this.#waits.push(this.#waitNumber, done, iova, pages, page);
    this.submit(this.#format.wait(this.#waitNumber), this.#format.statusNs);
  }

  /** The CPU polls until the unit has finished everything; charges the hypervisor. */
  spin(): void {
    const { processor, kernel, hypervisor } = this.#parts;
    const hereNs = kernel.nowNs + processor.elapsedNs;
    if (this.#idleAtNs > hereNs) processor.spin(hypervisor.account, this.#idleAtNs - hereNs);
  }

  /** The unit has interrupted: reports every wait that the status word has reached. */
  onReported(): void {
    const reached = this.#parts.memory.readU32(this.#format.statusWord);
    const waits = this.#waits;
    while (waits.count > 0 && ((reached - waits.oldestNumber) | 0) >= 0) waits.reportOldest();
    this.#feed();
  }

  /** Throws when waits are open that a unit at rest will never report. */
  checkInvariants(unitIsBusy: boolean): void {
    if (!unitIsBusy && this.waiting > 0) {
      throw new InvariantViolation(`${this.waiting} waits will never be reported`);
    }
    if (this.#backlog.length > 0 && this.waiting === 0)
      throw new InvariantViolation('commands wait for space that will not be reported');
  }

  #feed(): void {
    if (this.#backlog.length === 0) return;
    let fed = 0;
    for (const command of this.#backlog) {
      if (!this.#write(command)) break;
      fed += 1;
    }
    if (fed === 0) return;
    this.#backlog = this.#backlog.slice(fed);
    this.#format.moveTail(this.#tail);
  }

  /** Writes a command to the ring; false when it is full. */
  #write(command: Command): boolean {
    const { base, slotBytes } = this.#format;
    const next = this.#tail + slotBytes === this.#bytes ? 0 : this.#tail + slotBytes;
    if (next === this.#format.head()) return false;
    this.#format.write(addressAfter(base, this.#tail), command);
    this.#tail = next;
    return true;
  }
}
