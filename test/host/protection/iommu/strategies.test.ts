import { describe, expect, it } from 'vitest';
import { ioVirtualAddress, pageNumber, requesterId } from '../../../../nic/addresses.js';
import { frame, macOf, PAGE, STRANGER } from '../../support/machine.js';
import { reachedThrough } from '../../support/places.js';
import { frameOf, IommuLab, sendFrom, VENDORS } from './lab.js';

const BYTES = Uint8Array.from({ length: 64 }, (_, index) => index + 1);

describe.each(VENDORS)('on %s', (vendor) => {
  describe('deferred', () => {
    const window = (options = {}) => {
      const lab = IommuLab.with('deferred', vendor, options);
      const [guest, next] = [lab.guest(1), lab.guest(2)];
      const page = guest.page();
      guest.postReceive({ address: page, length: 2048 });
      lab.settle();
      lab.machine.arrive(frame(macOf(1), STRANGER, 100));
      lab.settle();
      const bus = lab.busAddress(guest, 'receive', 0);
      expect(guest.receive().length).toBe(1);
      return { lab, guest, next, page, bus };
    };

    it('leaves a window in which a frame has another owner and the device still writes to it', () => {
      const { lab, guest, next, page, bus } = window();
      expect(guest.domain.release(pageNumber(frameOf(page)))).toBe('freed');
      expect(next.page()).toBe(page);
      lab.settle(9_000_000);
      expect(lab.strayWrite(guest, bus, BYTES)).toBe(true);
      expect(lab.machine.peek(page, 64)).toEqual(BYTES);
      lab.settle(2_000_000);
      expect(lab.strayWrite(guest, bus, BYTES)).toBe(false);
      expect(lab.details('deferredTimerFlushes')).toBe(1);
    });

    it('closes the window as soon as the queue is full', () => {
      const { lab, guest, bus } = window({ queueEntries: 3 });
      const page = guest.page();
      for (let turn = 0; turn < 2; turn += 1) {
        expect(lab.reach(guest, bus, true)).toBeDefined();
        sendFrom(guest, page);
        lab.settle();
        guest.reclaim();
        lab.settle();
      }
      expect(lab.reach(guest, bus, true)).toBeUndefined();
      expect(lab.details('deferredFlushes')).toBe(1);
      expect(lab.details('deferredTimerFlushes')).toBe(0);
    });

    it('keeps the frame until the flush when it is told to', () => {
      const { lab, guest, next, page } = window({ pinUntilFlush: true });
      expect(guest.domain.release(pageNumber(frameOf(page)))).toBe('pending');
      expect(next.page()).not.toBe(page);
      lab.settle(11_000_000);
      expect(lab.machine.host.pages.owner(pageNumber(frameOf(page)))).toBe(-1);
    });
  });

  it('single-use keeps a frame until the unit has reported, not only until it was asked', () => {
    const lab = IommuLab.with('single-use', vendor);
    const guest = lab.guest(1);
    const page = guest.page();
    sendFrom(guest, page);
    lab.settle();
    const bus = lab.busAddress(guest, 'transmit', 0);
    expect(lab.reach(guest, bus, false)).toBe(page);
    guest.reclaim();
    // The tables have it no longer, the unit still has.
    expect(lab.reach(guest, bus, false)).toBe(page);
    expect(guest.domain.release(pageNumber(frameOf(page)))).toBe('pending');
    lab.settle();
    expect(lab.reach(guest, bus, false)).toBeUndefined();
    expect(lab.machine.host.pages.owner(pageNumber(frameOf(page)))).toBe(-1);
  });

  it('shared releases a page with the last of its buffers, whichever ring it was in', () => {
    const lab = IommuLab.with('shared', vendor);
    const guest = lab.guest(1);
    const page = guest.page();
    guest.postReceive({ address: page + 2048, length: 1024 });
    sendFrom(guest, page);
    lab.settle();
    guest.reclaim();
    lab.settle();
    expect(lab.reach(guest, page, true)).toBe(page);
    expect(lab.details('liveMappings')).toBe(1);
    lab.machine.arrive(frame(macOf(1), STRANGER, 100));
    lab.settle();
    guest.receive();
    lab.settle();
    expect(lab.reach(guest, page, true)).toBeUndefined();
    expect(lab.details('reusedMappings')).toBe(1);
  });

  describe('persistent', () => {
    it('evicts the least recently used page to map another', () => {
      const lab = IommuLab.with('persistent', vendor, { quotaPages: 3 });
      const guest = lab.guest(1);
      const pages = Array.from({ length: 4 }, () => guest.page());
      const use = (index: number) => {
        sendFrom(guest, pages[index] ?? 0);
        lab.settle();
        guest.reclaim();
        lab.settle();
      };
      const mapped = () => pages.map((page) => lab.reach(guest, page, false) !== undefined);
      for (const index of [0, 1, 2, 0]) use(index);
      expect(mapped()).toEqual([true, true, true, false]);
      use(3);
      lab.settle();
      expect(mapped()).toEqual([true, false, true, true]);
      expect(lab.details('evictedMappings')).toBe(1);
    });

    it('never has more than the quota mapped while a page is idle', () => {
      const lab = IommuLab.with('persistent', vendor, { quotaPages: 3 });
      const guest = lab.guest(1);
      for (let turn = 0; turn < 7; turn += 1) {
        sendFrom(guest, guest.page());
        expect(lab.details('liveMappings')).toBe(Math.min(turn + 1, 3));
        expect(lab.details('evictedMappings')).toBe(Math.max(0, turn - 2));
        lab.settle();
        guest.reclaim();
      }
      expect(lab.details('overQuota')).toBe(0);
    });

    it('does not hold a transfer up for the quota, and comes back to it', () => {
      const lab = IommuLab.with('persistent', vendor, { quotaPages: 2 });
      const guest = lab.guest(1);
      for (let turn = 0; turn < 5; turn += 1) sendFrom(guest, guest.page());
      expect(lab.details('liveMappings')).toBe(5);
      expect(lab.details('overQuota')).toBe(3);
      lab.settle();
      guest.reclaim();
      lab.settle();
      expect(lab.machine.wire.frames.length).toBe(5);
      expect(lab.details('liveMappings')).toBe(2);
    });

    it('gives an idle page back when it is asked to, and not one that is in use', () => {
      const lab = IommuLab.with('persistent', vendor);
      const guest = lab.guest(1);
      const [idle, busy] = [guest.page(), guest.page()];
      sendFrom(guest, idle);
      guest.postReceive({ address: busy, length: 2048 });
      lab.settle();
      guest.reclaim();
      expect(lab.iommu.relinquish(guest.domain, pageNumber(frameOf(busy)))).toBe(false);
      expect(guest.domain.release(pageNumber(frameOf(idle)))).toBe('pending');
      expect(lab.iommu.relinquish(guest.domain, pageNumber(frameOf(idle)))).toBe(true);
      expect(lab.machine.host.pages.owner(pageNumber(frameOf(idle)))).toBe(guest.domain.id);
      lab.settle();
      expect(lab.machine.host.pages.owner(pageNumber(frameOf(idle)))).toBe(-1);
      expect(lab.reach(guest, idle, false)).toBeUndefined();
    });
  });

  describe('contiguous', () => {
    it('invalidates a range once when all of it is done, with what no buffer fitted into', () => {
      const lab = IommuLab.with('contiguous', vendor);
      const guest = lab.guest(1, { transmitSlots: 256 });
      const three = guest.pages(3);
      guest.store(three, frame(STRANGER, macOf(1), 9000));
      // 21 buffers of 3 pages fill 63 of 64; the 22nd needs a range of its own.
      for (let turn = 0; turn < 22; turn += 1) guest.post({ address: three, length: 9000 });
      lab.settle(3_000_000);
      const first = lab.busAddress(guest, 'transmit', 0);
      expect(lab.busAddress(guest, 'transmit', 20)).toBe(first + 60 * PAGE);
      expect((lab.busAddress(guest, 'transmit', 21) - first) % (64 * PAGE)).toBe(0);
      guest.reclaim();
      lab.settle();
      expect(lab.details('rangeInvalidations')).toBe(1);
      expect(lab.reach(guest, first, false)).toBeUndefined();
      expect(lab.reach(guest, lab.busAddress(guest, 'transmit', 21), false)).toBe(three);
      expect(lab.details('pagesDoneButMapped')).toBe(3);
    });

    it('keeps the walk caches: after an invalidation a walk reads one table', () => {
      const reads = (strategy: string) => {
        const lab = IommuLab.with(strategy, vendor);
        const guest = lab.guest(1, { transmitSlots: 256 });
        const page = guest.page();
        const turn = () => {
          sendFrom(guest, page);
          lab.settle();
          guest.reclaim();
          lab.settle();
        };
        for (let count = 0; count < 70; count += 1) turn();
        const [walks, tables] = [lab.details('walks'), lab.details('tableReads')];
        for (let count = 0; count < 50; count += 1) turn();
        return (lab.details('tableReads') - tables) / (lab.details('walks') - walks);
      };
      expect(reads('contiguous')).toBeLessThan(1.2);
      expect(reads('single-use')).toBeGreaterThan(3);
    });
  });

  it('direct-map maps all of the guest at start, in large pages where they are aligned, and gives none back', () => {
    const lab = IommuLab.with('direct-map', vendor);
    const domain = lab.machine.host.createGuest('guest 1', 1);
    domain.reserve(1024);
    const [first] = [...domain.ownedPages];
    expect((first ?? 1) % 512).toBe(0);
    const entry = lab.iommu.open(domain, { ...OPTIONS, mac: macOf(1) });
    lab.settle();
    const { tables } = entry.space.address;
    expect(tables.find(ioVirtualAddress((first ?? 0) * PAGE))?.pageBits).toBe(21);
    const id = 0x0100 + entry.port.context;
    for (const frameNumber of domain.ownedPages) {
      const at = frameNumber * PAGE + 17;
      expect(reachedThrough(lab.iommu.gate, id, at, 1, true)).toBe(at);
    }
    expect(lab.machine.host.pages.pinnedPages).toBeGreaterThanOrEqual(1024);
    expect([...domain.ownedPages].some((at) => lab.iommu.relinquish(domain, at))).toBe(false);
    lab.iommu.closePort(entry.port);
    lab.settle();
    expect(lab.machine.host.pages.pinnedPages).toBe(0);
  });

  it('direct-map maps memory that is not aligned page by page up to where large pages begin', () => {
    const lab = IommuLab.with('direct-map', vendor);
    const domain = lab.machine.host.createGuest('guest 1', 1);
    // All but a few pages of a large page, a whole one and some more: a run of 1,500 that begins between.
    let first = domain.allocate(7, true)[0] ?? 0;
    if (first % 512 === 0) first = domain.allocate(7, true)[0] ?? 0;
    domain.allocate(1493, true);
    const run = [...domain.ownedPages].sort((left, right) => left - right);
    expect((run[0] ?? 0) % 512).not.toBe(0);
    expect(run.length).toBeGreaterThanOrEqual(1500);
    const entry = lab.iommu.open(domain, { ...OPTIONS, mac: macOf(1) });
    lab.settle();
    const { tables } = entry.space.address;
    const id = requesterId(0x0100 + entry.port.context);
    const reaches = (page: number) => reachedThrough(lab.iommu.gate, id, page * PAGE, 1, true);
    const owned = new Set<number>(domain.ownedPages);
    const whole = new Map<number, boolean>();
    const ownsAllFrom = (start: number) => {
      const known =
        whole.get(start) ?? Array.from({ length: 512 }, (_, at) => owned.has(start + at)).every(Boolean);
      whole.set(start, known);
      return known;
    };
    for (const page of owned) {
      expect(reaches(page)).toBe(page * PAGE);
      // A large page where all of it is the guest's, 4 KB elsewhere.
      const isWhole = ownsAllFrom(page - (page % 512));
      const bits = tables.find(ioVirtualAddress(page * PAGE))?.pageBits;
      if (!isWhole) expect(bits).toBe(12);
    }
    for (const page of run)
      for (const beside of [page - 1, page + 1])
        if (!owned.has(beside)) expect(reaches(beside)).toBeLessThan(0);
    expect(run.filter((page) => tables.find(ioVirtualAddress(page * PAGE))?.pageBits === 21)).not.toEqual([]);
    lab.iommu.closePort(entry.port);
    lab.settle();
    expect(lab.machine.host.pages.pinnedPages).toBe(0);
  });

  it('shadow-copy lets nothing of a page out or in but the frame itself', () => {
    const lab = IommuLab.with('shadow-copy', vendor);
    const guest = lab.guest(1);
    const page = guest.page();
    guest.store(page, new Uint8Array(PAGE).fill(0xee));
    guest.postReceive({ address: page + 100, length: 200 });
    lab.settle();
    const bus = lab.busAddress(guest, 'receive', 0);
    const came = frame(macOf(1), STRANGER, 120);
    lab.machine.arrive(came);
    lab.settle();
    expect(guest.receive()).toEqual([came]);
    // A device that goes on writing changes its shadow, which is never read again.
    expect(lab.strayWrite(guest, bus, BYTES)).toBe(true);
    const now = lab.machine.peek(page, PAGE);
    expect(now.subarray(100, 220)).toEqual(came);
    expect([...now.subarray(0, 100), ...now.subarray(220)].every((byte) => byte === 0xee)).toBe(true);
    expect(lab.details('copiedBytes')).toBe(120);
    expect(lab.details('invalidations')).toBe(0);
  });

  it.each(['single-use', 'shared', 'persistent', 'deferred', 'contiguous', 'shadow-copy'])(
    '%s refuses what is not the guest’s, and what is no buffer at all, as values',
    (strategy) => {
      const lab = IommuLab.with(strategy, vendor);
      const [guest, victim] = [lab.guest(1), lab.guest(2)];
      const own = guest.page();
      const asked: [number, number, string][] = [
        [victim.page(), 64, 'not-owner'],
        [own + PAGE - 10, 20, 'not-owner'],
        [own, 0, 'bad-length'],
        [own, 16_385, 'bad-length'],
        [Number.NaN, 64, 'not-ram'],
        [own + 0.5, 64, 'not-ram'],
        [-PAGE, 64, 'not-ram'],
        [lab.machine.host.memory.bytes, 64, 'not-ram'],
      ];
      for (const [address, length, refusal] of asked) {
        expect(guest.post({ address, length })).toBe(0);
        expect(guest.port.transmit.refusal?.refusal, `${address}, ${length}`).toBe(refusal);
      }
      expect(guest.post({ address: own, length: 64 })).toBe(1);
      expect(lab.iommu.counters().refused).toBe(asked.length);
    },
  );

  it.each(['shared', 'persistent', 'single-use'])(
    '%s lets a guest name its own ring as a buffer, to its own harm alone',
    (strategy) => {
      const lab = IommuLab.with(strategy, vendor);
      const [guest, other] = [lab.guest(1), lab.guest(2)];
      const ring = lab.iommu.ports.get(guest.port.context)?.port.ringMemory?.address ?? 0;
      expect(guest.postReceive({ address: ring, length: 2048 })).toBe(1);
      lab.settle();
      lab.machine.arrive(frame(macOf(1), STRANGER, 500));
      lab.settle();
      lab.machine.host.protection.closePort(guest.port);
      other.send(frame(STRANGER, macOf(2), 90));
      lab.settle();
      expect(lab.machine.wire.frames.length).toBe(1);
      expect(lab.machine.host.pages.owner(pageNumber(frameOf(ring)))).toBe(-1);
    },
  );
});

const OPTIONS = {
  share: { weight: 1 },
  transmitSlots: 16,
  receiveSlots: 16,
  antiSpoofing: false,
  promiscuous: false,
};
