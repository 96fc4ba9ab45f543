import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { contextId } from '../../../scheduler/branded.js';
import { type Discipline, NONE } from '../../../scheduler/discipline.js';
import { DeficitRoundRobin } from '../../../scheduler/disciplines/deficit-round-robin.js';
import { makeDiscipline } from '../../../scheduler/disciplines/index.js';
import { SurplusRoundRobin } from '../../../scheduler/disciplines/surplus-round-robin.js';
import { STARVED } from '../../../scheduler/index.js';
import { LabLink } from '../lab-link.js';

const KEEPING = ['drr', 'srr', 'wf2q+'];

/**
 * Two greedy contexts on a link; the card knows `batch` frames of the first at a time, and learns of the next batch
 * only after `fetchFrames` frames of the second have been sent.
 */
function play(
  discipline: Discipline,
  {
    small,
    large,
    batch,
    fetchFrames,
    frames,
  }: Record<'small' | 'large' | 'batch' | 'fetchFrames' | 'frames', number>,
) {
  discipline.join(contextId(0), { weight: 1 });
  discipline.join(contextId(1), { weight: 1 });
  discipline.activate(contextId(0), small, 0);
  discipline.activate(contextId(1), large, 0);
  const bytes = [0, 0];
  let known = batch;
  let fetchedAfter = 0;
  for (let frame = 0; frame < frames; frame += 1) {
    const context = discipline.select(0);
    const length = context === 0 ? small : large;
    bytes[context] = (bytes[context] ?? 0) + length;
    if (context === 1) {
      discipline.served(contextId(1), large, large, 0);
      fetchedAfter -= 1;
      if (known === 0 && fetchedAfter === 0) {
        known = batch;
        discipline.activate(contextId(0), small, 0);
      }
    } else {
      known -= 1;
      if (known > 0) discipline.served(contextId(0), small, small, 0);
      else {
        fetchedAfter = fetchFrames;
        if (discipline.starve === undefined) discipline.served(contextId(0), small, 0, 0);
        else discipline.starve(contextId(0), small, 0);
      }
    }
    discipline.checkInvariants();
  }
  return bytes;
}

describe('a starved context', () => {
  it.each(KEEPING)('under %s keeps its share, although its frames are known a few at a time', (name) => {
    const [small = 0, large = 0] = play(makeDiscipline(name), {
      small: 60,
      large: 700,
      batch: 16,
      fetchFrames: 1,
      frames: 20_000,
    });
    // A batch has 960 bytes, and the next one arrives 700 bytes later. A discipline that treats the context as idle
    // between two batches gives it 960 bytes of a visit's 1,514.
    const share = small / (small + large);
    expect(share).toBeGreaterThan(0.49);
    expect(share).toBeLessThan(0.51);
  });

  it('of deficit round robin resumes its visit with its remaining deficit, before the next visit begins', () => {
    const drr = new DeficitRoundRobin({ quantumBytes: 1_000 });
    for (const context of [0, 1, 2]) {
      drr.join(contextId(context), { weight: 1 });
      drr.activate(contextId(context), 400);
    }
    expect(drr.select()).toBe(0);
    drr.starve(contextId(0), 400);
    expect(drr.deficitBytes(contextId(0))).toBe(600);
    expect(drr.select()).toBe(1);
    drr.activate(contextId(0), 600);
    drr.served(contextId(1), 400, 400);
    expect(drr.select()).toBe(0);
    drr.served(contextId(0), 600, 400);
    // Its visit is over; context 1 continues with its own.
    expect(drr.select()).toBe(1);
    drr.checkInvariants();
  });

  it('of surplus round robin keeps its debt', () => {
    const srr = new SurplusRoundRobin({ quantumBytes: 1_000 });
    for (const context of [0, 1]) {
      srr.join(contextId(context), { weight: 1 });
      srr.activate(contextId(context), 1_400);
    }
    srr.select();
    srr.starve(contextId(0), 1_400);
    srr.activate(contextId(0), 1_400);
    expect(srr.creditBytes(contextId(0))).toBe(-400);
    expect(srr.select()).toBe(1);
  });

  it.each(KEEPING)('under %s is not selected and blocks no other', (name) => {
    const discipline = makeDiscipline(name);
    discipline.join(contextId(0), { weight: 1 });
    discipline.join(contextId(1), { weight: 1 });
    discipline.activate(contextId(0), 100, 0);
    discipline.select(0);
    discipline.starve?.(contextId(0), 100, 0);
    expect(discipline.select(0)).toBe(NONE);
    discipline.activate(contextId(1), 100, 0);
    expect(discipline.select(0)).toBe(1);
    discipline.checkInvariants();
  });

  it.each(KEEPING)('under %s leaves, is withdrawn, and rejoins without its savings', (name) => {
    const discipline = makeDiscipline(name);
    for (const end of [() => discipline.leave(contextId(0), 0), () => discipline.withdraw(contextId(0), 0)]) {
      discipline.join(contextId(0), { weight: 1 });
      discipline.activate(contextId(0), 100, 0);
      discipline.select(0);
      discipline.starve?.(contextId(0), 100, 0);
      end();
      discipline.checkInvariants();
      if (discipline.select(0) !== NONE) expect.unreachable();
    }
    discipline.activate(contextId(0), 100, 0);
    expect(discipline.select(0)).toBe(0);
    discipline.checkInvariants();
  });

  it('in the DMA scheduler STARVED at the head keeps its position, and a 0 after it loses it', () => {
    const drr = new DeficitRoundRobin({ quantumBytes: 1_000 });
    const machine = new LabLink(drr, { sends: false });
    const known = [1, 0];
    machine.headBytes = (context) => {
      const frames = machine.queues.get(context) ?? [];
      if (frames.length === 0) return 0;
      return context === 0 && known[0] === 0 ? STARVED : (frames[0] ?? 0);
    };
    machine.onGrant = (context) => {
      known[context] = Math.max(0, (known[context] ?? 0) - 1);
    };
    machine.join(0);
    machine.join(1);
    machine.post(0, 400, 2);
    machine.kernel.drain();
    expect([machine.granted, machine.scheduler.backlogged, drr.deficitBytes(contextId(0))]).toEqual([
      [0],
      0,
      600,
    ]);
    machine.scheduler.checkInvariants();
    known[0] = 1;
    machine.ring(0);
    machine.kernel.drain();
    expect([machine.granted, drr.deficitBytes(contextId(0))]).toEqual([[0, 0], 0]);
    known[0] = 1;
    machine.post(0, 400, 2);
    machine.kernel.drain();
    expect(drr.deficitBytes(contextId(0))).toBe(600);
    machine.queues.get(0)?.splice(0);
    machine.ring(0);
    machine.scheduler.checkInvariants();
    expect(drr.deficitBytes(contextId(0))).toBe(0);
  });
});

describe('rounds in which no context can send', () => {
  const setting = fc.array(
    fc.record({
      weight: fc.integer({ min: 1, max: 5 }),
      frames: fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 6 }),
    }),
    { minLength: 1, maxLength: 5 },
  );

  /** The paper's loop, visit by visit. */
  function visitByVisit(
    flows: readonly { weight: number; frames: readonly number[] }[],
    quantum: number,
    isSurplus: boolean,
  ): number[] {
    const queues = flows.map(({ frames }) => [...frames]);
    const counter = flows.map(() => 0);
    const order: number[] = [];
    let round = flows.map((_, flow) => flow);
    for (;;) {
      const [flow] = round;
      if (flow === undefined) return order;
      round = round.slice(1);
      const queue = queues[flow] ?? [];
      counter[flow] = (counter[flow] ?? 0) + (flows[flow]?.weight ?? 0) * quantum;
      const maySend = () => (isSurplus ? (counter[flow] ?? 0) > 0 : (queue[0] ?? 0) <= (counter[flow] ?? 0));
      while (queue.length > 0 && maySend()) {
        counter[flow] = (counter[flow] ?? 0) - (queue.shift() ?? 0);
        order.push(flow);
      }
      if (queue.length > 0) round.push(flow);
    }
  }

  it.each([
    ['drr', false],
    ['srr', true],
  ] as const)('are added in one step under %s, and the order is that of single visits', (name, isSurplus) => {
    fc.assert(
      fc.property(setting, fc.integer({ min: 1, max: 70 }), (flows, quantumBytes) => {
        const discipline = makeDiscipline(name, { quantumBytes });
        const queues = flows.map(({ frames }) => [...frames]);
        for (const [context, { weight }] of flows.entries()) {
          discipline.join(contextId(context), { weight });
          discipline.activate(contextId(context), queues[context]?.[0] ?? 0, 0);
        }
        const order: number[] = [];
        for (let context = discipline.select(0); context !== NONE; context = discipline.select(0)) {
          order.push(context);
          const bytes = queues[context]?.shift() ?? 0;
          discipline.served(context, bytes, queues[context]?.[0] ?? 0, 0);
          discipline.checkInvariants();
        }
        expect(order).toEqual(visitByVisit(flows, quantumBytes, isSurplus));
      }),
    );
  });
});
