import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { contextId, NO_CONTEXT } from '../../../scheduler/branded.js';
import { ContextHeap } from '../../../scheduler/disciplines/context-heap.js';
import { ContextList } from '../../../scheduler/disciplines/context-list.js';
import { Roster } from '../../../scheduler/disciplines/roster.js';

const steps = fc.array(
  fc.record({
    op: fc.constantFrom('push', 'remove', 'change', 'rotate'),
    context: fc.nat({ max: 200 }),
    key: fc.nat({ max: 9 }),
  }),
  { maxLength: 120, size: 'max' },
);

describe('a heap of contexts', () => {
  it('has the smallest key on top, and the lower number among equal keys, like a sorted list', () => {
    fc.assert(
      fc.property(steps, (list) => {
        const keys = new Map<number, number>();
        const heap = new ContextHeap((i, j) => (keys.get(i) ?? 0) - (keys.get(j) ?? 0));
        const model = new Set<number>();
        for (const { op, context, key } of list) {
          if (op === 'push' && !model.has(context)) {
            keys.set(context, key);
            heap.push(contextId(context));
            model.add(context);
          } else if (op === 'remove' && model.delete(context)) {
            heap.remove(contextId(context));
          } else if (op === 'change' && model.has(context)) {
            keys.set(context, key);
            heap.changed(contextId(context));
          }
          heap.checkInvariants();
          const sorted = [...model].sort((i, j) => (keys.get(i) ?? 0) - (keys.get(j) ?? 0) || i - j);
          expect(heap.top).toBe(sorted[0] ?? -1);
          expect(heap.size).toBe(model.size);
        }
      }),
    );
  });

  it('refuses a context twice, and one that it does not hold', () => {
    const heap = new ContextHeap(() => 0);
    heap.push(contextId(3));
    expect(() => heap.push(contextId(3))).toThrow('context 3 is in the heap already');
    expect(() => heap.remove(contextId(4))).toThrow('context 4 is not in the heap');
    expect(() => heap.changed(contextId(4))).toThrow('context 4 is not in the heap');
  });
});

describe('a list of contexts', () => {
  it('is a queue with removal from the middle, like an array', () => {
    fc.assert(
      fc.property(steps, (script) => {
        const list = new ContextList();
        let model: number[] = [];
        for (const { op, context } of script) {
          if (op === 'push' && !model.includes(context)) {
            list.pushBack(contextId(context));
            model.push(context);
          } else if (op === 'remove' && model.includes(context)) {
            list.remove(contextId(context));
            model = model.filter((other) => other !== context);
          } else if (op === 'rotate') {
            list.rotate();
            const [first, ...rest] = model;
            if (first !== undefined) model = [...rest, first];
          }
          list.checkInvariants();
          const walked: number[] = [];
          for (let at = list.front; at >= 0; at = list.after(at)) walked.push(at);
          expect(walked).toEqual(model);
        }
      }),
    );
  });

  it('refuses a context twice, and one that it does not hold', () => {
    const list = new ContextList();
    list.pushBack(contextId(3));
    expect(() => list.pushBack(contextId(3))).toThrow('context 3 is in the list already');
    expect(() => list.remove(contextId(4))).toThrow('context 4 is not in the list');
  });
});

describe('the roster', () => {
  it('refuses calls that violate the contract', () => {
    const roster = new Roster('x');
    expect(() => roster.join(NO_CONTEXT)).toThrow(
      'x: context is -1, expected a whole number from 0 to 1048575',
    );
    roster.join(contextId(0));
    expect(() => roster.join(contextId(0))).toThrow('x: context 0 takes part already');
    expect(() => roster.activate(contextId(1), 60)).toThrow(
      'x: context 1 has a frame but does not take part',
    );
    expect(() => roster.activate(contextId(0), 0)).toThrow('x: head of context 0 is 0 bytes');
    expect(() => roster.served(contextId(0), 60, 0)).toThrow('x: context 0 was served, but it is idle');
    roster.activate(contextId(0), 60);
    expect(() => roster.served(contextId(0), 61, 0)).toThrow(
      'x: 61 bytes of context 0 were served, its head has 60',
    );
    expect(() => roster.leave(contextId(0))).toThrow('x: context 0 cannot leave, it is backlogged');
    roster.checkInvariants();
  });
});
