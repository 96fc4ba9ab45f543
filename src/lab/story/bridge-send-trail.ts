import { PAGE_BYTES } from '../../../host/memory/physical-memory.js';
import type { TimedMove } from '../../../host/protection/driver-domain/bridge-moves.js';
import type { DriverDomainProtection } from '../../../host/protection/driver-domain/driver-domain.js';
import type { FrontEnd } from '../../../host/protection/driver-domain/front-end.js';
import { pageNumber } from '../../../nic/addresses.js';
import { FLAG_END_OF_PACKET } from '../../../nic/descriptor.js';
import { hex } from '../notation.js';
import type { CardContext } from './card-context.js';
import type { FrameStep } from './frame-story.js';
import { grantStep, grantWalk } from './grant-facts.js';
import type { StoryBook } from './story-book.js';
import { TransmitTrail } from './transmit-trail.js';

/**
 * The next frame that a guest behind a driver domain sends: its request and its grants, what the hypervisor copies or maps, where
 * the bridge sends it, then the driver domain's own context of the card like any other.
 */
export class BridgeSendTrail {
  readonly #book: StoryBook;
  /** The driver domain's context. */
  readonly #card: CardContext;
  readonly #front: FrontEnd;
  #index = -1;
  #count = 0;
  #bytes = 0;
  /** Grants that were used since a frame was last taken: those of the next one that is. */
  #uses: FrameStep[] = [];
  /** Whether the frame that was taken last is ours. */
  #isTaken = false;
  #wasAsked = false;
  #isAnswered = false;
  #onCard: TransmitTrail | undefined;
  #isOffCard = false;

  constructor(book: StoryBook, bridge: DriverDomainProtection, card: CardContext, front: FrontEnd) {
    this.#book = book;
    this.#card = card;
    this.#front = front;
    book.watch(bridge.moves$.subscribe((move) => this.#onMove(move)));
  }

  /** First request of the frame in the guest's ring, or -1. */
  get index(): number {
    return this.#index;
  }

  get bytes(): number {
    return this.#bytes;
  }

  #onMove(move: TimedMove): void {
    if (move.kind === 'grant') {
      this.#uses.push(grantStep(this.#card.host, move));
      return;
    }
    const uses = this.#uses;
    this.#uses = [];
    switch (move.kind) {
      case 'requested':
        if (move.port === this.#front.context && this.#index < 0) this.#onRequested(move.first, move.count);
        break;
      case 'rang':
        if (move.port === this.#front.context && this.#waitsForTaking()) this.#onRang();
        break;
      case 'taken':
        this.#isTaken = false;
        if (move.port === this.#front.context && move.first === this.#index) this.#onTaken(uses);
        break;
      case 'collected':
        this.#isTaken = false;
        break;
      case 'delivered':
        if (this.#isTaken) this.#onDelivered(move.port, uses);
        break;
      case 'dropped':
        if (this.#isTaken) this.#onDropped(move.reason);
        break;
      case 'answered':
        if (move.port === this.#front.context && this.#holds(move.first, move.count)) this.#onAnswered();
        break;
      default:
        break;
    }
  }

  #waitsForTaking(): boolean {
    return this.#index >= 0 && !this.#isTaken && this.#onCard === undefined && !this.#isAnswered;
  }

  #holds(first: number, count: number): boolean {
    return this.#index >= 0 && !this.#isAnswered && (this.#index - first) >>> 0 < count;
  }

  #onRequested(first: number, posted: number): void {
    const { shared } = this.#front.transmit;
    this.#index = first;
    for (let step = 0; step < posted; step += 1) {
      this.#count = step + 1;
      this.#bytes += shared.length(first + step);
      if ((shared.flags(first + step) & FLAG_END_OF_PACKET) !== 0) break;
    }
    const { host } = this.#card;
    const { grants, domain } = this.#front;
    const reference = shared.word(first);
    const offset = shared.offset(first);
    const length = shared.length(first);
    const page = grants.page(reference);
    this.#book.add(
      'guest',
      `${domain.name} has a frame of ${this.#bytes} bytes to send`,
      [
        `its driver wrote the bytes to ${hex(page * PAGE_BYTES + offset)}, ${length} bytes in the first buffer`,
        `page ${page} belongs to ${host.hypervisor.domains[host.pages.owner(pageNumber(page))]?.name ?? 'no domain'}`,
      ],
      { page },
    );
    const entry = grants.addressOf(reference);
    this.#book.add(
      'memory',
      'The guest grants the driver domain its page',
      [`entry ${reference} of its grant table, at ${hex(entry)}; the table lies in the guest's own memory`],
      { page: Math.floor(entry / PAGE_BYTES), walk: grantWalk(host, reference, entry) },
    );
    const at = shared.addressOf(first);
    const requests = this.#count === 1 ? '' : `, the first of ${this.#count}`;
    this.#book.add(
      'memory',
      `Request ${first} is in the ring that guest and driver domain share${requests}`,
      [`slot at ${hex(at)}: grant ${reference}, offset ${offset}, length ${length}`],
      { page: Math.floor(at / PAGE_BYTES) },
    );
  }

  #onRang(): void {
    this.#wasAsked = true;
    this.#book.add('driver-domain', 'The guest sends the driver domain an event', [
      'a hypercall: the hypervisor sets the bit of the event channel, and the driver domain is woken',
    ]);
  }

  #onTaken(uses: readonly FrameStep[]): void {
    this.#isTaken = true;
    for (const use of uses) this.#book.put(use);
    this.#book.add('driver-domain', 'The driver domain takes the frame out of the ring', [
      this.#wasAsked
        ? 'it was woken by the event'
        : 'no event was needed for it: the driver domain was at work, and had not asked for one',
      'guests are served round-robin, one frame at a time, whatever their weights',
    ]);
    // What it sets up on the card next is this frame, if it goes there.
    this.#onCard = new TransmitTrail(this.#book, this.#card, {
      begin: (address, length) =>
        this.#book.add(
          'driver-domain',
          'The bridge sends it to the wire',
          [
            `no guest behind the bridge has its destination; the card will read ${length} bytes at ${hex(address)}`,
          ],
          { page: Math.floor(address / PAGE_BYTES) },
        ),
      afterInterrupt: `the hypervisor sends the driver domain a virtual interrupt, and its driver takes the slot back`,
      onEnd: () => {
        this.#isOffCard = true;
        this.#endIfOver();
      },
    });
  }

  #onDelivered(port: number, uses: readonly FrameStep[]): void {
    for (const use of uses) this.#book.put(use);
    this.#book.add('driver-domain', 'The bridge gives it to a guest', [
      `port ${port} has its destination: the frame is copied from guest to guest and never sees the card`,
    ]);
  }

  #onDropped(reason: string): void {
    this.#book.add('driver-domain', `The bridge drops the frame: ${reason}`, [
      'no bit of it reaches the card',
    ]);
  }

  #onAnswered(): void {
    this.#isAnswered = true;
    const isOnCard = this.#onCard !== undefined && this.#onCard.index >= 0 && !this.#isOffCard;
    const { shared } = this.#front.transmit;
    const at = shared.addressOf(this.#index);
    this.#book.add(
      'memory',
      `Request ${this.#index} is answered`,
      [
        `the slot at ${hex(at)} holds the response now`,
        isOnCard
          ? 'the frame was copied, so the guest has its buffer back before a bit has left'
          : 'the guest has its buffer back',
      ],
      { page: Math.floor(at / PAGE_BYTES) },
    );
    this.#endIfOver();
  }

  /** A frame that did not go to the card is over once it is answered; any other once the card is done with it as well. */
  #endIfOver(): void {
    const isOnCard = this.#onCard !== undefined && this.#onCard.index >= 0;
    if (this.#isAnswered && (this.#isOffCard || !isOnCard)) this.#book.end();
  }
}
