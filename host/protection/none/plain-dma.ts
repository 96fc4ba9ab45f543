import { OpenGate } from '../../bus/access-gate.js';
import type { HostParts } from '../../host-parts.js';
import type { Domain } from '../../hypervisor/domain.js';
import { ContextPort } from '../context-port.js';
import type { GuestPort, PortOptions } from '../guest-port.js';
import type { Protection, ProtectionCounters } from '../protection.js';
import { UnmannedGate } from '../unmanned-gate.js';

/**
 * Plain DMA, the PC's older design: guests program their context with physical addresses, and the northbridge
 * believes them. Both gates stand open; all others are measured against this one.
 */
export class PlainDma implements Protection {
  readonly name = 'none';
  readonly gate = new OpenGate();
  readonly #ports = new Set<ContextPort>();
  #parts: HostParts | undefined;
  #closedAccepted = 0;

  install(host: HostParts): void {
    this.#parts = host;
    host.hypervisor.attachVectorRing((physical) => physical);
    host.hypervisor.onRevoked((context) => this.#forget(context));
  }

  openPort(domain: Domain, options: PortOptions): GuestPort {
    const parts = this.#parts;
    if (parts === undefined) throw new Error('plain DMA is not installed');
    const gate = new UnmannedGate(domain);
    const port = new ContextPort({
      parts,
      domain,
      options,
      transmitGate: gate,
      receiveGate: gate,
      hypervisorRings: false,
      busAddressOf: (physical) => physical,
    });
    this.#ports.add(port);
    return port;
  }

  closePort(port: GuestPort): void {
    this.#parts?.hypervisor.revokeContext(port.context);
  }

  counters(): ProtectionCounters {
    let accepted = this.#closedAccepted;
    for (const port of this.#ports) accepted += port.transmit.accepted + port.receive.accepted;
    return { accepted, refused: 0, checked: 0, denied: 0, details: {} };
  }

  checkInvariants(): void {
    for (const port of this.#ports) {
      port.transmit.checkInvariants();
      port.receive.checkInvariants();
    }
  }

  #forget(context: number): void {
    for (const port of this.#ports) {
      if (port.context !== context) continue;
      this.#closedAccepted += port.transmit.accepted + port.receive.accepted;
      port.markClosed();
      port.freeRings();
      this.#ports.delete(port);
    }
  }
}
