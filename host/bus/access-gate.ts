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
  /**
   * As `check`, for an address from 2^53 on (`WIDE_ADDRESS`): `offset` bytes into the page at `page`. A gate that does not
   * tell such addresses apart leaves it out; it is asked for the page.
   */
  checkWide?(
    requesterId: RequesterId,
    page: BusAddress,
    offset: number,
    length: number,
    write: boolean,
    nowNs: number,
  ): HostPhysicalAddress;
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

/** Asks a gate for an address from 2^53 on: one that does not tell such addresses apart is asked for the page. */
export function checkWideAt(
  gate: AccessGate,
  requesterId: RequesterId,
  page: BusAddress,
  offset: number,
  length: number,
  write: boolean,
  nowNs: number,
): HostPhysicalAddress {
  return gate.checkWide === undefined
    ? gate.check(requesterId, page, length, write, nowNs)
    : gate.checkWide(requesterId, page, offset, length, write, nowNs);
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

  check(_requesterId: RequesterId, address: BusAddress): HostPhysicalAddress {
    return passedThrough(address);
  }
}

/** Until a gate is attached to the bus no device has business in memory. */
export const CLOSED_GATE: AccessGate = { delayNs: 0, check: () => DENIED, message: () => undefined };
