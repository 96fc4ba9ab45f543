import type { PageNumber } from '../../nic/addresses.js';
import type { AccessGate } from '../bus/access-gate.js';
import type { HostParts } from '../host-parts.js';
import type { Domain } from '../hypervisor/domain.js';
import type { GuestPort, PortOptions } from './guest-port.js';
import type { Protection, ProtectionCounters } from './protection.js';

/**
 * What approaches have in common whose only claim on a page is its references: closing a port revokes its context,
 * and a page can be taken back exactly when no reference to it is left.
 */
export abstract class ReferenceApproach implements Protection {
  abstract readonly name: string;
  abstract readonly gate: AccessGate;
  protected readonly parts: HostParts;

  constructor(parts: HostParts) {
    this.parts = parts;
  }

  abstract openPort(domain: Domain, options: PortOptions): GuestPort;

  closePort(port: GuestPort): void {
    this.parts.hypervisor.revokeContext(port.context);
  }

  relinquish(_domain: Domain, page: PageNumber): boolean {
    return this.parts.pages.count(page) === 0;
  }

  abstract counters(): ProtectionCounters;

  abstract checkInvariants(): void;
}
