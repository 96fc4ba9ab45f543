import type { Observable } from 'rxjs';
import type { HostPhysicalAddress, PageNumber } from '../../../nic/addresses.js';
import type { ContextId } from '../../../scheduler/branded.js';
import type { EventKernel } from '../../../scheduler/event-kernel.js';
import { GuardedSubject } from '../../../scheduler/guarded-subject.js';
import type { Processor } from '../../cpu/processor.js';
import type { DomainId } from '../../memory/page-ownership.js';
import type { SetupRefusal } from '../guest-port.js';
import type { BridgeDrop } from './bridge-drops.js';

/** What the hypervisor does for the driver domain with a page that a guest has granted. */
export type GrantOperation = 'copy-out' | 'copy-in' | 'map' | 'flip';

/** A grant was used, or its use was refused. */
export interface GrantUse {
  readonly kind: 'grant';
  readonly operation: GrantOperation;
  /** The guest whose grant it is. */
  readonly owner: DomainId;
  readonly reference: number;
  /** Where the entry lies. */
  readonly entry: HostPhysicalAddress;
  /** The page that the entry names; for a flip the guest's page that was given up. */
  readonly page: PageNumber;
  /** Bytes in that page; all of it for a mapping or a flip. */
  readonly offset: number;
  readonly length: number;
  /** Where the driver domain's copy of them lies; of a flip, the page that the guest has got. None for a mapping. */
  readonly other: HostPhysicalAddress | undefined;
  readonly refusal: SetupRefusal | undefined;
}

/** What happens to a frame between a guest and the card, in the order in which it does. */
export type BridgeMove =
  | GrantUse
  /** A guest has put requests into its transmit ring, of one frame or of several. */
  | { readonly kind: 'requested'; readonly port: ContextId; readonly first: number; readonly count: number }
  /** A guest sends the driver domain an event, because it was asked to. */
  | { readonly kind: 'rang'; readonly port: ContextId }
  /** The driver domain has taken a frame out of a guest's ring; its grants were used before. */
  | { readonly kind: 'taken'; readonly port: ContextId; readonly first: number; readonly count: number }
  /** The frame taken last is in the card's transmit ring, and ends in this descriptor. */
  | { readonly kind: 'sent'; readonly port: ContextId; readonly descriptor: number }
  /** The driver domain has taken a frame out of the card's receive ring; it ends in this descriptor. */
  | { readonly kind: 'collected'; readonly descriptor: number }
  /** The frame that was taken or collected last is in a guest's memory, and ends in this request of its ring. */
  | { readonly kind: 'delivered'; readonly port: ContextId; readonly request: number; readonly bytes: number }
  | { readonly kind: 'dropped'; readonly port: ContextId; readonly reason: BridgeDrop }
  /** Requests of a transmit ring are done with. */
  | { readonly kind: 'answered'; readonly port: ContextId; readonly first: number; readonly count: number }
  /** The driver domain sends a guest an event, because it was asked to. */
  | { readonly kind: 'told'; readonly port: ContextId }
  /** A unit of the driver domain's work is over: who has not been told by now will not be. */
  | { readonly kind: 'served' };

/** A move, and when it happened in the work of the domain that made it, ns. */
export type TimedMove = BridgeMove & { readonly atNs: number };

/** Tells of what happens in a driver domain: a tap, for which nothing is built while it is not observed. */
export class BridgeMoves {
  readonly moves$: Observable<TimedMove>;
  readonly #kernel: EventKernel;
  readonly #processor: Processor;
  readonly #moves: GuardedSubject<TimedMove>;

  constructor(kernel: EventKernel, processor: Processor) {
    this.#kernel = kernel;
    this.#processor = processor;
    this.#moves = new GuardedSubject('driver-domain.moves$', kernel);
    this.moves$ = this.#moves.stream$;
  }

  /** Asked before a move is built. */
  get observed(): boolean {
    return this.#moves.observed;
  }

  tell(move: BridgeMove): void {
    this.#moves.next({ ...move, atNs: this.#kernel.nowNs + this.#processor.elapsedNs });
  }
}
