import type { PortQueue } from '../../host/protection/guest-port.js';
import type { GuestPhysicalAddress } from '../../nic/addresses.js';
import { InvariantViolation } from '../../scheduler/errors.js';
import { present } from '../../scheduler/present.js';
import type { MemoryPiece } from '../pci/attached-device.js';
import type { FrontCounters } from './front-counters.js';
import { PendingBuffers } from './pending-buffers.js';
import type { Virtqueue } from './virtqueue.js';

/**
 * One direction of a virtio card: chains of a virtqueue become buffers in a queue of a port, and go back to the driver
 * when the card is done with them. What a chain is made of and what is done with it at the end differ by direction.
 */
export abstract class QueueFront {
  protected abstract readonly direction: 'transmit' | 'receive';
  protected readonly queue: Virtqueue;
  protected readonly counters: FrontCounters;
  protected readonly addressOf: (address: number, bytes: number) => GuestPhysicalAddress;
  /** Buffers that were taken from the virtqueue and not handed over yet. */
  protected readonly pending = new PendingBuffers();
  /** Undefined while the port is not open. */
  protected port: PortQueue | undefined;
  /** One past the last buffer that was given back. */
  protected finished = 0;
  // Slot of the port: where its buffer lies, a guest-physical address, and its bytes.
  protected origins = new Float64Array(0);
  protected lengths = new Uint32Array(0);

  constructor(
    queue: Virtqueue,
    counters: FrontCounters,
    addressOf: (address: number, bytes: number) => GuestPhysicalAddress,
  ) {
    this.queue = queue;
    this.counters = counters;
    this.addressOf = addressOf;
  }

  /** The port is gone; what was in it is lost. */
  close(): void {
    this.port = undefined;
    this.pending.clear();
  }

  /** Buffers that the card has and has not reported as done. */
  get outstanding(): number {
    return this.port === undefined ? 0 : (this.port.producer - this.finished) >>> 0;
  }

  /** Buffers that are out. */
  inUse(): MemoryPiece[] {
    const { port } = this;
    const pieces: MemoryPiece[] = [];
    if (port === undefined) return pieces;
    for (let index = this.finished; index !== port.producer; index = (index + 1) >>> 0) {
      const slot = index & (port.slots - 1);
      pieces.push({ address: present(this.origins[slot]), bytes: present(this.lengths[slot]) });
    }
    return pieces;
  }

  checkInvariants(): void {
    const { port } = this;
    if (port !== undefined && this.outstanding > port.slots) {
      throw new InvariantViolation(
        `${this.outstanding} buffers are in a ${this.direction} ring of ${port.slots}`,
      );
    }
    if (this.pending.count > 0) throw new InvariantViolation('a chain was taken and not handed over');
  }

  /** Buffers go to this queue of a port from now on. */
  protected attach(port: PortQueue): void {
    this.port = port;
    this.finished = port.producer;
    this.origins = new Float64Array(port.slots);
    this.lengths = new Uint32Array(port.slots);
    this.pending.clear();
  }

  /**
   * The consumer index, if the card has reported anything as done since the last time. An index that no card can have
   * written (the guest owns the memory it lies in) counts as nothing.
   */
  protected newlyDone(port: PortQueue): number | undefined {
    const consumer = port.consumer();
    const done = (consumer - this.finished) >>> 0;
    return done === 0 || done > this.outstanding ? undefined : consumer;
  }
}
