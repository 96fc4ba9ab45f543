import { addressAfter, hostPhysicalAddress, type RequesterId } from '../../../nic/addresses.js';
import { InvariantViolation } from '../../../scheduler/errors.js';
import { RING_ENTRY_BYTES } from '../command-ring.js';
import type { UnitInterrupts } from '../invalidation-sink.js';
import type { RegisterFile } from '../register-file.js';
import type { Reachable, TableMemory } from '../table-walker.js';
import { type AmdviRegisterName, CONTROL, ringBytes, STATUS } from './registers.js';

/** Outcome of logging an event. */
export type LogOutcome = 'logged' | 'overflow' | 'not-running';

/**
 * The event log: a ring of 16-byte events that the unit writes to memory. When the ring is full the unit sets
 * EventOverflow, stops logging, and loses what happens then, until software has cleared the bit and switched the log
 * on again.
 */
export class EventLog {
  readonly #registers: RegisterFile<AmdviRegisterName>;
  readonly #memory: TableMemory;
  readonly #reachable: Reachable;
  readonly #interrupts: UnitInterrupts;
  #messageAddress = 0;
  #messageData = 0;
  #logged = 0;
  #lost = 0;

  constructor(
    registers: RegisterFile<AmdviRegisterName>,
    memory: TableMemory,
    reachable: Reachable,
    interrupts: UnitInterrupts,
  ) {
    this.#registers = registers;
    this.#memory = memory;
    this.#reachable = reachable;
    this.#interrupts = interrupts;
  }

  /** Events written, and events that found no place. */
  get counters(): { readonly logged: number; readonly lost: number } {
    return { logged: this.#logged, lost: this.#lost };
  }

  /** The message of the unit's interrupts, as software programs it into the MSI capability of the unit's PCI function. */
  setMessage(address: number, data: number): void {
    this.#messageAddress = address;
    this.#messageData = data;
  }

  /** Software has switched EventLogEn. */
  setEnabled(enabled: boolean): void {
    const status = this.#registers.low('STATUS');
    const overflown = (status & STATUS.EVENT_OVERFLOW) !== 0;
    const running = enabled && !overflown;
    this.#registers.set('STATUS', running ? status | STATUS.EVENT_LOG_RUN : status & ~STATUS.EVENT_LOG_RUN);
  }

  /**
   * Writes an event.
   *
   * @param code event code, 4 bits; @param flags bits 27:16 of the second word, as a number
   * @param address what the event is about, 64 bits as two words
   */
  write(
    code: number,
    flags: number,
    deviceId: RequesterId,
    domainId: number,
    addressLow: number,
    addressHigh: number,
  ): LogOutcome {
    if ((this.#registers.low('STATUS') & STATUS.EVENT_LOG_RUN) === 0) {
      this.#lost += 1;
      return 'not-running';
    }
    const bytes = ringBytes(this.#registers.high('EVENT_BASE'));
    const tail = this.#registers.low('EVENT_TAIL') % bytes;
    const next = (tail + RING_ENTRY_BYTES) % bytes;
    const at = addressAfter(this.#registers.address('EVENT_BASE'), tail);
    // A log that the unit cannot write to loses events as a full one does.
    if (
      next === this.#registers.low('EVENT_HEAD') ||
      !this.#reachable(hostPhysicalAddress(at - (at % 4096)))
    ) {
      this.#lost += 1;
      const status = this.#registers.low('STATUS') & ~STATUS.EVENT_LOG_RUN;
      this.#registers.set('STATUS', status | STATUS.EVENT_OVERFLOW);
      this.#interrupt();
      return 'overflow';
    }
    this.#memory.writeU32(at, deviceId);
    this.#memory.writeU32(addressAfter(at, 4), ((code << 28) | (flags << 16) | domainId) >>> 0);
    this.#memory.writeU32(addressAfter(at, 8), addressLow);
    this.#memory.writeU32(addressAfter(at, 12), addressHigh);
    this.#registers.set('EVENT_TAIL', next);
    this.#logged += 1;
    const status = this.#registers.low('STATUS');
    this.#registers.set('STATUS', status | STATUS.EVENT_LOG_INT);
    // Another message is only due once software has seen the last.
    if ((status & STATUS.EVENT_LOG_INT) === 0) this.#interrupt();
    return 'logged';
  }

  /** COMPLETION_WAIT asked for an interrupt. */
  completionWait(): void {
    const status = this.#registers.low('STATUS');
    this.#registers.set('STATUS', status | STATUS.COM_WAIT_INT);
    const enabled = (this.#registers.low('CONTROL') & CONTROL.COM_WAIT_INT_EN) !== 0;
    if (enabled && (status & STATUS.COM_WAIT_INT) === 0) {
      this.#interrupts.raise('invalidation', this.#messageAddress, this.#messageData);
    }
  }

  checkInvariants(): void {
    const tail = this.#registers.low('EVENT_TAIL');
    if (tail % RING_ENTRY_BYTES !== 0) throw new InvariantViolation(`event tail is ${tail}`);
    const both = STATUS.EVENT_OVERFLOW | STATUS.EVENT_LOG_RUN;
    if ((this.#registers.low('STATUS') & both) === both)
      throw new InvariantViolation('the log runs although it overflowed');
  }

  #interrupt(): void {
    if ((this.#registers.low('CONTROL') & CONTROL.EVENT_INT_EN) === 0) return;
    this.#interrupts.raise('fault', this.#messageAddress, this.#messageData);
  }
}
