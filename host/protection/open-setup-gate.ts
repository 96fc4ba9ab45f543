import { machineAddress, untranslated } from '../../nic/addresses.js';
import type { Domain } from '../hypervisor/domain.js';
import type { ContextQueue, SetupGate } from './context-queue.js';
import type { BufferBatch } from './guest-port.js';

/** An open set-up gate: the driver writes its own descriptors, with whatever is in them. */
export class OpenSetupGate implements SetupGate {
  readonly writer: number;

  constructor(domain: Domain) {
    this.writer = domain.account;
  }

  admit(queue: ContextQueue, batch: BufferBatch, count: number): number {
    for (let index = 0; index < count; index += 1)
      queue.admitAt(index, untranslated(machineAddress(batch.address(index))));
    return count;
  }

  finish(): void {}
}
