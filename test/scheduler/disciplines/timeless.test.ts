import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { contextId } from '../../../scheduler/branded.js';
import { type Discipline, NONE } from '../../../scheduler/discipline.js';
import { DISCIPLINES } from '../../../scheduler/disciplines/catalogue.js';
import { DmaScheduler } from '../../../scheduler/dma-scheduler.js';
import { EventKernel } from '../../../scheduler/event-kernel.js';
import { runs } from '../../support/whole.js';

const CONTEXTS = 5;
const OPTIONS = { linkBps: 1e9 };

/** A frame that joins a queue, or a decision and its frame; and the time that has passed before it. */
interface Step {
  readonly arrives: boolean;
  readonly context: number;
  readonly bytes: number;
  readonly gapNs: number;
}

const steps = fc.array(
  fc.record({
    arrives: fc.boolean(),
    context: fc.integer({ min: 0, max: CONTEXTS - 1 }),
    bytes: fc.constantFrom(60, 61, 590, 1514),
    gapNs: fc.constantFrom(0, 1, 700, 2 ** 31),
  }),
  { minLength: 1, maxLength: 120 },
);

/** The contexts that it selects, one after the other. */
function decisions(discipline: Discipline, script: readonly Step[], tellsTime: boolean): number[] {
  const queues: number[][] = Array.from({ length: CONTEXTS }, () => []);
  for (const [number] of queues.entries()) discipline.join(contextId(number), { weight: number + 1 });
  const chosen: number[] = [];
  let nowNs = 0;
  for (const { arrives, context, bytes, gapNs } of script) {
    nowNs += gapNs;
    const toldNs = tellsTime ? nowNs : 0;
    const queue = queues[context] ?? [];
    if (arrives) {
      queue.push(bytes);
      discipline.arrived?.(contextId(context), bytes, toldNs);
      if (queue.length === 1) discipline.activate(contextId(context), bytes, toldNs);
      continue;
    }
    const selected = discipline.select(toldNs);
    chosen.push(selected);
    if (selected === NONE) continue;
    const served = queues[selected]?.shift() ?? 0;
    discipline.served(selected, served, queues[selected]?.[0] ?? 0, toldNs);
  }
  discipline.checkInvariants();
  return chosen;
}

const timeless = DISCIPLINES.filter(({ make }) => make(OPTIONS).timeless === true);

describe('a discipline that calls itself timeless', () => {
  it('is one of those that serve by rounds, tags of bytes or priority', () => {
    expect(timeless.map(({ name }) => name)).toEqual([
      'fifo',
      'prr',
      'wrr',
      'drr',
      'srr',
      'scfq',
      'wf2q+',
      'qfq',
      'priority',
    ]);
  });

  it.each(timeless.map(({ name, make }) => [name, make] as const))(
    'decides without the time: %s',
    (_name, make) => {
      fc.assert(
        fc.property(steps, (script) => {
          expect(decisions(make(OPTIONS), script, false)).toEqual(decisions(make(OPTIONS), script, true));
        }),
        { numRuns: runs(200) },
      );
    },
  );

  it.each([true, false])('is told 0, and any other the time (timeless: %s)', (isTimeless) => {
    const told: number[] = [];
    const waiting = [100, 100];
    const discipline: Discipline = {
      name: 'listening',
      timeless: isTimeless,
      join: () => {},
      leave: (_context, nowNs) => told.push(nowNs),
      activate: (_context, _bytes, nowNs) => told.push(nowNs),
      select: (nowNs) => {
        told.push(nowNs);
        return contextId(0);
      },
      served: (_context, _bytes, _next, nowNs) => told.push(nowNs),
      withdraw: (_context, nowNs) => told.push(nowNs),
      relativeFairnessBoundBytes: () => 0,
      checkInvariants: () => {},
    };
    const kernel = new EventKernel();
    const grantedNs: number[] = [];
    const scheduler = new DmaScheduler(kernel, {
      name: 'one link',
      discipline,
      heads: { headBytes: () => waiting[0] ?? 0 },
      onGrant: () => waiting.shift(),
    });
    scheduler.grants$.subscribe(({ atNs }) => grantedNs.push(atNs));
    scheduler.join(contextId(0), { weight: 1 });
    scheduler.credit(1000);
    kernel.run(77);
    scheduler.ring(contextId(0));
    kernel.run(77);
    scheduler.leave(contextId(0));
    expect(grantedNs).toEqual([77, 77]);
    expect(told.length).toBeGreaterThanOrEqual(5);
    expect(new Set(told)).toEqual(new Set([isTimeless ? 0 : 77]));
  });
});
