import type { ContextQueue, SetupGate } from '../../../host/protection/context-queue.js';
import type { BufferBatch } from '../../../host/protection/guest-port.js';
import { busAddress } from '../../../nic/addresses.js';
import { present } from '../../../scheduler/present.js';

/** A gate that moves every buffer by so much for the device, lets so many pass, and keeps what it is asked. */
export class Shifting implements SetupGate {
  readonly writer: number;
  readonly finished: (readonly [number, number])[] = [];
  asked = 0;
  most = Number.POSITIVE_INFINITY;
  closes: (() => void) | undefined;

  constructor(writer: number) {
    this.writer = writer;
  }

  admit(queue: ContextQueue, batch: BufferBatch, count: number): number {
    this.asked += 1;
    const admitted = Math.min(count, this.most);
    for (let index = 0; index < admitted; index += 1)
      queue.admitAt(index, busAddress(batch.address(index) + 0x100_0000));
    if (admitted < count)
      queue.refuse('not-owner', batch.address(admitted), present(batch.lengths[admitted]));
    this.closes?.();
    return admitted;
  }

  finish(_queue: ContextQueue, from: number, to: number): void {
    this.finished.push([from, to]);
  }
}
