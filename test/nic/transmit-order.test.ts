import { describe, expect, it } from 'vitest';
import { busAddress, requesterId } from '../../nic/addresses.js';
import type { CardCore, DataPath } from '../../nic/card-core.js';
import { Context } from '../../nic/context.js';
import { DescriptorCache } from '../../nic/descriptor-ring.js';
import { TransmitOrder } from '../../nic/transmit-order.js';
import { contextId } from '../../scheduler/branded.js';

/** A context with eight descriptors taken, two exits that say what is under way, and what was completed. */
function bench() {
  const context = new Context(contextId(0), requesterId(0x100), new DescriptorCache(16, 2));
  context.transmit.attach(busAddress(0x1000), 8);
  context.transmit.taken = 8;
  const completed: [number, boolean][] = [];
  const path = {
    completed: (_context: Context, _direction: string, count: number, urgent: boolean) =>
      completed.push([count, urgent]),
  };
  const core = { contexts: [context], subjects: { followsDescriptors: false } };
  const order = new TransmitOrder(core as unknown as CardCore, path as unknown as DataPath);
  const wire: number[] = [];
  const inner: number[] = [];
  for (const exit of [wire, inner]) order.add({ oldestIndex: () => exit[0] ?? -1 });
  const leave = (exit: number[], last: number, urgent = false) => {
    exit.shift();
    order.left(context, last, urgent);
    order.checkInvariants();
    return completed.splice(0);
  };
  return { context, order, wire, inner, leave };
}

describe('the order of completions', () => {
  it('completes what has left before the oldest frame under way, and keeps the rest with its urgency', () => {
    const { context, wire, inner, leave } = bench();
    // Frames of two descriptors: wire, inside, wire, inside.
    wire.push(0, 4);
    inner.push(2, 6);
    expect(leave(inner, 3)).toEqual([]);
    expect(leave(inner, 7, true)).toEqual([]);
    expect(leave(wire, 1)).toEqual([
      [4, false],
      [0, false],
    ]);
    expect(context.transmit.consumer).toBe(4);
    expect(leave(wire, 5)).toEqual([
      [4, true],
      [0, false],
    ]);
    expect(context.transmit.consumer).toBe(8);
  });

  it('holds nothing of a context that was stopped', () => {
    const { context, order, wire, inner, leave } = bench();
    wire.push(0);
    inner.push(4);
    expect(leave(inner, 7, true)).toEqual([]);
    wire.length = 0;
    order.forget(context);
    order.checkInvariants();
    wire.push(0);
    expect(leave(wire, 7)).toEqual([[8, false]]);
  });

  it('is violated by a frame that is held behind none', () => {
    const { context, order, wire, inner, leave } = bench();
    wire.push(0);
    inner.push(4);
    leave(inner, 7);
    wire.length = 0;
    expect(() => order.checkInvariants()).toThrow(
      '1 frames of context 0 are held behind none that is under way',
    );
    wire.push(0);
    context.transmit.taken = 7;
    expect(() => order.checkInvariants()).toThrow(
      '1 frames of context 0 are held, 1 are marked, 0 of them beyond the consumer',
    );
  });
});
