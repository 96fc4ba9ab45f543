import type { HandlerId } from '../../../scheduler/event-kernel.js';
import { absent } from '../../../scheduler/present.js';
import type { Worker } from '../../cpu/processor.js';
import type { HostParts } from '../../host-parts.js';

/** A gate whose finished pages are looked for after a while. */
export interface TimedRelease {
  /** The time is over, on the hypervisor's CPU time. */
  releaseTimedOut(): void;
}

/** The timer of all gates of a machine: each has a number, and its events and its work carry that. */
export class ReleaseTimer implements Worker {
  readonly #parts: HostParts;
  readonly #timeoutNs: number;
  readonly #due: HandlerId;
  readonly #gates: (TimedRelease | undefined)[] = [];
  readonly #free: number[] = [];

  constructor(parts: HostParts, timeoutNs: number) {
    this.#parts = parts;
    this.#timeoutNs = timeoutNs;
    this.#due = parts.kernel.register('host.cdna.release', (gate) =>
      parts.processor.post(parts.hypervisor.account, this, gate),
    );
  }

  /** The number of one more gate. */
  add(gate: TimedRelease): number {
    const number = this.#free.pop() ?? this.#gates.length;
    this.#gates[number] = gate;
    return number;
  }

  /** A gate is gone, and its timer does not run: its number is another's. */
  remove(number: number): void {
    this.#gates[number] = undefined;
    this.#free.push(number);
  }

  arm(gate: number): void {
    this.#parts.kernel.schedule(this.#timeoutNs, this.#due, gate);
  }

  work(gate: number): void {
    (this.#gates[gate] ?? absent()).releaseTimedOut();
  }
}
