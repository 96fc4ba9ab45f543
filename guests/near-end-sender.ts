import { MAX_FRAME_BYTES, PADDED_FRAME_BYTES } from '../nic/descriptor.js';
import type { TrafficSource } from './traffic/traffic-source.js';

/** Takes a frame whose last bit has reached the near end. `bytes` is borrowed. */
export type Deliver = (bytes: Uint8Array, offset: number, length: number) => void;

/** A source that is asked for a frame whenever the wire is free. */
export type PullSource = Extract<TrafficSource, { kind: 'pull' }>;

/** The queue of the far end, from which frames go to the near end at line rate. */
export interface NearEndSender {
  /** Frames that were to be sent: arrived, dropped here, or waiting. */
  readonly offered: number;
  /** Frames whose last bit has reached the near end. */
  readonly arrived: number;
  /** Frames dropped because the queue was full. */
  readonly droppedFull: number;
  /** Frames waiting for the wire, or on it: offered, and neither arrived nor dropped. */
  readonly waiting: number;

  /** Sends a frame; its bytes are copied. False if the queue is full. */
  send(bytes: Uint8Array, offset: number, length: number, trafficClass: number): boolean;
  /** Frames of this source go when the queue is empty; such sources take turns, one frame each. */
  attach(source: PullSource, trafficClass: number): void;
  /** The near end asks for a pause of everything, ns from now on: the frame on the wire continues. 0 ends it. */
  pause(ns: number): void;
  /** The wire has another rate from now on, and this is what is left of a pause of everything, ns; the rate was `earlierBps` before. */
  changeRate(rateBps: number, pauseLeftNs: number, earlierBps: number): void;
  /** Rate of a frame whose last bit left at `endNs`. */
  rateBefore(endNs: number): number;
  /** Forgets all sources. */
  close(): void;
  /** Throws when frames are lost. */
  checkInvariants(): void;
}

/** Bytes of a frame with its padding. @throws RangeError when no cable carries it. */
export function paddedBytes(length: number): number {
  if (length < 1 || length > MAX_FRAME_BYTES)
    throw new RangeError(`far end: frame of ${length} bytes, expected 1 to ${MAX_FRAME_BYTES}`);
  return Math.max(length, PADDED_FRAME_BYTES);
}
