import type { GuestPort } from '../../host/protection/guest-port.js';
import type { ContextId } from '../../scheduler/branded.js';
import type { FrontCounters } from '../virtio/front-counters.js';
import type { PortShare } from './port-share.js';

/** What is behind the PCI function of a real guest, whatever its driver sees: a front end that has at most one port. */
export interface AttachedDevice {
  readonly counters: FrontCounters;
  /** The open port; undefined while the driver is not ready, or was stopped. */
  readonly port: GuestPort | undefined;
  /** Faults of the driver, by name. */
  readonly faults: Readonly<Record<string, number>>;
  /** What the device was stopped for; undefined since the last reset. */
  readonly lastFault: string | undefined;
  readonly share: PortShare;
  /** When the frame whose last buffer has this index of the open port was handed over, ns. */
  postedNs(index: number): number;
  /** The context is gone: the card has stopped it, or the hypervisor has taken it away. */
  contextStopped(context: ContextId): void;
}
