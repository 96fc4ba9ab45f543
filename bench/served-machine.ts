import { constantRate, fixedSize, wireBytes } from 'cdna-nic/guests';
import { GreedyMachine } from './greedy-machine.js';

const GUESTS = 4;
/** Longer than a card waits between two interrupts, and than a frame takes from the doorbell to the end of the guest's poll. */
const GAP_NS = 20_000;

/**
 * The traffic of real guests that send a frame at a time: each frame has a doorbell, a write-back, an interrupt and a
 * poll of its own, and no two share them.
 */
export class ServedMachine {
  readonly machine: GreedyMachine;

  /** @param startNs virtual time at which it begins */
  constructor(protection: string, frameBytes: number, startNs = 0) {
    const machine = new GreedyMachine({
      protection,
      contexts: GUESTS,
      frameBytes,
      idle: true,
      startNs,
      coalesceFrames: 1,
      coalesceNs: 0,
    });
    for (const [index, driver] of machine.drivers.entries()) {
      const name = `served${index}`;
      const sizes = fixedSize(name, frameBytes);
      driver.attach(
        constantRate({
          kernel: machine.kernel,
          name,
          sourceId: index,
          source: driver.port.mac,
          destination: 0x020000010001,
          sizes,
          startNs: startNs + index * GAP_NS,
          wireRateBps: (wireBytes(frameBytes) * 8e9) / (GUESTS * GAP_NS),
        }),
      );
    }
    this.machine = machine;
  }
}
