import { describe, expect, it } from 'vitest';
import { FrameParts, NO_PAGE } from '../../../../host/protection/driver-domain/frame-parts.js';
import { PlainDma } from '../../../../host/protection/none/plain-dma.js';
import { hostPhysicalAddress, pageNumber } from '../../../../nic/addresses.js';
import { Machine, PAGE } from '../../support/machine.js';

const at = hostPhysicalAddress;
const pieces = (frame: FrameParts) =>
  Array.from({ length: frame.count }, (_, piece) => [frame.address(piece), frame.lengths[piece]]);

describe('a frame as it lies in memory', () => {
  it('is pieces and their sum, each with the page that is mapped for it or none', () => {
    const frame = new FrameParts(3);
    frame.add(at(0x5010), 100, pageNumber(5));
    frame.add(at(0x9000), 20);
    expect([pieces(frame), frame.total, frame.count, frame.full]).toEqual([
      [
        [0x5010, 100],
        [0x9000, 20],
      ],
      120,
      2,
      false,
    ]);
    expect([frame.mappedPage(0), frame.mappedPage(1)]).toEqual([5, NO_PAGE]);
    expect([...frame.exchanged.subarray(0, 2)]).toEqual([NO_PAGE, NO_PAGE]);
    frame.exchanged[0] = 9;
    frame.clear();
    expect([frame.total, frame.count, frame.full]).toEqual([0, 0, false]);
    // Nothing of the last frame is left in the next.
    frame.add(at(0x7000), 1);
    expect([frame.total, frame.mappedPage(0), frame.exchanged[0]]).toEqual([1, NO_PAGE, NO_PAGE]);
  });

  it('takes as many pieces as it has room for', () => {
    const frame = new FrameParts(2);
    frame.add(at(0), 1);
    frame.add(at(PAGE), 1);
    expect(frame.full).toBe(true);
    expect(() => frame.add(at(2 * PAGE), 1)).toThrow(/more pieces than are allowed/);
  });

  it.each([
    [0x5000, [4096], [[0x5000, 4096]]],
    [
      0x5000,
      [4097],
      [
        [0x5000, 4096],
        [0x6000, 1],
      ],
    ],
    [
      0x5ff0,
      [9018],
      [
        [0x5ff0, 16],
        [0x6000, 4096],
        [0x7000, 4096],
        [0x8000, 810],
      ],
    ],
    [0x5000, [100, 200, 300], [[0x5000, 600]]],
    [
      0x5000,
      [4000, 96, 5],
      [
        [0x5000, 4096],
        [0x6000, 5],
      ],
    ],
    [
      0x5000,
      [4000, 200],
      [
        [0x5000, 4096],
        [0x6000, 104],
      ],
    ],
  ])('grows from 0x%s by %o, and a new piece begins where a page does', (start, lengths, expected) => {
    const frame = new FrameParts(8);
    let next = Number(start);
    for (const length of lengths) {
      frame.extend(at(next), length);
      next += length;
    }
    expect(pieces(frame)).toEqual(expected);
    expect(frame.total).toBe(lengths.reduce((sum, length) => sum + length, 0));
  });

  it('shows its first bytes, from as many pieces as they lie in and no further', () => {
    const machine = new Machine(new PlainDma());
    machine.poke(0x20_0000, Uint8Array.of(1, 2, 3, 4, 5));
    machine.poke(0x30_0000, Uint8Array.of(6, 7, 8, 9, 10, 11, 12, 13, 14));
    const frame = new FrameParts(4);
    frame.add(at(0x20_0000), 5);
    frame.add(at(0x30_0000), 9);
    const head = new Uint8Array(14).fill(0xee);
    frame.readHead(machine.host.memory, head.subarray(0, 12));
    expect([...head]).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0xee, 0xee]);
    const short = new Uint8Array(4).fill(0xee);
    frame.readHead(machine.host.memory, short);
    expect([...short]).toEqual([1, 2, 3, 4]);
    frame.clear();
    frame.add(at(0x20_0000), 2);
    const long = new Uint8Array(4).fill(0xee);
    frame.readHead(machine.host.memory, long);
    expect([...long], 'a frame shorter than that').toEqual([1, 2, 0xee, 0xee]);
  });
});
