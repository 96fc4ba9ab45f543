import type { IoVirtualAddress, RequesterId } from '../../../nic/addresses.js';
import { InvariantViolation } from '../../../scheduler/errors.js';
import type { RegisterFile } from '../register-file.js';
import type { EventMessage } from './event-message.js';
import { FSTS, type VtdRegisterName } from './registers.js';

const TWO_32 = 2 ** 32;
/** F and T, in the top word of a fault recording register. */
const FRCD_VALID = 0x8000_0000;
const FRCD_READ = 0x4000_0000;

/** Outcome of recording a fault. */
export type RecordOutcome = 'recorded' | 'compressed' | 'overflow';

/**
 * The fault recording registers (FRCD) and the fault status. Recording follows QEMU's emulation: with PFO set a
 * fault is dropped; a fault of a requester that has a record waiting is compressed into it; if the next register
 * still waits for software, PFO is set and the fault dropped. Only the first of pending faults raises the event.
 */
export class FaultRecorder {
  readonly #registers: RegisterFile<VtdRegisterName>;
  readonly #event: EventMessage;
  readonly #records: number;
  #next = 0;
  #recorded = 0;
  #compressed = 0;
  #dropped = 0;

  constructor(registers: RegisterFile<VtdRegisterName>, event: EventMessage, records: number) {
    this.#registers = registers;
    this.#event = event;
    this.#records = records;
  }

  /** Faults that got a register, joined a record of their requester, or found no space. */
  get counters(): { readonly recorded: number; readonly compressed: number; readonly dropped: number } {
    return { recorded: this.#recorded, compressed: this.#compressed, dropped: this.#dropped };
  }

  /** Records a fault of a request. */
  record(requesterId: RequesterId, iova: IoVirtualAddress, write: boolean, reason: number): RecordOutcome {
    const status = this.#registers.low('FSTS');
    if ((status & FSTS.PFO) !== 0) return this.#drop();
    for (let index = 0; index < this.#records; index += 1) {
      const waiting = (this.#registers.high(`FRCD${index}_HIGH`) & FRCD_VALID) !== 0;
      if (waiting && (this.#registers.low(`FRCD${index}_HIGH`) & 0xffff) === requesterId) {
        this.#compressed += 1;
        return 'compressed';
      }
    }
    const index = this.#next;
    if ((this.#registers.high(`FRCD${index}_HIGH`) & FRCD_VALID) !== 0) {
      this.#registers.set('FSTS', status | FSTS.PFO);
      return this.#drop();
    }
    const page = iova - (iova % 4096);
    this.#registers.set(`FRCD${index}_LOW`, page % TWO_32, Math.floor(page / TWO_32));
    this.#registers.set(
      `FRCD${index}_HIGH`,
      requesterId,
      (FRCD_VALID | (write ? 0 : FRCD_READ) | reason) >>> 0,
    );
    this.#next = (index + 1) % this.#records;
    this.#recorded += 1;
    if ((status & FSTS.PPF) === 0) {
      this.#registers.set('FSTS', (status & 0xff) | FSTS.PPF | (index << 8));
      if ((status & (FSTS.IQE | FSTS.ICE | FSTS.ITE)) === 0) this.#event.signal();
    }
    return 'recorded';
  }

  /** The queue reports an error of its own: IQE or ITE. It raises the same event. */
  reportQueueError(bit: number): void {
    const status = this.#registers.low('FSTS');
    this.#registers.set('FSTS', status | bit);
    if (!this.#isPending(status)) this.#event.signal();
  }

  /** Software has written FSTS or cleared a record. */
  onClear(): void {
    let waiting = false;
    for (let index = 0; index < this.#records && !waiting; index += 1) {
      waiting = (this.#registers.high(`FRCD${index}_HIGH`) & FRCD_VALID) !== 0;
    }
    if (!waiting) this.#registers.set('FSTS', this.#registers.low('FSTS') & ~(FSTS.PPF | 0xff00));
    if (!this.#isPending(this.#registers.low('FSTS'))) this.#event.withdraw();
  }

  /** The next fault is recorded in the first register again. */
  reset(): void {
    this.#next = 0;
  }

  /** Throws if the status contradicts the records. */
  checkInvariants(): void {
    const sources = new Set<number>();
    let valid = 0;
    for (let index = 0; index < this.#records; index += 1) {
      if ((this.#registers.high(`FRCD${index}_HIGH`) & FRCD_VALID) === 0) continue;
      valid += 1;
      sources.add(this.#registers.low(`FRCD${index}_HIGH`) & 0xffff);
    }
    if (sources.size !== valid) throw new InvariantViolation('two records wait for one requester');
    const pending = (this.#registers.low('FSTS') & FSTS.PPF) !== 0;
    if (pending !== valid > 0) throw new InvariantViolation(`PPF is ${pending} with ${valid} records`);
  }

  #isPending(status: number): boolean {
    return (status & (FSTS.PFO | FSTS.PPF | FSTS.IQE | FSTS.ICE | FSTS.ITE)) !== 0;
  }

  #drop(): RecordOutcome {
    this.#dropped += 1;
    return 'overflow';
  }
}
