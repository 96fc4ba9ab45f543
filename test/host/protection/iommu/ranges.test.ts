import { describe, expect, it } from 'vitest';
import type { IommuOptions } from '../../../../host/protection/iommu/iommu.js';
import { ioPageNumber, pageNumber, requesterId } from '../../../../nic/addresses.js';
import { ALL, Eyes, hex, WAIT } from './eyes.js';
import { requesterOf, VENDORS } from './lab.js';

/** Where AMD-Vi puts the size of a range: zero is the highest bit of the offset in it, with ones below. */
const sized = (address: number, order: number) =>
  BigInt(address) + (order === 0 ? 0n : 2n ** BigInt(11 + order) - 4096n);

describe.each(VENDORS)('a range to be invalidated on %s', (vendor) => {
  const pagesAt = (domain: number, page: number, order: number, leafOnly: boolean) =>
    vendor === 'vtd'
      ? `iotlb pages domain ${domain} at ${hex(page * 4096)} AM ${order} IH ${leafOnly ? 1 : 0}`
      : `pages domain ${domain} at ${hex(sized(page * 4096, order))} S ${order === 0 ? 0 : 1} PDE ${leafOnly ? 0 : 1}`;
  const deviceAt = (source: number, page: number, order: number) =>
    `device source ${hex(source)} at ${hex(sized(page * 4096, order))} S ${order === 0 ? 0 : 1}`;
  const idle = (options: Partial<IommuOptions> = {}) => {
    const eyes = new Eyes(vendor, 'single-use', options);
    eyes.lab.settle();
    eyes.commands();
    return eyes;
  };

  it.each([
    [8, 1, [[8, 0]]],
    [8, 2, [[8, 1]]],
    [
      7,
      2,
      [
        [6, 1],
        [8, 1],
      ],
    ],
    [5, 3, [[4, 2]]],
    [
      7,
      3,
      [
        [4, 2],
        [8, 2],
      ],
    ],
    [64, 64, [[64, 6]]],
    [2 ** 28, 5, [[2 ** 28, 3]]],
  ] as const)(
    'from page %i on, of %i: as few aligned powers of two as cover it (VT-d 6.5.2.3, AMD-Vi 2.4.3), and one wait',
    (first, pages, commands) => {
      for (const leafOnly of [false, true]) {
        const eyes = idle();
        const { driver } = eyes.lab.iommu;
        const before = eyes.lab.details('invalidations');
        const reported: number[][] = [];
        driver.invalidateRange(
          9,
          ioPageNumber(first),
          pages,
          leafOnly,
          (...numbers) => reported.push(numbers),
          pageNumber(77),
        );
        expect(eyes.commands()).toEqual([
          ...commands.map(([at, order]) => pagesAt(9, at, order, leafOnly)),
          WAIT,
        ]);
        expect([eyes.lab.details('invalidations') - before, reported]).toEqual([1, []]);
        eyes.lab.settle();
        expect(reported).toEqual([[first, pages, 77]]);
      }
    },
  );

  it('without a page of memory to go with it is reported with page 0; a domain likewise', () => {
    const eyes = idle();
    const { driver } = eyes.lab.iommu;
    const reported: unknown[][] = [];
    driver.invalidateRange(3, ioPageNumber(5), 1, false, (...numbers) => reported.push(numbers));
    const before = eyes.lab.details('invalidations');
    driver.invalidateDomain(3, () => reported.push([]));
    expect(eyes.lab.details('invalidations') - before).toBe(1);
    expect(eyes.commands().slice(2)).toEqual([
      vendor === 'vtd' ? 'iotlb 2 domain 3' : `pages domain 3 at ${ALL} S 1 PDE 1`,
      WAIT,
    ]);
    eyes.lab.settle();
    expect(reported).toEqual([[5, 1, 0], []]);
  });

  it('is asked of the devices that hold translations of its domain, and of no others, range by range', () => {
    const eyes = idle();
    const { driver } = eyes.lab.iommu;
    const [one, two] = [eyes.lab.guest(1), eyes.lab.guest(2)];
    const [first, second] = [one, two].map(({ port }) => requesterOf(port.context));
    expect([first, second].map((id = 0) => eyes.trustsDevice(id))).toEqual([false, false]);
    driver.enableDeviceTlb(requesterId(first ?? 0));
    expect([first, second].map((id = 0) => eyes.trustsDevice(id))).toEqual([true, false]);
    eyes.lab.settle();
    eyes.commands();
    driver.invalidateRange(2, ioPageNumber(7), 2, false, () => undefined);
    expect(eyes.commands()).toEqual([
      pagesAt(2, 6, 1, false),
      deviceAt(first ?? 0, 6, 1),
      pagesAt(2, 8, 1, false),
      deviceAt(first ?? 0, 8, 1),
      WAIT,
    ]);
    driver.invalidateRange(3, ioPageNumber(7), 1, false, () => undefined);
    expect(eyes.commands()).toEqual([pagesAt(3, 7, 0, false), WAIT]);
    // All that it holds goes with the domain, once more when its port closes, and then it is asked no more.
    driver.invalidateDomain(2, () => undefined);
    const everything = `device source ${hex(first ?? 0)} at ${ALL} S 1`;
    expect(eyes.commands()[1]).toBe(everything);
    eyes.lab.iommu.closePort(one.port);
    expect(eyes.commands().filter((command) => command.startsWith('device'))).toEqual([everything]);
    eyes.lab.settle();
    driver.invalidateDomain(2, () => undefined);
    expect(eyes.commands()).toHaveLength(2);
    eyes.lab.settle();
    eyes.lab.machine.host.checkInvariants();
  });

  it('is no use to a device that is attached to nothing: none is asked to hold translations', () => {
    const eyes = idle();
    expect(() => eyes.lab.iommu.driver.enableDeviceTlb(requesterId(0x123))).toThrow(
      /requester 0x123 is not attached/,
    );
  });

  it('is the whole domain where the unit cannot name so many pages', () => {
    if (vendor === 'amdvi') return;
    const eyes = idle({ capabilities: { maxAddressMask: 2 } });
    const { driver } = eyes.lab.iommu;
    for (const [pages, command] of [
      [4, pagesAt(5, 8, 2, false)],
      [5, 'iotlb 2 domain 5'],
    ] as const) {
      const reported: number[][] = [];
      driver.invalidateRange(5, ioPageNumber(8), pages, false, (...numbers) => reported.push(numbers));
      expect(eyes.commands()).toEqual([command, WAIT]);
      eyes.lab.settle();
      expect(reported).toEqual([[8, pages, 0]]);
    }
  });
});

describe.each(VENDORS)('what else the driver writes on %s', (vendor) => {
  it('interrupt messages are remapped behind an invalidation of what the unit holds of them, once', () => {
    const eyes = new Eyes(vendor);
    eyes.lab.settle();
    eyes.commands();
    eyes.lab.iommu.driver.remapInterrupts();
    expect(eyes.commands()).toEqual([vendor === 'vtd' ? 'interrupt entries 0' : 'opcode 8', WAIT]);
    eyes.lab.settle();
  });

  it('a driver that forgets its entries asks for nothing at open, and for the domain alone at close', () => {
    const eyes = new Eyes(vendor);
    eyes.lab.settle();
    eyes.commands();
    eyes.lab.iommu.driver.forgetsEntries = true;
    const guest = eyes.lab.guest(1);
    expect(eyes.commands()).toEqual([WAIT]);
    eyes.lab.iommu.closePort(guest.port);
    expect(eyes.commands()).toEqual([
      vendor === 'vtd' ? 'iotlb 2 domain 2' : `pages domain 2 at ${ALL} S 1 PDE 1`,
      WAIT,
    ]);
    eyes.lab.settle();
  });
});

describe('AMD-Vi: a log that is full when a wait is reported', () => {
  it('may have lost a device’s silence, so every device is asked again, and what was waited for only then believed', () => {
    const eyes = new Eyes('amdvi');
    const { lab } = eyes;
    const guest = lab.guest(1);
    const source = requesterOf(guest.port.context);
    lab.iommu.driver.enableDeviceTlb(requesterId(source));
    lab.settle();
    eyes.commands();
    lab.iommu.driver.invalidateDomain(2, () => undefined);
    eyes.commands();
    // More faults than the log has entries, before the hypervisor can look.
    for (let turn = 0; turn < 600; turn += 1) lab.reach(guest, 2 ** 41 + turn * 4096, false);
    lab.settle();
    expect(eyes.commands()).toEqual([`device source ${hex(source)} at ${ALL} S 1`, 'opcode 8', WAIT]);
    expect([lab.details('queueErrors'), lab.details('devicesStopped')]).toEqual([1, 0]);
    lab.settle();
    lab.machine.host.checkInvariants();
  });
});
