import type { BusAddress, BusPageNumber, PageNumber, RequesterId } from '../../nic/addresses.js';
import { type AccessGate, DENIED, type InterruptMessage, messageThrough } from './access-gate.js';

/**
 * Bus Master Enable of functions (bit 2 of the PCI Command register). A function without it makes no requests; here
 * those of a function whose bit is off end in front of the gate, which neither looks at them nor logs them. It is put
 * in front of the gate while there is such a function, so that others pay nothing for it.
 */
export class BusMasters implements AccessGate {
  readonly #gate: AccessGate;
  readonly #off = new Set<RequesterId>();
  /** Whether the last request ended here. */
  #ended = false;

  /** @param gate what requests of all others go through */
  constructor(gate: AccessGate) {
    this.#gate = gate;
  }

  /** Functions whose bit is off. */
  get count(): number {
    return this.#off.size;
  }

  /** What the gate took for the last request, ns: nothing if it ended here. */
  get delayNs(): number {
    return this.#ended ? 0 : this.#gate.delayNs;
  }

  set(requesterId: RequesterId, enabled: boolean): void {
    if (enabled) this.#off.delete(requesterId);
    else this.#off.add(requesterId);
  }

  check(
    requesterId: RequesterId,
    page: BusPageNumber,
    offset: number,
    length: number,
    write: boolean,
  ): PageNumber {
    this.#ended = this.#off.has(requesterId);
    if (this.#ended) return DENIED;
    return this.#gate.check(requesterId, page, offset, length, write);
  }

  /** A message is a write of the function as any other. */
  message(requesterId: RequesterId, address: BusAddress, data: number): InterruptMessage | undefined {
    if (this.#off.has(requesterId)) return undefined;
    return messageThrough(this.#gate, requesterId, address, data);
  }
}
