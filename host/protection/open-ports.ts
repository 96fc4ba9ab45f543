import { untranslated } from '../../nic/addresses.js';
import type { ContextId } from '../../scheduler/branded.js';
import type { HostParts } from '../host-parts.js';
import type { Domain } from '../hypervisor/domain.js';
import { ContextPort } from './context-port.js';
import type { PortOptions } from './guest-port.js';
import { OpenSetupGate } from './open-setup-gate.js';

/**
 * Ports for approaches that leave the set-up gate open: each guest has a context, keeps its rings in its own
 * memory and writes physical addresses into them. The access gate decides about those addresses.
 */
export class OpenPorts {
  readonly #parts: HostParts;
  readonly #ports = new Map<ContextId, ContextPort>();
  #closedAccepted = 0;

  /** @param onClosed called when a port is gone and its rings are released. */
  constructor(parts: HostParts, onClosed: (port: ContextPort) => void = () => {}) {
    this.#parts = parts;
    parts.hypervisor.onRevoked((context) => {
      const port = this.#ports.get(context);
      if (port === undefined) return;
      this.#ports.delete(context);
      this.#closedAccepted += port.transmit.accepted + port.receive.accepted;
      port.markClosed();
      port.freeRings();
      onClosed(port);
    });
  }

  /** @throws RangeError for options that no port can have, or when no context that will do is free. */
  open(domain: Domain, options: PortOptions, eligible?: (context: ContextId) => boolean): ContextPort {
    const gate = new OpenSetupGate(domain);
    const port = new ContextPort({
      parts: this.#parts,
      domain,
      options,
      transmitGate: gate,
      receiveGate: gate,
      hypervisorRings: false,
      busAddressOf: untranslated,
      ...(eligible === undefined ? {} : { eligible }),
    });
    this.#ports.set(port.context, port);
    return port;
  }

  /** Buffers accepted since the start: all that there was space for. */
  get accepted(): number {
    let accepted = this.#closedAccepted;
    for (const port of this.#ports.values()) accepted += port.transmit.accepted + port.receive.accepted;
    return accepted;
  }

  checkInvariants(): void {
    for (const port of this.#ports.values()) {
      port.transmit.checkInvariants();
      port.receive.checkInvariants();
    }
  }
}
