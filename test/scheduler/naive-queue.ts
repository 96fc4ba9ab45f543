/** What an event of the model does when it runs. */
export type Behaviour =
  | { readonly kind: 'plain' }
  | { readonly kind: 'spawns'; readonly delays: readonly number[] }
  | { readonly kind: 'cancels'; readonly back: number }
  | { readonly kind: 'throws' }
  | { readonly kind: 'reports' };

export interface NaiveEvent {
  readonly id: number;
  readonly timeNs: number;
  readonly behaviour: Behaviour;
}

/**
 * The event queue in its simplest form: a list, searched from the front for the earliest time. Events keep
 * the order in which they were added, so the first one found among equals is the first one scheduled.
 */
export class NaiveQueue {
  nowNs = 0;
  executed = 0;
  nextId = 0;
  readonly log: string[] = [];
  readonly #waiting: NaiveEvent[] = [];

  get pending(): number {
    return this.#waiting.length;
  }

  get nextTimeNs(): number | undefined {
    return this.#first()?.timeNs;
  }

  schedule(timeNs: number, behaviour: Behaviour): number {
    const id = this.nextId;
    this.nextId += 1;
    this.#waiting.push({ id, timeNs, behaviour });
    return id;
  }

  cancel(id: number): boolean {
    const index = this.#waiting.findIndex((event) => event.id === id);
    if (index < 0) return false;
    this.#waiting.splice(index, 1);
    return true;
  }

  /** Runs the next event that is due by `untilNs`; returns whether there was one, or what it threw. */
  step(untilNs = Number.POSITIVE_INFINITY): boolean | string {
    const event = this.#first();
    if (event === undefined || event.timeNs > untilNs) return false;
    this.cancel(event.id);
    this.nowNs = event.timeNs;
    this.executed += 1;
    this.log.push(`${event.id} at ${event.timeNs}`);
    switch (event.behaviour.kind) {
      case 'plain':
        return true;
      case 'spawns':
        for (const delayNs of event.behaviour.delays) this.schedule(this.nowNs + delayNs, { kind: 'plain' });
        return true;
      case 'cancels':
        this.log.push(`cancelled ${this.cancel(event.id - event.behaviour.back)}`);
        return true;
      case 'throws':
      case 'reports':
        return `${event.behaviour.kind} ${event.id}`;
    }
  }

  #first(): NaiveEvent | undefined {
    let first: NaiveEvent | undefined;
    for (const event of this.#waiting) if (first === undefined || event.timeNs < first.timeNs) first = event;
    return first;
  }
}
