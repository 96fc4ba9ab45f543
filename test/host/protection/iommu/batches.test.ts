import { describe, expect, it } from 'vitest';
import { CdnaIommu } from '../../../../host/protection/cdna-iommu/cdna-iommu.js';
import { pageNumber, requesterId } from '../../../../nic/addresses.js';
import { frame, Machine, macOf, PAGE, STRANGER } from '../../support/machine.js';
import { reachedThrough } from '../../support/places.js';
import { frameOf, IommuLab, requesterOf, SETTLE_NS, sendFrom, VENDORS } from './lab.js';

const END = 1;
const RING_PAGES = 3;
/** Strategies that look at every buffer, by whether the guest's own pages are what the device gets. */
const LOOKING = [
  ['single-use', true],
  ['shared', true],
  ['persistent', true],
  ['deferred', true],
  ['contiguous', true],
  ['flush-on-wrap', true],
  ['swiotlb', false],
  ['shadow-copy', false],
] as const;

describe.each(LOOKING)('a batch under %s of which one buffer is not the guest’s', (strategy, isMapped) => {
  const bench = () => {
    const lab = IommuLab.with(strategy, 'vtd');
    const [guest, other] = [lab.guest(1), lab.guest(2)];
    const pages = Array.from({ length: 4 }, () => guest.page());
    const before = lab.machine.host.pages.pinsTaken;
    return {
      lab,
      guest,
      pages,
      foreign: other.page(),
      pins: () => lab.machine.host.pages.pinsTaken - before,
    };
  };

  it('is posted up to the last whole frame in front of it, and no page of the frame itself is held', () => {
    const { guest, pages, foreign, pins } = bench();
    const [one = 0, two = 0, three = 0] = pages;
    const cut = guest.post(
      { address: one, length: 4096 },
      { address: two, length: 4096, flags: 0 },
      { address: three, length: 4096, flags: 0 },
      { address: foreign, length: 4096 },
    );
    expect([cut, guest.port.transmit.producer]).toEqual([1, 1]);
    if (isMapped) expect(pins()).toBe(1);
    expect(guest.port.transmit.refusal).toMatchObject({ refusal: 'not-owner', address: foreign });
  });

  it('is not posted at all where it is the end of the first frame', () => {
    const { lab, guest, pages, foreign, pins } = bench();
    expect(
      guest.post({ address: pages[0] ?? 0, length: 100, flags: 0 }, { address: foreign, length: 100 }),
    ).toBe(0);
    expect(pins()).toBe(0);
    // The next frame is one of its own.
    sendFrom(guest, pages[1] ?? 0);
    lab.settle();
    expect(lab.machine.wire.frames.map(({ bytes }) => bytes.length)).toEqual([100]);
  });

  it('is posted up to it where buffers are for receiving, each of which stands for itself', () => {
    const { lab, guest, pages, foreign } = bench();
    expect(
      guest.postReceive(
        { address: pages[0] ?? 0, length: 2048 },
        { address: pages[1] ?? 0, length: 2048 },
        { address: foreign, length: 2048 },
        { address: pages[2] ?? 0, length: 2048 },
      ),
    ).toBe(2);
    lab.settle();
    for (const seed of [1, 2, 3]) lab.machine.arrive(frame(macOf(1), STRANGER, 100, seed));
    lab.settle();
    expect(guest.receive()).toEqual([1, 2].map((seed) => frame(macOf(1), STRANGER, 100, seed)));
  });

  it('tells a unit that keeps absent pages of nothing, where nothing was mapped (caching mode)', () => {
    const lab = new IommuLab({ strategy, cachingMode: true });
    const [guest, other] = [lab.guest(1), lab.guest(2)];
    const before = lab.details('invalidations');
    expect(guest.postReceive({ address: other.page(), length: 100 })).toBe(0);
    expect(lab.details('invalidations')).toBe(before);
  });

  it('may begin a frame that a later batch ends', () => {
    const { lab, guest, pages } = bench();
    const bytes = frame(STRANGER, macOf(1), 200, 6);
    guest.store(pages[0] ?? 0, bytes);
    expect(guest.post({ address: pages[0] ?? 0, length: 120, flags: 0 })).toBe(1);
    expect(guest.post({ address: (pages[0] ?? 0) + 120, length: 80, flags: END })).toBe(1);
    lab.settle();
    expect(lab.machine.wire.frames.map((sent) => sent.bytes)).toEqual([bytes]);
  });
});

describe.each(VENDORS)('addresses of buffers on %s', (vendor) => {
  it('single-use gives an address again when the unit has reported, and not before', () => {
    const lab = IommuLab.with('single-use', vendor);
    const guest = lab.guest(1);
    const page = guest.page();
    const post = (index: number) => {
      guest.postReceive({ address: page, length: 200 });
      lab.settle();
      return lab.busAddress(guest, 'receive', index);
    };
    const first = post(0);
    guest.port.receive.finish(1);
    guest.postReceive({ address: page, length: 200 });
    const meanwhile = lab.busAddress(guest, 'receive', 1);
    lab.settle();
    expect([meanwhile === first, post(2) === first]).toEqual([false, true]);
    expect(lab.details('invalidationsUnderWay')).toBe(0);
    guest.port.receive.finish(3);
    expect(lab.details('invalidationsUnderWay')).toBe(2);
    lab.settle();
    expect(lab.details('invalidationsUnderWay')).toBe(0);
  });

  it('deferred gives them again behind the flush', () => {
    const lab = IommuLab.with('deferred', vendor, { queueEntries: 4 });
    const guest = lab.guest(1);
    const page = guest.page();
    const given: number[] = [];
    for (let turn = 0; turn < 8; turn += 1) {
      guest.postReceive({ address: page, length: 200 });
      given.push(lab.busAddress(guest, 'receive', turn));
      lab.settle();
      guest.port.receive.finish(turn + 1);
      lab.settle();
    }
    // Three wait in a queue of four; the fourth unmap flushes them.
    expect(new Set(given.slice(0, 4)).size).toBe(4);
    expect(given.slice(0, 4)).toContain(given[4]);
    expect([lab.details('deferredFlushes'), lab.details('staleRanges')]).toEqual([2, 2]);
  });

  it.each([1, 2])('deferred with a queue of %i flushes what waited with each unmap', (queueEntries) => {
    const lab = IommuLab.with('deferred', vendor, { queueEntries });
    const guest = lab.guest(1);
    for (let turn = 0; turn < 3; turn += 1) guest.postReceive({ address: guest.page(), length: 200 });
    lab.settle();
    guest.port.receive.finish(3);
    expect([lab.details('deferredFlushes'), lab.details('staleRanges')]).toEqual([2, 1]);
  });

  it('deferred leaves no timer behind when its port closes, and its pages and addresses go with the space', () => {
    for (const pinUntilFlush of [false, true]) {
      const lab = IommuLab.with('deferred', vendor, { pinUntilFlush });
      const guest = lab.guest(1);
      lab.settle();
      const { pending } = lab.machine.kernel;
      guest.postReceive(
        { address: guest.page(), length: 200 },
        { address: guest.pages(2) + 4000, length: 200 },
      );
      lab.settle();
      guest.port.receive.finish(2);
      lab.settle();
      expect([lab.machine.kernel.pending - pending, lab.details('staleRanges')]).toEqual([1, 2]);
      expect(lab.machine.host.pages.pinnedPages).toBe(RING_PAGES + (pinUntilFlush ? 3 : 0));
      lab.iommu.closePort(guest.port);
      lab.settle();
      expect([lab.machine.kernel.pending, lab.machine.host.pages.pinnedPages]).toEqual([pending, 0]);
      lab.settle(20_000_000);
      expect(lab.details('deferredTimerFlushes')).toBe(0);
    }
  });

  it('contiguous gives each direction a range of its own, and the next one when a buffer does not fit', () => {
    const lab = IommuLab.with('contiguous', vendor);
    const guest = lab.guest(1, { transmitSlots: 64, receiveSlots: 64 });
    const page = guest.page();
    sendFrom(guest, page);
    guest.postReceive({ address: page, length: 100 });
    sendFrom(guest, page);
    lab.settle();
    const chunk = (bus: number) => Math.floor(bus / (64 * PAGE));
    const [first, second] = [0, 1].map((index) => lab.busAddress(guest, 'transmit', index));
    const other = lab.busAddress(guest, 'receive', 0);
    expect((second ?? 0) - (first ?? 0)).toBe(PAGE);
    expect(chunk(other)).not.toBe(chunk(first ?? 0));
    expect(lab.details('pagesDoneButMapped')).toBe(0);
    guest.reclaim();
    expect([lab.details('pagesDoneButMapped'), lab.details('rangeInvalidations')]).toEqual([2, 0]);
    guest.port.receive.finish(1);
    expect(lab.details('pagesDoneButMapped'), 'of both directions').toBe(3);
    lab.iommu.closePort(guest.port);
    lab.settle();
    expect([lab.details('pagesDoneButMapped'), lab.machine.host.pages.pinnedPages]).toEqual([0, 0]);
  });
});

describe.each(['shadow-copy', 'swiotlb'])(
  'a page that is given away while its buffer is out: %s',
  (strategy) => {
    it('is not written when the frame comes back: the copy of its old owner would fault', () => {
      const lab = IommuLab.with(strategy, 'vtd');
      const [guest, next] = [lab.guest(1), lab.guest(2)];
      const page = guest.page();
      guest.postReceive({ address: page + 16, length: 200 });
      lab.settle();
      const copied = lab.details('copiedBytes');
      expect(guest.domain.release(pageNumber(frameOf(page)))).toBe('freed');
      expect(next.page()).toBe(page);
      lab.machine.poke(page, new Uint8Array(PAGE).fill(0x2e));
      lab.machine.arrive(frame(macOf(1), STRANGER, 100));
      lab.settle();
      guest.port.receive.finish(1);
      expect(lab.machine.peek(page, PAGE).every((byte) => byte === 0x2e)).toBe(true);
      expect(lab.details('copiedBytes')).toBe(copied);
    });
  },
);

describe('direct-map', () => {
  it('follows what its guest is given while the port is open, and that alone', () => {
    const lab = IommuLab.with('direct-map', 'vtd');
    const [guest, other] = [lab.guest(1), lab.guest(2)];
    const { pages } = lab.machine.host;
    const [mine, theirs] = [guest.page(), other.page()];
    expect([lab.reach(guest, mine, true), lab.reach(guest, theirs, true)]).toEqual([mine, undefined]);
    // A page that is given for another use than memory of a guest is none to the device.
    const [special = pageNumber(0)] = other.domain.allocate(1);
    const count = lab.details('directMappedPages');
    lab.machine.host.protection.closePort(other.port);
    lab.settle();
    pages.forceTransfer(special, guest.domain.id, 'io-table');
    expect([lab.reach(guest, special * PAGE, true), pages.count(special)]).toEqual([undefined, 0]);
    lab.iommu.closePort(guest.port);
    const [late = pageNumber(0)] = guest.domain.allocate(1);
    expect(pages.count(late)).toBe(0);
    lab.settle();
    expect([lab.details('directMappedPages'), pages.pinnedPages]).toEqual([0, 0]);
    expect(count).toBeGreaterThan(0);
  });

  it('takes in runs of pages what a guest has, wherever they begin and end', () => {
    const lab = IommuLab.with('direct-map', 'vtd');
    const { host } = lab.machine;
    const [domain, other] = [host.createGuest('guest', 1), host.createGuest('other', 1)];
    const mine: number[] = [];
    for (const count of [3, 1, 2]) {
      mine.push(...domain.allocate(count));
      other.allocate(1);
    }
    const entry = lab.iommu.open(domain, {
      mac: macOf(1),
      share: { weight: 1 },
      transmitSlots: 16,
      receiveSlots: 16,
      antiSpoofing: false,
      promiscuous: false,
    });
    lab.settle();
    const id = requesterId(requesterOf(entry.port.context));
    const reaches = (page: number) =>
      reachedThrough(lab.iommu.gate, id, page * PAGE, 1, true) === page * PAGE;
    expect(mine.every(reaches)).toBe(true);
    for (const page of other.ownedPages) expect(reaches(page)).toBe(false);
    expect(lab.details('directMappedPages')).toBeGreaterThanOrEqual(6);
    for (const page of mine) expect(host.pages.count(pageNumber(page))).toBe(1);
  });
});

describe('cdna+iommu', () => {
  it('counts what it has mapped and released by its timer, in both directions', () => {
    const machine = new Machine(new CdnaIommu({ releaseTimeoutNs: 1_000_000 }));
    const guest = machine.guest(1);
    machine.run(SETTLE_NS);
    const details = () => machine.host.protection.counters().details;
    const page = guest.page();
    guest.postReceive({ address: page, length: 100 }, { address: page + 100, length: 100 });
    guest.send(frame(STRANGER, macOf(1)));
    expect(details().liveMappings).toBe(2);
    machine.run(100_000);
    machine.arrive(frame(macOf(1), STRANGER, 80, 1));
    machine.arrive(frame(macOf(1), STRANGER, 80, 2));
    machine.run(3_000_000);
    expect(details()).toMatchObject({ liveMappings: 0, releaseTimeouts: 2 });
  });
});
