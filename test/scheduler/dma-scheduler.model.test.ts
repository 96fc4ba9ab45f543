import fc from 'fast-check';
import { expect, it } from 'vitest';
import { storedContextId } from '../../scheduler/branded.js';
import { DmaScheduler, type Grant } from '../../scheduler/dma-scheduler.js';
import { EventKernel } from '../../scheduler/event-kernel.js';
import { either } from '../support/whole.js';
import { WatchedRoundRobin } from './watched-round-robin.js';

const CONTEXTS = 5;
const CAPACITY_BYTES = 4_000;

/** What the component behind the scheduler does in the call that reports a grant. */
type Reaction =
  | { readonly kind: 'none' }
  | { readonly kind: 'rings'; readonly context: number }
  | { readonly kind: 'posts'; readonly context: number; readonly bytes: number }
  | { readonly kind: 'gives back' }
  | { readonly kind: 'withdraws'; readonly context: number; readonly andRings: boolean }
  | { readonly kind: 'leaves'; readonly context: number; readonly andReturns: boolean };

/** A context's queue as its driver sees it: frames posted, of which the device knows the first `fetched`. */
class Queue {
  frames: number[] = [];
  fetched = 0;

  get headBytes(): number {
    return this.fetched > 0 ? (this.frames[0] ?? 0) : 0;
  }

  take(): number {
    this.fetched -= 1;
    return this.frames.shift() ?? 0;
  }
}

/** The expected behaviour in its simplest form: a list of waiting contexts, and a loop that serves the first. */
class Model {
  readonly queues = Array.from({ length: CONTEXTS }, () => new Queue());
  readonly joined = new Set<number>();
  readonly grants: [number, number][] = [];
  readonly reactions: Reaction[] = [];
  waiting: number[] = [];
  creditBytes = CAPACITY_BYTES;
  outstandingBytes = 0;
  #asked = false;
  #served = -1;

  head(context: number): number {
    return this.queues[context]?.headBytes ?? 0;
  }

  ring(context: number): void {
    if (this.joined.has(context) && !this.waiting.includes(context) && this.head(context) > 0) {
      this.waiting.push(context);
      this.#asked = true;
    }
  }

  withdraw(context: number): void {
    if (!this.waiting.includes(context)) return;
    if (this.#served === context) this.#served = -1;
    this.waiting = this.waiting.filter((other) => other !== context);
    this.#asked = true;
  }

  leave(context: number): void {
    this.withdraw(context);
    this.joined.delete(context);
  }

  decide(): void {
    // A queue that was emptied without notice is discovered when it is next read.
    if (this.#asked) this.#serve();
    this.#asked = false;
  }

  #serve(): void {
    for (;;) {
      const [context] = this.waiting;
      if (context === undefined) return;
      const bytes = this.head(context);
      if (bytes === 0) {
        this.withdraw(context);
        continue;
      }
      if (bytes > this.creditBytes) return;
      this.creditBytes -= bytes;
      this.outstandingBytes += bytes;
      this.queues[context]?.take();
      this.grants.push([context, bytes]);
      this.#served = context;
      react(this, this.reactions.shift());
      if (this.#served !== context) continue;
      this.withdraw(context);
      this.ring(context);
    }
  }

  giveBack(bytes: number): void {
    this.outstandingBytes -= bytes;
    this.creditBytes += bytes;
    this.#asked = true;
  }

  join(context: number): void {
    this.joined.add(context);
  }
}

/** The real scheduler between a kernel and the queues. */
class Machine {
  readonly kernel = new EventKernel(16);
  readonly queues = Array.from({ length: CONTEXTS }, () => new Queue());
  readonly grants: [number, number][] = [];
  readonly told: Grant[] = [];
  readonly reactions: Reaction[] = [];
  readonly scheduler: DmaScheduler;
  outstandingBytes = 0;

  constructor() {
    this.scheduler = new DmaScheduler(this.kernel, {
      name: 'test',
      discipline: new WatchedRoundRobin(),
      heads: { headBytes: (context) => this.queues[context]?.headBytes ?? 0 },
      onGrant: (context) => this.#take(context),
    });
    this.scheduler.grants$.subscribe((grant) => this.told.push(grant));
    this.scheduler.credit(CAPACITY_BYTES);
  }

  ring(context: number): void {
    this.scheduler.ring(storedContextId(context));
  }

  withdraw(context: number): void {
    this.scheduler.withdraw(storedContextId(context));
  }

  leave(context: number): void {
    this.scheduler.leave(storedContextId(context));
  }

  join(context: number): void {
    this.scheduler.join(storedContextId(context), { weight: 1 });
  }

  giveBack(bytes: number): void {
    this.outstandingBytes -= bytes;
    this.scheduler.credit(bytes);
  }

  #take(context: number): void {
    const bytes = this.queues[context]?.take() ?? 0;
    this.outstandingBytes += bytes;
    this.grants.push([context, bytes]);
    react(this, this.reactions.shift());
  }
}

function react(side: Model | Machine, reaction: Reaction | undefined): void {
  switch (reaction?.kind) {
    case 'rings':
      side.ring(reaction.context);
      return;
    case 'posts':
      post(side, reaction.context, reaction.bytes);
      side.ring(reaction.context);
      return;
    case 'gives back':
      side.giveBack(side.outstandingBytes);
      return;
    case 'withdraws':
      side.withdraw(reaction.context);
      if (reaction.andRings) side.ring(reaction.context);
      return;
    case 'leaves':
      side.leave(reaction.context);
      if (reaction.andReturns) side.join(reaction.context);
      side.ring(reaction.context);
  }
}

function post(side: Model | Machine, context: number, bytes: number): void {
  const queue = side.queues[context];
  queue?.frames.push(bytes);
  if (queue !== undefined) queue.fetched = queue.frames.length;
}

type Command = fc.Command<Model, Machine>;

function command(
  name: string,
  act: (side: Model | Machine) => void,
  check = (_model: Readonly<Model>) => true,
): Command {
  return {
    check,
    run: (model, real) => {
      act(real);
      act(model);
      real.kernel.drain();
      model.decide();
      real.scheduler.checkInvariants();
      real.kernel.checkInvariants();
      expect(real.grants).toEqual(model.grants);
      expect(real.told.map(({ context, bytes }) => [context, bytes])).toEqual(model.grants);
      expect(real.scheduler.backlogged).toBe(model.waiting.length);
      expect(real.scheduler.decisions).toBe(model.grants.length);
      expect(real.scheduler.creditBytes).toBe(model.creditBytes);
      expect(real.scheduler.creditBytes + real.outstandingBytes).toBe(CAPACITY_BYTES);
    },
    toString: () => name,
  };
}

const context = fc.nat(CONTEXTS - 1);
const bytes = fc.constantFrom(60, 61, 594, 1_514, 3_999, CAPACITY_BYTES);

const reaction: fc.Arbitrary<Reaction> = fc.oneof(
  fc.constant<Reaction>({ kind: 'none' }),
  fc.constant<Reaction>({ kind: 'gives back' }),
  fc.record({ kind: fc.constant('rings' as const), context }),
  fc.record({ kind: fc.constant('posts' as const), context, bytes }),
  fc.record({ kind: fc.constant('withdraws' as const), context, andRings: fc.boolean() }),
  fc.record({ kind: fc.constant('leaves' as const), context, andReturns: fc.boolean() }),
);

const postedAndRung = fc
  .tuple(context, fc.array(bytes, { minLength: 1, maxLength: 4 }))
  .map(([who, frames]) =>
    command(`context ${who} posts ${frames} and rings`, (side) => {
      for (const frame of frames) post(side, who, frame);
      side.ring(who);
    }),
  );

const postedUnfetched = fc.tuple(context, bytes).map(([who, frame]) =>
  command(`context ${who} posts ${frame} and rings before the device can see it`, (side) => {
    side.queues[who]?.frames.push(frame);
    side.ring(who);
  }),
);

const fetched = context.map((who) =>
  command(`the device sees the queue of context ${who}, and rings`, (side) => {
    const queue = side.queues[who];
    if (queue !== undefined) queue.fetched = queue.frames.length;
    side.ring(who);
  }),
);

// A device that discards what it had fetched, without notice: the next dequeue finds nothing.
const unfetched = context.map((who) =>
  command(`the device discards what it fetched for context ${who}`, (side) => {
    const queue = side.queues[who];
    if (queue !== undefined) queue.fetched = 0;
  }),
);

const storm = fc.array(fc.integer({ min: -1, max: CONTEXTS + 70 }), { maxLength: 30 }).map((rings) =>
  command(`doorbells ${rings}`, (side) => {
    for (const who of rings) side.ring(who);
  }),
);

const gaveBack = fc.nat(3).map((part) =>
  command(`the link returns ${part} of 3 parts`, (side) => {
    side.giveBack(Math.floor((side.outstandingBytes * part) / 3));
  }),
);

const withdrew = context.map((who) => command(`context ${who} faults`, (side) => side.withdraw(who)));
const left = context.map((who) => command(`context ${who} leaves`, (side) => side.leave(who)));
const joined = context.map((who) =>
  command(
    `context ${who} joins`,
    (side) => side.join(who),
    (model) => !model.joined.has(who),
  ),
);

const reacts = fc.array(reaction, { minLength: 1, maxLength: 4 }).map((reactions) =>
  command(`on the next grants: ${JSON.stringify(reactions)}`, (side) => {
    side.reactions.push(...reactions);
  }),
);

it('grants what a list of waiting contexts would, under any doorbells, faults, departures and reactions', () => {
  const commands = [
    ...[postedAndRung, postedAndRung, postedAndRung, postedUnfetched, fetched, unfetched, storm],
    ...[gaveBack, gaveBack, gaveBack, withdrew, left, joined, joined, reacts, reacts],
  ];
  fc.assert(
    fc.property(fc.commands(commands, { maxCommands: 60, size: 'max' }), (run) => {
      fc.modelRun(() => {
        const [model, real] = [new Model(), new Machine()];
        for (let who = 0; who < 3; who += 1) {
          model.join(who);
          real.join(who);
        }
        return { model, real };
      }, run);
    }),
    { numRuns: either(400, 60) },
  );
});
