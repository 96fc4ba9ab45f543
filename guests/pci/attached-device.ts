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
  /** How it stands still while memory of the guest is rearranged; absent where a driver could not go on afterwards. */
  readonly pausable?: PausableDevice;
}

/** A piece of a guest's memory, as its driver names it. */
export interface MemoryPiece {
  readonly address: number;
  readonly bytes: number;
}

/** A device that can give its context back and take one again with everything that was under way. */
export interface PausableDevice {
  /** What the card or the device model may reach: rings, and buffers that are out. Nothing while it stands still. */
  inUse(): MemoryPiece[];
  /** Whether it stands still; a reset ends that. */
  readonly paused: boolean;
  /** Nothing of the device reaches memory when it returns. */
  pause(): void;
  /** Goes on where it was. False when there is no context now. */
  resume(): boolean;
  /** It was paused for too long: its driver is told to reset it. */
  giveUp(): void;
}
