import type { Subscription } from 'rxjs';
import type { Host } from '../../../host/host.js';
import type { AccessWalk } from '../access-steps.js';
import type { FrameStep, Station } from './frame-story.js';

/** Accesses that are told one by one: a frame in many buffers makes many, and the end of its story is told all the same. */
const MOST_ACCESSES = 60;

/** Facts about an access of the card. */
export interface AccessFacts {
  readonly facts: readonly string[];
  /** Page that is touched, or -1. */
  readonly page: number;
  readonly walk: AccessWalk;
}

/** The steps of a story as they are written, and the taps that they are written from. */
export class StoryBook {
  readonly steps: FrameStep[];
  readonly #host: Host;
  readonly #subscriptions: Subscription[] = [];
  #finished = false;
  #accesses = 0;

  constructor(host: Host, steps: FrameStep[] = []) {
    this.#host = host;
    this.steps = steps;
  }

  /** A part of the same story, with taps of its own that may be let go of earlier. */
  part(): StoryBook {
    return new StoryBook(this.#host, this.steps);
  }

  get finished(): boolean {
    return this.#finished;
  }

  /** Taps that are listened to until the story ends. */
  watch(...subscriptions: Subscription[]): void {
    this.#subscriptions.push(...subscriptions);
  }

  close(): void {
    for (const subscription of this.#subscriptions.splice(0)) subscription.unsubscribe();
  }

  /** Nothing more will happen to the frame. */
  end(): void {
    this.#finished = true;
    this.close();
  }

  /** A step that was noted when it happened, and belongs to the story as it turns out. */
  put(step: FrameStep): void {
    this.steps.push(step);
  }

  /** A step at this instant, or, while a domain works, as far into its work as it has come. */
  add(
    station: Station,
    title: string,
    facts: readonly string[],
    more: { readonly page?: number; readonly walk?: AccessWalk | undefined } = {},
  ): void {
    const { page = -1, walk } = more;
    const { kernel, processor } = this.#host;
    const atNs = kernel.nowNs + processor.elapsedNs;
    this.steps.push({ atNs, station, title, facts, page, ...(walk === undefined ? {} : { walk }) });
  }

  /** An access that the gate was asked about: those beyond the first ones are counted and told together. */
  addAccess(title: string, { facts, page, walk }: AccessFacts): void {
    this.#accesses += 1;
    if (this.#accesses <= MOST_ACCESSES) {
      this.add('access-gate', title, facts, { page, walk });
      return;
    }
    const more = this.#accesses - MOST_ACCESSES;
    const index = this.steps.findLastIndex(({ station }) => station === 'access-gate');
    if (more > 1) this.steps.splice(index, 1);
    const all = [`the last: ${title}`, ...facts];
    this.add('access-gate', `${more} more ${more === 1 ? 'access' : 'accesses'} of the card`, all, {
      page,
      walk,
    });
  }
}
