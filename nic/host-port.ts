import type { ContextId } from '../scheduler/branded.js';
import type { BusPageNumber, RequesterId } from './addresses.js';

/** Returned for an access that is refused at once: the device sees a master abort (PCIe: unsupported request). */
export const ABORT = -1;

/** The same for an access that is refused after a time, ns: every number below zero is an abort. */
export function abortAfter(ns: number): number {
  return ABORT - ns;
}

/** What a refused access took, ns. */
export function abortedAfterNs(abort: number): number {
  return ABORT - abort;
}

/**
 * The NIC's interface to its machine. Addresses are bus addresses: whether they are
 * physical or translated is the host's business, and the NIC cannot tell. Each is a page and an offset in it, so that all
 * of 64 bits can be named and no address has to be allocated on the way.
 *
 * An access never crosses a 4 KB boundary; the DMA engine splits it (PCIe base specification: a memory
 * request must not cross one).
 */
export interface HostPort {
  /**
   * Reads `length` bytes, `offset` bytes into a page, into `target`. Returns the time that the access gate and memory take
   * before the data leaves the root complex, whole ns, or an abort after filling the target with ones.
   */
  read(
    requesterId: RequesterId,
    page: BusPageNumber,
    offset: number,
    length: number,
    target: Uint8Array,
    targetOffset: number,
  ): number;

  /** Writes likewise. After an abort not one byte of this access has landed. */
  write(
    requesterId: RequesterId,
    page: BusPageNumber,
    offset: number,
    length: number,
    source: Uint8Array,
    sourceOffset: number,
  ): number;

  /** No read that succeeds takes less, ns: the device may book the way back so far ahead. 0 if it is not given. */
  readonly leastReadNs?: number;

  /** The physical interrupt line (a message, edge triggered). */
  raise(): void;
}

/** When a frame began to leave and when its last bit had left, ns. An object that is used again: a time as an argument is allocated. */
export interface WireTimes {
  readonly startNs: number;
  readonly endNs: number;
}

/** The NIC's interface to the cable: takes the frames that leave the port. */
export interface WirePort {
  /**
   * A frame has left. `bytes` and `times` are borrowed: read them before returning. `context` and `descriptorIndex` (of its
   * last descriptor) give its owner, for instruments; a real wire does not carry them.
   */
  transmitted(
    bytes: Uint8Array,
    offset: number,
    length: number,
    context: ContextId,
    descriptorIndex: number,
    times: WireTimes,
  ): void;

  /** A MAC control frame of the card itself has left; it is of no context. `bytes` is borrowed. */
  controlSent?(bytes: Uint8Array, offset: number, length: number, startNs: number, endNs: number): void;

  /** What leaves from now on does so at another rate, bits per second. */
  rateChanged?(rateBps: number): void;
}

/** Instruments that look at every frame. Not streams: nothing is built to be looked at. */
export interface NicInstruments {
  /** A frame is complete in guest memory. `arrivedNs` is when its last bit came in from the wire. */
  received(
    context: ContextId,
    lastDescriptorIndex: number,
    length: number,
    arrivedNs: number,
    nowNs: number,
  ): void;
  /** The doorbell for `count` transmit descriptors from index `first` on has taken effect: they may be fetched. */
  posted?(context: ContextId, first: number, count: number, nowNs: number): void;
  /** `count` transmit descriptors from index `first` on have left the guest's ring: the card has them. */
  fetched?(context: ContextId, first: number, count: number, nowNs: number): void;
  /** The far end has paused a traffic class (priority flow control): nothing of it is granted until it has resumed. */
  paused?(trafficClass: number, nowNs: number): void;
  resumed?(trafficClass: number, nowNs: number): void;
}
