import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type EventHandle, EventKernel } from '../../scheduler/event-kernel.js';
import { either } from '../support/whole.js';
import { type Behaviour, NaiveQueue } from './naive-queue.js';

/** The kernel, with handlers that do what the model's events do. */
class Machine {
  readonly kernel = new EventKernel(16);
  readonly log: string[] = [];
  readonly #rooms: number[];
  readonly #behaviours: Behaviour[] = [];
  readonly #handles: EventHandle[] = [];

  constructor() {
    this.#rooms = ['north', 'south', 'east'].map((room) => this.kernel.register(room, (id) => this.#run(id)));
  }

  schedule(delayNs: number, behaviour: Behaviour): void {
    const id = this.#note(behaviour);
    this.#handles[id] = this.kernel.schedule(delayNs, this.#room(id), id);
  }

  scheduleAt(timeNs: number, behaviour: Behaviour): void {
    const id = this.#note(behaviour);
    this.#handles[id] = this.kernel.scheduleAt(timeNs, this.#room(id), id);
  }

  cancel(id: number): boolean {
    return this.kernel.cancel(this.#handles[id] ?? -1);
  }

  #note(behaviour: Behaviour): number {
    return this.#behaviours.push(behaviour) - 1;
  }

  #room(id: number): number {
    return this.#rooms[id % this.#rooms.length] ?? 0;
  }

  #run(id: number): void {
    this.log.push(`${id} at ${this.kernel.nowNs}`);
    const behaviour = this.#behaviours[id];
    if (behaviour === undefined) throw new Error(`no event ${id}`);
    if (behaviour.kind === 'spawns')
      for (const delayNs of behaviour.delays) this.schedule(delayNs, { kind: 'plain' });
    if (behaviour.kind === 'cancels') this.log.push(`cancelled ${this.cancel(id - behaviour.back)}`);
    if (behaviour.kind === 'throws') throw new Error(`throws ${id}`);
    if (behaviour.kind === 'reports') this.kernel.fail(new Error(`reports ${id}`));
  }
}

type Command = fc.Command<NaiveQueue, Machine>;

function agree(model: NaiveQueue, real: Machine): void {
  real.kernel.checkInvariants();
  // Lines compared before are not compared again: the logs grow to thousands of lines.
  expect(real.log.splice(0)).toEqual(model.log.splice(0));
  expect(real.kernel.nowNs).toBe(model.nowNs);
  expect(real.kernel.pending).toBe(model.pending);
  expect(real.kernel.executed).toBe(model.executed);
}

function command(name: string, run: (model: NaiveQueue, real: Machine) => void): Command {
  return {
    check: () => true,
    run: (model, real) => {
      run(model, real);
      agree(model, real);
    },
    toString: () => name,
  };
}

/** Runs the model while `more` allows it; the real one has to end in the same way. */
function together(model: NaiveQueue, more: () => boolean, untilNs: number, run: () => void): boolean {
  while (more()) {
    const outcome = model.step(untilNs);
    if (typeof outcome === 'string') {
      expect(run).toThrow(new Error(outcome));
      return false;
    }
    if (!outcome) break;
  }
  run();
  return true;
}

const delayNs = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(0, 0, 1, 1, 2, 63, 64, 65, 255, 256, 257) },
  { weight: 4, arbitrary: fc.nat(20) },
  { weight: 2, arbitrary: fc.nat(2_000) },
  { weight: 1, arbitrary: fc.nat(3_000_000) },
  { weight: 1, arbitrary: fc.integer({ min: 2 ** 32 - 3, max: 2 ** 32 + 3 }) },
  { weight: 1, arbitrary: fc.nat(2 ** 44) },
);

const behaviour: fc.Arbitrary<Behaviour> = fc.oneof(
  { weight: 6, arbitrary: fc.constant<Behaviour>({ kind: 'plain' }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('spawns' as const),
      delays: fc.array(delayNs, { maxLength: 4 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('cancels' as const), back: fc.integer({ min: -3, max: 5 }) }),
  },
  { weight: 1, arbitrary: fc.constant<Behaviour>({ kind: 'throws' }) },
  { weight: 1, arbitrary: fc.constant<Behaviour>({ kind: 'reports' }) },
);

const scheduled = fc.tuple(delayNs, behaviour).map(([delay, what]) =>
  command(`schedule(${delay}, ${JSON.stringify(what)})`, (model, real) => {
    model.schedule(model.nowNs + delay, what);
    real.schedule(delay, what);
  }),
);

const scheduledAt = fc.tuple(delayNs, behaviour).map(([offset, what]) =>
  command(`scheduleAt(now + ${offset}, ${JSON.stringify(what)})`, (model, real) => {
    model.schedule(model.nowNs + offset, what);
    real.scheduleAt(real.kernel.nowNs + offset, what);
  }),
);

const burst = fc.tuple(fc.integer({ min: 20, max: 90 }), delayNs).map(([count, delay]) =>
  command(`${count} events over ${delay} ns`, (model, real) => {
    for (let index = 0; index < count; index += 1) {
      const at = (index * 7919) % (delay + 1);
      model.schedule(model.nowNs + at, { kind: 'plain' });
      real.schedule(at, { kind: 'plain' });
    }
  }),
);

// Also events that have run, were cancelled before, or never existed.
const cancelled = fc.nat(200).map((pick) =>
  command(`cancel(${pick})`, (model, real) => {
    const id = model.nextId === 0 ? -1 : pick % (model.nextId + 1);
    expect(real.cancel(id)).toBe(model.cancel(id));
  }),
);

const cancelledMany = fc.constant(
  command('cancel two of three', (model, real) => {
    for (let id = 0; id < model.nextId; id += 1)
      if (id % 3 > 0) expect(real.cancel(id)).toBe(model.cancel(id));
  }),
);

const ranUntil = delayNs.map((delay) =>
  command(`run(now + ${delay})`, (model, real) => {
    const untilNs = model.nowNs + delay;
    const finished = together(
      model,
      () => true,
      untilNs,
      () => real.kernel.run(untilNs),
    );
    if (finished) model.nowNs = untilNs;
  }),
);

const stepped = fc.constant(
  command('step', (model, real) => {
    const expected = model.step();
    if (typeof expected === 'string') expect(() => real.kernel.step()).toThrow(new Error(expected));
    else expect(real.kernel.step()).toBe(expected);
  }),
);

const drained = fc.integer({ min: 0, max: 30 }).map((most) =>
  command(`drain(${most})`, (model, real) => {
    let left = most;
    const before = model.executed;
    together(
      model,
      () => {
        left -= 1;
        return left >= 0;
      },
      Number.POSITIVE_INFINITY,
      () => expect(real.kernel.drain(most)).toBe(model.executed - before),
    );
  }),
);

const askedForNext = fc.constant(
  command('nextTimeNs', (model, real) => expect(real.kernel.nextTimeNs()).toBe(model.nextTimeNs)),
);

const refused = fc.constantFrom(-1, -0.5, 0.5, Number.NaN, Infinity, -Infinity, 2 ** 53).map((bad) =>
  command(`schedule(${bad}) is refused`, (_model, real) => {
    const handler = real.kernel.register('west', () => {});
    expect(() => real.kernel.schedule(bad, handler)).toThrow(/^west: /);
    expect(() => real.kernel.scheduleAt(real.kernel.nowNs + bad, handler)).toThrow(/^west: /);
  }),
);

it('the kernel does what a sorted list does, for any sequence of calls', () => {
  fc.assert(
    fc.property(
      fc.commands(
        [
          scheduled,
          scheduled,
          scheduled,
          scheduledAt,
          burst,
          cancelled,
          cancelled,
          cancelledMany,
          ranUntil,
          ranUntil,
          stepped,
          stepped,
          drained,
          askedForNext,
          refused,
        ],
        { maxCommands: 60, size: 'max' },
      ),
      (commands) => {
        fc.modelRun(() => ({ model: new NaiveQueue(), real: new Machine() }), commands);
      },
    ),
    { numRuns: either(400, 50) },
  );
});
