import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { LiveMachine } from '../../src/live/live-machine.js';
import { subjectPlan } from '../../src/live/live-plan.js';
import { SessionReader } from '../../src/live/log/session-reader.js';
import { Replay } from '../../src/live/replay.js';
import { checkScenario } from '../../src/scenario/load.js';
import type { ScenarioInput } from '../../src/scenario/schema.js';
import { CardDriver } from './support/card-driver.js';
import { ethernet } from './support/driver.js';
import { GUEST_BYTES, MAC } from './support/lab.js';
import { RecordedSession } from './support/recorded-session.js';

const folder = mkdtempSync(join(tmpdir(), 'cdna-card-replay-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const scenario: ScenarioInput = {
  guests: ['a', 'b'].map((name) => ({
    name,
    attached: true,
    card: 'cdna',
    memoryMegabytes: 4,
    transmitSlots: 16,
    receiveSlots: 16,
  })),
};

/** Records two drivers of the card: traffic, a descriptor of the neighbour's memory, a new start. */
function record(path: string, protection: string): LiveMachine {
  const session = new RecordedSession(path, scenario, protection);
  const run = (ns: number) => session.run(ns);
  const drivers = [0, 1].map((index) => new CardDriver(session.client(index), session.ram(index), run));
  const [a, b] = drivers as [CardDriver, CardDriver];
  for (const driver of drivers) driver.start();
  for (let round = 0; round < 25; round += 1) {
    b.post('receive', [{ at: 0x100000 + round * 2048, bytes: 2048 }]);
    a.ram.set(ethernet(MAC + 1, MAC, `frame ${round}`, 60 + 40 * round), 0x200000);
    a.post('transmit', [{ at: 0x200000, bytes: 60 + 40 * round }]);
    run(37_123 * (1 + (round % 3)));
    a.finish('transmit');
    b.finish('receive');
  }
  a.post('transmit', [{ at: GUEST_BYTES + 0x100000, bytes: 60 }]);
  a.writeDescriptor('transmit', a.producers.transmit, a.base + GUEST_BYTES + 0x100000, { bytes: 60 });
  a.ring('transmit', a.producers.transmit + 1);
  run(500_000);
  a.open();
  a.client.disconnect();
  run(100_000);
  a.start();
  a.post('transmit', [{ at: 0x200000, bytes: 60 }]);
  run(3_000_000);
  return session.end();
}

describe.each(['none', 'cdna', 'iommu:single-use', 'iommu:shadow-copy'])(
  'a session with drivers of the card under %s',
  (protection) => {
    it('is replayed to the bit', () => {
      const path = join(folder, protection.replace(':', '-'));
      const live = record(path, protection);
      const reader = new SessionReader(path);
      const { header } = reader;
      const replay = new Replay(path, reader);
      const subject = { ...header, scenario: checkScenario(header.scenario), captures: new Map() };
      const machine = new LiveMachine({ ...subjectPlan(subject), makeRam: replay.makeRam });
      while (replay.advance(machine, 100));
      const end = replay.end(machine);
      expect(end.recorded).toBe(live.fingerprint.toString());
      expect(end.fingerprint).toBe(end.recorded);
      expect(end.reads).toBeGreaterThan(50);
      expect(machine.guests.map(({ device }) => ({ ...device.counters }))).toEqual(
        live.guests.map(({ device }) => ({ ...device.counters })),
      );
      expect(live.guests[1]?.device.counters.framesReceived).toBe(25);
      machine.checkInvariants();
      reader.close();
    });
  },
);
