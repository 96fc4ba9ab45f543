import {
  type BusAddress,
  type HostPhysicalAddress,
  hostPhysicalAddress,
  passedThrough,
  type RequesterId,
} from '../../nic/addresses.js';

/** What an access gate answers when it denies an access: this device has no such address. */
export const DENIED = hostPhysicalAddress(-1);

/**
 * The access gate: translation and protection when a transfer is carried out. An IOMMU is one, and so were its
 * forerunners. Each check is about one device (its requester ID) and about bytes of one page.
 */
export interface AccessGate {
  /** Where the access really goes, a physical address, or DENIED. */
  check(
    requesterId: RequesterId,
    address: BusAddress,
    length: number,
    write: boolean,
    nowNs: number,
  ): HostPhysicalAddress;
  /** What the last check took, ns. */
  readonly delayNs: number;
}

/** The older design: the northbridge knows physical addresses only and lets every access pass. */
export class OpenGate implements AccessGate {
  readonly delayNs = 0;

  check(_requesterId: RequesterId, address: BusAddress): HostPhysicalAddress {
    return passedThrough(address);
  }
}

/** Until a gate is attached to the bus no device has business in memory. */
export const CLOSED_GATE: AccessGate = { delayNs: 0, check: () => DENIED };
