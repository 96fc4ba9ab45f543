import { InvariantViolation } from '../../../scheduler/errors.js';
import { OpenGate } from '../../bus/access-gate.js';
import type { HostParts } from '../../host-parts.js';
import type { Domain } from '../../hypervisor/domain.js';
import type { GuestPort, PortOptions } from '../guest-port.js';
import { OpenPorts } from '../open-ports.js';
import type { Protection, ProtectionCounters } from '../protection.js';

/**
 * Plain DMA, the PC's older design: guests program their context with physical addresses, and the northbridge
 * believes them. Both gates stand open; all others are measured against this one.
 */
export class PlainDma implements Protection {
  readonly name = 'none';
  readonly gate = new OpenGate();
  #parts: HostParts | undefined;
  #ports: OpenPorts | undefined;

  install(host: HostParts): void {
    this.#parts = host;
    this.#ports = new OpenPorts(host);
    host.hypervisor.attachVectorRing((physical) => physical);
  }

  openPort(domain: Domain, options: PortOptions): GuestPort {
    if (this.#ports === undefined) throw new InvariantViolation('plain DMA is not installed');
    return this.#ports.open(domain, options);
  }

  closePort(port: GuestPort): void {
    this.#parts?.hypervisor.revokeContext(port.context);
  }

  counters(): ProtectionCounters {
    return { accepted: this.#ports?.accepted ?? 0, refused: 0, checked: 0, denied: 0, details: {} };
  }

  checkInvariants(): void {
    this.#ports?.checkInvariants();
  }
}
