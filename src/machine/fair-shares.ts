import type { DemandObserver } from '../../guests/nic-driver.js';
import { wireBytes } from '../../guests/traffic/frame-sizes.js';
import { readMac } from '../../guests/traffic/mac-address.js';
import type { EventKernel } from '../../scheduler/event-kernel.js';
import { present } from '../../scheduler/present.js';
import type { FluidLink, FluidShare } from './fluid-link.js';

/** A guest as far as its share of the wire is concerned. */
export interface ShareHolder {
  /** Slots of its transmit ring. */
  readonly slots: number;
}

/** What a guest sent in the window, and what it was due, bytes of the wire (frame, padding, FCS, preamble and gap). */
export interface WireShare {
  readonly sentBytes: number;
  readonly dueBytes: number;
}

/** A due below this is none: no frame is so short, bytes. */
const NOTHING_DUE = 1;

/**
 * What each guest of a machine sends on the wire, against what it is due: the service of a fluid link of the wire's
 * rate, as it is at each instant (`fluidLinkOf`), that gets the same frames at the same instants, with a queue as long as
 * the guest's ring. It depends on what guests offer, on their shares and on when the far end pauses their traffic classes,
 * and on no approach or discipline.
 */
export class FairShares {
  readonly #holders: readonly ShareHolder[];
  readonly #fluid: FluidLink;
  /** The longest frame that each has offered so far, bytes of the wire. */
  readonly #longest: Float64Array;
  readonly #sent: Float64Array;
  readonly #isInside: (mac: number) => boolean;
  #sentBefore: Float64Array;
  #dueBefore: Float64Array;

  /**
   * @param isInside whether frames for this station stay in the machine: they do not load the wire, and count neither
   * as sent nor as due
   */
  constructor(holders: readonly ShareHolder[], fluid: FluidLink, isInside: (mac: number) => boolean) {
    this.#holders = holders;
    this.#fluid = fluid;
    this.#longest = new Float64Array(holders.length);
    this.#isInside = isInside;
    this.#sent = new Float64Array(holders.length);
    this.#sentBefore = new Float64Array(holders.length);
    this.#dueBefore = new Float64Array(holders.length);
  }

  /** Listens to the driver of a guest. @param target station that its endless sources send to */
  demandOf(guest: number, kernel: EventKernel, target: number): DemandObserver {
    const fluid = this.#fluid;
    const slots = present(this.#holders[guest]).slots;
    // Of the sources that have a frame whenever there is space for one, bytes of the wire.
    let pulled = 0;
    let sentBefore = 0;
    return {
      offered: (bytes) => {
        if (this.#isInside(readMac(bytes, 0))) return;
        const length = wireBytes(bytes.length);
        if (fluid.wantsAll(guest)) {
          pulled += length;
          return;
        }
        const longest = Math.max(present(this.#longest[guest]), length);
        this.#longest[guest] = longest;
        fluid.arrived(guest, length, kernel.nowNs, slots * longest);
      },
      wantsAll: () => {
        if (this.#isInside(target)) return;
        fluid.wants(guest, kernel.nowNs);
        pulled = 0;
        sentBefore = present(this.#sent[guest]);
      },
      wantsNoMore: () => {
        if (!fluid.wantsAll(guest)) return;
        // What lies in its ring is all that is left.
        const leftBytes = pulled - (present(this.#sent[guest]) - sentBefore);
        fluid.withdraw(guest, kernel.nowNs);
        if (leftBytes > 0) fluid.arrived(guest, leftBytes, kernel.nowNs);
      },
      closed: () => fluid.withdraw(guest, kernel.nowNs),
    };
  }

  /** A frame of a guest has left on the wire. */
  sent(guest: number, frameBytes: number): void {
    this.#sent[guest] = present(this.#sent[guest]) + wireBytes(frameBytes);
  }

  /** A guest can send nothing any more. */
  stopped(guest: number, nowNs: number): void {
    this.#fluid.withdraw(guest, nowNs);
  }

  /** A guest may send nothing until `resumed`: flow control has paused its traffic class. */
  paused(guest: number, nowNs: number): void {
    this.#fluid.pause(guest, nowNs);
  }

  resumed(guest: number, nowNs: number): void {
    this.#fluid.resume(guest, nowNs);
  }

  /** A guest has another share from now on. */
  changed(guest: number, change: Partial<FluidShare>, nowNs: number): void {
    this.#fluid.change(guest, change, nowNs);
  }

  /** The wire has another rate from now on, bits per second. */
  rateChanged(rateBps: number, nowNs: number): void {
    this.#fluid.changeRate(rateBps, nowNs);
  }

  /** The window begins. */
  begin(nowNs: number): void {
    this.#fluid.advance(nowNs);
    this.#sentBefore = this.#sent.slice();
    this.#dueBefore = this.#fluid.served();
  }

  /** What each guest had since the window began. */
  shares(nowNs: number): WireShare[] {
    this.#fluid.advance(nowNs);
    const due = this.#fluid.served();
    return Array.from(this.#sent, (bytes, guest) => ({
      sentBytes: bytes - present(this.#sentBefore[guest]),
      dueBytes: present(due[guest]) - present(this.#dueBefore[guest]),
    }));
  }

  checkInvariants(): void {
    this.#fluid.checkInvariants();
  }
}

/** The part of its due that a guest got; NaN for one that was due nothing. */
export function gotOfDue({ sentBytes, dueBytes }: WireShare): number {
  return dueBytes < NOTHING_DUE ? Number.NaN : sentBytes / dueBytes;
}
