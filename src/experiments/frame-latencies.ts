import type { NicInstruments } from '../../nic/host-port.js';
import { InvariantViolation } from '../../scheduler/errors.js';
import type { Machine } from '../machine/machine.js';
import type { SteadyWatch } from './steady-run.js';
import { WireWaits } from './wire-waits.js';

/** Times of frames and of requests in the window of a steady run, ns, one after the other. */
export class FrameLatencies implements SteadyWatch {
  /** From the driver's buffer to the last bit on the wire. */
  readonly transmitNs: number[] = [];
  /** From the last bit off the wire to guest memory. */
  readonly receiveNs: number[] = [];
  /** From request to response. */
  readonly roundTripNs: number[] = [];
  readonly wireTap: WireWaits;
  readonly instruments: NicInstruments;
  #counts = false;

  constructor() {
    this.wireTap = new WireWaits((_guest, waitNs) => {
      if (this.#counts) this.transmitNs.push(waitNs);
    });
    this.instruments = {
      received: (_context, _index, _length, arrivedNs, nowNs) => {
        if (this.#counts) this.receiveNs.push(nowNs - arrivedNs);
      },
    };
  }

  attach(machine: Machine): void {
    this.wireTap.attach(machine.guests);
    for (const guest of machine.guests) {
      guest.client?.roundTrips$.subscribe((ns) => {
        if (this.#counts) this.roundTripNs.push(ns);
      });
    }
  }

  begin(): void {
    this.#counts = true;
  }
}

/**
 * Values that so many percent of all do not exceed (nearest rank), in the order of `percents`.
 * @param values at least one
 */
export function percentilesOf(values: readonly number[], percents: readonly number[]): number[] {
  const sorted = Float64Array.from(values).sort();
  return percents.map((percent) => {
    // 99.9 has no exact binary form, and a rank that is a hair above a whole number is that number.
    const rank = Math.max(1, Math.ceil((percent * sorted.length) / 100 - 1e-9));
    const value = sorted[rank - 1];
    if (value === undefined) throw new InvariantViolation(`percentile ${percent} of ${sorted.length} values`);
    return value;
  });
}
