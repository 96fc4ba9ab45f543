import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { MOST_TABLE_PAGES } from '../../host/protection/iommu/guest-driven/guest-maps.js';
import { GUEST_DRIVEN } from '../../host/protection/iommu/guest-driven/name.js';
import { LiveMachine } from '../../src/live/live-machine.js';
import { subjectPlan } from '../../src/live/live-plan.js';
import { SessionReader } from '../../src/live/log/session-reader.js';
import { SessionWriter } from '../../src/live/log/session-writer.js';
import { Replay } from '../../src/live/replay.js';
import { ethernet, MRG_RXBUF, RECEIVE, TRANSMIT, VERSION_1 } from './support/driver.js';
import { GuestIommuLab, labScenario } from './support/guest-iommu-lab.js';
import { GUEST_BYTES, MAC } from './support/lab.js';

/** An address that no RAM here has: only a mapping gives it a meaning. */
const IOVA = 0xfff0_0000;
const PAGE = 0x300000;
const READ = 1;
const WRITE = 2;

/** Two guests; the first has a receive buffer at IOVA, mapped to the page at PAGE. */
function withBuffer(): GuestIommuLab {
  const lab = new GuestIommuLab();
  const owner = lab.boot(0);
  const sender = lab.boot(1);
  sender.client.map(0x200000, 0x1000, 0x200000, READ);
  lab.ram(0).fill(0x2e, PAGE, PAGE + 0x1000);
  expect(owner.client.map(IOVA, 0x1000, PAGE, WRITE)?.error).toBe(0);
  owner.post(RECEIVE, 0, [{ at: IOVA, bytes: 1536 }]);
  lab.run();
  return lab;
}

function sendTo0(lab: GuestIommuLab): void {
  lab.driver(1).send(0, 0x200000, ethernet(MAC, MAC + 1, 'LANDED', 94));
  lab.run(5_000_000);
}

function untouched(lab: GuestIommuLab): boolean {
  return lab
    .ram(0)
    .subarray(PAGE, PAGE + 0x1000)
    .every((byte) => byte === 0x2e);
}

describe("iommu:guest: the guest's own IOMMU drives our tables", () => {
  it('a frame goes to the page that the guest has mapped at the address of its buffer', () => {
    const lab = withBuffer();
    sendTo0(lab);
    expect(lab.driver(0).takeUsed(RECEIVE)).toEqual([{ head: 0, length: 106 }]);
    const page = Buffer.from(lab.ram(0).subarray(PAGE, PAGE + 106));
    expect(page.includes('LANDED')).toBe(true);
    lab.live.checkInvariants();
  });

  it('a write after the unmap is answered faults, and the page stays as it was', () => {
    const lab = withBuffer();
    const owner = lab.driver(0);
    expect(owner.client.unmap(IOVA, 0x1000)).toBeUndefined();
    lab.run(10_000);
    expect(owner.client.lateReply()?.error).toBe(0);
    sendTo0(lab);
    expect(untouched(lab)).toBe(true);
    expect(lab.live.host.protection.counters().denied).toBeGreaterThan(0);
    expect(lab.live.host.hypervisor.faultLog).toMatchObject([{ domain: 'a', caughtBy: 'nic' }]);
    expect(owner.status & 64).toBe(64);
    lab.live.checkInvariants();
  });

  it('the answer comes when the unit has reported the invalidation: the entry is gone before, a cache may know it', () => {
    const lab = withBuffer();
    const owner = lab.driver(0);
    const before = lab.live.host.protection.counters().details.flushes ?? 0;
    const from = lab.live.kernel.nowNs;
    expect(owner.client.unmap(IOVA, 0x1000)).toBeUndefined();
    let answered: number | undefined;
    while (answered === undefined && lab.live.kernel.nowNs < from + 100_000) {
      lab.run(10);
      if (owner.client.lateReply() !== undefined) answered = lab.live.kernel.nowNs;
    }
    expect(answered).toBeGreaterThan(from);
    expect(lab.live.host.protection.counters().details.flushes).toBe(before + 1);
    expect(lab.live.host.pages.references).toBeGreaterThan(0);
    lab.live.checkInvariants();
  });

  it('an address that is mapped anew leads to the new page alone', () => {
    const lab = withBuffer();
    const owner = lab.driver(0);
    owner.client.unmap(IOVA, 0x1000);
    lab.run(10_000);
    owner.client.map(IOVA, 0x1000, PAGE + 0x1000, WRITE);
    sendTo0(lab);
    expect(untouched(lab)).toBe(true);
    expect(Buffer.from(lab.ram(0).subarray(PAGE + 0x1000, PAGE + 0x1100)).includes('LANDED')).toBe(true);
  });

  it("a guest's mapping gives another guest nothing, at the same address or any other", () => {
    const lab = withBuffer();
    const thief = lab.driver(1);
    lab.ram(0).fill(0x53, PAGE, PAGE + 0x1000);
    const sent: Uint8Array[] = [];
    lab.live.host.nic.streams.frames$.subscribe(({ direction, bytes }) => {
      if (direction === 'transmit') sent.push(bytes);
    });
    for (const at of [IOVA, PAGE, GUEST_BYTES + PAGE]) {
      thief.post(TRANSMIT, 1, [{ at, bytes: 80 }]);
      lab.run();
      expect(sent).toEqual([]);
      thief.client.disconnect();
      lab.plugIn(1);
      lab.boot(1);
    }
    lab.live.checkInvariants();
  });

  it('a page that is mapped for reading alone is not written, nor one for writing read by the device model', () => {
    const lab = withBuffer();
    const owner = lab.driver(0);
    owner.client.unmap(IOVA, 0x1000);
    lab.run(10_000);
    owner.client.map(IOVA, 0x1000, PAGE, READ);
    sendTo0(lab);
    expect(untouched(lab)).toBe(true);
    const other = lab.driver(1);
    other.client.unmap(0x10000, 0x20000);
    lab.run(10_000);
    other.client.map(0x10000, 0x20000, 0x10000, WRITE);
    other.send(1, 0x200000, ethernet(MAC, MAC + 1, 'again'));
    lab.run();
    expect(lab.live.guests[1]?.device.faults).toMatchObject({ 'ring-not-in-memory': 1 });
  });

  it('rings are read through the mappings too: without one the device stops, and charges its own guest', () => {
    const lab = withBuffer();
    const owner = lab.driver(0);
    owner.client.unmap(0x10000, 0x20000);
    lab.run(10_000);
    owner.post(TRANSMIT, 0, [{ at: IOVA, bytes: 80 }]);
    lab.run();
    expect(lab.live.guests[0]?.device.faults).toMatchObject({ 'ring-not-in-memory': 1 });
    expect(lab.live.guests[1]?.device.faults).toEqual({});
  });

  it('a buffer over two pages goes where each is mapped', () => {
    const lab = new GuestIommuLab();
    const owner = lab.boot(0);
    const sender = lab.boot(1);
    sender.client.map(0x200000, 0x1000, 0x200000, READ);
    owner.client.map(IOVA, 0x1000, PAGE + 0x5000, WRITE);
    owner.client.map(IOVA + 0x1000, 0x1000, PAGE, WRITE);
    owner.post(RECEIVE, 0, [{ at: IOVA + 0xfd0, bytes: 1536 }]);
    lab.run();
    sendTo0(lab);
    expect(owner.takeUsed(RECEIVE)).toEqual([{ head: 0, length: 106 }]);
    const got = [
      ...lab.ram(0).subarray(PAGE + 0x5fd0, PAGE + 0x6000),
      ...lab.ram(0).subarray(PAGE, PAGE + 58),
    ];
    expect(got.slice(12)).toEqual([...ethernet(MAC, MAC + 1, 'LANDED', 94)]);
  });

  it('a driver that does not accept that its addresses are translated is not taken (VIRTIO 1.2, 6.1)', () => {
    const lab = new GuestIommuLab();
    const driver = lab.driver(0);
    driver.client.connect();
    driver.client.version();
    driver.client.map(0x10000, 0x20000, 0x10000);
    driver.start(MRG_RXBUF | VERSION_1);
    expect(lab.live.guests[0]?.device.faults).toMatchObject({ 'features-not-agreed': 1 });
  });

  it('what lies in another file than the RAM, or past its end, is no memory of the card', () => {
    const lab = new GuestIommuLab();
    const driver = lab.boot(0);
    const rom = new Uint8Array(32);
    const view = new DataView(rom.buffer);
    view.setUint32(4, READ, true);
    view.setBigUint64(16, 0xe0000n, true);
    view.setBigUint64(24, 0x1000n, true);
    expect(driver.client.command(2, rom, 0, [false])?.error).toBe(0);
    expect(driver.client.map(IOVA, 0x1000, GUEST_BYTES)?.error).toBe(0);
    expect(lab.live.host.protection.counters().details.guestMaps).toBe(1);
    driver.post(TRANSMIT, 0, [{ at: 0xe0000, bytes: 80 }]);
    lab.run();
    expect(lab.live.host.hypervisor.faultLog).toMatchObject([{ domain: 'a', caughtBy: 'nic' }]);
    expect(driver.client.unmap(0xe0000, 0x1000)?.error).toBe(0);
  });

  it('mappings are refused that are not whole pages, are at our addresses, grant nothing, or end behind the RAM', () => {
    const lab = new GuestIommuLab();
    const { client } = lab.boot(0);
    for (const [address, size, offset, flags] of [
      [IOVA + 1, 0x1000, 0, 3],
      [IOVA, 0x800, 0, 3],
      [IOVA, 0x1000, 0x10, 3],
      [IOVA, 0x1000, 0, 0],
      [2 ** 40, 0x1000, 0, 3],
      [2 ** 52, 0x1000, 0, 3],
      [IOVA, 0x2000, GUEST_BYTES - 0x1000, 3],
    ] as const)
      expect(client.map(address, size, offset, flags)?.error).toBe(22);
    expect(lab.live.guests[0]?.sessionFaults).toEqual({ 'bad-range': 7 });
    lab.live.checkInvariants();
  });

  it('a guest that scatters its mappings runs out of table pages, and nobody else does', () => {
    const lab = new GuestIommuLab();
    const { client } = lab.boot(0);
    const far = 2 ** 30;
    let refused = 0;
    for (let at = 1; at < 900; at += 1) if (client.map(at * far, 0x1000, 0)?.error !== 0) refused += 1;
    for (let at = 1; at < 3000; at += 1)
      if (client.map(at * 2 ** 21 + 0x1000, 0x1000, 0)?.error !== 0) refused += 1;
    expect(refused).toBeGreaterThan(0);
    expect(lab.live.host.protection.counters().details.tablePages).toBeLessThanOrEqual(
      MOST_TABLE_PAGES + 100,
    );
    const other = lab.boot(1);
    other.client.map(IOVA, 0x1000, 0x200000);
    other.ram.write(0x200000, new Uint8Array(12));
    other.ram.write(0x20000c, ethernet(MAC, MAC + 1, 'still here'));
    other.post(TRANSMIT, 0, [{ at: IOVA, bytes: 72 }]);
    lab.run();
    expect(other.takeUsed(TRANSMIT)).toHaveLength(1);
    lab.live.checkInvariants();
  });

  it('mappings of large pages that follow unmaps of small ones at once are exact', () => {
    const lab = new GuestIommuLab({ memoryBytes: 8 * 2 ** 20 });
    const { client } = lab.boot(0);
    const at = 2 ** 32 - 2 ** 21;
    client.map(at, 0x1000, 0);
    client.unmap(at, 0x1000);
    // Not waited for: the emptied table may be in a cache still.
    expect(client.map(at, 2 ** 21, 0x200000)?.error).toBe(0);
    lab.run(100_000);
    expect(client.unmap(at, 2 ** 21)).toBeUndefined();
    lab.run(100_000);
    expect(client.lateReply()?.error).toBe(0);
    expect(client.map(at, 2 ** 21, 0x400000)?.error).toBe(0);
    client.disconnect();
    lab.run(1_000_000);
    expect(lab.live.host.pages.references).toBe(0);
    lab.live.checkInvariants();
  });

  it('a machine that goes takes its mappings with it; the next one starts with none', () => {
    const lab = withBuffer();
    lab.driver(0).client.disconnect();
    lab.run();
    expect(lab.live.host.protection.counters().details.guestMappings).toBe(2);
    lab.plugIn(0);
    const next = lab.boot(0);
    next.post(RECEIVE, 0, [{ at: IOVA, bytes: 1536 }]);
    lab.run();
    sendTo0(lab);
    expect(untouched(lab)).toBe(true);
    lab.live.checkInvariants();
  });
});

describe('interrupts behind an IOMMU of the guest', () => {
  it('signal the descriptors that came with SET_IRQS; the MSI-X table is not read', () => {
    const lab = withBuffer();
    const { client } = lab.driver(0);
    expect(client.messages.some((bytes) => bytes[2] === 11)).toBe(false);
    sendTo0(lab);
    // 0 came with the first mapping, 1 to 3 with the vectors; vector 1 is the receive queue's.
    expect(client.signalled).toEqual([2]);
    expect(client.released).toEqual([0, 4]);
  });

  it('wait while there is no descriptor, and are sent when one comes', () => {
    const lab = withBuffer();
    const { client } = lab.driver(0);
    client.command(8, setIrqs(0x24, 0, 3));
    expect(client.released).toEqual([0, 4, 1, 2, 3]);
    sendTo0(lab);
    expect(client.signalled).toEqual([]);
    client.setInterrupts();
    expect(client.signalled).toEqual([6]);
  });

  it('take one descriptor for each vector or none, and no vector that does not exist', () => {
    const lab = withBuffer();
    const { client } = lab.driver(0);
    expect(client.command(8, setIrqs(0x24, 0, 3), 0, [false])?.error).toBe(22);
    expect(client.command(8, setIrqs(0x24, 2, 2), 0, [false, false])?.error).toBe(22);
    expect(client.command(8, setIrqs(0x24, 0xffffffff, 2), 0, [false, false])?.error).toBe(22);
    expect(client.released).toEqual([0, 4, 5, 6, 7, 8, 9]);
    expect(client.command(8, setIrqs(0x21, 0, 0))?.error).toBe(0);
    expect(client.released).toHaveLength(10);
  });

  it('belong to the last message that begins in what came', () => {
    const lab = new GuestIommuLab();
    const { client } = lab.driver(0);
    client.connect();
    client.version();
    const map = (address: number) => {
      const bytes = new Uint8Array(48);
      const view = new DataView(bytes.buffer);
      view.setUint16(2, 2, true);
      view.setUint32(4, 48, true);
      view.setUint32(20, READ, true);
      view.setBigUint64(32, BigInt(address), true);
      view.setBigUint64(40, 0x1000n, true);
      return bytes;
    };
    // A ROM without a descriptor, then RAM with one, of which only the beginning has come.
    client.raw(Buffer.concat([map(0xc0000), map(IOVA).subarray(0, 20)]), [true]);
    client.raw(map(IOVA).subarray(20));
    const ranges = [...(lab.live.guests[0]?.session?.ranges ?? [])];
    expect(ranges.map(({ address, backed }) => [Number(address), backed])).toEqual([
      [0xc0000, false],
      [IOVA, true],
    ]);
  });
});

describe('a session under iommu:guest', () => {
  const folder = mkdtempSync(join(tmpdir(), 'cdna-guest-iommu-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('is replayed to the bit: maps, unmaps and descriptors are in its log', () => {
    const path = join(folder, 'session');
    const header = {
      scenario: labScenario(),
      directory: '.',
      protection: GUEST_DRIVEN,
      discipline: 'drr',
      seed: 1,
    };
    const writer = new SessionWriter(path, header);
    const lab = new GuestIommuLab({ writer });
    const owner = lab.boot(0);
    const sender = lab.boot(1);
    for (let slot = 0; slot < 30; slot += 1) {
      owner.client.map(IOVA + slot * 0x1000, 0x1000, 0x100000 + slot * 0x1000, WRITE);
      owner.post(RECEIVE, slot, [{ at: IOVA + slot * 0x1000, bytes: 1536 }]);
      sender.client.map(0x200000, 0x1000, 0x200000, READ);
      sender.send(slot, 0x200000, ethernet(MAC, MAC + 1, `frame ${slot}`, 60 + 40 * slot));
      lab.run(50_123);
      sender.client.unmap(0x200000, 0x1000);
      lab.run(9_876);
      if (slot % 3 === 0) owner.client.unmap(IOVA + slot * 0x1000, 0x1000);
      lab.run(7_000);
    }
    owner.client.disconnect();
    lab.run();
    writer.end(lab.live.fingerprint.toString());

    const reader = new SessionReader(path);
    const replay = new Replay(path, reader);
    const machine = new LiveMachine({
      ...subjectPlan({ ...header, captures: new Map() }),
      makeRam: replay.makeRam,
    });
    while (replay.advance(machine, 1000));
    const end = replay.end(machine);
    reader.close();
    expect(end.recorded).toBe(lab.live.fingerprint.toString());
    expect(end.fingerprint).toBe(end.recorded);
    expect(machine.host.protection.counters()).toEqual(lab.live.host.protection.counters());
    expect(machine.host.protection.counters().details).toMatchObject({ guestUnmaps: 40 });
  });
});

function setIrqs(flags: number, start: number, count: number): Uint8Array {
  const bytes = new Uint8Array(20);
  const view = new DataView(bytes.buffer);
  for (const [at, value] of [20, flags, 2, start, count].entries()) view.setUint32(4 * at, value, true);
  return bytes;
}
