import { present } from '../../scheduler/present.js';
/** What happened, as the fingerprint tells events apart. */
export const TRACE_EVENTS = {
  transmitted: 1,
  received: 2,
  granted: 3,
  dropped: 4,
  fault: 5,
  interrupt: 6,
  denied: 7,
  changed: 8,
  control: 9,
} as const;

/**
 * A hash of everything that happened in a run, in order: two lanes of 32 bits, each mixed with a multiply and
 * one rotation per word, so that one event more, or two that change places, give another value. It is not meant
 * to resist an attacker, only to show that two runs were the same.
 */
export class Fingerprint {
  #a = 0x9e3779b9;
  #b = 0x85ebca6b;
  #events = 0;

  /** Events taken in. */
  get events(): number {
    return this.#events;
  }

  /** Adds an event: its kind, time, owner (a context or a requester, by kind), and one more number. */
  add(kind: number, atNs: number, owner: number, detail: number): void {
    this.#events += 1;
    this.#mix(kind ^ (owner << 8));
    this.#mix(atNs % 0x100000000);
    this.#mix((atNs / 0x100000000) | 0);
    this.#mix(detail % 0x100000000);
    this.#mix((detail / 0x100000000) | 0);
  }

  /** Takes in bytes: how many, then four at a time and the rest one by one. */
  addBytes(bytes: Uint8Array, offset: number, length: number): void {
    this.#mix(length);
    const whole = length - (length % 4);
    for (let at = offset; at < offset + whole; at += 4) {
      this.#mix(
        present(bytes[at]) |
          (present(bytes[at + 1]) << 8) |
          (present(bytes[at + 2]) << 16) |
          (present(bytes[at + 3]) << 24),
      );
    }
    for (let at = offset + whole; at < offset + length; at += 1) this.#mix(present(bytes[at]));
  }

  /** Sixteen hexadecimal digits. */
  toString(): string {
    const a = finish(this.#a ^ this.#events);
    const b = finish(this.#b + a);
    return a.toString(16).padStart(8, '0') + b.toString(16).padStart(8, '0');
  }

  #mix(word: number): void {
    const a = Math.imul(this.#a ^ word, 0xcc9e2d51);
    this.#a = (a << 13) | (a >>> 19);
    const b = Math.imul(this.#b + word, 0x1b873593);
    this.#b = ((b << 15) | (b >>> 17)) ^ this.#a;
  }
}

function finish(value: number): number {
  let x = value;
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return (x ^ (x >>> 16)) >>> 0;
}
