import { MAX_FRAME_BYTES, MIN_FRAME_BYTES } from '../../nic/descriptor.js';
import { MAX_TIME_NS } from '../../scheduler/event-kernel.js';
import { countOf, tally } from '../../scheduler/tally.js';
import type { Capture, CapturedFrame } from '../capture/capture.js';
import { isGroupAddress, type MacAddress, readMac } from './mac-address.js';
import { splitFrame } from './split-frame.js';
import { TrafficError } from './traffic-source.js';

/** A recorded frame as replay needs it: without FCS. */
export interface SpokenFrame {
  /** What was recorded of it, at least its Ethernet header. */
  readonly bytes: Uint8Array;
  /** Bytes that it had on the wire: more than `bytes` holds when the recorder cut it short. */
  readonly length: number;
}

/** The frames of one direction of a capture, in order of time. */
export interface Voice {
  readonly frames: readonly SpokenFrame[];
  /** When each was recorded, ns after the first frame of the whole capture. */
  readonly offsetsNs: Float64Array;
}

/** A capture seen from one of its stations. */
export interface Conversation {
  /** The station that plays the guest. */
  readonly local: MacAddress;
  /** What the guest sends: every frame with its source address. */
  readonly transmit: Voice;
  /** What it receives: frames of others to it or to a group. */
  readonly receive: Voice;
  /** From the first frame to the last, both directions, ns. */
  readonly spanNs: number;
  /** Frames between two other stations, left out. */
  readonly bystanders: number;
  /** Frames that our NIC cannot carry and that were dropped; 0 unless that was asked for. */
  readonly unfit: number;
  /** Frames that our NIC cannot carry and that were cut into such that it can; 0 unless that was asked for. */
  readonly split: number;
}

/** Policy for frames that no card can carry. */
export type Unfit = 'refuse' | 'drop' | 'split';

/** Options for turning a capture into a conversation. */
export interface ConversationOptions {
  /**
   * Address, in the capture, of the station that plays the guest. Default: the busiest one, which has the most frames to
   * or from it alone; of several, the one that is first to send.
   */
  readonly local?: MacAddress;
  /**
   * Policy for frames that are shorter than 14 or longer than 9,018 bytes, or cut within their Ethernet header.
   * Such frames mostly mean a capture made with offloads on, which is not what was on the wire. `split` cuts long ones of
   * TCP into segments as a card with TSO does (`splitFrame`), and drops the rest.
   * @defaultValue `refuse`
   */
  readonly unfit?: Unfit;
}

/**
 * Takes a capture apart into what one station sent and what it got. Frames that a recorder left out of order
 * (several interfaces in a file) are put in order of time; those of equal time stay as they were.
 *
 * @throws TrafficError
 */
export function conversationOf(
  name: string,
  capture: Capture,
  options: ConversationOptions = {},
): Conversation {
  let split = 0;
  let unfit = 0;
  const fit = capture.frames.flatMap((frame, index) => {
    if (isFit(frame)) return [frame];
    const pieces = options.unfit === 'split' ? splitFrame(frame) : [];
    if (pieces.length > 0) split += 1;
    else unfit += 1;
    if (options.unfit === 'drop' || options.unfit === 'split') return pieces;
    throw new TrafficError(
      name,
      `${capture.name} packet ${index + 1}`,
      `${wireLength(frame)} bytes, ${frame.bytes.length} of them recorded`,
      `${MIN_FRAME_BYTES} to ${MAX_FRAME_BYTES} bytes with a whole Ethernet header: record with offloads off, or give the replay "unfit": "drop" or "split"`,
    );
  });
  const frames = fit.toSorted((left, right) =>
    left.timeNs < right.timeNs ? -1 : left.timeNs > right.timeNs ? 1 : 0,
  );
  const first = frames[0];
  const last = frames.at(-1);
  const originNs = first?.timeNs ?? 0n;
  const spanNs = Number((last?.timeNs ?? 0n) - originNs);
  if (spanNs > MAX_TIME_NS) {
    throw new TrafficError(name, `duration of ${capture.name}`, `${spanNs} ns`, `at most ${MAX_TIME_NS}`);
  }
  const local = options.local ?? busiestStation(frames);
  const transmit = frames.filter((frame) => sourceOf(frame) === local);
  const receive = frames.filter((frame) => {
    const destination = destinationOf(frame);
    return sourceOf(frame) !== local && (destination === local || isGroupAddress(destination));
  });
  const isWhole = !capture.reading.unread;
  if (options.local !== undefined && isWhole && frames.length > 0 && transmit.length + receive.length === 0) {
    throw new TrafficError(name, 'local', `0x${local.toString(16)}`, `a station of ${capture.name}`);
  }
  return {
    local,
    transmit: voice(transmit, originNs),
    receive: voice(receive, originNs),
    spanNs,
    bystanders: frames.length - transmit.length - receive.length,
    unfit,
    split,
  };
}

/** Bytes that a frame had on the wire, without its FCS. */
function wireLength(frame: CapturedFrame): number {
  return frame.originalLength - frame.fcsBytes;
}

function isFit(frame: CapturedFrame): boolean {
  const length = wireLength(frame);
  return length >= MIN_FRAME_BYTES && length <= MAX_FRAME_BYTES && frame.bytes.length >= MIN_FRAME_BYTES;
}

function destinationOf(frame: CapturedFrame): MacAddress {
  return readMac(frame.bytes, 0);
}

function sourceOf(frame: CapturedFrame): MacAddress {
  return readMac(frame.bytes, 6);
}

/** The station that sends or gets the most frames that are for one station; of those alike, the first that sends. */
function busiestStation(frames: readonly CapturedFrame[]): MacAddress {
  const counts = new Map<MacAddress, number>();
  for (const frame of frames) {
    const destination = destinationOf(frame);
    if (isGroupAddress(destination)) continue;
    // A map keeps the order in which stations come, the sender of a frame before its receiver.
    for (const station of [sourceOf(frame), destination]) tally(counts, station);
  }
  let busiest: MacAddress | undefined;
  for (const [station, count] of counts) {
    if (busiest === undefined || count > countOf(counts, busiest)) busiest = station;
  }
  const [first] = frames;
  return busiest ?? (first === undefined ? 0 : sourceOf(first));
}

function voice(frames: readonly CapturedFrame[], originNs: bigint): Voice {
  return {
    frames: frames.map((frame) => ({
      bytes: frame.bytes.subarray(0, wireLength(frame)),
      length: wireLength(frame),
    })),
    offsetsNs: Float64Array.from(frames, (frame) => Number(frame.timeNs - originNs)),
  };
}
