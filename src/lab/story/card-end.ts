import type { Direction } from '../../../nic/context.js';
import { type CardContext, isAtOrAfter, type SeenAccess } from './card-context.js';
import type { AccessFacts, StoryBook } from './story-book.js';

/** What a trail says of the end of a frame on the card. */
export interface CardEndPlan {
  readonly way: Direction;
  /** Last descriptor of the frame; undefined while the card is not done with it. */
  readonly doneWith: () => number | undefined;
  /** Told in the step of the interrupt. */
  readonly afterInterrupt: string;
  /** The driver hears of it: by an interrupt, or because it polls with interrupts masked. */
  readonly onHeard: (isInterrupted: boolean) => void;
}

/** The end of every frame on the card, whichever way it goes: the consumer index in memory, then the interrupt. */
export class CardEnd {
  readonly #book: StoryBook;
  readonly #card: CardContext;
  readonly #plan: CardEndPlan;
  /** The last write of the status block, told once it is known to carry our completion. */
  #statusWrite: AccessFacts | undefined;
  #writtenBack = false;

  constructor(book: StoryBook, card: CardContext, plan: CardEndPlan) {
    this.#book = book;
    this.#card = card;
    this.#plan = plan;
    const { streams } = card.host.nic;
    const { index } = card.context;
    book.watch(
      streams.completions$.subscribe(({ context, transmitConsumer, receiveConsumer }) => {
        if (context !== index || this.#writtenBack) return;
        this.#onWrittenBack(plan.way === 'transmit' ? transmitConsumer : receiveConsumer);
      }),
      streams.interrupts$.subscribe(({ contexts }) => {
        if (!this.#writtenBack || !contexts.includes(index)) return;
        book.add('hypervisor', 'The card interrupts the hypervisor', [
          `one interrupt, one vector, with the bits of ${contexts.length === 1 ? 'context' : 'contexts'} ${contexts.join(', ')}`,
          plan.afterInterrupt,
        ]);
        plan.onHeard(true);
      }),
    );
  }

  /** Whether an access of the context is a write of its status block, which is kept. */
  takes(access: SeenAccess): boolean {
    if (!access.write || access.address !== this.#card.context.statusAddress) return false;
    const { facts, ...rest } = this.#card.factsOf(access);
    const [where = '', ...via] = facts;
    this.#statusWrite = { ...rest, facts: [`${access.length} bytes ${where}`, ...via] };
    return true;
  }

  /** The card writes one status block per context at a time, so the last one written is the one that is complete. */
  #onWrittenBack(consumer: number): void {
    const last = this.#plan.doneWith();
    if (last === undefined || !isAtOrAfter((consumer - 1) >>> 0, last)) return;
    this.#writtenBack = true;
    const said = `${this.#plan.way} consumer ${consumer}: the descriptors before it are finished`;
    const { facts = [], page = -1, walk } = this.#statusWrite ?? {};
    this.#book.add('memory', 'The consumer index is written back', [said, ...facts], { page, walk });
    const { context, port } = this.#card;
    if (!context.interruptsMasked) return;
    const { kind, name } = port.domain;
    this.#book.add(kind === 'guest' ? 'guest' : 'driver-domain', 'No interrupt is raised for it', [
      `${name} has masked the interrupts of its context: it polls, and finds the index when it looks`,
    ]);
    this.#plan.onHeard(false);
  }
}
