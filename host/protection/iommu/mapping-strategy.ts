import type { PageNumber } from '../../../nic/addresses.js';
import type { ContextPort } from '../context-port.js';
import type { SetupGate } from '../context-queue.js';
import type { GuestSpace } from './guest-space.js';

/**
 * When a guest's buffers are mapped and unmapped: the question that the literature on IOMMUs is about
 * (Ben-Yehuda et al., OLS 2007; Willmann, Rixner and Cox, USENIX ATC 2008). A strategy is the set-up gate of a
 * guest's two queues.
 */
export interface MappingStrategy {
  readonly transmit: SetupGate;
  readonly receive: SetupGate;
  /** The context is open and the space is attached. @throws RangeError when there is no memory for what it needs. */
  opened(port: ContextPort): void;
  /**
   * The port is going: take everything out of the tables, and hand what must wait until no cache knows it to
   * `GuestSpace.whenGone`. Nothing that the driver says afterwards has an effect.
   */
  closed(): void;
  /**
   * The hypervisor wants this page back (balloon). True if the strategy holds it no longer, or will not when the
   * unit has invalidated; false if the device needs it, or the strategy cannot give it.
   */
  relinquish(page: PageNumber): boolean;
  /** Counters, by name. */
  counters(): Readonly<Record<string, number>>;
}

/** Makes the strategy of one guest. */
export type StrategyMaker = (space: GuestSpace) => MappingStrategy;
