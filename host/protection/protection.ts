import type { AccessGate } from '../bus/access-gate.js';
import type { HostParts } from '../host-parts.js';
import type { Domain } from '../hypervisor/domain.js';
import type { GuestPort, PortOptions } from './guest-port.js';
import type { Intermediary } from './intermediary.js';

/** What an approach counts, by the same names for all; docs/scenarios.md explains each. */
export interface ProtectionCounters {
  /** Set-up gate: buffers accepted and turned away. */
  readonly accepted: number;
  readonly refused: number;
  /** Access gate: accesses asked about and denied. */
  readonly checked: number;
  readonly denied: number;
  /** Anything else that the approach counts (mappings, invalidations, copies), by name. */
  readonly details: Readonly<Record<string, number>>;
}

/**
 * A way to keep a guest's device out of other people's memory: how it mans the set-up gate (the ports that it
 * gives to guests) and the access gate. The same guests, drivers and tests run over every one of them.
 */
export interface Protection {
  /** As the command line spells it. */
  readonly name: string;
  /** What the bus asks at each access of the device. */
  readonly gate: AccessGate;

  /** Set by an approach that puts somebody between the guests and the card. */
  readonly intermediary?: Intermediary;

  /** The machine is put together: set up tables, domains and whatever else the approach needs. */
  install(host: HostParts): void;

  /** Opens a port for a domain. @throws RangeError for options that no port can have. */
  openPort(domain: Domain, options: PortOptions): GuestPort;

  /** Takes a port away (revocation, exit): when it returns, nothing of it reaches memory any more. */
  closePort(port: GuestPort): void;

  counters(): ProtectionCounters;

  /** Throws when its books do not balance. */
  checkInvariants(): void;
}
