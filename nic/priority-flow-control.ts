import type { BookedLine } from '../scheduler/booked-line.js';
import type { CardCore } from './card-core.js';
import { ClassPauses, type PausedSender } from './class-pauses.js';
import type { WirePort } from './host-port.js';
import type { FlowControlCounts } from './management-page.js';
import { ReceivePressure } from './receive-pressure.js';

/** What priority flow control stands between. */
export interface FlowControlNeighbours {
  readonly line: BookedLine;
  readonly wire: WirePort;
  /** Stops the contexts of a class, and lets them go on. */
  readonly sender: PausedSender;
}

type FlowControlCore = Pick<CardCore, 'kernel' | 'parameters' | 'subjects'>;

/**
 * Priority flow control of the card's port (IEEE 802.1Q, clause 36; 802.1Qbb), both ways: it obeys pauses of the far end
 * at the transmit scheduler, and asks for them when the receive buffer of a class fills.
 */
export class PriorityFlowControl implements FlowControlCounts {
  readonly pauses: ClassPauses;
  readonly pressure: ReceivePressure;

  readonly #core: FlowControlCore;

  constructor(core: FlowControlCore, neighbours: FlowControlNeighbours) {
    const { kernel } = core;
    const { pfcClasses } = core.parameters;
    const { rateBps } = neighbours.line;
    this.#core = core;
    const options = { name: 'nic.flow-control.expired', rateBps, classes: pfcClasses };
    this.pauses = new ClassPauses(kernel, options, neighbours.sender);
    this.pressure = new ReceivePressure(core, neighbours.line, neighbours.wire);
  }

  /** A frame has arrived. True if it was one of flow control: it is for the port. */
  take(bytes: Uint8Array, offset: number, length: number): boolean {
    if (!this.pauses.take(bytes, offset, length)) return false;
    const { kernel, subjects } = this.#core;
    if (subjects.controlFrames.observed) {
      const copy = bytes.slice(offset, offset + length);
      subjects.controlFrames.next({ direction: 'receive', bytes: copy, atNs: kernel.nowNs });
    }
    return true;
  }

  /** The wire has another rate from now on: pauses are counted in its bits, those of either end. */
  changeRate(rateBps: number): void {
    this.pauses.changeRate(rateBps);
    this.pressure.changeRate(rateBps);
  }

  get pausedHere(): number {
    return this.pauses.classes;
  }

  get pausedThere(): number {
    return this.pressure.classes;
  }

  received(trafficClass: number): number {
    return this.pauses.frames(trafficClass);
  }

  sent(trafficClass: number): number {
    return this.pressure.frames(trafficClass);
  }

  /** Time for which the far end has paused a class, ns. */
  pausedNs(trafficClass: number): number {
    return this.pauses.pausedNs(trafficClass);
  }

  /** The most bytes of the receive buffer that a class has taken. */
  mostReceiveBytes(trafficClass: number): number {
    return this.pressure.mostBytes(trafficClass);
  }
}
