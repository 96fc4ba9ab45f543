import { addressAfter, type HostPhysicalAddress, ioPageNumber, pageNumber } from '../../../nic/addresses.js';
import { InvariantViolation } from '../../../scheduler/errors.js';
import { COST } from '../../cpu/costs.js';
import type { HostParts } from '../../host-parts.js';
import type { WhenReported } from './iommu-driver.js';
import { OpenWaits } from './open-waits.js';
import type { QueueLock } from './queue-lock.js';

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
  /** A command without any effect: it takes the place of one that is not to be carried out. */
  readonly nothing: Command;
  /** What a command is, in a slot of the ring or on its way there. */
  kindAt(at: HostPhysicalAddress): CommandKind;
  kindOf(command: Command): CommandKind;
}

/** A wait, an invalidation that a device has to answer (its requester ID), or any other command. */
export type CommandKind = 'wait' | 'other' | number;

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
  readonly #lock: QueueLock | undefined;
  /** Commands were submitted and the wait behind them was not: one submission, for which the lock is taken once. */
  #submitting = false;
  #backlog: Command[] = [];
  #tail = 0;
  #waitNumber = 0;
  /** When the unit will have finished everything requested so far, ns, and the last such time that a CPU polled for. */
  #idleAtNs = 0;
  #polledToNs = 0;

  /** @param lock that cores take for each submission; none where they do not contend */
  constructor(parts: HostParts, format: QueueFormat<Command>, lock?: QueueLock) {
    this.#lock = lock;
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
    if (!this.#submitting) this.#lock?.submit();
    this.#submitting = true;
    processor.chargeAccount(hypervisor.account, COST.queueInvalidation);
    const hereNs = kernel.nowNs + processor.elapsedNs;
    // Where a lock orders what cores submit, the others' part of the wait is charged there.
    const startNs = this.#lock === undefined ? Math.max(this.#idleAtNs, hereNs) : hereNs;
    this.#idleAtNs = startNs + this.#format.fetchNs + takesNs;
    if (this.#backlog.length === 0 && this.#write(command)) {
      this.#format.moveTail(this.#tail);
      return;
    }
    this.#backlog.push({ ...command });
    this.#feed();
  }

  /** `done` runs, with the three numbers, when the unit has finished everything submitted so far. */
  wait(done: WhenReported, first = ioPageNumber(0), pages = 0, page = pageNumber(0)): void {
    this.#waitNumber = (this.#waitNumber + 1) >>> 0;
    this.#waits.push(this.#waitNumber, done, first, pages, page);
    this.submit(this.#format.wait(this.#waitNumber), this.#format.statusNs);
    this.#submitting = false;
  }

  /** The CPU polls until the unit has finished everything; charges the hypervisor. */
  spin(): void {
    const { processor, kernel, hypervisor } = this.#parts;
    const hereNs = kernel.nowNs + processor.elapsedNs;
    if (this.#idleAtNs > hereNs) processor.spin(hypervisor.account, this.#idleAtNs - hereNs);
    this.#polledToNs = this.#idleAtNs;
  }

  /**
   * The unit has stopped, or has passed over a command. What it was asked to wait for may not have happened, so every wait
   * that is not reported is taken back, and so is what is still to be asked of a device that does not answer. Nothing is
   * reported until `waitAgain`, which must come behind invalidations that cover all that was asked for.
   *
   * @param refused whether the unit stands at a command that it does not accept
   */
  takeBack(refused: boolean, silentDevice: number | undefined): void {
    const { kernel, processor, hypervisor, memory } = this.#parts;
    const format = this.#format;
    const waiting = this.#waits.count > 0;
    const head = format.head();
    for (let at = head; at !== this.#tail; at = this.#next(at)) {
      const slot = addressAfter(format.base, at);
      const kind = format.kindAt(slot);
      if ((refused && at === head) || kind === silentDevice) format.write(slot, format.nothing);
      // One that reports what was reported before still interrupts, so that a backlog goes on.
      else if (kind === 'wait')
        format.write(slot, waiting ? format.wait((this.#waits.oldestNumber - 1) >>> 0) : format.nothing);
    }
    this.#backlog = this.#backlog.filter((command) => {
      const kind = format.kindOf(command);
      return kind !== 'wait' && kind !== silentDevice;
    });
    if (waiting) memory.writeU32(format.statusWord, (this.#waits.oldestNumber - 1) >>> 0);
    // A CPU that polls for the end has done so for all this time.
    if (waiting && this.#polledToNs === this.#idleAtNs)
      processor.spin(hypervisor.account, Math.max(0, kernel.nowNs - this.#idleAtNs));
    this.#idleAtNs = Math.max(this.#idleAtNs, kernel.nowNs);
    this.#polledToNs = this.#idleAtNs;
  }

  /** Everything that was ever waited for is reported when the unit has finished what was submitted until now. */
  waitAgain(): void {
    if (this.#waits.count > 0) this.submit(this.#format.wait(this.#waitNumber), this.#format.statusNs);
    this.#submitting = false;
  }

  /** The unit has interrupted: reports every wait that the status word has reached. False if there was none. */
  onReported(): boolean {
    const reached = this.#parts.memory.readU32(this.#format.statusWord);
    const waits = this.#waits;
    let reported = false;
    while (waits.count > 0 && ((reached - waits.oldestNumber) | 0) >= 0) {
      waits.reportOldest();
      reported = true;
    }
    this.#feed();
    return reported;
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
    const { base } = this.#format;
    const next = this.#next(this.#tail);
    if (next === this.#format.head()) return false;
    this.#format.write(addressAfter(base, this.#tail), command);
    this.#tail = next;
    return true;
  }

  #next(at: number): number {
    const { slotBytes } = this.#format;
    return at + slotBytes === this.#bytes ? 0 : at + slotBytes;
  }
}
