import type { DemandObserver } from '../../guests/nic-driver.js';
import { wireBytes } from '../../guests/traffic/frame-sizes.js';
import { readMac } from '../../guests/traffic/mac-address.js';
import type { EventKernel } from '../../scheduler/event-kernel.js';
import { present } from '../../scheduler/present.js';
import type { FluidLink, FluidShare } from '../machine/fluid-link.js';

/** What stands for a frame's bytes where something else has happened. */
const WANTS_ALL = -1;
const WITHDRAWN = -2;
const CHANGED = -3;
const PAUSED = -4;
const RESUMED = -5;

/** What one guest wanted of the wire, in the order of time: arrays, since there are millions of frames. */
class GuestDemand {
  readonly #atNs: number[] = [];
  /** Bytes of the wire that a frame takes, or one of the numbers above. */
  readonly #what: number[] = [];
  /** Bytes that its queue may hold with the frame. */
  readonly #queueBytes: number[] = [];
  readonly #changes: Partial<FluidShare>[] = [];
  #told = 0;

  add(atNs: number, what: number, queueBytes = Number.POSITIVE_INFINITY): void {
    this.#atNs.push(atNs);
    this.#what.push(what);
    this.#queueBytes.push(queueBytes);
  }

  change(atNs: number, change: Partial<FluidShare>): void {
    this.#changes.push(change);
    this.add(atNs, CHANGED);
  }

  /** When the next thing happened that the link has not been told; infinity at the end. */
  get nextNs(): number {
    return this.#atNs[this.#told] ?? Number.POSITIVE_INFINITY;
  }

  tellNext(guest: number, link: FluidLink, atNs: number): void {
    const what = present(this.#what[this.#told]);
    if (what === WANTS_ALL) link.wants(guest, atNs);
    else if (what === WITHDRAWN) link.withdraw(guest, atNs);
    else if (what === PAUSED) link.pause(guest, atNs);
    else if (what === RESUMED) link.resume(guest, atNs);
    else if (what === CHANGED) link.change(guest, present(this.#changes.shift()), atNs);
    else link.arrived(guest, what, atNs, present(this.#queueBytes[this.#told]));
    this.#told += 1;
  }
}

/**
 * What each guest of a session was due: what a fluid link of the wire's rate serves it until the end, bytes of the wire.
 * Of a real guest the link gets the frames that left, each when its driver handed it over: what a driver holds back is not
 * known outside of it, and where a frame goes is known only when it leaves. Of an emulated guest it gets what the guest
 * offered, as in a run. Frames that stay in the machine are neither sent nor due.
 */
export class SessionDue {
  readonly #demands: readonly GuestDemand[];
  readonly #sent: Float64Array;
  readonly #slots: readonly number[];
  readonly #isInside: (mac: number) => boolean;
  /** Rates that the wire got, in the order of time. */
  readonly #rates: { readonly atNs: number; readonly rateBps: number }[] = [];

  /**
   * @param slots of the transmit ring of each guest
   * @param isInside whether frames for this station stay in the machine
   */
  constructor(slots: readonly number[], isInside: (mac: number) => boolean) {
    this.#slots = slots;
    this.#demands = slots.map(() => new GuestDemand());
    this.#sent = new Float64Array(slots.length);
    this.#isInside = isInside;
  }

  /** A frame has left. @param postedNs when it was handed over; undefined where the guest's driver tells what it wants */
  sent(guest: number, frameBytes: number, postedNs: number | undefined): void {
    const bytes = wireBytes(frameBytes);
    this.#sent[guest] = present(this.#sent[guest]) + bytes;
    if (postedNs !== undefined) present(this.#demands[guest]).add(postedNs, bytes);
  }

  /** A guest has another share from now on. */
  changed(guest: number, change: Partial<FluidShare>, atNs: number): void {
    present(this.#demands[guest]).change(atNs, change);
  }

  /** A guest may send nothing until `resumed`: flow control has paused its traffic class. */
  paused(guest: number, atNs: number): void {
    present(this.#demands[guest]).add(atNs, PAUSED);
  }

  resumed(guest: number, atNs: number): void {
    present(this.#demands[guest]).add(atNs, RESUMED);
  }

  /** The wire has another rate from now on. */
  rateChanged(rateBps: number, atNs: number): void {
    this.#rates.push({ atNs, rateBps });
  }

  /** Listens to the driver of an emulated guest. @param target station that its endless sources send to */
  demandOf(guest: number, kernel: EventKernel, target: number): DemandObserver {
    const demand = present(this.#demands[guest]);
    const slots = present(this.#slots[guest]);
    let longest = 0;
    let wantsAll = false;
    // Of the sources that have a frame whenever there is space for one, bytes of the wire.
    let pulled = 0;
    let sentBefore = 0;
    return {
      offered: (bytes) => {
        if (this.#isInside(readMac(bytes, 0))) return;
        const length = wireBytes(bytes.length);
        if (wantsAll) {
          pulled += length;
          return;
        }
        longest = Math.max(longest, length);
        demand.add(kernel.nowNs, length, slots * longest);
      },
      wantsAll: () => {
        if (wantsAll || this.#isInside(target)) return;
        wantsAll = true;
        pulled = 0;
        sentBefore = present(this.#sent[guest]);
        demand.add(kernel.nowNs, WANTS_ALL);
      },
      wantsNoMore: () => {
        if (!wantsAll) return;
        wantsAll = false;
        const leftBytes = pulled - (present(this.#sent[guest]) - sentBefore);
        demand.add(kernel.nowNs, WITHDRAWN);
        if (leftBytes > 0) demand.add(kernel.nowNs, leftBytes);
      },
      closed: () => demand.add(kernel.nowNs, WITHDRAWN),
    };
  }

  /** What each guest sent and was due when the session ended. The link is told everything now: nothing comes after. */
  shares(link: FluidLink, endNs: number): { readonly sentBytes: number; readonly dueBytes: number }[] {
    const rates = [...this.#rates];
    const changeRates = (untilNs: number) => {
      for (let next = rates[0]; next !== undefined && next.atNs <= untilNs; next = rates[0]) {
        link.changeRate(next.rateBps, next.atNs);
        rates.shift();
      }
    };
    for (let lastNs = 0; ; ) {
      const nextNs = this.#demands.reduce((least, demand) => Math.min(least, demand.nextNs), endNs);
      if (nextNs >= endNs) break;
      // A change of a weight is told when it happens, a frame when it leaves: one may be behind the other in its guest's list.
      lastNs = Math.max(lastNs, nextNs);
      changeRates(lastNs);
      const guest = this.#demands.findIndex((demand) => demand.nextNs === nextNs);
      present(this.#demands[guest]).tellNext(guest, link, lastNs);
    }
    changeRates(endNs);
    link.advance(endNs);
    const due = link.served();
    return Array.from(this.#sent, (sentBytes, guest) => ({ sentBytes, dueBytes: present(due[guest]) }));
  }
}
