import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { runs as ofRuns } from '../support/whole.js';
import { Card } from './support/card.js';
import { BROADCAST, ELSEWHERE, frame, macOf } from './support/frames.js';
import { Guest } from './support/guest.js';
import { CONTEXTS, Machine } from './support/machine.js';
import { COALESCE_FRAMES, COALESCE_NS, INTERRUPT_MASK, M_SWITCHING, STATUS } from './support/registers.js';

type Command = fc.Command<object, Machine>;

function command(name: string, run: (machine: Machine) => void): Command {
  return {
    check: () => true,
    run: (_, machine) => {
      run(machine);
      machine.check();
    },
    toString: () => name,
  };
}

const context = fc.nat(CONTEXTS - 1);
const length = fc.oneof(fc.constantFrom(14, 60, 1514, 2000), fc.integer({ min: 14, max: 2000 }));

const opens = fc
  .tuple(context, fc.boolean())
  .map(([c, checked]) => command(`open(${c}, ${checked})`, (machine) => machine.open(c, checked)));

const revokes = context.map((c) => command(`revoke(${c})`, (machine) => machine.revoke(c)));

const posts = fc
  .tuple(context, length, fc.array(fc.integer({ min: 1, max: 400 }), { maxLength: 5 }), fc.boolean())
  .map(([c, bytes, pieces, rings]) =>
    command(`post(${c}, ${bytes}, [${pieces}])${rings ? ', ring' : ''}`, (machine) => {
      machine.post(c, bytes, pieces);
      if (rings) machine.ring(c);
    }),
  );

const rings = context.map((c) => command(`ring(${c})`, (machine) => machine.ring(c)));

const offers = fc
  .tuple(context, fc.integer({ min: 1, max: 16 }), fc.constantFrom(64, 300, 2048))
  .map(([c, count, bytes]) =>
    command(`offer(${c}, ${count} x ${bytes})`, (machine) => machine.offer(c, count, bytes)),
  );

const arrives = fc
  .tuple(fc.oneof(context.map(macOf), fc.constantFrom(BROADCAST, ELSEWHERE)), length)
  .map(([to, bytes]) =>
    command(`arrive(${to.toString(16)}, ${bytes})`, (machine) => machine.arrive(to, Math.max(60, bytes))),
  );

const refuses = fc
  .tuple(context, fc.nat(12))
  .map(([c, after]) => command(`refuse(${c}, after ${after})`, (machine) => machine.refuseOne(c, after)));

const delays = fc.constantFrom(0, 200, 20_000).map((spreadNs) =>
  command(`gate takes up to ${spreadNs} ns`, (machine) => {
    machine.card.host.takesNs = ({ address }) =>
      spreadNs === 0 ? 0 : (Math.imul(address, 0x9e3779b1) >>> 0) % spreadNs;
  }),
);

const misleads = fc.tuple(context, fc.constantFrom(17, 0xffff_ffff, 40_000)).map(([c, ahead]) =>
  command(`ring(${c}, ${ahead} ahead)`, (machine) => {
    // What was posted is rung and decoded first: a doorbell that is overwritten before is as if it never was.
    machine.ring(c);
    machine.card.run(200);
    const guest = machine.guest(c);
    guest?.ring((guest.txProducer + ahead) >>> 0);
  }),
);

const settings = fc
  .tuple(context, fc.constantFrom(1, 3, 100), fc.constantFrom(0, 3_000), fc.nat(1))
  .map(([c, frames, ns, masked]) =>
    command(`coalesce(${c}, ${frames}, ${ns} ns), mask ${masked}`, (machine) => {
      const guest = machine.guest(c);
      guest?.mailbox(COALESCE_FRAMES, frames);
      guest?.mailbox(COALESCE_NS, ns);
      guest?.mailbox(INTERRUPT_MASK, masked);
    }),
  );

const runs = fc
  .constantFrom(0, 90, 400, 1_500, 6_000, 25_000)
  .map((ns) => command(`run(${ns})`, (machine) => machine.card.run(ns)));

const settles = fc.constant(command('settle', (machine) => machine.checkSettled()));

const cards = fc.record({
  descriptorBatch: fc.constantFrom(1, 4, 16),
  descriptorCacheSlots: fc.constantFrom(16, 64),
  dmaInFlight: fc.constantFrom(1, 3, 64),
  transmitFifoBytes: fc.constantFrom(9018, 32_768),
  receiveShareBytes: fc.constantFrom(9018, 131_072),
  receiveDmaBytes: fc.constantFrom(9018, 65_536),
  rateBps: fc.constantFrom(1e9, 25e9),
});

describe('nothing vanishes', () => {
  it('frames in are frames out, dropped with a reason, or inside, whatever the guests and the gate do', () => {
    const often = [posts, posts, rings, offers, arrives, arrives, runs, runs];
    const seldom = [opens, revokes, refuses, delays, misleads, settings, settles];
    fc.assert(
      fc.property(
        cards,
        fc.commands([...often, ...often, ...often, ...seldom], { maxCommands: 60, size: '+1' }),
        (parameters, commands) => {
          const machine = new Machine(parameters);
          for (let index = 0; index < CONTEXTS; index += 1) machine.open(index, index !== 0);
          fc.modelRun(() => ({ model: {}, real: machine }), commands);
          machine.checkSettled();
        },
      ),
      { numRuns: ofRuns(200) },
    );
  });

  it('not between contexts inside the card either', () => {
    const sends = fc.array(fc.tuple(fc.nat(3), fc.nat(4), fc.integer({ min: 60, max: 1514 })), {
      minLength: 1,
      maxLength: 40,
    });
    fc.assert(
      fc.property(sends, fc.nat(20), (list, buffers) => {
        const card = new Card();
        const guests = [0, 1, 2, 3].map((index) => new Guest(card, index, { slotsLog2: 5 }));
        card.manage(M_SWITCHING, 1);
        for (const guest of guests) guest.offer(buffers);
        let copies = 0;
        for (const [from, to, bytes] of list) {
          const guest = guests[from];
          if (guest === undefined || guest.txProducer >= 30) continue;
          guest.send(frame(bytes, to === 4 ? BROADCAST : macOf(to), macOf(from)));
          copies += to === 4 ? 3 : 1;
          card.run(300);
        }
        card.settle();
        const received = guests.map((guest) => guest.collect().length).reduce((a, b) => a + b, 0);
        expect(received + card.drops.length).toBe(copies);
        expect(guests.map((guest) => guest.peek(STATUS))).toEqual([2, 2, 2, 2]);
      }),
      { numRuns: ofRuns(60) },
    );
  });
});
