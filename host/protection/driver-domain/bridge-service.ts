import type { PageNumber } from '../../../nic/addresses.js';
import { type ContextId, NO_CONTEXT } from '../../../scheduler/branded.js';
import { InvariantViolation } from '../../../scheduler/errors.js';
import { absent } from '../../../scheduler/present.js';
import { Row } from '../../../scheduler/row.js';
import { COST } from '../../cpu/costs.js';
import type { HostParts } from '../../host-parts.js';
import type { Domain } from '../../hypervisor/domain.js';
import type { BackEnd } from './back-end.js';
import { Bridge } from './bridge.js';
import type { BridgeDrop } from './bridge-drops.js';
import { FrameParts, NO_PAGE } from './frame-parts.js';
import type { GrantOperations } from './grant-operations.js';
import type { PhysicalPort, SentListener } from './physical-port.js';
import type { TrafficLedger } from './traffic-ledger.js';

/**
 * Pieces that one frame may be in; more than the NIC keeps descriptors of one frame would stop its context. A guest's has 38 at
 * most: two for each of its requests, and one for each page that its bytes fill.
 */
const MAX_PIECES = 48;

/** The parts that the service uses. */
export interface BridgeServicePlan {
  readonly host: HostParts;
  readonly domain: Domain;
  readonly grants: GrantOperations;
  readonly device: PhysicalPort;
  readonly ledger: TrafficLedger;
  readonly transfer: 'copy' | 'flip';
  /** Frames each way that one unit of work handles. */
  readonly budget: number;
}

/**
 * The driver domain's work, on its own CPU time: takes frames from the NIC and from guests round-robin,
 * bridges them, and hands them on. One unit of work stays within a budget; while there is more to do the NIC's
 * interrupts stay masked.
 *
 * Every frame is accounted for: what came (and each further copy of it) went to the wire, to a guest, or was
 * dropped for a reason.
 */
export class BridgeService implements SentListener {
  readonly bridge = new Bridge();
  readonly #plan: BridgeServicePlan;
  readonly #backEnds = new Map<ContextId, BackEnd>();
  readonly #round = new Row<BackEnd>();
  readonly #frame = new FrameParts(MAX_PIECES);
  readonly #head = new Uint8Array(12);
  readonly #targets: BackEnd[] = [];
  readonly #work = () => this.#service();
  readonly #takeReceived = (frame: FrameParts) => this.#fromDevice(frame);
  #scheduled = false;
  #masked = false;
  #fromWire = 0;
  #toWire = 0;
  #toGuests = 0;
  #furtherCopies = 0;

  constructor(plan: BridgeServicePlan) {
    this.#plan = plan;
    plan.device.port.onInterrupt(() => {
      plan.host.processor.charge(COST.guestInterrupt);
      this.#masked = true;
      plan.device.port.maskInterrupts(true);
      this.wake();
    });
  }

  /** Frames by where they came from and went to. */
  get counters(): Readonly<
    Record<'framesFromGuests' | 'framesFromWire' | 'framesToWire' | 'framesToGuests', number>
  > {
    return {
      framesFromGuests: this.#plan.ledger.framesTaken,
      framesFromWire: this.#fromWire,
      framesToWire: this.#toWire,
      framesToGuests: this.#toGuests,
    };
  }

  /** The guests that are connected. */
  get backEnds(): Iterable<BackEnd> {
    return this.#backEnds.values();
  }

  connect(backEnd: BackEnd): void {
    this.#backEnds.set(backEnd.front.context, backEnd);
    this.bridge.add(backEnd);
  }

  /** Nothing is taken from this guest or given to it any more. */
  disconnect(backEnd: BackEnd): void {
    this.#backEnds.delete(backEnd.front.context);
    this.bridge.remove(backEnd);
    this.#round.remove(backEnd);
  }

  /** A guest has sent an event: it is queued for service. */
  onGuestEvent(backEnd: BackEnd): void {
    this.#plan.host.processor.charge(COST.guestInterrupt);
    this.#enqueue(backEnd);
    this.wake();
  }

  /** There is something to do. */
  wake(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#plan.host.processor.post(this.#plan.domain.account, this.#work);
  }

  sent(front: ContextId, firstRequest: number, requests: number): void {
    this.#backEnds.get(front)?.complete(firstRequest, requests);
  }

  done(page: PageNumber): void {
    this.#plan.grants.unmap(page);
  }

  checkInvariants(): void {
    const { ledger } = this.#plan;
    const came = ledger.framesTaken + this.#fromWire + this.#furtherCopies;
    const went = this.#toWire + this.#toGuests + ledger.dropped;
    if (came !== went)
      throw new InvariantViolation(`${came} frames came to the bridge, ${went} left it or were dropped`);
  }

  #enqueue(backEnd: BackEnd): void {
    if (backEnd.queued || backEnd.closed) return;
    backEnd.queued = true;
    this.#round.push(backEnd);
  }

  #service(): void {
    const { grants, device, budget } = this.#plan;
    this.#scheduled = false;
    grants.beginBatch();
    device.reclaim(this);
    const received = device.receive(budget, this.#frame, this.#takeReceived);
    const more = this.#serveGuests();
    device.flush();
    for (const backEnd of this.#backEnds.values()) backEnd.tellGuest();
    const { moves } = this.#plan.ledger;
    if (moves.observed) moves.tell({ kind: 'served' });
    if (received === budget || more) {
      this.wake();
    } else if (this.#masked) {
      this.#masked = false;
      device.port.maskInterrupts(false);
    }
  }

  /** Takes one frame of each guest, round-robin; true if the budget ended it. What the NIC has no space for waits for it. */
  #serveGuests(): boolean {
    const { device, budget } = this.#plan;
    for (let count = 0; count < budget; count += 1) {
      if (device.freeSlots < MAX_PIECES) return false;
      const backEnd = this.#round.shift();
      if (backEnd === undefined) return false;
      backEnd.queued = false;
      if (this.#serveOne(backEnd) && backEnd.hasRequests) this.#enqueue(backEnd);
      else backEnd.sleep();
    }
    return this.#round.count > 0;
  }

  /** Takes one frame; false if there was none (or only the beginning of one). */
  #serveOne(backEnd: BackEnd): boolean {
    const { host, device, transfer } = this.#plan;
    const frame = this.#frame;
    const copied = transfer === 'copy';
    const found = backEnd.takeFrame(frame, copied ? device.stagingAddress : undefined);
    if (found === 'nothing') return false;
    host.processor.charge(COST.backEndTransmit);
    this.#plan.ledger.took(backEnd.front.context, backEnd.firstRequest, backEnd.requests);
    let waits = false;
    if (found === 'frame') waits = this.#fromGuest(backEnd, frame) && !copied;
    else this.#drop(found, backEnd.front.context);
    // Copied frames belong to the driver domain now; mapped ones are answered when they have left.
    if (!waits) backEnd.complete(backEnd.firstRequest, backEnd.requests);
    return true;
  }

  /** Bridges a frame of a guest; true if it goes to the wire. */
  #fromGuest(backEnd: BackEnd, frame: FrameParts): boolean {
    frame.readHead(this.#plan.host.memory, this.#head);
    const head = this.#head;
    let copies = 0;
    let sent = false;
    if (backEnd.front.options.antiSpoofing && !backEnd.isMacAt(head, 6)) {
      this.#drop('source-mac-spoofed', backEnd.front.context);
      copies = 1;
    } else {
      copies = this.#deliverAll(backEnd, frame, undefined);
      // What it has delivered may have taken a port away: the question is asked anew each time.
      if (this.bridge.leaves(head)) {
        copies += 1;
        sent = this.#toDevice(backEnd, frame);
      }
      if (copies === 0) this.#drop('unknown-destination', backEnd.front.context);
      else if (!this.bridge.leaves(head)) this.#plan.ledger.bridged(backEnd.front.context, frame.total);
    }
    this.#furtherCopies += Math.max(0, copies - 1);
    if (!sent)
      for (let piece = 0; piece < frame.count; piece += 1)
        if (frame.mapped[piece] !== NO_PAGE) this.#plan.grants.unmap(frame.mappedPage(piece));
    return sent;
  }

  #fromDevice(frame: FrameParts): void {
    this.#plan.host.processor.charge(COST.backEndReceive);
    this.#fromWire += 1;
    this.#plan.ledger.collected(frame.lastIndex);
    frame.readHead(this.#plan.host.memory, this.#head);
    const arrivedNs = this.#plan.ledger.arrivedNs(frame.lastIndex);
    const copies = this.#deliverAll(undefined, frame, arrivedNs);
    if (copies === 0) this.#drop('unknown-destination', NO_CONTEXT);
    this.#furtherCopies += Math.max(0, copies - 1);
  }

  /**
   * Gives the frame whose head was read to every guest that it is for; returns how many there were. One that came from the
   * wire and is for a single guest may be flipped.
   */
  #deliverAll(from: BackEnd | undefined, frame: FrameParts, arrivedNs: number | undefined): number {
    const targets = this.#targets;
    const found = this.bridge.destinations(this.#head, from);
    // Most frames of guests are for the wire alone.
    if (found.length === 0) return 0;
    // A list of its own: a guest that loses its port over this frame leaves the bridge meanwhile.
    for (let at = 0; at < found.length; at += 1) targets[at] = found[at] ?? absent();
    if (targets.length !== found.length) targets.length = found.length;
    const flip = this.#plan.transfer === 'flip' && arrivedNs !== undefined && targets.length === 1;
    for (const target of targets) {
      const outcome = target.deliver(frame, flip);
      if (outcome === 'delivered') {
        this.#toGuests += 1;
        this.#plan.ledger.delivered(target.front.context, target.lastDelivered, frame.total, arrivedNs);
      } else {
        this.#drop(outcome, target.front.context);
      }
    }
    return targets.length;
  }

  #toDevice(backEnd: BackEnd, frame: FrameParts): boolean {
    const { device, transfer } = this.#plan;
    if (!device.isOpen) {
      this.#drop('no-device', backEnd.front.context);
      return false;
    }
    const waits = transfer === 'flip' ? backEnd.front.context : NO_CONTEXT;
    const { firstRequest, requests } = backEnd;
    const last = device.send(frame, waits, firstRequest, requests);
    this.#plan.ledger.sends(last, backEnd.front.context, (firstRequest + requests - 1) >>> 0);
    this.#toWire += 1;
    return true;
  }

  #drop(reason: BridgeDrop, port: ContextId): void {
    this.#plan.ledger.drop(reason, port);
  }
}
