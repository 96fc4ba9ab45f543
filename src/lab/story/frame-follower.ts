import type { Host } from '../../../host/host.js';
import { PAGE_BYTES } from '../../../host/memory/physical-memory.js';
import type { Direction } from '../../../nic/context.js';
import type { ShownGuest } from '../columns.js';
import { hex } from '../notation.js';
import { bridgeOf, isContextPort, isFrontEnd } from '../probes.js';
import { BridgeReceiveTrail } from './bridge-receive-trail.js';
import { BridgeSendTrail } from './bridge-send-trail.js';
import { CardContext } from './card-context.js';
import type { FrameStory } from './frame-story.js';
import { ReceiveTrail } from './receive-trail.js';
import { StoryBook } from './story-book.js';
import { TransmitTrail } from './transmit-trail.js';

/** A frame that is on its way, as far as it is known. */
interface Trail {
  /** Its first descriptor or request, or -1. */
  readonly index: number;
  readonly bytes: number;
}

/**
 * Follows the next frame that a guest sends, or the next one that comes for it. It subscribes to taps and reads memory; the run
 * is the same with and without it.
 */
export class FrameFollower {
  readonly #guest: ShownGuest;
  readonly #way: Direction;
  readonly #book: StoryBook;
  readonly #onCard: StoryBook | undefined;
  readonly #trail: Trail | undefined;

  constructor(host: Host, guest: ShownGuest, way: Direction = 'transmit') {
    this.#guest = guest;
    this.#way = way;
    this.#book = new StoryBook(host);
    const { port } = guest;
    const bridge = bridgeOf(host);
    if (bridge !== undefined && isFrontEnd(port)) {
      const card = new CardContext(host, bridge.device);
      if (way === 'transmit') {
        this.#trail = new BridgeSendTrail(this.#book, bridge, card, port);
        return;
      }
      this.#onCard = this.#book.part();
      this.#trail = new BridgeReceiveTrail(this.#book, this.#onCard, bridge, card, port);
      return;
    }
    if (!isContextPort(port)) return;
    const card = new CardContext(host, port);
    this.#trail = way === 'transmit' ? this.#sent(card) : this.#received(card);
  }

  get story(): FrameStory {
    const { domain, port } = this.#guest;
    return {
      guest: domain.name,
      way: this.#way,
      column: domain.id,
      context: port.context,
      index: this.#trail?.index ?? -1,
      // 0: the frame is not known yet.
      bytes: this.#trail?.bytes ?? 0,
      finished: this.#book.finished,
      steps: this.#book.steps,
    };
  }

  close(): void {
    this.#book.close();
    this.#onCard?.close();
  }

  #sent(card: CardContext): Trail {
    const { name } = this.#guest.domain;
    const trail: TransmitTrail = new TransmitTrail(this.#book, card, {
      begin: (address, length) => {
        const page = Math.floor(address / PAGE_BYTES);
        this.#book.add(
          'guest',
          `${name} has a frame of ${trail.bytes} bytes to send`,
          [
            `its driver wrote the bytes to ${hex(address)}, ${length} bytes in the first buffer`,
            `page ${page} belongs to ${card.ownerOf(page)}`,
          ],
          { page },
        );
      },
      afterInterrupt: `the hypervisor sends ${name} a virtual interrupt, and its driver takes the buffer back`,
      onEnd: () => this.#book.end(),
    });
    return trail;
  }

  #received(card: CardContext): Trail {
    const { name } = this.#guest.domain;
    return new ReceiveTrail(this.#book, card, {
      accepts: () => true,
      afterInterrupt: `the hypervisor sends ${name} a virtual interrupt, and its driver takes the frame`,
      onHeard: () => this.#book.end(),
      onLost: () => this.#book.end(),
    });
  }
}
