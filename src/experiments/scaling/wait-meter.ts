import type { NicInstruments } from '../../../nic/host-port.js';
import { InvariantViolation } from '../../../scheduler/errors.js';
import { present } from '../../../scheduler/present.js';
import { LatencyRecorder } from '../../machine/latency.js';
import type { Machine } from '../../machine/machine.js';
import type { SteadyWatch } from '../steady-run.js';
import { WireWaits } from '../wire-waits.js';

/** How long frames wait on their way out and on their way in, and how many bytes each guest sends. */
export class WaitMeter implements SteadyWatch {
  readonly wireTap: WireWaits;
  readonly instruments: NicInstruments;
  readonly sent = new LatencyRecorder();
  readonly handedUp = new LatencyRecorder();
  /** When the frames arrived at the card that a guest's driver has not handed up yet, oldest first. */
  readonly #arrivedNs: number[][] = [];
  #machine: Machine | undefined;
  #sentBefore: readonly number[] = [];
  #counts = false;

  constructor() {
    this.wireTap = new WireWaits((_guest, waitNs) => {
      if (this.#counts) this.sent.record(waitNs);
    });
    this.instruments = {
      received: (context, _index, _length, arrivedNs) => {
        this.#arrivedNs[context]?.push(arrivedNs);
      },
    };
  }

  attach(machine: Machine): void {
    this.#machine = machine;
    this.wireTap.attach(machine.guests);
    for (const { port, driver } of machine.guests) {
      const arrivedNs: number[] = [];
      this.#arrivedNs[port.context] = arrivedNs;
      driver.onReceive(() => {
        const sinceNs = arrivedNs.shift();
        if (this.#counts && sinceNs !== undefined) this.handedUp.record(machine.kernel.nowNs - sinceNs);
        return undefined;
      });
    }
  }

  begin(): void {
    this.#counts = true;
    this.#sentBefore = this.#sentSoFar();
  }

  /** What each guest has sent since the warm-up, bytes. */
  bytesSent(): number[] {
    return this.#sentSoFar().map((bytes, guest) => bytes - present(this.#sentBefore[guest]));
  }

  #sentSoFar(): number[] {
    const machine = this.#machine;
    if (machine === undefined) throw new InvariantViolation('the meter has no machine');
    return machine.guests.map(({ port }) => machine.host.trafficOf(port).bytesTransmitted);
  }
}
