import type { PageNumber } from '../../nic/addresses.js';
import type { EventKernel } from '../../scheduler/event-kernel.js';
import type { AccessGate } from '../bus/access-gate.js';
import type { Processor } from '../cpu/processor.js';
import type { HostParts } from '../host-parts.js';
import type { Domain } from '../hypervisor/domain.js';
import type { TranslationCounters, WalkWatcher } from '../iommu/translation/translation-cache.js';
import type { GuestPort, PortOptions } from './guest-port.js';
import type { Intermediary } from './intermediary.js';

/** Counters of an approach, by the same names for all; docs/scenarios.md explains each. */
export interface ProtectionCounters {
  /** Set-up gate: buffers accepted and refused. */
  readonly accepted: number;
  readonly refused: number;
  /** Access gate: accesses checked and denied. */
  readonly checked: number;
  readonly denied: number;
  /** Anything else that the approach counts (mappings, invalidations, copies), by name. */
  readonly details: Readonly<Record<string, number>>;
}

/**
 * How a driver that has a context of the card to itself hands buffers over: it asks the hypervisor, which writes the
 * descriptors; it asks for mappings, and writes the descriptors itself; or it writes them and asks for nothing.
 */
export type HandOverKind = 'hypervisor-writes' | 'map-then-write' | 'write';

/**
 * A running approach to protecting memory from DMA: its set-up gate (the ports that it gives to guests, which
 * validate when a transfer is set up) and its access gate (which translates and protects when it is carried out).
 * The same guests, drivers and tests run over every approach.
 */
export interface Protection {
  /** As the command line spells it. */
  readonly name: string;
  /** The gate that the bus calls at each access of the device. */
  readonly gate: AccessGate;
  /** For drivers of the card's own registers; undefined where guests have no contexts of the card. */
  readonly handOver?: HandOverKind;
  /** The intermediary between the guests and the card, in approaches that have one. */
  readonly intermediary?: Intermediary;

  /** Opens a port for a domain. @throws ParameterError for options that no port can have. */
  openPort(domain: Domain, options: PortOptions): GuestPort;

  /** Takes a port away (revocation, exit): when it returns, nothing of it reaches memory any more. */
  closePort(port: GuestPort): void;

  /**
   * The hypervisor wants a page of a domain back. True if the approach has released it, or will when the unit has
   * reported (until then the page's references keep it); false if the device needs the page now, or if the approach
   * cannot release it at all. Where nothing validates or maps, nothing holds a reference, and the hypervisor takes the
   * page in good faith.
   */
  relinquish(domain: Domain, page: PageNumber): boolean;

  counters(): ProtectionCounters;

  /** What the translation unit counts, as it counts; where there is one. */
  readonly translations?: Readonly<TranslationCounters>;

  /** Tells a watcher of every walk of translation tables, until the returned function is called; where there are tables. */
  watchWalks?(watcher: WalkWatcher): () => void;

  /** Throws an InvariantViolation when its books do not balance. */
  checkInvariants(): void;
}

/**
 * An approach with its options, checked, and not yet part of a machine. `build` sets up tables, domains and whatever
 * else it needs in a machine whose other parts are all there; the host then attaches the gate to the bus.
 */
export interface DirectPlan<P extends Protection = Protection> {
  /** As the command line spells it. */
  readonly name: string;
  build(parts: HostParts): P;
}

/**
 * An approach that puts an intermediary between the guests and the card. The card's wire and instruments end in the
 * intermediary, so it is made before the card is.
 */
export interface InterposedPlan<P extends Protection = Protection> {
  readonly name: string;
  interpose(kernel: EventKernel, processor: Processor): Interposition<P>;
}

/** The intermediary of one machine, and how the approach behind it is built when the card is there. */
export interface Interposition<P extends Protection = Protection> {
  readonly intermediary: Intermediary;
  build(parts: HostParts): P;
}

/** An approach that a machine can build. One plan can build any number of machines. */
export type ProtectionPlan<P extends Protection = Protection> = DirectPlan<P> | InterposedPlan<P>;
