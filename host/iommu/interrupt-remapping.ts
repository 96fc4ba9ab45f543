import type { RequesterId } from '../../nic/addresses.js';
import type { FaultLogging } from './table-walker.js';

/** Delivery mode of an interrupt that a processor takes by its vector; the others are SMI, NMI, INIT and the like. */
const DELIVERY_FIXED = 0;

/**
 * What becomes of a message in the interrupt window. One object serves many messages.
 *
 * A message that is stopped (`delivered` false) has a `faultReason` of the vendor's numbering; 0 means that nothing is to
 * be recorded.
 */
export class InterruptResult {
  /** True if the message goes on to a processor. */
  delivered = false;
  vector = 0;
  /** Bits 10:8 of message data: 0 fixed, 1 lowest priority, 2 SMI, 4 NMI, 5 INIT, 7 external. */
  deliveryMode = DELIVERY_FIXED;
  /** APIC ID, 8 bits. */
  destination = 0;
  faultReason = 0;
  /** AMD-Vi event flags; 0 for VT-d. */
  faultFlags = 0;
  /** Index of the remapping entry that the message names; 0 if it names none. */
  index = 0;
  logging: FaultLogging = 'always';

  reset(): void {
    this.delivered = false;
    this.vector = 0;
    this.deliveryMode = DELIVERY_FIXED;
    this.destination = 0;
    this.faultReason = 0;
    this.faultFlags = 0;
    this.index = 0;
    this.logging = 'always';
  }

  deliver(vector: number, deliveryMode: number, destination: number): void {
    this.delivered = true;
    this.vector = vector;
    this.deliveryMode = deliveryMode;
    this.destination = destination;
  }

  fail(faultReason: number, faultFlags = 0): void {
    this.delivered = false;
    this.faultReason = faultReason;
    this.faultFlags = faultFlags;
  }
}

/** What a unit makes of a message: a write of 4 bytes to the interrupt window. */
export interface InterruptRemapper {
  /** @param address of the write, bits 31:0; @param data the 4 bytes, little-endian */
  remap(requesterId: RequesterId, address: number, data: number, out: InterruptResult): void;
}

/** The message as every PC understands it (compatibility format): nothing asks who has sent it. */
export function deliverUnmapped(address: number, data: number, out: InterruptResult): void {
  out.deliver(data & 0xff, (data >>> 8) & 7, (address >>> 12) & 0xff);
}
