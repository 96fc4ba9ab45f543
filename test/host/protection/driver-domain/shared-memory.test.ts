import { describe, expect, it } from 'vitest';
import { GrantTable } from '../../../../host/protection/driver-domain/grant-table.js';
import { SharedRing, sharedRingBytes } from '../../../../host/protection/driver-domain/shared-ring.js';
import { PlainDma } from '../../../../host/protection/none/plain-dma.js';
import { hostPhysicalAddress, pageNumber } from '../../../../nic/addresses.js';
import { Machine, PAGE } from '../../support/machine.js';

const SLOTS = 8;
const BASE = 0x10_0000;

function ringBench() {
  const machine = new Machine(new PlainDma());
  const ring = new SharedRing(machine.host.memory, hostPhysicalAddress(BASE), SLOTS);
  const words = (at: number, count: number) =>
    Array.from({ length: count }, (_, index) =>
      machine.host.memory.readU32(hostPhysicalAddress(BASE + at + index * 4)),
    );
  return { machine, ring, words };
}

describe('a ring that two domains share (the layout of xen/include/public/io/ring.h)', () => {
  it('has a header of 64 bytes and slots of 16, in whole pages', () => {
    expect([1, 8, 252, 253, 508, 509].map(sharedRingBytes)).toEqual([
      PAGE,
      PAGE,
      PAGE,
      2 * PAGE,
      2 * PAGE,
      3 * PAGE,
    ]);
    const { ring } = ringBench();
    expect([0, 1, 7, 8, 2 ** 32 - 1].map((index) => ring.addressOf(index) - BASE)).toEqual([
      64,
      80,
      64 + 7 * 16,
      64,
      64 + 7 * 16,
    ]);
  });

  it('begins empty, with an event wanted for the first request and the first response', () => {
    const { machine, ring, words } = ringBench();
    machine.poke(BASE, new Uint8Array(PAGE + 4).fill(0xff));
    ring.reset();
    expect(words(0, 4)).toEqual([0, 1, 0, 1]);
    expect(words(16, (PAGE - 16) / 4).every((word) => word === 0)).toBe(true);
    expect(words(PAGE, 1), 'and no byte behind it').toEqual([0xffff_ffff]);
  });

  it('keeps its indices in the order of Xen: requests, their event, responses, their event', () => {
    const { ring, words } = ringBench();
    ring.reset();
    ring.requestEvent = 77;
    ring.responseEvent = 88;
    ring.pushRequests(5);
    ring.pushResponses(3);
    expect(words(0, 4)).toEqual([5, 77, 3, 88]);
    expect([ring.requestProducer, ring.requestEvent, ring.responseProducer, ring.responseEvent]).toEqual([
      5, 77, 3, 88,
    ]);
  });

  it('packs a slot as its table says, and reads each part alone', () => {
    const { ring, words } = ringBench();
    ring.put(9, 0xdead_beef, 0x1_2345, 0x8005, 9018);
    expect(words(64 + 16, 4)).toEqual([0xdead_beef, 0x8005_2345, 9018, 0]);
    expect([ring.word(1), ring.offset(1), ring.flags(1), ring.length(1)]).toEqual([
      0xdead_beef, 0x2345, 0x8005, 9018,
    ]);
    expect([ring.word(0), ring.word(2)]).toEqual([0, 0]);
  });

  it.each([
    // Producer before and after, and the event: RING_PUSH_REQUESTS_AND_CHECK_NOTIFY.
    [0, 1, 1, true],
    [0, 1, 2, false],
    [0, 3, 2, true],
    [0, 3, 3, true],
    [0, 3, 4, false],
    [3, 5, 3, false],
    [3, 3, 3, false],
    [2 ** 32 - 1, 1, 0, true],
    [2 ** 32 - 1, 1, 2 ** 32 - 1, false],
    [2 ** 32 - 2, 2 ** 32 - 1, 2 ** 32 - 1, true],
    [2 ** 32 - 2, 0, 1, false],
  ])('from %i to %i an event at %i is due: %s', (before, after, event, due) => {
    const { ring } = ringBench();
    ring.reset();
    ring.pushRequests(before);
    ring.pushResponses(before);
    ring.requestEvent = event;
    ring.responseEvent = event;
    expect([ring.pushRequests(after), ring.pushResponses(after)]).toEqual([due, due]);
    expect([ring.requestProducer, ring.responseProducer]).toEqual([after, after]);
  });
});

describe('a grant table (version 1 of xen/include/public/grant_table.h)', () => {
  const bench = (entries: number) => {
    const machine = new Machine(new PlainDma());
    const domain = machine.host.createGuest('guest', 1);
    const owned = domain.ownedPages.size;
    const table = new GrantTable(machine.host.memory, domain, entries);
    const word = (at: number) => machine.host.memory.readU32(hostPhysicalAddress(at));
    return { machine, domain, table, word, taken: () => domain.ownedPages.size - owned };
  };

  it('takes 8 bytes an entry of the guest’s own memory, and gives them back', () => {
    for (const [entries, pages] of [
      [1, 1],
      [512, 1],
      [513, 2],
      [1536, 3],
    ] as const) {
      const { table, taken } = bench(entries);
      expect([taken(), table.pages.length, table.base]).toEqual([pages, pages, (table.pages[0] ?? 0) * PAGE]);
      table.free();
      expect(taken()).toBe(0);
    }
  });

  it('has in an entry 16 bits of flags, 16 of domain and 32 of frame', () => {
    const { table, word } = bench(100);
    table.grant(3, 0xbeef, pageNumber(0x1234_5678), false);
    table.grant(4, 2, pageNumber(7), true);
    expect([word(table.base + 24), word(table.base + 28)]).toEqual([0xbeef_0001, 0x1234_5678]);
    expect([word(table.base + 32), word(table.base + 36)]).toEqual([0x0002_0005, 7]);
    expect([table.flags(3), table.grantee(3), table.page(3)]).toEqual([1, 0xbeef, 0x1234_5678]);
    expect([table.flags(4), table.grantee(4), table.page(4)]).toEqual([5, 2, 7]);
    table.revoke(3);
    expect([table.flags(3), table.grantee(3), table.flags(4)]).toEqual([0, 0, 5]);
  });

  it('permits nothing outside of it, whatever lies there', () => {
    const { machine, table } = bench(8);
    machine.poke(table.base - 8, Uint8Array.of(1, 0, 1, 0, 1, 0, 0, 0));
    machine.poke(table.base + 64, Uint8Array.of(1, 0, 1, 0, 1, 0, 0, 0));
    expect([-1, 0, 7, 8, 2 ** 32].map((reference) => table.flags(reference))).toEqual([0, 0, 0, 0, 0]);
    table.grant(0, 1, pageNumber(1), false);
    table.grant(7, 1, pageNumber(1), false);
    expect([-1, 0, 7, 8].map((reference) => table.flags(reference))).toEqual([0, 1, 1, 0]);
  });
});
