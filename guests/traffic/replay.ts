import { MAX_FRAME_BYTES } from '../../nic/descriptor.js';
import { InvariantViolation } from '../../scheduler/errors.js';
import { type EventKernel, MAX_TIME_NS } from '../../scheduler/event-kernel.js';
import { present } from '../../scheduler/present.js';
import type { Capture } from '../capture/capture.js';
import { type Conversation, type ConversationOptions, conversationOf, type Voice } from './conversation.js';
import { checkMac, isGroupAddress, type MacAddress, readMac, writeMac } from './mac-address.js';
import { type FrameScore, TimedSource } from './timed-source.js';
import { checkWhole, TrafficError } from './traffic-source.js';

/** Options of a replay. */
export interface ReplayOptions extends ConversationOptions {
  readonly name: string;
  readonly kernel: EventKernel;
  readonly capture: Capture;
  /** The guest's own address: takes the place of the local station's. */
  readonly guest: MacAddress;
  /** Address of the far end: takes the place of every other station's. */
  readonly peer: MacAddress;
  /** Times of the capture are multiplied by this: 2 plays at half speed. Above 0, default 1. */
  readonly timeFactor?: number;
  /** Plays again and again, this long after the last frame, ns, at least 1. Default: plays once. */
  readonly loopPauseNs?: number;
  /** Virtual time of the start, ns, if that is later than the subscription. Default 0. */
  readonly startNs?: number;
  /**
   * Where it begins, as a part of a round from 0 to below 1: in a loop so far into the round; played once, so far
   * into a mean gap between two frames before the first. Default 0.
   */
  readonly phase?: number;
}

/** A capture as two sources. */
export interface Replay {
  /** What the guest sends. */
  readonly transmit: TimedSource;
  /** What comes back from the far end of the wire. */
  readonly receive: TimedSource;
  readonly conversation: Conversation;
}

/**
 * Plays a capture: what the local station sent and what it got, each as a source of its own. Both keep the times
 * of the capture, from its first frame on (of either direction), so subscribe to both at the same instant, or
 * give `startNs`. A source that is stopped starts from the beginning when it is watched again.
 *
 * Addresses of the Ethernet header are rewritten: the local station's to `guest`, all others to `peer`; groups
 * and broadcast stay. What is inside (ARP, IP) is left as it was. A frame that the recorder cut short is filled
 * up with zeros to the length that it had, so that the load is the recorded one; an FCS is cut off, since the
 * NIC makes its own.
 *
 * @throws TrafficError
 */
export function replay(options: ReplayOptions): Replay {
  const { name, kernel, capture, guest, peer, timeFactor = 1, loopPauseNs, startNs = 0, phase = 0 } = options;
  checkMac(name, 'guest', guest, true);
  checkMac(name, 'peer', peer, true);
  checkWhole(name, 'startNs', startNs, 0, MAX_TIME_NS);
  if (!(timeFactor > 0 && timeFactor < Number.POSITIVE_INFINITY)) {
    throw new TrafficError(name, 'timeFactor', timeFactor, 'a finite number above 0');
  }
  if (!(phase >= 0 && phase < 1)) throw new TrafficError(name, 'phase', phase, 'a number from 0 to below 1');
  const conversation = conversationOf(name, capture, options);
  let periodNs = Number.POSITIVE_INFINITY;
  if (loopPauseNs !== undefined) {
    checkWhole(name, 'loopPauseNs', loopPauseNs, 1, MAX_TIME_NS);
    periodNs = Math.round(conversation.spanNs * timeFactor) + loopPauseNs;
  }
  const isLoop = loopPauseNs !== undefined;
  const frames = conversation.transmit.frames.length + conversation.receive.frames.length;
  const delayNs = isLoop ? 0 : Math.floor((phase * conversation.spanNs * timeFactor) / Math.max(1, frames));
  const skippedNs = isLoop ? Math.floor(phase * periodNs) : 0;
  const source = (direction: 'transmit' | 'receive', sender: MacAddress, receiver: MacAddress) => {
    const score = new ReplayScore(conversation[direction], timeFactor, periodNs, skippedNs, sender, receiver);
    return new TimedSource(`${name}.${direction}`, kernel, score, startNs + delayNs);
  };
  return { transmit: source('transmit', guest, peer), receive: source('receive', peer, guest), conversation };
}

class ReplayScore implements FrameScore {
  readonly #voice: Voice;
  readonly #timeFactor: number;
  readonly #periodNs: number;
  /** Of the first round. */
  readonly #skippedNs: number;
  readonly #sender: MacAddress;
  readonly #receiver: MacAddress;
  /** One buffer for all frames, and a view of it for each length that was needed. */
  readonly #buffer = new Uint8Array(MAX_FRAME_BYTES);
  readonly #views = new Map<number, Uint8Array>();
  #roundStartNs = 0;
  #index = 0;

  constructor(
    voice: Voice,
    timeFactor: number,
    periodNs: number,
    skippedNs: number,
    sender: MacAddress,
    receiver: MacAddress,
  ) {
    this.#voice = voice;
    this.#timeFactor = timeFactor;
    this.#periodNs = periodNs;
    this.#skippedNs = skippedNs;
    this.#sender = sender;
    this.#receiver = receiver;
  }

  start(fromNs: number): number {
    const { offsetsNs } = this.#voice;
    this.#roundStartNs = fromNs - this.#skippedNs;
    this.#index = 0;
    while (this.#index < offsetsNs.length && this.nextNs() < fromNs) this.#index += 1;
    return this.nextNs();
  }

  nextNs(): number {
    const { offsetsNs } = this.#voice;
    if (this.#index === offsetsNs.length) {
      if (offsetsNs.length === 0) return Number.POSITIVE_INFINITY;
      this.#roundStartNs += this.#periodNs;
      this.#index = 0;
    }
    return this.#roundStartNs + Math.round(present(offsetsNs[this.#index]) * this.#timeFactor);
  }

  take(): Uint8Array {
    const recorded = this.#voice.frames[this.#index];
    if (recorded === undefined)
      throw new InvariantViolation(`replay of frame ${this.#index}, which does not exist`);
    this.#index += 1;
    const { bytes, length } = recorded;
    const buffer = this.#buffer;
    buffer.set(bytes);
    if (bytes.length < length) buffer.fill(0, bytes.length, length);
    const destination = readMac(bytes, 0);
    writeMac(buffer, 0, isGroupAddress(destination) ? destination : this.#receiver);
    writeMac(buffer, 6, this.#sender);
    return this.#view(length);
  }

  #view(length: number): Uint8Array {
    let view = this.#views.get(length);
    if (view === undefined) {
      view = this.#buffer.subarray(0, length);
      this.#views.set(length, view);
    }
    return view;
  }
}
