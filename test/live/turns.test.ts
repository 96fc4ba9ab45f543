import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { GUEST_DRIVEN } from '../../host/protection/iommu/guest-driven/name.js';
import { PAGES_A_TURN } from '../../src/live/vfio-user/session.js';
import { frame, words } from './support/client.js';
import { GuestIommuLab } from './support/guest-iommu-lab.js';
import { replayed } from './support/replayed.js';
import { Served, until } from './support/served.js';

const MEGABYTES = 32;
const BYTES = MEGABYTES * 2 ** 20;
const PAGES = BYTES / 4096;
const PAIRS = 50;
/** Not aligned as the RAM is: every page has an entry of its own. */
const IOVA = 0x1_0000_1000;
const NO_REPLY = 0x10;

const CARDS = {
  guests: ['a', 'b'].map((name) => ({
    name,
    attached: true,
    card: 'cdna' as const,
    memoryMegabytes: MEGABYTES,
    transmitSlots: 16,
    receiveSlots: 16,
  })),
};

/** A guest's whole RAM mapped and unmapped again and again, 88 bytes a time. */
function flood(): Uint8Array {
  const map = frame(7, 2, NO_REPLY, words([4, 32], [4, 3], [8, 0], [8, IOVA], [8, BYTES]));
  const unmap = frame(7, 3, NO_REPLY, words([4, 24], [4, 0], [8, IOVA], [8, BYTES]));
  return Buffer.concat(Array.from({ length: 2 * PAIRS }, (_, at) => (at % 2 === 0 ? map : unmap)));
}

const folder = mkdtempSync(join(tmpdir(), 'cdna-turns-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("a client that has its guest's whole memory mapped and unmapped at once", () => {
  it('gets so many pages a turn; the neighbour is answered between, and everything is done in order', () => {
    const lab = new GuestIommuLab({ scenario: CARDS, memoryBytes: BYTES });
    const { client } = lab.driver(0);
    const other = lab.driver(1).client;
    for (const each of [client, other]) {
      each.connect();
      each.version();
    }
    const done = () => {
      const { guestMaps = 0, guestUnmaps = 0 } = lab.live.host.protection.counters().details;
      return (guestMaps + guestUnmaps) * PAGES;
    };
    client.raw(flood());
    let turns = 1;
    let before = 0;
    const session = lab.live.guests[0]?.session;
    for (; session !== undefined && session.waitingMessages > 0; turns += 1) {
      expect(done() - before).toBeLessThan(PAGES_A_TURN + PAGES);
      before = done();
      expect(other.read(7, 0, 2)).toBeGreaterThan(0);
      lab.live.receive(0, new Uint8Array(0));
    }
    expect(turns).toBe((2 * PAIRS * PAGES) / PAGES_A_TURN);
    expect(done()).toBe(2 * PAIRS * PAGES);
    expect(lab.live.guests[0]?.sessionFaults).toEqual({});
    expect([...(session?.ranges ?? [])]).toEqual([]);
    lab.live.checkInvariants();
  });

  it('loses with its connection what waits', () => {
    const lab = new GuestIommuLab({ scenario: CARDS, memoryBytes: BYTES });
    const { client } = lab.driver(0);
    client.connect();
    client.version();
    client.raw(flood(), [true]);
    expect(client.released).toEqual([]);
    client.disconnect();
    expect(client.released).toEqual([0]);
    lab.run();
    expect(lab.live.host.pages.references).toBe(0);
    lab.live.checkInvariants();
  });

  it('is read to its end by the server, whose log is replayed to the bit', async () => {
    const record = join(folder, 'session');
    const served = await Served.start({ protection: GUEST_DRIVEN, scenario: CARDS, record });
    const path = /"path":"(?<path>[^"]+)"/u.exec(served.server.commands()[0]?.words.join(' ') ?? '');
    const socket = connect(path?.groups?.path ?? '');
    const [guest] = served.server.machine.guests;
    const counts = () => served.server.machine.host.protection.counters().details;
    let fingerprint = '';
    try {
      const data = new TextEncoder().encode('{}\0');
      socket.write(frame(1, 1, 0, new Uint8Array([0, 0, 1, 0, ...data])));
      await until(() => guest?.session?.state === 'ready');
      socket.write(flood());
      socket.write(flood());
      await until(() => counts().guestUnmaps === 2 * PAIRS);
      socket.destroy();
      await until(() => guest?.session === undefined);
      expect(served.failures).toEqual([]);
    } finally {
      socket.destroy();
      served.stop();
      fingerprint = served.server.machine.fingerprint.toString();
    }
    const { machine } = replayed(record);
    expect(machine.fingerprint.toString()).toBe(fingerprint);
    expect(machine.host.protection.counters().details).toEqual(counts());
  });
});
