import type { PageNumber } from '../../../nic/addresses.js';
import { UserError } from '../../../scheduler/errors.js';
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

const PARTS: Readonly<Record<keyof MappingStrategy, 'object' | 'function'>> = {
  transmit: 'object',
  receive: 'object',
  opened: 'function',
  closed: 'function',
  relinquish: 'function',
  counters: 'function',
};

/** One of the user's own may have been made by anything. @throws UserError that says what it lacks */
export function requireStrategy(name: string, made: MappingStrategy): MappingStrategy {
  const given: Partial<MappingStrategy> = Object(made);
  const missing = Object.entries(PARTS)
    .filter(([part, kind]) => typeof given[part as keyof MappingStrategy] !== kind)
    .map(([part]) => part);
  if (missing.length === 0) return made;
  throw new UserError(
    `strategy "${name}" makes something without ${missing.join(', ')}; expected every part of MappingStrategy`,
  );
}
