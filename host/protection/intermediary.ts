import type { NicInstruments, WirePort } from '../../nic/host-port.js';
import type { GuestPort } from './guest-port.js';

/** Frames and bytes that a port has sent and received; bytes are those of a capture (padded, without FCS). */
export interface PortTraffic {
  readonly framesTransmitted: number;
  readonly bytesTransmitted: number;
  readonly framesReceived: number;
  readonly bytesReceived: number;
  /** Frames dropped, by reason, only those that happened. */
  readonly drops: Readonly<Record<string, number>>;
}

/**
 * For an approach that puts an intermediary between the guests and the card. The card sees one owner of all frames;
 * the intermediary knows the owner of each and reports it to instruments.
 */
export interface Intermediary {
  /** A wire for the card that tells `far` of each frame under the port and index of the guest that sent it. */
  wire(far: WirePort): WirePort;
  /** Instruments for the card; `to` is called for each frame when it is complete in the guest's memory. */
  instruments(to: NicInstruments | undefined): NicInstruments;
  /** Frames and bytes that a port has sent and received, also after it was closed. */
  traffic(port: GuestPort): PortTraffic;
  /** Frames taken from guests that have not left on the wire: under way, given to another guest, or dropped. */
  readonly framesBetween: number;
  /** Frames that it has put into the card's transmit ring and that have not left on the wire. */
  readonly framesToWire: number;
  /** Frames that it has taken out of the card's receive ring. */
  readonly framesCollected: number;
  /** Frames dropped in between, by reason. */
  readonly drops: Readonly<Record<string, number>>;
}
