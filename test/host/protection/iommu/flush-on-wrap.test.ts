import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FURTHER_APPROACHES } from '../../../../host/protection/approaches.js';
import { ParameterError } from '../../../../scheduler/errors.js';
import { runs } from '../../../support/whole.js';
import { frame, macOf, PAGE, STRANGER } from '../../support/machine.js';
import { protectionSpecs } from '../specs.js';
import { IommuLab, VENDORS } from './lab.js';

const TABLE_PAGES = 8;
/** Where the bitmap's addresses begin, in pages: aligned to their number, behind the rings. */
const pageOf = (bus: number, base: number) => (bus - base) / PAGE;

for (const { name, make, claims } of FURTHER_APPROACHES) protectionSpecs(name, make, claims);

describe.each(VENDORS)('flush-on-wrap on %s (pci-calgary.c, tce.c of Linux 2.6)', (vendor) => {
  const bench = (tablePages = TABLE_PAGES) => {
    const lab = new IommuLab({ strategy: 'flush-on-wrap', vendor, strategyOptions: { tablePages } });
    const guest = lab.guest(1, { transmitSlots: 8, receiveSlots: 8 });
    let posted = 0;
    /** Posts one receive buffer, a longer one across two pages, and lets the device use it; returns its bus address. */
    const use = (page: number, length = 200) => {
      const address = length === 200 ? page : page + PAGE - 64;
      expect(guest.postReceive({ address, length })).toBe(1);
      const bus = lab.busAddress(guest, 'receive', posted);
      posted += 1;
      // A CPU that flushes waits for the end before it rings; here nothing else of the driver takes time.
      lab.settle();
      expect(lab.reach(guest, bus, true)).toBe(address);
      lab.settle();
      return bus;
    };
    return { lab, guest, use, finish: () => guest.port.receive.finish(guest.port.receive.producer) };
  };

  it('gives addresses from a moving hint, and begins anew behind a flush', () => {
    const { lab, guest, use, finish } = bench();
    const page = guest.page();
    const base = use(page);
    finish();
    const given = [0];
    for (let turn = 1; turn < 2 * TABLE_PAGES + 3; turn += 1) {
      given.push(pageOf(use(page), base));
      finish();
    }
    expect(given).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2]);
    expect(lab.details('wrapFlushes')).toBe(2);
    expect(lab.details('flushes')).toBe(2);
  });

  it('leaves what it unmapped within reach until the search wraps, with another owner too', () => {
    const { lab, guest, use, finish } = bench();
    const [page, other] = [guest.page(), guest.page()];
    const stale = use(page);
    finish();
    lab.settle();
    expect(lab.machine.host.pages.pinnedPages).toBeGreaterThan(0); // the rings
    expect(lab.reach(guest, stale, true)).toBe(page);
    for (let turn = 1; turn < TABLE_PAGES; turn += 1) {
      use(other);
      finish();
      expect(lab.reach(guest, stale, true)).toBe(page);
    }
    // The eighth of eight addresses is used; the next one is the first again, behind a flush.
    expect(use(other)).toBe(stale);
    expect(lab.reach(guest, stale, true)).toBe(other);
  });

  it('passes over what is in use when it wraps, and finds runs for buffers across pages', () => {
    const { guest, use } = bench();
    const pages = guest.pages(2);
    const base = use(guest.page());
    for (let turn = 1; turn < 6; turn += 1) {
      use(guest.page());
      guest.port.receive.finish(turn);
    }
    // Pages 0 to 4 are free again, 5 is in use: two pages fit behind it, two more only after a wrap.
    expect(pageOf(use(pages, 128) - (PAGE - 64), base)).toBe(6);
    expect(pageOf(use(pages, 128) - (PAGE - 64), base)).toBe(0);
  });

  it('says so when every address of a bitmap that is smaller than the rings is in use', () => {
    const { guest, use, finish } = bench(4);
    for (let turn = 0; turn < 4; turn += 1) use(guest.page());
    const page = guest.page();
    expect(() => guest.postReceive({ address: page, length: 200 })).toThrow(
      /^iommu\.tablePages is 4, expected more: a buffer needs 1 in a row, and 0 are free/u,
    );
    finish();
    expect(() => use(page)).not.toThrow();
  });

  it('gives its addresses back with the port, to the next one that shares them', () => {
    const lab = new IommuLab({ strategy: 'flush-on-wrap', vendor, oneRequesterId: true });
    const first = (number: number) => {
      const guest = lab.guest(number);
      guest.postReceive({ address: guest.page(), length: 200 });
      const at = lab.busAddress(guest, 'receive', 0);
      lab.iommu.closePort(guest.port);
      lab.settle();
      return at;
    };
    const at = first(1);
    for (const number of [2, 3, 4]) expect(first(number)).toBe(at);
  });

  it('gives the address of a buffer that a flush found mapped out again without another one (iommu_range_alloc)', () => {
    const { lab, guest } = bench();
    const [page, kept, next] = [guest.page(), guest.page(), guest.page()];
    let posted = 0;
    const post = (address: number) => {
      expect(guest.postReceive({ address, length: 200 })).toBe(1);
      posted += 1;
      lab.settle();
      return lab.busAddress(guest, 'receive', posted - 1);
    };
    const finish = (index: number) => {
      guest.port.receive.finish(index);
      lab.settle();
    };
    for (let at = 0; at < 5; at += 1) post(page);
    finish(5);
    const bus = post(kept);
    for (let at = 6; at < TABLE_PAGES; at += 1) post(page);
    // The search begins anew: what is mapped at `bus` stays, and the device uses it behind the flush.
    post(page);
    expect(lab.details('wrapFlushes')).toBe(1);
    expect(lab.reach(guest, bus, true)).toBe(kept);
    lab.settle();
    finish(6);
    for (let at = 1; at < 5; at += 1) {
      post(page);
      finish(posted - 1);
    }
    expect(post(next)).toBe(bus);
    expect(lab.details('wrapFlushes')).toBe(1);
    expect(lab.reach(guest, bus, true), 'the page of before').toBe(kept);
  });

  it('gives an address to one buffer at a time, whatever the order of work', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('post' as const), wide: fc.boolean() }),
      fc.record({ kind: fc.constant('finish' as const), count: fc.integer({ min: 1, max: 4 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { minLength: 5, maxLength: 60 }), (steps) => {
        const lab = new IommuLab({ strategy: 'flush-on-wrap', vendor, strategyOptions: { tablePages: 24 } });
        const guest = lab.guest(1, { transmitSlots: 8, receiveSlots: 8 });
        const pages = guest.pages(2);
        const live: { first: number; pages: number }[] = [];
        let posted = 0;
        for (const one of steps) {
          const queue = guest.port.receive;
          if (one.kind === 'finish') {
            const count = Math.min(one.count, live.length);
            live.splice(0, count);
            queue.finish((posted - live.length) >>> 0);
          } else {
            const [address, length] = one.wide ? [pages + PAGE - 64, 128] : [pages, 128];
            if (guest.postReceive({ address, length }) === 0) continue;
            const first = Math.floor(lab.busAddress(guest, 'receive', posted) / PAGE);
            const next = { first, pages: one.wide ? 2 : 1 };
            const overlaps = live.some(
              (other) => other.first < first + next.pages && first < other.first + other.pages,
            );
            expect(overlaps).toBe(false);
            live.push(next);
            posted += 1;
          }
          lab.settle();
        }
        lab.iommu.closePort(guest.port);
        lab.settle();
        expect(lab.machine.host.pages.pinnedPages).toBe(0);
      }),
      { numRuns: runs(25) },
    );
  });

  it('costs a cache-line flush per table write, and no command per unmap', () => {
    const cycles = (strategy: string, lineFlushNs: number) => {
      const lab = new IommuLab({ strategy, vendor, strategyOptions: { lineFlushNs } });
      const guest = lab.guest(1);
      lab.settle();
      const { processor, hypervisor } = lab.machine.host;
      const before = processor.cyclesOf(hypervisor.account);
      const commands = lab.details('queueDescriptors');
      for (let turn = 0; turn < 20; turn += 1) {
        guest.send(frame(STRANGER, macOf(1), 100, turn));
        lab.settle();
        guest.reclaim();
        lab.settle();
      }
      return {
        cycles: processor.cyclesOf(hypervisor.account) - before,
        commands: lab.details('queueDescriptors') - commands,
      };
    };
    const [cheap, dear] = [cycles('flush-on-wrap', 0), cycles('flush-on-wrap', 500)];
    // 20 pages, each written at map and at unmap: 40 flushes of 500 ns at 2.4 GHz.
    expect(dear.cycles - cheap.cycles).toBeCloseTo(40 * 500e-9 * 2.4e9, -2);
    expect([cheap.commands, dear.commands]).toEqual([0, 0]);
    expect(cycles('single-use', 0).commands).toBe(40);
  });

  it('names the option when the bitmap has no run for what rings hold at once (iommu_range_alloc: "IOMMU full")', () => {
    const { guest } = bench(4);
    const page = guest.pages(2);
    for (let posted = 0; posted < 3; posted += 1) guest.postReceive({ address: page, length: 128 });
    const wide = { address: page + PAGE - 64, length: 128 };
    expect(() => guest.postReceive(wide)).toThrow(
      new ParameterError(
        'iommu.tablePages is 4, expected more: a buffer needs 2 in a row, and 1 are free while the buffers in the rings have the others',
      ),
    );
  });

  it.each([
    [{ tablePages: 0 }, /iommu\.strategyOptions\.tablePages is 0/],
    [{ lineFlushNs: -1 }, /iommu\.strategyOptions\.lineFlushNs is -1/],
    [{ quiesceNs: 0.5 }, /iommu\.strategyOptions\.quiesceNs is 0\.5/],
  ])('names what is wrong with its options: %o', (strategyOptions, message) => {
    expect(() => new IommuLab({ strategy: 'flush-on-wrap', vendor, strategyOptions })).toThrow(message);
  });
});
