import { untranslated } from '../../../nic/addresses.js';
import { OpenGate } from '../../bus/access-gate.js';
import type { HostParts } from '../../host-parts.js';
import type { Domain } from '../../hypervisor/domain.js';
import type { GuestPort, PortOptions } from '../guest-port.js';
import { OpenPorts } from '../open-ports.js';
import type { DirectPlan, ProtectionCounters } from '../protection.js';
import { ReferenceApproach } from '../reference-approach.js';

/** Plain DMA, which has no options. */
export class PlainDma implements DirectPlan<PlainDmaProtection> {
  readonly name = 'none';

  build(parts: HostParts): PlainDmaProtection {
    return new PlainDmaProtection(parts);
  }
}

/**
 * Plain DMA, the PC's older design: guests program their context with physical addresses, and the northbridge
 * believes them. Both gates are open; all other approaches are measured against this one.
 */
export class PlainDmaProtection extends ReferenceApproach {
  readonly name = 'none';
  readonly handOver = 'write';
  readonly gate = new OpenGate();
  readonly #ports: OpenPorts;

  constructor(parts: HostParts) {
    super(parts);
    this.#ports = new OpenPorts(parts);
    parts.hypervisor.attachVectorRing(untranslated);
  }

  openPort(domain: Domain, options: PortOptions): GuestPort {
    return this.#ports.open(domain, options);
  }

  counters(): ProtectionCounters {
    return { accepted: this.#ports.accepted, refused: 0, checked: 0, denied: 0, details: {} };
  }

  checkInvariants(): void {
    this.#ports.checkInvariants();
  }
}
