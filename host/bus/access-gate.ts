/** What an access gate answers when it refuses: no such address for this device. */
export const DENIED = -1;

/**
 * The gate where a device's transfer reaches memory. An IOMMU stands here, and so did its forerunners. One
 * question is about one device (its requester ID) and never crosses a page.
 */
export interface AccessGate {
  /** Where the access really goes, a physical address, or DENIED. */
  check(requesterId: number, address: number, length: number, write: boolean, nowNs: number): number;
  /** What the last check took, ns. */
  readonly delayNs: number;
}

/** The older design: the northbridge knows physical addresses only and lets everything pass. */
export class OpenGate implements AccessGate {
  readonly delayNs = 0;

  check(_requesterId: number, address: number): number {
    return address;
  }
}
