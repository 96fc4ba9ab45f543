import { describe, expect, it } from 'vitest';
import { COSTS, type CostName } from '../../../../host/cpu/costs.js';
import type { StrategyOptions } from '../../../../host/protection/iommu/strategies/index.js';
import { frame, macOf, PAGE, STRANGER, type TestGuest } from '../../support/machine.js';
import { IommuLab } from './lab.js';

/** Every operation costs a prime, so that a sum says what it is of. */
const PRIMES = {
  hypercall: 1_000_003,
  validatePage: 100_003,
  pinPage: 10_007,
  unpinPage: 20_011,
  mapPage: 1_009,
  unmapPage: 2_003,
  iovaAllocate: 101,
  queueInvalidation: 300_007,
  copyByte: 3,
  clearByte: 7,
} as const satisfies Partial<Record<CostName, number>>;
const FREE = Object.fromEntries(Object.keys(COSTS).map((name) => [name, 0]));

function bench(strategy: string, strategyOptions: StrategyOptions = {}) {
  const lab = new IommuLab(
    {
      strategy,
      strategyOptions,
      timing: { pageInvalidationNs: 0, domainInvalidationNs: 0 },
      queueTiming: { descriptorFetchNs: 0, statusWriteNs: 0 },
    },
    { host: { costs: { ...FREE, ...PRIMES } } },
  );
  const guest = lab.guest(1);
  lab.settle();
  const { processor, hypervisor } = lab.machine.host;
  const spent = (account: number, work: () => void) => {
    const before = processor.cyclesOf(account);
    work();
    return processor.cyclesOf(account) - before;
  };
  return { lab, guest, byHypervisor: (work: () => void) => spent(hypervisor.account, work) };
}

/** Two buffers, of one page and of three. */
function buffers(guest: TestGuest) {
  const [one, three] = [guest.page(), guest.pages(3)];
  return [
    { address: one, length: 100 },
    { address: three + PAGE - 1, length: PAGE + 2 },
  ];
}

const { hypercall, validatePage, pinPage, unpinPage, mapPage, unmapPage, iovaAllocate, queueInvalidation } =
  PRIMES;

describe('what a strategy costs the hypervisor', () => {
  it('single-use: a hypercall a batch, an address a buffer, entries and references a page, a command and a wait a buffer', () => {
    const { lab, guest, byHypervisor } = bench('single-use');
    const posted = buffers(guest);
    expect(byHypervisor(() => guest.postReceive(...posted))).toBe(
      hypercall + 4 * (validatePage + pinPage + mapPage) + 2 * iovaAllocate,
    );
    lab.settle();
    const asked = byHypervisor(() => guest.port.receive.finish(2));
    // The CPU polls for the end of both besides; only the time is the unit's.
    expect(asked).toBe(hypercall + 2 * unmapPage * 2 + 4 * queueInvalidation);
    expect(byHypervisor(() => lab.settle())).toBe(4 * unpinPage);
  });

  it('single-use: what is refused has been looked at up to the page that is not the guest’s', () => {
    const { lab, guest, byHypervisor } = bench('single-use');
    const [mine] = [guest.pages(2)];
    expect(byHypervisor(() => guest.postReceive({ address: mine + PAGE, length: PAGE + 1 }))).toBe(
      hypercall + 2 * validatePage,
    );
    expect(byHypervisor(() => guest.postReceive({ address: mine, length: 0 }))).toBe(hypercall);
    expect(lab.details('pagesMapped')).toBe(3);
  });

  it('shared and persistent: a page that is mapped already costs nothing at all', () => {
    for (const strategy of ['shared', 'persistent']) {
      const { guest, byHypervisor } = bench(strategy);
      const page = guest.page();
      const buffer = { address: page, length: 100 };
      expect(
        byHypervisor(() => guest.postReceive(buffer, buffer)),
        strategy,
      ).toBe(hypercall + 2 * validatePage + pinPage + mapPage);
      expect(
        byHypervisor(() => guest.postReceive(buffer)),
        strategy,
      ).toBe(0);
    }
  });

  it('shared: the last buffer of a page takes it out, with one hypercall for all pages of a batch', () => {
    const { guest, lab, byHypervisor } = bench('shared');
    const [one, two] = [guest.page(), guest.page()];
    for (const address of [one, one, two]) guest.postReceive({ address, length: 100 });
    lab.settle();
    expect(byHypervisor(() => guest.port.receive.finish(1))).toBe(0);
    expect(byHypervisor(() => guest.port.receive.finish(3))).toBe(
      hypercall + 2 * unmapPage + 4 * queueInvalidation,
    );
    expect(byHypervisor(() => lab.settle())).toBe(2 * unpinPage);
  });

  it('deferred: an unmap releases its pages at once and asks for nothing; a flush is a command and a wait', () => {
    const { guest, lab, byHypervisor } = bench('deferred', { queueEntries: 3 });
    const posted = Array.from({ length: 3 }, () => ({ address: guest.page(), length: 100 }));
    guest.postReceive(...posted);
    lab.settle();
    expect(byHypervisor(() => guest.port.receive.finish(2))).toBe(hypercall + 2 * (unmapPage + unpinPage));
    expect(byHypervisor(() => guest.port.receive.finish(3))).toBe(
      hypercall + unmapPage + unpinPage + 2 * queueInvalidation,
    );
  });

  it('contiguous: nothing is taken out before a range is done, then all of it with one command', () => {
    const { guest, lab, byHypervisor } = bench('contiguous');
    const pages = guest.pages(4);
    const buffer = { address: pages, length: 4 * PAGE };
    for (let turn = 0; turn < 15; turn += 1) {
      guest.postReceive(buffer);
      lab.settle();
      expect(byHypervisor(() => guest.port.receive.finish(turn + 1))).toBe(hypercall);
      lab.settle();
    }
    guest.postReceive(buffer);
    lab.settle();
    expect(byHypervisor(() => guest.port.receive.finish(16))).toBe(
      hypercall + 64 * unmapPage + 2 * queueInvalidation,
    );
    expect(byHypervisor(() => lab.settle())).toBe(64 * unpinPage);
  });
});

describe('what copies cost', () => {
  it('shadow-copy: a byte is a byte, on the guest’s own time, once', () => {
    const { lab, guest } = bench('shadow-copy');
    const { processor, hypervisor } = lab.machine.host;
    const { account } = guest.domain;
    const [own, theirs] = [processor.cyclesOf(account), processor.cyclesOf(hypervisor.account)];
    const page = guest.page();
    guest.store(page, frame(STRANGER, macOf(1), 150));
    processor.post(account, () => {
      guest.port.transmit.finish(0);
      guest.post({ address: page, length: 150 });
    });
    lab.settle();
    expect(processor.cyclesOf(account) - own).toBe(150 * PRIMES.copyByte);
    expect(processor.cyclesOf(hypervisor.account) - theirs).toBe(0);
  });

  it('swiotlb: what is cleared around a buffer and what is copied, in and out', () => {
    const { lab, guest } = bench('swiotlb');
    const { processor } = lab.machine.host;
    const { account } = guest.domain;
    const page = guest.page();
    const spent = (work: () => void) => {
      const before = processor.cyclesOf(account);
      processor.post(account, work);
      // A hypercall takes half a millisecond here.
      lab.settle(5_000_000);
      return processor.cyclesOf(account) - before;
    };
    expect(spent(() => guest.postReceive({ address: page + 8, length: 200 }))).toBe(
      200 * PRIMES.copyByte + (PAGE - 200) * PRIMES.clearByte,
    );
    expect(spent(() => guest.port.receive.finish(1))).toBe(200 * PRIMES.copyByte);
    expect(lab.details('copiedBytes')).toBe(400);
    expect(spent(() => guest.postReceive({ address: page, length: PAGE }))).toBe(0);
  });
});
