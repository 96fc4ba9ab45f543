import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BUFFER_BYTES, type BufferBytes, longestChain, RingBuffers } from '../../guests/ring-buffers.js';
import { PAGE_BYTES, type PageNumber, pageNumber, ringSlot } from '../../nic/addresses.js';
import { sectionsOf } from '../support/linux-dma-traces.js';
import { DriverLab } from './driver-lab.js';

const NONE_IN_USE = () => false;

function made(slots: number, bufferBytes: BufferBytes, memoryPages = 1024) {
  const { host } = new DriverLab();
  const domain = host.createGuest('guest', 0);
  domain.reserve(memoryPages);
  return { host, domain, buffers: new RingBuffers(host, domain, slots, bufferBytes) };
}

/** First page, pages and bytes of each buffer. */
function layoutOf(buffers: RingBuffers, slots: number) {
  return Array.from({ length: slots }, (_, slot) => {
    const place = ringSlot(slot, 512);
    const [at, bytes] = [buffers.at(place), buffers.bytesOf(place)];
    const first = Math.floor(at / PAGE_BYTES);
    return { at, bytes, first, pages: Math.floor((at + bytes - 1) / PAGE_BYTES) - first + 1 };
  });
}

function expectNoOverlap(layout: readonly { at: number; bytes: number }[]): void {
  const sorted = [...layout].sort((one, other) => one.at - other.at);
  for (const [index, { at, bytes }] of sorted.entries())
    expect(at + bytes).toBeLessThanOrEqual(sorted[index + 1]?.at ?? Number.POSITIVE_INFINITY);
}

describe('buffers of 1,536 bytes lie as those of the recorded kernels', () => {
  /** Bytes and pages of the receive buffers that Linux cut from whole pieces, piece by piece. */
  function piecesOf(file: string, section: number): string[] {
    const maps = (sectionsOf(file)[section] ?? []).filter(({ op, perm }) => op === 'map' && perm === 'w');
    const pieces: string[] = [];
    let piece: string[] | undefined;
    for (const { bytes, len } of maps) {
      piece?.push(`${bytes} on ${len / PAGE_BYTES}`);
      if (bytes === 1536) continue;
      if (piece !== undefined) pieces.push(piece.join(', '));
      piece = [];
    }
    return pieces;
  }

  test.each([
    ['linux-viommu-strict', 1],
    ['linux-viommu-strict-6.12', 1],
    ['linux-viommu-lazy', 1],
    ['linux-viommu-lazy-6.12', 1],
  ])('%s: 21 from 32 KB, five of them on two pages, the last of 2,048 bytes', (file, section) => {
    const { buffers } = made(42, 1536);
    const ours = layoutOf(buffers, 42).map(({ bytes, pages }) => `${bytes} on ${pages}`);
    const [first, second] = [ours.slice(0, 21).join(', '), ours.slice(21).join(', ')];
    expect(second).toBe(first);
    const theirs = piecesOf(file, section);
    expect(theirs.length).toBeGreaterThan(3);
    expect(new Set(theirs)).toEqual(new Set([first]));
  });

  test('1.24 pages per buffer', () => {
    const layout = layoutOf(made(256, 1536).buffers, 256);
    expect(layout.reduce((sum, { pages }) => sum + pages, 0) / 256).toBeCloseTo(1.24, 2);
  });
});

test('buffers do not overlap, hold what they must, and lie in memory of the guest', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 300 }), fc.constantFrom(...BUFFER_BYTES), (slots, bufferBytes) => {
      const { domain, buffers } = made(slots, bufferBytes);
      const layout = layoutOf(buffers, slots);
      expectNoOverlap(layout);
      for (const { bytes, first, pages } of layout) {
        expect(bytes).toBeGreaterThanOrEqual(bufferBytes);
        for (let page = first; page < first + pages; page += 1)
          expect(domain.ownedPages.has(pageNumber(page))).toBe(true);
        if (bufferBytes !== 1536) expect(pages).toBe(1);
      }
      const used = new Set(
        layout.flatMap(({ first, pages }) => Array.from({ length: pages }, (_, page) => first + page)),
      );
      expect(buffers.pages(NONE_IN_USE)).toEqual(used);
    }),
  );
});

test('buffers whose pages were given away move, those in use stay, and no page is forgotten', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 100 }),
      fc.constantFrom(...BUFFER_BYTES),
      fc.array(fc.record({ give: fc.array(fc.nat(200), { maxLength: 8 }), inUse: fc.integer() }), {
        minLength: 1,
        maxLength: 5,
      }),
      (slots, bufferBytes, rounds) => {
        const { domain, buffers } = made(slots, bufferBytes);
        let known = buffers.pages(NONE_IN_USE);
        for (const { give, inUse } of rounds) {
          const before = layoutOf(buffers, slots);
          const pages = [...known];
          for (const index of give) {
            const page = pages[index % pages.length];
            if (page !== undefined && domain.ownedPages.has(page)) domain.release(page);
          }
          const isInUse = (slot: number) => ((inUse >>> (slot % 31)) & 1) === 1;
          const good = buffers.replaceLost(isInUse);
          const after = layoutOf(buffers, slots);
          expectNoOverlap(after);
          const isOwned = ({ first, pages: count }: { first: number; pages: number }) =>
            Array.from({ length: count }, (_, page) => pageNumber(first + page)).every((page) =>
              domain.ownedPages.has(page),
            );
          expect(good).toBe(after.every(isOwned));
          for (const [slot, one] of before.entries()) {
            if (isOwned(one) || isInUse(slot)) expect(after[slot]).toEqual(one);
            else expect(isOwned(after[slot] ?? one)).toBe(true);
          }
          // What the buffers had and the guest still has is there for the next one that wants a page.
          const now = buffers.pages(NONE_IN_USE);
          for (const page of known) if (domain.ownedPages.has(page)) expect(now.has(page)).toBe(true);
          known = now;
        }
      },
    ),
  );
});

test('without a page left nothing moves, and that is said', () => {
  const { domain, buffers } = made(2, 4096, 2);
  const [lost] = [...buffers.pages(NONE_IN_USE)] as [PageNumber];
  domain.release(lost);
  const before = layoutOf(buffers, 2);
  expect(buffers.replaceLost(NONE_IN_USE)).toBe(false);
  expect(layoutOf(buffers, 2)).toEqual(before);
});

test('pages of slots that are to be kept are left out, and those that they share with others', () => {
  const { buffers } = made(4, 1536);
  const [first] = layoutOf(buffers, 1);
  // The first three buffers touch the first page; the third reaches the second page as well.
  expect(buffers.pages((slot) => slot === 1)).toEqual(new Set([(first?.first ?? 0) + 1]));
  expect(buffers.pages((slot) => slot === 2)).toEqual(new Set());
});

test.each([
  [1536, 6],
  [2048, 5],
  [4096, 3],
] as const)('the longest frame, 9,018 bytes, takes of buffers of %i bytes: %i', (bufferBytes, buffers) => {
  expect(longestChain(bufferBytes)).toBe(buffers);
});
