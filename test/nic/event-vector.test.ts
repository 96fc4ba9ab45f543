import fc from 'fast-check';
import { expect, it } from 'vitest';
import { EventVector } from '../../nic/event-vector.js';
import { contextId } from '../../scheduler/branded.js';

const CONTEXTS = 70;

/** What the vector stands for: a set of (context, mailbox). */
type Model = Set<string>;
type Command = fc.Command<Model, EventVector>;

function command(name: string, run: (model: Model, real: EventVector) => void): Command {
  return {
    check: () => true,
    run: (model, real) => {
      run(model, real);
      real.checkInvariants();
      expect(real.empty).toBe(model.size === 0);
    },
    toString: () => name,
  };
}

const bitsOf = (model: Model, context: number) =>
  Array.from({ length: 24 }, (_, mailbox) => (model.has(`${context}/${mailbox}`) ? 2 ** mailbox : 0)).reduce(
    (sum, bit) => sum + bit,
    0,
  );

const contextsOf = (model: Model) => [...model].map((key) => Number(key.split('/')[0])).sort((a, b) => a - b);

const context = fc.nat(CONTEXTS - 1);

const set = fc.tuple(context, fc.nat(23)).map(([c, mailbox]) =>
  command(`set(${c}, ${mailbox})`, (model, real) => {
    const first = model.size === 0;
    model.add(`${c}/${mailbox}`);
    expect(real.set(contextId(c), mailbox)).toBe(first);
  }),
);

const take = context.map((c) =>
  command(`take(${c})`, (model, real) => {
    const bits = bitsOf(model, c);
    expect(real.peek(contextId(c))).toBe(bits);
    expect(real.take(contextId(c))).toBe(bits);
    for (let mailbox = 0; mailbox < 24; mailbox += 1) model.delete(`${c}/${mailbox}`);
  }),
);

const next = fc.nat(CONTEXTS + 40).map((from) =>
  command(`nextContext(${from})`, (model, real) => {
    expect(real.nextContext(contextId(from))).toBe(contextsOf(model).find((c) => c >= from) ?? -1);
  }),
);

it('the two levels of the event vector are one set', () => {
  fc.assert(
    fc.property(fc.commands([set, set, take, next], { maxCommands: 60 }), (commands) => {
      fc.modelRun(() => ({ model: new Set<string>(), real: new EventVector(CONTEXTS) }), commands);
    }),
    { numRuns: 200 },
  );
});
