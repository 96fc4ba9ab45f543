import { fixedSize, greedy } from 'cdna-nic/guests';
import type { EventKernel } from '../scheduler/event-kernel.js';
import { GreedyMachine, type GreedyMachineOptions } from './greedy-machine.js';
import { ServedMachine } from './served-machine.js';

/** Guests that send as fast as they can, that receive so, or that send a frame at a time. */
export type Traffic = 'sent' | 'received' | 'served';

/** A machine, and the frames that count. */
export interface TrafficMachine {
  /** Runs until so many more have arrived; returns the actual number. */
  deliver(frames: number): number;
  readonly events: number;
}

const STEP_NS = 100_000;
const FIRST_FAR_MAC = 0x020000010001;
const FIRST_MAC = 0x020000000001;

/** Of a served machine only approach, size of frames and beginning are options. */
export function trafficMachine(traffic: Traffic, options: GreedyMachineOptions): TrafficMachine {
  switch (traffic) {
    case 'sent': {
      const machine = new GreedyMachine(options);
      return counted(machine.kernel, () => machine.delivered);
    }
    case 'served': {
      const { machine } = new ServedMachine(options.protection, options.frameBytes, options.startNs);
      return counted(machine.kernel, () => machine.delivered);
    }
    case 'received': {
      const machine = new GreedyMachine({ ...options, idle: true });
      for (let index = 0; index < options.contexts; index += 1) {
        const name = `far${index}`;
        const source = FIRST_FAR_MAC + index;
        const destination = FIRST_MAC + index;
        const sizes = fixedSize(name, options.frameBytes);
        machine.partner.attach(greedy({ name, sourceId: index, source, destination, sizes }));
      }
      return counted(machine.kernel, () => machine.partner.framesToNic);
    }
  }
}

/** A kernel that is run until what `delivered` counts has grown by so much. */
export function counted(kernel: EventKernel, delivered: () => number): TrafficMachine {
  return {
    deliver(frames) {
      const before = delivered();
      while (delivered() < before + frames) kernel.run(kernel.nowNs + STEP_NS);
      return delivered() - before;
    },
    get events() {
      return kernel.executed;
    },
  };
}
