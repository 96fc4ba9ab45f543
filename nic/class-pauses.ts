import type { EventKernel, HandlerId } from '../scheduler/event-kernel.js';
import { present } from '../scheduler/present.js';
import { BitTime } from './bit-time.js';
import { PAUSE_QUANTUM_BITS } from './mac-control.js';
import { isPfc, pfcQuanta, TRAFFIC_CLASSES } from './pfc-frame.js';

/** What one end of a link does when the other end pauses a traffic class of it. */
export interface PausedSender {
  /** From now on no frame of this class begins to be sent. */
  paused(trafficClass: number): void;
  /** Its frames may go again. */
  resumed(trafficClass: number): void;
}

/** Configuration of the classes that can be paused. */
export interface ClassPausesOptions {
  /** Name of the component in the event kernel. */
  readonly name: string;
  /** Rate of the wire at the start. */
  readonly rateBps: number;
  /** Classes with flow control, a bit each; what is said of the others is ignored. */
  readonly classes: number;
}

/**
 * The timers of priority-based flow control at the end that obeys (IEEE 802.1Q, 36.1.3): one per traffic class, set by each
 * frame that names the class, and over when it runs out or is set to 0. What it pauses is the sender's business.
 */
export class ClassPauses {
  readonly #kernel: EventKernel;
  readonly #options: ClassPausesOptions;
  readonly #sender: PausedSender;
  readonly #expire: HandlerId;
  readonly #untilNs = new Float64Array(TRAFFIC_CLASSES);
  readonly #sinceNs = new Float64Array(TRAFFIC_CLASSES);
  readonly #pausedNs = new Float64Array(TRAFFIC_CLASSES);
  readonly #frames = new Float64Array(TRAFFIC_CLASSES);
  readonly #times = Array.from({ length: TRAFFIC_CLASSES }, () => new BitTime());
  #rateBps: number;
  #paused = 0;

  constructor(kernel: EventKernel, options: ClassPausesOptions, sender: PausedSender) {
    this.#kernel = kernel;
    this.#options = options;
    this.#rateBps = options.rateBps;
    this.#sender = sender;
    this.#expire = kernel.register(options.name, (trafficClass) => this.#onExpire(trafficClass));
  }

  /** Classes that are paused now, a bit each. */
  get classes(): number {
    return this.#paused;
  }

  /** Whether a class is paused now. */
  has(trafficClass: number): boolean {
    return (this.#paused & (1 << trafficClass)) !== 0;
  }

  /** Frames that named this class. */
  frames(trafficClass: number): number {
    return present(this.#frames[trafficClass]);
  }

  /** Time for which a class was paused until now, ns. */
  pausedNs(trafficClass: number): number {
    const before = present(this.#pausedNs[trafficClass]);
    return this.has(trafficClass)
      ? before + this.#kernel.nowNs - present(this.#sinceNs[trafficClass])
      : before;
  }

  /** A frame has arrived. True if it was one of flow control: it is for this port, and for no station. */
  take(bytes: Uint8Array, offset: number, length: number): boolean {
    if (!isPfc(bytes, offset, length)) return false;
    for (let trafficClass = 0; trafficClass < TRAFFIC_CLASSES; trafficClass += 1) {
      const quanta = pfcQuanta(bytes, offset, trafficClass);
      if (quanta === undefined) continue;
      this.#frames[trafficClass] = this.frames(trafficClass) + 1;
      if ((this.#options.classes & (1 << trafficClass)) !== 0) this.#set(trafficClass, quanta);
    }
    return true;
  }

  /** The wire has another rate from now on: what is left of each pause is counted at it. */
  changeRate(rateBps: number): void {
    const { nowNs } = this.#kernel;
    for (let trafficClass = 0; trafficClass < TRAFFIC_CLASSES; trafficClass += 1) {
      if (!this.has(trafficClass)) continue;
      const leftNs = present(this.#times[trafficClass]).changeRate(this.#rateBps, rateBps, nowNs);
      this.#untilNs[trafficClass] = nowNs + leftNs;
      this.#kernel.post(leftNs, this.#expire, trafficClass);
    }
    this.#rateBps = rateBps;
  }

  #set(trafficClass: number, quanta: number): void {
    const { nowNs } = this.#kernel;
    const ns = Math.ceil((quanta * PAUSE_QUANTUM_BITS * 1e9) / this.#rateBps);
    present(this.#times[trafficClass]).begin(quanta * PAUSE_QUANTUM_BITS, nowNs);
    this.#untilNs[trafficClass] = nowNs + ns;
    if (quanta === 0) {
      this.#resume(trafficClass);
      return;
    }
    this.#kernel.post(ns, this.#expire, trafficClass);
    if (this.has(trafficClass)) return;
    this.#paused |= 1 << trafficClass;
    this.#sinceNs[trafficClass] = nowNs;
    this.#sender.paused(trafficClass);
  }

  /** A timer has run out, unless it was set again since. */
  #onExpire(trafficClass: number): void {
    if (this.#kernel.nowNs >= present(this.#untilNs[trafficClass])) this.#resume(trafficClass);
  }

  #resume(trafficClass: number): void {
    if (!this.has(trafficClass)) return;
    this.#pausedNs[trafficClass] = this.pausedNs(trafficClass);
    this.#paused &= ~(1 << trafficClass);
    this.#sender.resumed(trafficClass);
  }
}
