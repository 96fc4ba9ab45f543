import { isContextPort } from '../../guests/hostile/raw-ring.js';
import type { Host } from '../../host/host.js';
import type { ContextPort } from '../../host/protection/context-port.js';
import type { ContextQueue } from '../../host/protection/context-queue.js';
import type { DriverDomainProtection } from '../../host/protection/driver-domain/driver-domain.js';
import type { FrontEnd } from '../../host/protection/driver-domain/front-end.js';
import type { GuestPort, PortQueue } from '../../host/protection/guest-port.js';
import type { IommuDriver } from '../../host/protection/iommu/iommu-driver.js';
import { DESCRIPTOR_BYTES } from '../../nic/descriptor.js';
import type { ContextId } from '../../scheduler/branded.js';
import type { ShownGuest } from './columns.js';

/**
 * What a machine has that only some approaches have. Parts are told apart by what they have and not by their class: an
 * approach of the user's own may bring its own copy of each class.
 */

/** The port of a guest that has a context of the card for itself; undefined behind a driver domain. */
export function contextPortOf(guests: readonly ShownGuest[], context: ContextId): ContextPort | undefined {
  const port = guests.find((guest) => guest.port.context === context)?.port;
  return port !== undefined && isContextPort(port) ? port : undefined;
}

export { isContextPort };

/** Whether a queue ends in a ring of the card, whose slots can be read. */
export function isContextQueue(queue: PortQueue): queue is ContextQueue {
  return 'ringAddress' in queue;
}

/** The driver of the machine's IOMMU, or undefined for an approach without one. */
export function driverOf({ protection }: Host): IommuDriver | undefined {
  return 'driver' in protection ? (protection as { readonly driver?: IommuDriver }).driver : undefined;
}

/** The driver domain between the guests and the card, or undefined where there is none. */
export function bridgeOf({ protection }: Host): DriverDomainProtection | undefined {
  return 'moves$' in protection && 'device' in protection
    ? (protection as unknown as DriverDomainProtection)
    : undefined;
}

/** Whether a port ends in a driver domain and not in a context of the card. */
export function isFrontEnd(port: GuestPort): port is FrontEnd {
  return 'grants' in port;
}

/** Physical address of the slot that an index falls on. */
export function slotAddress({ ringAddress, slots }: ContextQueue, index: number): number {
  return ringAddress + (index & (slots - 1)) * DESCRIPTOR_BYTES;
}
