import { busAddress } from '../../../../nic/addresses.js';
import type { Domain } from '../../../hypervisor/domain.js';
import type { ContextQueue, SetupGate } from '../../context-queue.js';
import type { BufferBatch } from '../../guest-port.js';

/** A set-up gate that takes the addresses of buffers as they are: they are the guest's I/O virtual addresses. */
export class GuestGate implements SetupGate {
  readonly writer: number;

  constructor(domain: Domain) {
    this.writer = domain.account;
  }

  admit(queue: ContextQueue, batch: BufferBatch, count: number): number {
    for (let index = 0; index < count; index += 1) queue.admitAt(index, busAddress(batch.address(index)));
    return count;
  }

  finish(): void {}
}
