import type { UnitInterrupts } from '../invalidation-sink.js';
import type { RegisterFile } from '../register-file.js';
import { EVENT_CONTROL, type VtdRegisterName } from './registers.js';

/** One of a unit's two interrupts, with its mask, its pending bit and the message that software programmed. */
export class EventMessage {
  readonly #registers: RegisterFile<VtdRegisterName>;
  readonly #prefix: 'FE' | 'IE';
  readonly #interrupts: UnitInterrupts;

  constructor(registers: RegisterFile<VtdRegisterName>, prefix: 'FE' | 'IE', interrupts: UnitInterrupts) {
    this.#registers = registers;
    this.#prefix = prefix;
    this.#interrupts = interrupts;
  }

  /** Sends the message, or keeps it pending while it is masked. */
  signal(): void {
    const control = this.#registers.low(`${this.#prefix}CTL`);
    if ((control & EVENT_CONTROL.IM) !== 0) {
      this.#registers.set(`${this.#prefix}CTL`, control | EVENT_CONTROL.IP);
      return;
    }
    const upper = this.#registers.low(`${this.#prefix}UADDR`);
    const address = this.#registers.low(`${this.#prefix}ADDR`) + upper * 2 ** 32;
    const source = this.#prefix === 'FE' ? 'fault' : 'invalidation';
    this.#interrupts.raise(source, address, this.#registers.low(`${this.#prefix}DATA`));
  }

  /** Software has written the control register: a message that was pending goes out when the mask is taken off. */
  onControlWrite(): void {
    const control = this.#registers.low(`${this.#prefix}CTL`);
    if ((control & EVENT_CONTROL.IM) !== 0 || (control & EVENT_CONTROL.IP) === 0) return;
    this.withdraw();
    this.signal();
  }

  /** Software has dealt with the cause: nothing is pending any more. */
  withdraw(): void {
    const control = this.#registers.low(`${this.#prefix}CTL`);
    this.#registers.set(`${this.#prefix}CTL`, control & ~EVENT_CONTROL.IP);
  }
}
