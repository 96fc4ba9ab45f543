import {
  guestAddress,
  guestPhysicalAddress,
  type HostPhysicalAddress,
  type PageNumber,
  pageAddress,
} from '../../../nic/addresses.js';
import { lowerHalf, lowerHalfAt, upperHalf, upperHalfAt } from '../../../nic/station-address.js';
import type { HostParts } from '../../host-parts.js';
import type { SetupRefusal } from '../guest-port.js';
import type { BackEndFaults } from './back-end-faults.js';
import { BackReceive, type Delivery } from './back-receive.js';
import { BackTransmit, type Taken } from './back-transmit.js';
import type { BridgeMoves } from './bridge-moves.js';
import type { FrameParts } from './frame-parts.js';
import type { FrontEnd } from './front-end.js';
import type { GrantOperations } from './grant-operations.js';

/**
 * The driver domain's end of one guest: reads requests from the shared rings without trusting them, has
 * the hypervisor check and carry out what their grants permit, and answers.
 */
export class BackEnd implements BackEndFaults {
  readonly front: FrontEnd;
  /** It waits in the driver domain's round. */
  queued = false;
  readonly #parts: HostParts;
  readonly #transmit: BackTransmit;
  readonly #receive: BackReceive;
  readonly #sharedPages: readonly PageNumber[];
  readonly #moves: BridgeMoves;
  readonly #macUpper: number;
  readonly #macLower: number;
  #tell = false;
  #refused = 0;
  #closed = false;

  /** Maps the shared rings: they and the grants stay the guest's, and pinned for as long as this end uses them. */
  constructor(parts: HostParts, front: FrontEnd, grants: GrantOperations, moves: BridgeMoves) {
    this.#moves = moves;
    this.#parts = parts;
    this.front = front;
    this.#macUpper = upperHalf(front.mac);
    this.#macLower = lowerHalf(front.mac);
    this.#transmit = new BackTransmit(front.transmit.shared, front.grants, grants, this);
    this.#receive = new BackReceive(parts, front.receive.shared, front.grants, grants, this);
    this.#sharedPages = [...front.transmit.ringPages, ...front.receive.ringPages, ...front.grants.pages];
    for (const page of this.#sharedPages) parts.pages.pin(page);
  }

  get mac(): number {
    return this.front.mac;
  }

  /** Whether its station address lies at an offset of a frame. */
  isMacAt(bytes: Uint8Array, offset: number): boolean {
    return upperHalfAt(bytes, offset) === this.#macUpper && lowerHalfAt(bytes, offset) === this.#macLower;
  }

  get promiscuous(): boolean {
    return this.front.options.promiscuous;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Pages of guest memory that this end keeps pinned. */
  get pinnedPages(): number {
    return this.#closed ? 0 : this.#sharedPages.length;
  }

  /** Requests that were refused. */
  get refused(): number {
    return this.#refused;
  }

  /** First request of the frame that was taken last, and how many it has. */
  get firstRequest(): number {
    return this.#transmit.first;
  }

  get requests(): number {
    return this.#transmit.count;
  }

  /** Request in which the last delivered frame ends. */
  get lastDelivered(): number {
    return this.#receive.lastAnswered;
  }

  /** Whether there are requests to look at. */
  get hasRequests(): boolean {
    return !this.#closed && this.#transmit.hasRequests;
  }

  /** Asks for an event with the next request that comes. */
  sleep(): void {
    if (!this.#closed) this.#transmit.sleep();
  }

  /** Takes the next frame from the guest, by copy to `staging` or by mapping. */
  takeFrame(target: FrameParts, staging: HostPhysicalAddress | undefined): Taken {
    return this.#closed ? 'nothing' : this.#transmit.takeFrame(target, staging);
  }

  /** Answers the requests of a frame. */
  complete(first: number, count: number): void {
    if (this.#closed) return;
    const isAsked = this.#transmit.complete(first, count);
    if (this.#moves.observed) this.#moves.tell({ kind: 'answered', port: this.front.context, first, count });
    if (isAsked) this.#tell = true;
  }

  /** Puts a frame into the guest. */
  deliver(source: FrameParts, flip: boolean): Delivery {
    return this.#closed ? 'port-closed' : this.#receive.deliver(source, flip);
  }

  /** Sends the guest an event, if it asked for one with any of the responses since the last time. */
  tellGuest(): void {
    const tell = this.#receive.takeTell() || this.#tell;
    this.#tell = false;
    if (!tell || this.#closed) return;
    if (this.#moves.observed) this.#moves.tell({ kind: 'told', port: this.front.context });
    this.front.notify();
  }

  /** The guest or its port is gone: the rings are let go. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const page of this.#sharedPages) this.#parts.pages.unpin(page);
  }

  report(refusal: SetupRefusal, direction: 'transmit' | 'receive', reference: number, length: number): void {
    this.#refused += 1;
    const { domain, grants, context } = this.front;
    const { hypervisor, kernel } = this.#parts;
    // A request has no address of its own; its grant names a page, if there is one.
    const address =
      grants.flags(reference) === 0
        ? guestPhysicalAddress(0)
        : guestAddress(pageAddress(grants.page(reference)));
    const fault = { domain: domain.id, direction, refusal, address, length, atNs: kernel.nowNs };
    hypervisor.reportSetupFault(domain, context, fault);
  }

  giveUp(requests: number): void {
    this.report('bad-ring', 'transmit', -1, requests);
    this.#parts.hypervisor.revokeContext(this.front.context);
  }
}
