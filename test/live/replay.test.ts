import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LiveMachine } from '../../src/live/live-machine.js';
import { subjectPlan } from '../../src/live/live-plan.js';
import { SessionReader } from '../../src/live/log/session-reader.js';
import { SessionWriter } from '../../src/live/log/session-writer.js';
import { ArrayRam } from '../../src/live/ram/live-ram.js';
import { checkScenario } from '../../src/scenario/load.js';
import { invoke } from '../src/cli/invoke.js';
import { type Document, expectDescribed } from '../support/described.js';
import { Client } from './support/client.js';
import {
  Driver,
  EVENT_IDX,
  ethernet,
  INDIRECT,
  MRG_RXBUF,
  RECEIVE,
  TRANSMIT,
  VERSION_1,
} from './support/driver.js';
import { GUEST_BYTES, MAC } from './support/lab.js';
import { replayed } from './support/replayed.js';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cdna-replay-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const scenario = checkScenario({
  guests: [
    { name: 'a', attached: true, weight: 2, memoryMegabytes: 4 },
    { name: 'b', attached: true, memoryMegabytes: 4 },
  ],
});

/** Records a session with two guests: traffic both ways, a lie, a reset, one that goes and comes back. */
function record(path: string, protection: string): LiveMachine {
  const subject = { scenario, directory: '.', captures: new Map(), protection, discipline: 'drr', seed: 1 };
  const writer = new SessionWriter(path, {
    scenario,
    directory: '.',
    protection,
    discipline: 'drr',
    seed: 1,
  });
  const rams = [0, 1].map(() => new ArrayRam(new Uint8Array(GUEST_BYTES)));
  const machine = new LiveMachine({
    ...subjectPlan(subject),
    makeRam: (index) => rams[index] ?? new ArrayRam(new Uint8Array(0)),
    readMemory: (guest, offset, bytes, at, length) => writer.read(guest, offset, bytes, at, length),
  });
  const run = (ns: number) => {
    writer.run(machine.kernel.nowNs + ns);
    machine.run(machine.kernel.nowNs + ns);
  };
  const plugIn = (index: number) => {
    const client = new Client({
      connect: (connection) => {
        writer.attach(index);
        return machine.attach(index, connection);
      },
      send: (bytes) => {
        writer.receive(index, bytes);
        machine.receive(index, bytes);
      },
      close: () => {
        writer.detach(index);
        machine.detach(index);
      },
    });
    const array = rams[index]?.array ?? new Uint8Array(0);
    const driver = new Driver(client, {
      read: (at, length) => array.slice(at, at + length),
      write: (at, bytes) => array.set(bytes, at),
    });
    client.connect();
    client.version();
    client.map(0, GUEST_BYTES, 0);
    driver.start(index === 0 ? undefined : MRG_RXBUF | VERSION_1 | EVENT_IDX | INDIRECT);
    run(2_000_000);
    return driver;
  };
  const a = plugIn(0);
  let b = plugIn(1);
  for (let slot = 0; slot < 40; slot += 1) {
    b.post(RECEIVE, slot, [{ at: 0x100000 + slot * 2048, bytes: 1536 }]);
    a.send(slot, 0x200000 + slot * 2048, ethernet(MAC + 1, MAC, `frame ${slot}`, 60 + slot * 30));
    run(37_123 * (1 + (slot % 3)));
  }
  writer.uplink(ethernet(MAC, 0x020000001234, 'from the uplink'));
  machine.uplinkFrame(ethernet(MAC, 0x020000001234, 'from the uplink'));
  b.setIndex(TRANSMIT, 9999);
  b.notify(TRANSMIT);
  run(500_000);
  b.client.disconnect();
  run(100_000);
  b = plugIn(1);
  b.send(0, 0x200000, ethernet(0xffffffffffff, MAC + 1, 'to all'));
  run(3_000_000);
  writer.end(machine.fingerprint.toString());
  return machine;
}

describe('a recorded session', () => {
  it.each(['none', 'cdna', 'driver-domain', 'iommu:single-use', 'iommu:deferred', 'cdna+iommu'])(
    'is the same to the bit when it is replayed (%s)',
    (protection) => {
      const path = join(folder, 'session');
      const live = record(path, protection);
      const { replay, machine } = replayed(path);
      const end = replay.end(machine);
      expect(end.recorded).toBe(live.fingerprint.toString());
      expect(end.fingerprint).toBe(end.recorded);
      expect(machine.fingerprint.events).toBeGreaterThan(150);
      expect(machine.kernel.executed).toBe(live.kernel.executed);
      expect(machine.tallies.map((tally) => tally.counts(machine.kernel.nowNs))).toEqual(
        live.tallies.map((tally) => tally.counts(live.kernel.nowNs)),
      );
      machine.checkInvariants();
    },
  );

  it('is summed up by replay --json as its schema says, whether the log has an end or not', async () => {
    const path = join(folder, 'session');
    record(path, 'cdna');
    const document = JSON.parse((await invoke('replay', path, '--json')).out) as Document;
    expect(document).toMatchObject({ command: 'replay', protection: 'cdna', identical: true });
    expectDescribed('scenarios/replay-document.schema.json', document, { guests: [{ name: 1 }] });
    truncateSync(path, readFileSync(path).length - 30);
    const cut = JSON.parse((await invoke('replay', path, '--json')).out) as Document;
    expect(cut.identical).toBeNull();
    expectDescribed('scenarios/replay-document.schema.json', cut, { identical: 'perhaps' });
  });

  it('is only for its owner to read, and holds what was posted, not whole rings', () => {
    const path = join(folder, 'session');
    record(path, 'cdna');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    // 40 frames of 600 bytes on average, and the messages; a table of 256 descriptors per frame would be 160 KB more.
    expect(statSync(path).size).toBeLessThan(60_000);
  });

  it('that was cut off is replayed up to there', () => {
    const path = join(folder, 'session');
    record(path, 'cdna');
    const whole = readFileSync(path).length;
    truncateSync(path, whole - 30);
    const { replay, machine } = replayed(path);
    expect(replay.end(machine).recorded).toBeUndefined();
  });

  it('in which one bit of a descriptor is another departs, and it is said where', () => {
    const path = join(folder, 'session');
    record(path, 'cdna');
    const bytes = readFileSync(path);
    // The address of the first receive buffer, as the descriptor has it.
    const at = bytes.indexOf(Buffer.from([0x00, 0x00, 0x10, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x06]));
    expect(at).toBeGreaterThan(0);
    bytes[at + 8] = 0;
    bytes[at + 9] = 0;
    writeFileSync(path, bytes);
    expect(() => replayed(path)).toThrow(/departs from the session at \d+ ns/u);
  });

  it('that is no log is refused in one line', () => {
    const path = join(folder, 'session');
    writeFileSync(path, 'hello\n');
    expect(() => new SessionReader(path)).toThrow(`${path}: is not the log of a session`);
    expect(() => new SessionReader(join(folder, 'missing'))).toThrow('no such file');
  });
});
