import {
  type BusAddress,
  type BusPageNumber,
  type PageNumber,
  pageNumber,
  passedThroughPage,
  type RequesterId,
} from '../../nic/addresses.js';

/** What an access gate answers when it denies an access: this device has no such address. */
export const DENIED = pageNumber(-1);

/**
 * The access gate: translation and protection when a transfer is carried out. An IOMMU is one, and so were its
 * forerunners. Each check is about one device (its requester ID) and about bytes of one page.
 */
export interface AccessGate {
  /**
   * The page of memory to which an access of `length` bytes, `offset` bytes into a page of bus addresses, really goes, or
   * DENIED. No gate moves bytes within their page.
   */
  check(
    requesterId: RequesterId,
    page: BusPageNumber,
    offset: number,
    length: number,
    write: boolean,
  ): PageNumber;
  /** What the last check took, ns. */
  readonly delayNs: number;
  /**
   * What becomes of an interrupt message: a write of 4 bytes to the interrupt window. A gate that leaves
   * this out lets it pass as it is. A gate that stops it returns undefined.
   */
  message?(requesterId: RequesterId, address: BusAddress, data: number): InterruptMessage | undefined;
}

/** An interrupt that a device asks for by writing to the interrupt window. */
export interface InterruptMessage {
  readonly vector: number;
  /** Bits 10:8 of message data: 0 fixed, 1 lowest priority, 2 SMI, 4 NMI, 5 INIT, 7 external. */
  readonly deliveryMode: number;
  /** APIC ID. */
  readonly destination: number;
}

/** The message as every PC understands it; nothing asks who has sent it. */
function unmappedMessage(address: BusAddress, data: number): InterruptMessage {
  return {
    vector: data & 0xff,
    deliveryMode: (data >>> 8) & 7,
    destination: Math.floor(address / 4096) & 0xff,
  };
}

/** What a gate makes of an interrupt message; one without `message` lets it pass as it is. */
export function messageThrough(
  gate: AccessGate,
  requesterId: RequesterId,
  address: BusAddress,
  data: number,
): InterruptMessage | undefined {
  return gate.message === undefined
    ? unmappedMessage(address, data)
    : gate.message(requesterId, address, data);
}

/** The older design: the northbridge knows physical addresses only and lets every access pass. */
export class OpenGate implements AccessGate {
  readonly delayNs = 0;

  check(_requesterId: RequesterId, page: BusPageNumber): PageNumber {
    return passedThroughPage(page);
  }
}

/** Until a gate is attached to the bus no device has business in memory. */
export const CLOSED_GATE: AccessGate = { delayNs: 0, check: () => DENIED, message: () => undefined };
