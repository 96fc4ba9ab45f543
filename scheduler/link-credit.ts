import type { ContextId } from './branded.js';
import { InvariantViolation } from './errors.js';

/** Credit of a link, bytes: what it takes before it has sent anything of it. A grant takes credit, a departure returns it. */
export class LinkCredit {
  readonly #name: string;
  #capacityBytes: number | undefined;
  #bytes = 0;

  /** @param name of the scheduler that shares the link out; errors carry it. */
  constructor(name: string) {
    this.#name = name;
  }

  /** Credit that is left, bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Whether all granted credit has been returned: the link is idle. */
  get isWhole(): boolean {
    return this.#bytes === this.#capacityBytes;
  }

  /** A frame of `bytes`, no more than there are, was granted. */
  take(bytes: number): void {
    this.#bytes -= bytes;
  }

  /**
   * The first call gives all of the credit; later calls return what was taken.
   * @throws InvariantViolation when more is returned than was taken.
   */
  give(bytes: number): void {
    this.#capacityBytes ??= bytes;
    const creditBytes = this.#bytes + bytes;
    if (!(Number.isInteger(bytes) && bytes >= 0 && creditBytes <= this.#capacityBytes)) {
      throw new InvariantViolation(
        `${this.#name}: the link returned ${bytes} bytes where ${this.#bytes} of ${this.#capacityBytes} ` +
          'were free, expected a whole number that was granted before',
      );
    }
    this.#bytes = creditBytes;
  }

  /** @throws InvariantViolation when the head frame of a context is longer than the link ever takes. */
  requireThatItCanEverFit(context: ContextId, bytes: number): void {
    if (this.#capacityBytes === undefined || bytes <= this.#capacityBytes) return;
    throw new InvariantViolation(
      `${this.#name}: context ${context} has a frame of ${bytes} bytes at its head, ` +
        `and the link never takes more than ${this.#capacityBytes}`,
    );
  }

  checkInvariants(): void {
    if (this.#bytes < 0 || this.#bytes > (this.#capacityBytes ?? 0)) {
      throw new InvariantViolation(`${this.#name}: credit is ${this.#bytes} bytes of ${this.#capacityBytes}`);
    }
  }
}
