import { PAGE_BYTES } from '../../../host/memory/physical-memory.js';
import type { TimedMove } from '../../../host/protection/driver-domain/bridge-moves.js';
import type { DriverDomainProtection } from '../../../host/protection/driver-domain/driver-domain.js';
import type { FrontEnd } from '../../../host/protection/driver-domain/front-end.js';
import { hex } from '../notation.js';
import type { CardContext } from './card-context.js';
import type { FrameStep } from './frame-story.js';
import { grantStep } from './grant-facts.js';
import { ReceiveTrail } from './receive-trail.js';
import type { StoryBook } from './story-book.js';

/**
 * The next frame for a guest behind a driver domain: through the driver domain's own context of the card like any other, or from
 * another guest, then the grant of the guest's buffer, what the hypervisor copies or exchanges, and the event.
 */
export class BridgeReceiveTrail {
  readonly #book: StoryBook;
  readonly #card: CardContext;
  readonly #front: FrontEnd;
  readonly #trail: ReceiveTrail;
  readonly #onCard: StoryBook;
  /** The port of the guest that has sent the frame which was taken last, or -1. */
  #sender = -1;
  #uses: FrameStep[] = [];
  #isCollected = false;
  #isInterrupted = false;
  #request = -1;
  #bytes = 0;

  /** @param onCard writes the same story, and is closed when the frame has left the card */
  constructor(
    book: StoryBook,
    onCard: StoryBook,
    bridge: DriverDomainProtection,
    card: CardContext,
    front: FrontEnd,
  ) {
    this.#book = book;
    this.#card = card;
    this.#front = front;
    this.#onCard = onCard;
    this.#trail = new ReceiveTrail(onCard, card, {
      accepts: ({ destination }) => destination === front.mac,
      afterInterrupt: 'the hypervisor sends the driver domain a virtual interrupt',
      onHeard: (isInterrupted) => {
        this.#isInterrupted = isInterrupted;
        onCard.close();
      },
      onLost: () => book.end(),
    });
    book.watch(bridge.moves$.subscribe((move) => this.#onMove(move)));
  }

  /** Last request that the frame is in, or -1. */
  get index(): number {
    return this.#request;
  }

  get bytes(): number {
    return Math.max(this.#bytes, this.#trail.bytes);
  }

  #onMove(move: TimedMove): void {
    if (move.kind === 'grant') {
      if (this.#request < 0) this.#uses.push(grantStep(this.#card.host, move));
      return;
    }
    const uses = this.#uses;
    this.#uses = [];
    switch (move.kind) {
      case 'taken':
        this.#isCollected = false;
        this.#sender = move.port;
        break;
      case 'collected':
        this.#sender = -1;
        this.#isCollected = this.#trail.isComplete && move.descriptor === this.#trail.lastIndex;
        if (this.#isCollected) this.#onCollected();
        break;
      case 'delivered':
        if (move.port === this.#front.context && this.#isAbout())
          this.#onDelivered(move.request, move.bytes, uses);
        break;
      case 'dropped':
        if (this.#isCollected && this.#request < 0) this.#onDropped(move.reason, uses);
        break;
      case 'told':
        if (move.port === this.#front.context && this.#request >= 0) this.#onTold();
        break;
      case 'served':
        if (this.#request >= 0) this.#onNotTold();
        break;
      default:
        break;
    }
  }

  /** Whether what is delivered now is our frame: the one that came over the card, or, before any has, one from a guest. */
  #isAbout(): boolean {
    if (this.#request >= 0) return false;
    return this.#isCollected || (this.#sender >= 0 && this.#trail.bytes === 0);
  }

  #onCollected(): void {
    this.#onCard.close();
    this.#book.add('driver-domain', 'The driver domain takes the frame from its ring', [
      this.#isInterrupted
        ? 'it was woken by the interrupt'
        : 'no interrupt was needed for it: the driver domain was at work and looked',
      'its bridge finds the guest by the destination of the frame',
    ]);
  }

  #onDelivered(request: number, bytes: number, uses: readonly FrameStep[]): void {
    this.#onCard.close();
    this.#request = request;
    this.#bytes = bytes;
    const { name } = this.#card;
    if (!this.#isCollected) {
      this.#book.add('driver-domain', `A frame of ${bytes} bytes comes from another guest`, [
        `the ${name} has taken it out of the ring of port ${this.#sender}; it never sees the card`,
      ]);
    }
    for (const use of uses) this.#book.put(use);
    const { shared } = this.#front.receive;
    const at = shared.addressOf(request);
    const { domain } = this.#front;
    this.#book.add(
      'memory',
      `Request ${request} of ${domain.name} is answered`,
      [
        `the slot at ${hex(at)} names page ${shared.word(request)}, ${shared.length(request)} bytes from ${shared.offset(request)} on`,
        `the frame is complete in memory of ${domain.name}`,
      ],
      { page: Math.floor(at / PAGE_BYTES) },
    );
  }

  #onDropped(reason: string, uses: readonly FrameStep[]): void {
    for (const use of uses) this.#book.put(use);
    this.#book.add('driver-domain', `The bridge drops the frame: ${reason}`, ['the guest never hears of it']);
    this.#book.end();
  }

  #onTold(): void {
    const { name } = this.#front.domain;
    this.#book.add('hypervisor', `The driver domain sends ${name} an event`, [
      'a hypercall of the driver domain; the hypervisor sends the virtual interrupt, and the driver takes the frame',
    ]);
    this.#book.end();
  }

  #onNotTold(): void {
    const { name } = this.#front.domain;
    this.#book.add('guest', `${name} is not told: it has not asked for an event`, [
      'its driver is polling, or waits for more frames; it takes this one when it looks',
    ]);
    this.#book.end();
  }
}
