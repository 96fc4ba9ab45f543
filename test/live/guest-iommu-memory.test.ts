import { describe, expect, it } from 'vitest';
import { either } from '../support/whole.js';
import { ACCESS_PLATFORM, type Driver, MRG_RXBUF, TRANSMIT, VERSION_1 } from './support/driver.js';
import { GuestIommuLab } from './support/guest-iommu-lab.js';

const GIGABYTE = 2 ** 30;
const REGION = 2 ** 21;
const NEEDS_RESET = 64;

/** A machine of 24 MB that has this many pages left. */
function tightLab(pages: number): GuestIommuLab {
  const lab = new GuestIommuLab({ scenario: { host: { memoryMegabytes: 24 } } });
  while (freePages(lab) > pages) lab.live.host.hypervisor.allocateOwn('hypervisor', 4096);
  return lab;
}

function freePages({ live }: GuestIommuLab): number {
  return live.host.pages.freePages;
}

/** Connects and maps what the rings need, and `count` pages more, so many bytes apart. */
function connect(lab: GuestIommuLab, index: number, count: number, apart: number): Driver {
  const driver = lab.driver(index);
  driver.client.connect();
  driver.client.version();
  driver.client.map(0x10000, 0x20000, 0x10000);
  for (let at = 1; at <= count; at += 1)
    expect(driver.client.map(at * apart + 0x1000, 0x1000, 0x100000)?.error).toBe(0);
  return driver;
}

function start(lab: GuestIommuLab, driver: Driver): boolean {
  driver.start(MRG_RXBUF | VERSION_1 | ACCESS_PLATFORM);
  lab.run(2_000_000);
  return (driver.status & NEEDS_RESET) === 0;
}

/** The neighbour boots, and a frame of its own goes out. */
function expectNeighbourWorks(lab: GuestIommuLab): void {
  const other = lab.boot(1);
  expect(other.status & NEEDS_RESET).toBe(0);
  other.client.map(0x2000_0000, 0x1000, 0x200000);
  other.post(TRANSMIT, 0, [{ at: 0x2000_0000, bytes: 72 }]);
  lab.run();
  expect(other.takeUsed(TRANSMIT)).toHaveLength(1);
}

describe('iommu:guest where memory of the host is tight', () => {
  it('a guest whose mappings need more tables than there are pages is refused its port, and nothing else happens', () => {
    const lab = tightLab(603);
    // Two tables for each and a few above them: two for each alone would fit.
    const driver = connect(lab, 0, 300, GIGABYTE);
    expect(start(lab, driver)).toBe(false);
    expect(lab.live.host.pages.references).toBe(0);
    driver.client.disconnect();
    lab.run();
    expectNeighbourWorks(lab);
    lab.plugIn(0);
    lab.boot(0);
    lab.run();
    lab.live.checkInvariants();
  });

  it('whichever page is the first that is missing, the port is opened or refused, and nothing is left of it', () => {
    const outcomes = new Set<boolean>();
    for (let pages = 36; pages < 64; pages += either(1, 3)) {
      const lab = tightLab(pages);
      const driver = connect(lab, 0, 20, GIGABYTE);
      const outcome = start(lab, driver);
      outcomes.add(outcome);
      if (!outcome) expect(lab.live.host.pages.references).toBe(0);
      lab.live.checkInvariants();
      driver.client.disconnect();
      lab.run();
      expect(lab.live.host.pages.references).toBe(0);
    }
    expect(outcomes).toEqual(new Set([false, true]));
  });

  it('a driver that is refused again and again takes no page and no domain number with it', () => {
    const lab = tightLab(1000);
    const driver = connect(lab, 0, 2040, REGION);
    expect(start(lab, driver)).toBe(false);
    const free = freePages(lab);
    for (let round = 0; round < 50; round += 1) expect(start(lab, driver)).toBe(false);
    expect(freePages(lab)).toBe(free);
    driver.client.disconnect();
    lab.run();
    expectNeighbourWorks(lab);
    lab.live.checkInvariants();
  });

  it('tables that one guest has left are there for the next', () => {
    const count = 300;
    const lab = tightLab(2 * count + 80);
    const first = connect(lab, 1, count, GIGABYTE);
    expect(start(lab, first)).toBe(true);
    first.client.disconnect();
    lab.run();
    expect(freePages(lab)).toBeLessThan(count);
    const next = connect(lab, 0, count, GIGABYTE);
    expect(start(lab, next)).toBe(true);
    lab.live.checkInvariants();
  });

  it('a mapping that no table can be had for is refused while the port is open, and pins nothing', () => {
    const lab = tightLab(600);
    const { client } = lab.boot(0);
    const before = lab.live.host.pages.references;
    let taken = 0;
    while (taken < 1022 && client.map((taken + 1) * GIGABYTE, 0x1000, 0x100000)?.error === 0) taken += 1;
    expect(taken).toBeLessThan(1022);
    expect(lab.live.host.pages.references).toBe(before + taken);
    client.disconnect();
    lab.run();
    expect(lab.live.host.pages.references).toBe(0);
    lab.live.checkInvariants();
  });
});
