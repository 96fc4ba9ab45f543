import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FrameFifo } from '../../nic/frame-fifo.js';
import { ReceiveBuffer } from '../../nic/receive-buffer.js';
import { ReceiveQueues } from '../../nic/receive-queues.js';
import { NONE, storedSlot } from '../../nic/receive-slots.js';
import { contextId } from '../../scheduler/branded.js';
import { runs } from '../support/whole.js';

const LONGEST = 9018;

describe('the transmit FIFO', () => {
  it('keeps each frame in one piece and whole until it leaves, up to its capacity', () => {
    const step = fc.oneof(
      fc.integer({ min: 60, max: LONGEST }),
      fc.integer({ min: 60, max: 200 }),
      fc.constant(0),
    );
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 80 }),
        fc.constantFrom(LONGEST, 12_000, 32_768),
        (steps, capacity) => {
          const fifo = new FrameFifo(capacity, LONGEST);
          const inside: { offset: number; length: number; mark: number }[] = [];
          let held = 0;
          steps.forEach((length, mark) => {
            const first = inside[0];
            if (length > 0 && held + length <= capacity) {
              const offset = fifo.push(length);
              expect(offset + length).toBeLessThanOrEqual(fifo.bytes.length);
              fifo.bytes.fill(mark + 1, offset, offset + length);
              inside.push({ offset, length, mark: mark + 1 });
              held += length;
            } else if (first !== undefined) {
              const bytes = fifo.bytes.subarray(first.offset, first.offset + first.length);
              expect(bytes.every((byte) => byte === first.mark)).toBe(true);
              fifo.shift(first.offset, first.length);
              inside.shift();
              held -= first.length;
            }
            fifo.checkInvariants();
            expect(fifo.usedBytes).toBeGreaterThanOrEqual(held);
          });
        },
      ),
      { numRuns: runs(100) },
    );
  });

  it('notices a frame that leaves out of turn, and one too many', () => {
    const fifo = new FrameFifo(1000, 500);
    fifo.push(400);
    const second = fifo.push(400);
    expect(() => fifo.shift(second, 400)).toThrow('frames leave a FIFO in the order in which they came');
    expect(() => Array.from({ length: 4 }, () => fifo.push(400))).toThrow(/frame FIFO overrun/);
  });
});

describe('the receive buffer', () => {
  it('gives blocks that hold what they are for and lie over no other', () => {
    const length = fc.constantFrom(1, 60, 255, 256, 257, 1514, 2048, 2049, 9018);
    const step = fc.record({ length, release: fc.nat(9) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const buffer = new ReceiveBuffer();
        const held: { block: number; length: number; mark: number }[] = [];
        steps.forEach((one, index) => {
          if (one.release < 4 && held.length > 0) {
            const [gone] = held.splice((one.release * 7 + index) % held.length, 1);
            if (gone === undefined) return;
            const at = buffer.offset(gone.block);
            const bytes = buffer.bytes(gone.block).subarray(at, at + gone.length);
            expect(bytes.length).toBe(gone.length);
            expect(bytes.every((byte) => byte === gone.mark)).toBe(true);
            buffer.release(gone.block);
          } else {
            const block = buffer.allocate(one.length);
            const mark = (index % 255) + 1;
            buffer.bytes(block).fill(mark, buffer.offset(block), buffer.offset(block) + one.length);
            held.push({ block, length: one.length, mark });
          }
          buffer.checkInvariants();
          expect(buffer.used).toBe(held.length);
        });
      }),
      { numRuns: runs(60) },
    );
  });

  it('shows a frame as a view of its block, the same one while the length is the same', () => {
    const buffer = new ReceiveBuffer();
    const blocks = [1500, 200, 1500, 9000].map((length) => ({ length, block: buffer.allocate(length) }));
    for (const { length, block } of blocks) {
      buffer.bytes(block).fill(7, buffer.offset(block), buffer.offset(block) + length);
      const view = buffer.view(block, length);
      expect(view.length).toBe(length);
      expect(view.every((byte) => byte === 7)).toBe(true);
      expect(buffer.view(block, length)).toBe(view);
      expect(buffer.view(block, length - 1).length).toBe(length - 1);
      view.fill(0);
    }
  });

  it('notices what cannot be', () => {
    const buffer = new ReceiveBuffer();
    expect(() => buffer.allocate(9217)).toThrow(new RangeError('frame of 9217 bytes, expected at most 9216'));
    expect(() => buffer.bytes(4)).toThrow('receive block 4 does not exist');
    const block = buffer.allocate(100);
    buffer.release(block);
    expect(() => buffer.release(block)).toThrow(`receive block ${block} released twice`);
  });
});

/** One context's queue as two plain lists: being written, waiting. */
interface Model {
  readonly written: number[];
  readonly waiting: number[];
  readonly lengths: Map<number, number>;
  readonly released: Set<number>;
}
type Command = fc.Command<Model[], ReceiveQueues>;

const CONTEXTS = 3;

describe('the receive queues', () => {
  const command = (
    name: string,
    context: number,
    run: (model: Model, real: ReceiveQueues) => void,
  ): Command => ({
    check: () => true,
    run: (models, real) => {
      const model = models[context];
      if (model === undefined) throw new Error('no model');
      run(model, real);
      real.checkInvariants();
      const held = [...model.lengths.values()].reduce((sum, length) => sum + length, 0);
      expect(real.heldBytes(contextId(context))).toBe(held);
      expect(real.waiting(contextId(context))).toBe(model.waiting.length);
      expect(real.cursor(contextId(context))).toBe(model.waiting[0] ?? NONE);
      expect(real.head(contextId(context))).toBe(model.written[0] ?? model.waiting[0] ?? NONE);
    },
    toString: () => `${name} of ${context}`,
  });
  const context = fc.nat(CONTEXTS - 1);
  const push = fc.tuple(context, fc.integer({ min: 60, max: 3000 })).map(([c, length]) =>
    command(`push ${length}`, c, (model, real) => {
      const slot = real.push(contextId(c), new Uint8Array(length).fill(length & 0xff), 0, length);
      expect(real.bytes(slot)[real.offset(slot) + length - 1]).toBe(length & 0xff);
      model.waiting.push(slot);
      model.lengths.set(slot, length);
    }),
  );
  const advance = context.map((c) =>
    command('advance', c, (model, real) => {
      const slot = model.waiting.shift();
      if (slot === undefined) return;
      real.advance(contextId(c));
      model.written.push(slot);
    }),
  );
  const finish = context.map((c) =>
    command('shift', c, (model, real) => {
      const slot = model.written.shift();
      if (slot === undefined) return;
      real.shift(contextId(c));
      real.release(storedSlot(slot));
      model.lengths.delete(slot);
    }),
  );
  const giveUp = context.map((c) =>
    command('unlinkCursor', c, (model, real) => {
      const slot = model.waiting.shift();
      if (slot === undefined) return;
      real.unlinkCursor(contextId(c));
      real.release(storedSlot(slot));
      model.lengths.delete(slot);
    }),
  );

  it('are two lists per context, whatever happens to them', () => {
    fc.assert(
      fc.property(fc.commands([push, push, advance, finish, giveUp], { maxCommands: 80 }), (commands) => {
        const model = Array.from({ length: CONTEXTS }, () => ({
          written: [],
          waiting: [],
          lengths: new Map<number, number>(),
          released: new Set<number>(),
        }));
        fc.modelRun(() => ({ model, real: new ReceiveQueues(CONTEXTS) }), commands);
      }),
      { numRuns: runs(100) },
    );
  });
});
