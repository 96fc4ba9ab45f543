import { untranslated } from '../../../nic/addresses.js';
import type { ContextId } from '../../../scheduler/branded.js';
import { refuseValue } from '../../../scheduler/checked-values.js';
import { InvariantViolation } from '../../../scheduler/errors.js';
import { refuseUnknownOptions } from '../../../scheduler/known-options.js';
import { OpenGate } from '../../bus/access-gate.js';
import type { HostParts } from '../../host-parts.js';
import type { Domain } from '../../hypervisor/domain.js';
import { ContextPort } from '../context-port.js';
import type { GuestPort, PortOptions } from '../guest-port.js';
import type { DirectPlan, ProtectionCounters } from '../protection.js';
import { ReferenceApproach } from '../reference-approach.js';
import { PinnedPages } from './page-references.js';
import { ReleaseTimer } from './release-timer.js';
import { ValidatedGate } from './validated-gate.js';

export interface CdnaOptions {
  /** After this long without a hypercall the hypervisor releases finished pages by itself, ns. @defaultValue 10 ms */
  readonly releaseTimeoutNs?: number;
}

const DEFAULT_RELEASE_TIMEOUT_NS = 10_000_000;

/** The release timeout, checked. @throws ParameterError */
export function releaseTimeoutOf({ releaseTimeoutNs = DEFAULT_RELEASE_TIMEOUT_NS }: CdnaOptions): number {
  if (Number.isInteger(releaseTimeoutNs) && releaseTimeoutNs >= 1) return releaseTimeoutNs;
  return refuseValue('cdna.releaseTimeoutNs', releaseTimeoutNs, 'a whole number >= 1');
}

/** CDNA with its options. */
export class Cdna implements DirectPlan<CdnaProtection> {
  readonly name = 'cdna';
  readonly #timeoutNs: number;

  /** @throws ParameterError for options that make no sense. */
  constructor(options: CdnaOptions = {}) {
    refuseUnknownOptions('cdna', options, { releaseTimeoutNs: true });
    this.#timeoutNs = releaseTimeoutOf(options);
  }

  build(parts: HostParts): CdnaProtection {
    return new CdnaProtection(parts, this.#timeoutNs);
  }
}

interface OpenPort {
  readonly port: ContextPort;
  readonly transmitGate: ValidatedGate;
  readonly receiveGate: ValidatedGate;
}

/**
 * CDNA: the hypervisor validates each transfer when it is set up; the access gate is open. Descriptors are validated,
 * their pages pinned, and the descriptors written by the hypervisor; sequence numbers, checked by the NIC, keep a
 * guest from running past the last of them into old ones. The card itself is trusted.
 */
export class CdnaProtection extends ReferenceApproach {
  readonly name = 'cdna';
  readonly handOver = 'hypervisor-writes';
  readonly gate = new OpenGate();
  readonly #timer: ReleaseTimer;
  readonly #references: PinnedPages;
  readonly #open = new Map<ContextId, OpenPort>();
  #closedAccepted = 0;
  #closedRefused = 0;
  #closedTimeouts = 0;

  constructor(parts: HostParts, timeoutNs: number) {
    super(parts);
    this.#timer = new ReleaseTimer(parts, timeoutNs);
    this.#references = new PinnedPages(parts);
    parts.hypervisor.attachVectorRing(untranslated);
    parts.hypervisor.onRevoked((context) => this.#forget(context));
  }

  openPort(domain: Domain, options: PortOptions): GuestPort {
    const parts = this.parts;
    const transmitGate = new ValidatedGate(parts, this.#timer, this.#references);
    const receiveGate = new ValidatedGate(parts, this.#timer, this.#references);
    try {
      const port = new ContextPort({
        parts,
        domain,
        options,
        transmitGate,
        receiveGate,
        hypervisorRings: true,
        busAddressOf: untranslated,
      });
      this.#open.set(port.context, { port, transmitGate, receiveGate });
      return port;
    } catch (error) {
      // They hold nothing but their numbers at the timer.
      transmitGate.releaseAll();
      receiveGate.releaseAll();
      throw error;
    }
  }

  counters(): ProtectionCounters {
    let accepted = this.#closedAccepted;
    let refused = this.#closedRefused;
    let timeouts = this.#closedTimeouts;
    const { pinsTaken, pinsReleased } = this.parts.pages;
    for (const { port, transmitGate, receiveGate } of this.#open.values()) {
      accepted += port.transmit.accepted + port.receive.accepted;
      refused += port.transmit.refused + port.receive.refused;
      timeouts += transmitGate.timeouts + receiveGate.timeouts;
    }
    return {
      accepted,
      refused,
      checked: 0,
      denied: 0,
      details: { releaseTimeouts: timeouts, pinsTaken, pinsReleased },
    };
  }

  checkInvariants(): void {
    let held = 0;
    for (const { port, transmitGate, receiveGate } of this.#open.values()) {
      port.transmit.checkInvariants();
      port.receive.checkInvariants();
      held += transmitGate.checkInvariants() + receiveGate.checkInvariants();
    }
    const { pinsTaken, pinsReleased } = this.parts.pages;
    if (pinsTaken - pinsReleased !== held) {
      throw new InvariantViolation(`${pinsTaken - pinsReleased} references, ${held} of them for descriptors`);
    }
  }

  #forget(context: ContextId): void {
    const entry = this.#open.get(context);
    if (entry === undefined) return;
    this.#open.delete(context);
    this.#closedAccepted += entry.port.transmit.accepted + entry.port.receive.accepted;
    this.#closedRefused += entry.port.transmit.refused + entry.port.receive.refused;
    for (const gate of [entry.transmitGate, entry.receiveGate]) {
      this.#closedTimeouts += gate.timeouts;
      gate.releaseAll();
    }
    entry.port.markClosed();
    entry.port.freeRings();
  }
}
