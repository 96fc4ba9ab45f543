import { toArray } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { BorrowedFrame, constantRate, fixedSize, greedy } from '../../../guests/traffic/index.js';
import { EventKernel } from '../../../scheduler/event-kernel.js';

const FRAMES = 5_000;
const options = {
  name: 'lab',
  sourceId: 1,
  source: 0x020000000001,
  destination: 0x020000000002,
  sizes: fixedSize('lab', 64),
  frameLimit: FRAMES,
};

describe('frames of a source', () => {
  it('in frames$ are owned: as many distinct ones are gathered as were sent', () => {
    const kernel = new EventKernel();
    let distinct = 0;
    constantRate({ ...options, kernel, wireRateBps: 1e9 })
      .frames$.pipe(toArray())
      .subscribe((frames) => {
        distinct = new Set(frames.map((frame) => Buffer.from(frame).toString('hex'))).size;
      });
    kernel.drain();
    expect(distinct).toBe(FRAMES);
  });

  it('in lent$ are a loan: one object, good until the observer returns, and a copy stays', () => {
    const kernel = new EventKernel();
    const loans = new Set<BorrowedFrame>();
    const copies: Uint8Array[] = [];
    const source = constantRate({ ...options, kernel, wireRateBps: 1e9, frameLimit: 3 });
    source.lent$.subscribe((frame) => {
      expect(frame.length).toBe(64);
      loans.add(frame);
      copies.push(frame.copy());
    });
    kernel.drain();
    expect(loans.size).toBe(1);
    expect(new Set(copies.map((frame) => frame[29])).size).toBe(3);
    const [loan] = loans;
    for (const use of [() => loan?.bytes, () => loan?.length, () => loan?.copy()]) {
      expect(use).toThrow(
        'lab: the frame was given back when the observer returned, expected copy() before that',
      );
    }
  });

  it('of a pull source are a loan until the next pull', () => {
    const source = greedy(options);
    const first = source.pull();
    expect(first).toBeInstanceOf(BorrowedFrame);
    const kept = first?.copy();
    expect(first?.bytes).toEqual(kept);
    expect(source.pull()?.bytes).not.toEqual(kept);
  });
});
