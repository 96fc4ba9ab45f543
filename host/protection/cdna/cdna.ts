import { InvariantViolation, ParameterError } from '../../../scheduler/errors.js';
import { OpenGate } from '../../bus/access-gate.js';
import type { HostParts } from '../../host-parts.js';
import type { Domain } from '../../hypervisor/domain.js';
import { ContextPort } from '../context-port.js';
import type { GuestPort, PortOptions } from '../guest-port.js';
import type { Protection, ProtectionCounters } from '../protection.js';
import { ValidatedGate } from './validated-gate.js';

export interface CdnaOptions {
  /** After this long without a hypercall the hypervisor releases finished pages by itself, ns. @defaultValue 10 ms */
  readonly releaseTimeoutNs?: number;
}

interface OpenPort {
  readonly port: ContextPort;
  readonly gates: readonly ValidatedGate[];
}

/**
 * CDNA: the hypervisor mans the set-up gate, the access gate stands open. Descriptors are validated, pinned
 * and written by the hypervisor; sequence numbers, checked by the NIC, keep a guest from running past the
 * last of them into old ones. The card itself is trusted.
 */
export class Cdna implements Protection {
  readonly name = 'cdna';
  readonly gate = new OpenGate();
  readonly #timeoutNs: number;
  readonly #open = new Map<number, OpenPort>();
  #parts: HostParts | undefined;
  #closedAccepted = 0;
  #closedRefused = 0;
  #closedTimeouts = 0;

  constructor(options: CdnaOptions = {}) {
    this.#timeoutNs = options.releaseTimeoutNs ?? 10_000_000;
    if (!Number.isInteger(this.#timeoutNs) || this.#timeoutNs < 1) {
      throw new ParameterError(`cdna.releaseTimeoutNs is ${this.#timeoutNs}, expected a whole number >= 1`);
    }
  }

  install(host: HostParts): void {
    this.#parts = host;
    host.hypervisor.attachVectorRing((physical) => physical);
    host.hypervisor.onRevoked((context) => this.#forget(context));
  }

  openPort(domain: Domain, options: PortOptions): GuestPort {
    const parts = this.#parts;
    if (parts === undefined) throw new InvariantViolation('CDNA is not installed');
    const transmitGate = new ValidatedGate(parts, this.#timeoutNs);
    const receiveGate = new ValidatedGate(parts, this.#timeoutNs);
    const port = new ContextPort({
      parts,
      domain,
      options,
      transmitGate,
      receiveGate,
      hypervisorRings: true,
      busAddressOf: (physical) => physical,
    });
    this.#open.set(port.context, { port, gates: [transmitGate, receiveGate] });
    return port;
  }

  closePort(port: GuestPort): void {
    this.#parts?.hypervisor.revokeContext(port.context);
  }

  counters(): ProtectionCounters {
    let accepted = this.#closedAccepted;
    let refused = this.#closedRefused;
    let timeouts = this.#closedTimeouts;
    for (const { port, gates } of this.#open.values()) {
      accepted += port.transmit.accepted + port.receive.accepted;
      refused += port.transmit.refused + port.receive.refused;
      for (const gate of gates) timeouts += gate.timeouts;
    }
    return {
      accepted,
      refused,
      checked: 0,
      denied: 0,
      details: { releaseTimeouts: timeouts, ...this.#pins() },
    };
  }

  checkInvariants(): void {
    let held = 0;
    for (const { port, gates } of this.#open.values()) {
      port.transmit.checkInvariants();
      port.receive.checkInvariants();
      for (const gate of gates) held += gate.checkInvariants();
    }
    const pages = this.#parts?.pages;
    if (pages !== undefined && pages.pinsTaken - pages.pinsReleased !== held) {
      throw new InvariantViolation(
        `${pages.pinsTaken - pages.pinsReleased} references, ${held} of them for descriptors`,
      );
    }
  }

  #pins(): Record<string, number> {
    const pages = this.#parts?.pages;
    return { pinsTaken: pages?.pinsTaken ?? 0, pinsReleased: pages?.pinsReleased ?? 0 };
  }

  #forget(context: number): void {
    const entry = this.#open.get(context);
    if (entry === undefined) return;
    this.#open.delete(context);
    this.#closedAccepted += entry.port.transmit.accepted + entry.port.receive.accepted;
    this.#closedRefused += entry.port.transmit.refused + entry.port.receive.refused;
    for (const gate of entry.gates) {
      this.#closedTimeouts += gate.timeouts;
      gate.releaseAll();
    }
    entry.port.markClosed();
    entry.port.freeRings();
  }
}
