import { describe, expect, it } from 'vitest';
import { APPROACHES, makeProtection, NAMED_APPROACHES } from '../../../host/protection/approaches.js';
import { Cdna } from '../../../host/protection/cdna/cdna.js';
import { CdnaIommu } from '../../../host/protection/cdna-iommu/cdna-iommu.js';
import { DriverDomain } from '../../../host/protection/driver-domain/driver-domain.js';
import { GuestDriven } from '../../../host/protection/iommu/guest-driven/guest-driven.js';
import { Iommu } from '../../../host/protection/iommu/iommu.js';
import { IommuProtection } from '../../../host/protection/iommu/iommu-protection.js';
import { NoDma } from '../../../host/protection/nodma/no-dma.js';
import { pageNumber } from '../../../nic/addresses.js';
import { turnOf } from '../../support/whole.js';
import { frame, Machine, macOf, PAGE, PORT, STRANGER } from '../support/machine.js';

const SETTLE_NS = 60_000_000;
/** Approaches whose hypervisor holds a reference on a page for as long as the card may use it. */
const PINNING = NAMED_APPROACHES.filter(
  ({ name }) =>
    !['none', 'dev', 'nodma', 'driver-domain', 'iommu:shadow-copy', 'iommu:direct-map'].includes(name),
);

describe.each(NAMED_APPROACHES)('$name', ({ name, make }) => {
  it('counts on what ports have accepted when they are closed', () => {
    const machine = new Machine(make());
    const [guest, other] = [machine.guest(1), machine.guest(2)];
    machine.run();
    const { protection } = machine.host;
    const accepted = () => protection.counters().accepted;
    const before = accepted();
    for (let count = 0; count < 3; count += 1) guest.send(frame(STRANGER, macOf(1), 80, count));
    for (let count = 0; count < 2; count += 1) guest.postReceive({ address: guest.page(), length: PAGE });
    other.send(frame(STRANGER, macOf(2)));
    machine.run(SETTLE_NS);
    expect(accepted() - before).toBe(6);
    protection.closePort(guest.port);
    machine.run(SETTLE_NS);
    expect(accepted() - before).toBe(6);
    // A context that was no port of the approach, and one that is closed again, count for nothing.
    protection.closePort(guest.port);
    other.send(frame(STRANGER, macOf(2)));
    machine.run(SETTLE_NS);
    expect(accepted() - before).toBe(7);
  });

  it('has memory for as many ports as were opened, whatever went wrong with others', () => {
    const machine = new Machine(make());
    const { host } = machine;
    const domain = host.createGuest('guest', 1);
    const open = (change: Partial<typeof PORT> = {}) =>
      host.protection.openPort(domain, { ...PORT, mac: macOf(1), ...change });
    // What the first port sets up for good, and what the first mistake does.
    const close = (port: ReturnType<typeof open>) => {
      machine.run(SETTLE_NS);
      host.protection.closePort(port);
      machine.run(SETTLE_NS);
    };
    close(open());
    expect(() => open({ transmitSlots: 3 })).toThrow(/port\.transmitSlots is 3/);
    machine.run(SETTLE_NS);
    const free = host.pages.freePages;
    for (let turn = 0; turn < 5; turn += 1) {
      expect(() => open({ receiveSlots: 5 })).toThrow(/port\.receiveSlots is 5/);
      expect(() => open({ transmitSlots: 65_536 })).toThrow(/port\.transmitSlots is 65536/);
    }
    machine.run(SETTLE_NS);
    expect([host.pages.freePages, host.pages.pinnedPages, domain.ownedPages.size]).toEqual([free, 0, 0]);
    const port = open();
    machine.run(SETTLE_NS);
    expect(port.context).toBeGreaterThanOrEqual(0);
    close(port);
    expect(host.pages.pinnedPages).toBe(0);
    expect(name).not.toBe('');
  });
});

describe.each(PINNING)('$name', ({ make }) => {
  it('gives a page back on request when no buffer that is posted has it, and not before', () => {
    const machine = new Machine(make());
    const guest = machine.guest(1);
    machine.run();
    const { protection, pages } = machine.host;
    const [used, idle] = [guest.page(), guest.page()].map((address) => pageNumber(address / PAGE));
    if (used === undefined || idle === undefined) throw new Error('two pages');
    guest.postReceive({ address: used * PAGE, length: PAGE });
    machine.run(100_000);
    expect([protection.relinquish(guest.domain, used), protection.relinquish(guest.domain, idle)]).toEqual([
      false,
      true,
    ]);
    protection.closePort(guest.port);
    machine.run(SETTLE_NS);
    expect([protection.relinquish(guest.domain, used), pages.count(used)]).toEqual([true, 0]);
  });
});

describe('without a hypervisor that holds references', () => {
  it.each(APPROACHES.filter(({ name }) => ['none', 'dev', 'nodma'].includes(name)))(
    'a page is given back in good faith: $name',
    ({ make }) => {
      const machine = new Machine(make());
      const guest = machine.guest(1);
      machine.run();
      const page = pageNumber(guest.page() / PAGE);
      guest.postReceive({ address: page * PAGE, length: PAGE });
      machine.run(100_000);
      const { protection, pages } = machine.host;
      expect(protection.relinquish(guest.domain, page)).toBe(true);
      pages.pin(page);
      expect(protection.relinquish(guest.domain, page)).toBe(false);
      pages.unpin(page);
    },
  );
});

describe('options', () => {
  it.each<[string, () => unknown]>([
    ['cdna: releaseNs', () => new Cdna({ releaseNs: 1 } as object)],
    ['nodma: dpr', () => new NoDma({ dpr: 1 } as object)],
    ['driver-domain: flip', () => new DriverDomain({ flip: true } as object)],
    ['iommu: strategies', () => new Iommu({ strategy: 'shared', strategies: 1 } as { strategy: string })],
    ['iommu: releaseNs', () => new CdnaIommu({ releaseNs: 1 } as object)],
    [
      'iommu.strategyOptions: quota',
      () => new Iommu({ strategy: 'shared', strategyOptions: { quota: 1 } as object }),
    ],
  ])('that nobody reads are refused by name: %s', (message, make) => {
    expect(make).toThrow(`${message} is not an option that is known here`);
  });

  it('of the IOMMU reach every approach that has one, and no other', () => {
    for (const { name } of turnOf(NAMED_APPROACHES, 1)) {
      const { protection } = new Machine(makeProtection(name, { vendor: 'amdvi' })).host;
      const vendor = protection instanceof IommuProtection ? protection.driver.vendor : undefined;
      expect(vendor, name).toBe(name.includes('iommu') ? 'amdvi' : undefined);
    }
    expect(new CdnaIommu({ releaseTimeoutNs: 1, vendor: 'vtd' }).name).toBe('cdna+iommu');
    expect(() => new CdnaIommu({ releaseTimeoutNs: 0 })).toThrow(/cdna\.releaseTimeoutNs is 0/);
  });

  it.each<[() => unknown, RegExp | undefined]>([
    [() => new DriverDomain({ slots: 128, budget: 1, core: 0 }), undefined],
    [() => new DriverDomain({ slots: 4096, budget: 4096, core: 1023 }), undefined],
    [
      () => new DriverDomain({ slots: 64 }),
      /driver-domain\.slots is 64, expected a whole number from 128 to 4096/,
    ],
    [() => new DriverDomain({ slots: 8192 }), /driver-domain\.slots is 8192/],
    [() => new DriverDomain({ budget: 4097 }), /driver-domain\.budget is 4097, .* from 1 to 4096/],
    [() => new DriverDomain({ budget: 1.5 }), /driver-domain\.budget is 1\.5/],
    [() => new DriverDomain({ core: 1024 }), /driver-domain\.core is 1024, .* from 0 to 1023/],
    [() => new NoDma({ dprMegabytes: 1 }), undefined],
    [() => new NoDma({ dprMegabytes: 255 }), undefined],
    [() => new Iommu({ strategy: 'persistent', strategyOptions: { quotaPages: 1 } }), undefined],
    [
      () => new Iommu({ strategy: 'deferred', strategyOptions: { queueEntries: 1, timeoutNs: 1 } }),
      undefined,
    ],
    [
      () => new Iommu({ strategy: 'deferred', strategyOptions: { timeoutNs: 0 } }),
      /iommu\.strategyOptions\.timeoutNs is 0/,
    ],
    [
      () =>
        new Iommu({
          strategy: 'flush-on-wrap',
          strategyOptions: { lineFlushNs: 0, quiesceNs: 0, tablePages: 1 },
        }),
      undefined,
    ],
    [
      () => new Iommu({ strategy: 'single-use', strategyOptions: { linuxKernel: '5.4' as '6.1' } }),
      /iommu\.strategyOptions\.linuxKernel is "5\.4", expected one of: 6\.1, 6\.12/,
    ],
    [() => new Iommu({ strategy: 'single-use', vendor: 'amdvi', cachingMode: false, maxMode: 5 }), undefined],
    [
      () => new Iommu({ strategy: 'single-use', vendor: 'vtd', cachingMode: true, capabilities: {} }),
      undefined,
    ],
    [() => new Iommu({ strategy: 'single-use', faultLimit: 1 }), undefined],
    [() => new GuestDriven({ maxMode: 4 }), /iommu\.maxMode is 4, expected none for vtd/],
  ])('at the edge of what they may be: %s', (make, refusal) => {
    if (refusal === undefined) expect(make).not.toThrow();
    else expect(make).toThrow(refusal);
  });
});
