import type { UnitInterrupts } from '../invalidation-sink.js';
import type { RegisterFile } from '../register-file.js';
import { EVENT_CONTROL, type VtdRegisterName } from './registers.js';

/** One of a unit's two interrupts, with its mask, its pending bit and the message that software programmed. */
export class EventMessage {
  readonly #registers: RegisterFile<VtdRegisterName>;
  readonly #source: 'fault' | 'invalidation';
  readonly #interrupts: UnitInterrupts;
  readonly #control: number;
  readonly #data: number;
  readonly #address: number;
  readonly #upperAddress: number;

  constructor(registers: RegisterFile<VtdRegisterName>, prefix: 'FE' | 'IE', interrupts: UnitInterrupts) {
    this.#registers = registers;
    this.#source = prefix === 'FE' ? 'fault' : 'invalidation';
    this.#interrupts = interrupts;
    this.#control = registers.wordOf(`${prefix}CTL`);
    this.#data = registers.wordOf(`${prefix}DATA`);
    this.#address = registers.wordOf(`${prefix}ADDR`);
    this.#upperAddress = registers.wordOf(`${prefix}UADDR`);
  }

  /** Sends the message, or keeps it pending while it is masked. */
  signal(): void {
    const control = this.#registers.lowAt(this.#control);
    if ((control & EVENT_CONTROL.IM) !== 0) {
      this.#registers.setLowAt(this.#control, control | EVENT_CONTROL.IP);
      return;
    }
    const upper = this.#registers.lowAt(this.#upperAddress);
    const address = this.#registers.lowAt(this.#address) + upper * 2 ** 32;
    this.#interrupts.raise(this.#source, address, this.#registers.lowAt(this.#data));
  }

  /** Software has written the control register: a message that was pending goes out when the mask is taken off. */
  onControlWrite(): void {
    const control = this.#registers.lowAt(this.#control);
    if ((control & EVENT_CONTROL.IM) !== 0 || (control & EVENT_CONTROL.IP) === 0) return;
    this.withdraw();
    this.signal();
  }

  /** Software has dealt with the cause: nothing is pending any more. */
  withdraw(): void {
    const control = this.#registers.lowAt(this.#control);
    this.#registers.setLowAt(this.#control, control & ~EVENT_CONTROL.IP);
  }
}
