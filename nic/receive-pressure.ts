import type { BookedLine } from '../scheduler/booked-line.js';
import { InvariantViolation } from '../scheduler/errors.js';
import type { HandlerId } from '../scheduler/event-kernel.js';
import { present } from '../scheduler/present.js';
import type { CardCore } from './card-core.js';
import { WIRE_OVERHEAD_BYTES } from './descriptor.js';
import type { WirePort } from './host-port.js';
import { PAUSE_QUANTUM_BITS } from './mac-control.js';
import type { NicParameters } from './parameters.js';
import { PORT_ADDRESS, pfcFrame, TRAFFIC_CLASSES } from './pfc-frame.js';

type PressureCore = Pick<CardCore, 'kernel' | 'parameters' | 'subjects'>;

/**
 * What the received frames of each traffic class take of the receive buffer, and the frames of flow control that keep the
 * far end from sending more than fits: a pause at the high mark, repeated while it lasts, and the end of it at the low mark.
 * What arrives in between has to fit the headroom, the buffer above the high mark.
 */
export class ReceivePressure {
  readonly #kernel: CardCore['kernel'];
  readonly #parameters: NicParameters;
  readonly #subjects: CardCore['subjects'];
  readonly #line: BookedLine;
  readonly #wire: WirePort;
  readonly #sent: HandlerId;
  readonly #again: HandlerId;
  readonly #heldBytes = new Float64Array(TRAFFIC_CLASSES);
  readonly #mostBytes = new Float64Array(TRAFFIC_CLASSES);
  readonly #frames = new Float64Array(TRAFFIC_CLASSES);
  /** Frames of flow control that have not left, and when each was booked, ns. */
  readonly #onLine: { readonly bytes: Uint8Array; readonly bookedNs: number }[] = [];
  /** When to repeat the pause of each class, ns: an earlier event for it has been overtaken. */
  readonly #againNs = new Float64Array(TRAFFIC_CLASSES);
  #rateBps: number;
  #stopped = 0;

  constructor({ kernel, parameters, subjects }: PressureCore, line: BookedLine, wire: WirePort) {
    this.#subjects = subjects;
    this.#kernel = kernel;
    this.#parameters = parameters;
    this.#line = line;
    this.#rateBps = line.rateBps;
    this.#wire = wire;
    this.#sent = kernel.register('nic.flow-control.sent', () => this.#onSent());
    this.#again = kernel.register('nic.flow-control.again', (trafficClass) => this.#onAgain(trafficClass));
  }

  /** Classes that the far end has been asked to pause, a bit each. */
  get classes(): number {
    return this.#stopped;
  }

  /** Frames of flow control that named this class. */
  frames(trafficClass: number): number {
    return present(this.#frames[trafficClass]);
  }

  /** The most bytes that the frames of a class have taken. */
  mostBytes(trafficClass: number): number {
    return present(this.#mostBytes[trafficClass]);
  }

  /** Whether frames of a class wait for descriptors instead of being dropped. */
  isLossless(trafficClass: number): boolean {
    return (this.#parameters.pfcClasses & (1 << trafficClass)) !== 0;
  }

  /** Whether a frame still fits the buffer of its class. */
  hasSpaceFor(trafficClass: number, bytes: number): boolean {
    return present(this.#heldBytes[trafficClass]) + bytes <= this.#parameters.pfcReceiveBytes;
  }

  /** A frame is in the buffer. */
  hold(trafficClass: number, bytes: number): void {
    const held = present(this.#heldBytes[trafficClass]) + bytes;
    this.#heldBytes[trafficClass] = held;
    if (held > present(this.#mostBytes[trafficClass])) this.#mostBytes[trafficClass] = held;
    if (held < this.#parameters.pfcXoffBytes || !this.isLossless(trafficClass)) return;
    if ((this.#stopped & (1 << trafficClass)) !== 0) return;
    this.#stopped |= 1 << trafficClass;
    this.#stop(trafficClass);
  }

  /** A frame has left the buffer. */
  release(trafficClass: number, bytes: number): void {
    const held = present(this.#heldBytes[trafficClass]) - bytes;
    this.#heldBytes[trafficClass] = held;
    if (held > this.#parameters.pfcXonBytes || (this.#stopped & (1 << trafficClass)) === 0) return;
    this.#stopped &= ~(1 << trafficClass);
    this.#send(trafficClass, 0);
  }

  /**
   * The wire has another rate from now on, at which the far end counts what is left of its pauses: they are repeated earlier
   * or later.
   */
  changeRate(rateBps: number): void {
    const { nowNs } = this.#kernel;
    // When the last bit leaves of the pauses that have not, ns; -1 for the others.
    const endsNs = new Float64Array(TRAFFIC_CLASSES).fill(-1);
    this.#line.forEachBooked((handler, trafficClass, quanta, endNs) => {
      if (handler === this.#sent && quanta > 0) endsNs[trafficClass] = endNs;
    });
    for (const [trafficClass, endNs] of endsNs.entries()) {
      if ((this.#stopped & (1 << trafficClass)) === 0) continue;
      const leftNs = present(this.#againNs[trafficClass]) - nowNs;
      const laterNs = Math.floor((leftNs * this.#rateBps) / rateBps);
      this.#stopAgainAt(trafficClass, endNs < 0 ? nowNs + laterNs : endNs + this.#halfNs);
    }
    this.#rateBps = rateBps;
  }

  /** @param heldBytes of all frames in the receive buffer. */
  checkInvariants(heldBytes: number): void {
    const counted = this.#heldBytes.reduce((sum, bytes) => sum + bytes, 0);
    if (counted !== heldBytes || this.#heldBytes.some((bytes) => bytes < 0))
      throw new InvariantViolation(
        `${counted} bytes of received frames are counted by class, ${heldBytes} by context`,
      );
    for (const [trafficClass, held] of this.#heldBytes.entries()) {
      const isStopped = (this.#stopped & (1 << trafficClass)) !== 0;
      const { pfcXoffBytes, pfcXonBytes } = this.#parameters;
      if (isStopped ? held <= pfcXonBytes : this.isLossless(trafficClass) && held >= pfcXoffBytes)
        throw new InvariantViolation(
          `class ${trafficClass} holds ${held} bytes and ${isStopped ? 'is stopped' : 'goes on'}`,
        );
    }
  }

  /** Asks for a pause, and again when half of it is over. */
  #stop(trafficClass: number): void {
    const endNs = this.#send(trafficClass, this.#parameters.pfcQuanta);
    this.#stopAgainAt(trafficClass, endNs + this.#halfNs);
  }

  /** Half of the pause that is asked for, ns. */
  get #halfNs(): number {
    return Math.floor((this.#parameters.pfcQuanta * PAUSE_QUANTUM_BITS * 1e9) / this.#line.rateBps / 2);
  }

  #stopAgainAt(trafficClass: number, atNs: number): void {
    this.#againNs[trafficClass] = atNs;
    this.#kernel.scheduleAt(atNs, this.#again, trafficClass);
  }

  #onAgain(trafficClass: number): void {
    if (this.#kernel.nowNs !== this.#againNs[trafficClass]) return;
    this.#againNs[trafficClass] = -1;
    if ((this.#stopped & (1 << trafficClass)) !== 0) this.#stop(trafficClass);
  }

  /** Sends a frame behind the one that is on the wire, before any other that waits; returns when its last bit has left. */
  #send(trafficClass: number, quanta: number): number {
    const { nowNs } = this.#kernel;
    this.#frames[trafficClass] = this.frames(trafficClass) + 1;
    const times = new Array<number | undefined>(TRAFFIC_CLASSES).fill(undefined);
    times[trafficClass] = quanta;
    const bytes = pfcFrame(PORT_ADDRESS, times);
    this.#line.book(bytes.length + WIRE_OVERHEAD_BYTES, 0, this.#sent, trafficClass, quanta);
    this.#onLine.push({ bytes, bookedNs: nowNs });
    return this.#line.freeAtNs;
  }

  #onSent(): void {
    const frame = this.#onLine.shift();
    if (frame === undefined) throw new InvariantViolation('a frame of flow control was lost');
    if (this.#subjects.controlFrames.observed) {
      const atNs = this.#kernel.nowNs;
      this.#subjects.controlFrames.next({ direction: 'transmit', bytes: frame.bytes.slice(), atNs });
    }
    const { nowNs } = this.#kernel;
    const startNs = nowNs - this.#line.durationNs(frame.bytes.length + WIRE_OVERHEAD_BYTES);
    const { bytes, bookedNs } = frame;
    this.#wire.controlSent?.(bytes, 0, bytes.length, Math.max(bookedNs, startNs), nowNs);
  }
}
