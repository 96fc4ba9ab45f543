import fc from 'fast-check';
import { expect, test } from 'vitest';
import { contextId } from '../../../scheduler/branded.js';
import type { Discipline } from '../../../scheduler/discipline.js';
import { NONE } from '../../../scheduler/discipline.js';
import { makeDiscipline } from '../../../scheduler/index.js';
import { CallLog } from '../../../src/fairness/call-log.js';

type Call = readonly unknown[];

/** What a discipline is told and says, one entry per call. */
function recorded(discipline: Discipline): { readonly told: Discipline; readonly calls: Call[] } {
  const calls: Call[] = [];
  const told = new Proxy(discipline, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) => {
        const answer: unknown = value.apply(target, args);
        calls.push([name, ...args, answer]);
        return answer;
      };
    },
  });
  return { told, calls };
}

const steps = fc.array(
  fc.record({
    kind: fc.constantFrom('activate', 'serve', 'serve', 'starve', 'pause', 'withdraw', 'rejoin'),
    context: fc.nat(3),
    bytes: fc.integer({ min: 60, max: 1_514 }),
  }),
  { minLength: 10, maxLength: 80 },
);

// A log that leaves out a call plays something else: the cost of a decision would be that of another run.
test.each([
  'drr',
  'srr',
  'wf2q+',
  'sfq',
  'wfq',
  'qfq',
  'limited:drr',
  'minimum:drr',
  'drr/drr',
  '(limited:drr)/sfq',
])('the calls of %s are played as they were made, with starving and pauses', (name) => {
  fc.assert(
    fc.property(steps, (script) => {
      const first = recorded(makeDiscipline(name, { linkBps: 1e9 }));
      const log = new CallLog(first.told);
      const heads = [0, 0, 0, 0];
      let nowNs = 0;
      for (const context of heads.keys()) log.join(contextId(context), { weight: context + 1 });
      for (const { kind, context: number, bytes } of script) {
        nowNs += 100_000;
        const context = contextId(number);
        if (kind === 'activate' && heads[number] === 0) {
          log.arrived?.(context, bytes, nowNs);
          log.activate(context, bytes, nowNs);
          heads[number] = bytes;
        } else if (kind === 'withdraw' || (kind === 'pause' && log.pause === undefined)) {
          log.withdraw(context, nowNs);
          heads[number] = 0;
        } else if (kind === 'pause') {
          log.pause?.(context, nowNs);
          heads[number] = 0;
        } else if (kind === 'rejoin') {
          log.leave(context, nowNs);
          log.join(context, { weight: 1 + (bytes % 5) });
          heads[number] = 0;
        } else if (kind === 'serve' || kind === 'starve') {
          const chosen = log.select(nowNs);
          if (chosen === NONE) continue;
          const head = heads[chosen] ?? 0;
          if (kind === 'starve' && log.starve !== undefined) {
            log.starve(chosen, head, nowNs);
            heads[chosen] = 0;
            continue;
          }
          log.arrived?.(chosen, bytes, nowNs);
          log.served(chosen, head, bytes, nowNs);
          heads[chosen] = bytes;
        }
      }
      const again = recorded(makeDiscipline(name, { linkBps: 1e9 }));
      log.play(again.told);
      expect(again.calls).toEqual(first.calls);
    }),
    { numRuns: 60 },
  );
});
