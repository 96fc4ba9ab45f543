import { LiveMachine } from '../../../src/live/live-machine.js';
import { subjectPlan } from '../../../src/live/live-plan.js';
import { SessionWriter } from '../../../src/live/log/session-writer.js';
import { ArrayRam } from '../../../src/live/ram/live-ram.js';
import { checkScenario } from '../../../src/scenario/load.js';
import type { Scenario, ScenarioInput } from '../../../src/scenario/schema.js';
import { Client } from './client.js';
import { Driver, EVENT_IDX, ethernet, INDIRECT, MRG_RXBUF, RECEIVE, TRANSMIT, VERSION_1 } from './driver.js';
import { GUEST_BYTES, MAC } from './lab.js';

/** Two real guests of 4 MB. */
export const TWO_GUESTS: ScenarioInput = {
  guests: [
    { name: 'a', attached: true, weight: 2, memoryMegabytes: 4 },
    { name: 'b', attached: true, memoryMegabytes: 4 },
  ],
};

/** A session in virtual time that is recorded: clients and drivers of the tests' own, no clock and no socket. */
export class RecordedSession {
  readonly machine: LiveMachine;
  readonly writer: SessionWriter;
  readonly #rams: readonly ArrayRam[];

  constructor(path: string, input: ScenarioInput = TWO_GUESTS, protection = 'cdna', discipline = 'drr') {
    const scenario: Scenario = checkScenario(input);
    const subject = { scenario, directory: '.', captures: new Map(), protection, discipline, seed: 1 };
    const { captures: _captures, ...header } = subject;
    this.writer = new SessionWriter(path, header);
    this.#rams = scenario.guests
      .filter(({ attached }) => attached === true)
      .map(() => new ArrayRam(new Uint8Array(GUEST_BYTES)));
    this.machine = new LiveMachine({
      ...subjectPlan(subject),
      makeRam: (index) => this.#rams[index] ?? new ArrayRam(new Uint8Array(0)),
      readMemory: (guest, offset, bytes, at, length) => this.writer.read(guest, offset, bytes, at, length),
    });
  }

  run(ns: number): void {
    const untilNs = this.machine.kernel.nowNs + ns;
    this.writer.run(untilNs);
    this.machine.run(untilNs);
  }

  /** RAM of a guest, as its own CPU has it. */
  ram(index: number): Uint8Array {
    return this.#rams[index]?.array ?? new Uint8Array(0);
  }

  /** A client for the virtual machine of a guest; it has not connected yet. */
  client(index: number): Client {
    const { machine, writer } = this;
    return new Client({
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
  }

  /** A virtual machine attaches, maps its RAM and starts its driver. */
  boot(index: number, features?: bigint): Driver {
    const client = this.client(index);
    const array = this.ram(index);
    const driver = new Driver(client, {
      read: (at, length) => array.slice(at, at + length),
      write: (at, bytes) => array.set(bytes, at),
    });
    client.connect();
    client.version();
    client.map(0, GUEST_BYTES, 0);
    driver.start(features);
    this.run(2_000_000);
    return driver;
  }

  uplink(frame: Uint8Array): void {
    this.writer.uplink(frame);
    this.machine.uplinkFrame(frame);
  }

  setWeight(index: number, weight: number): void {
    this.writer.weight(index, weight);
    this.machine.setWeight(index, weight);
  }

  end(): LiveMachine {
    this.writer.end(this.machine.fingerprint.toString());
    return this.machine;
  }
}

/** Records a session with two guests: traffic both ways, memory that is rearranged, a lie, a reset, one that goes and comes back. */
export function record(path: string, protection: string): LiveMachine {
  const session = new RecordedSession(path, TWO_GUESTS, protection);
  const eventIndex = MRG_RXBUF | VERSION_1 | EVENT_IDX | INDIRECT;
  const a = session.boot(0);
  let b = session.boot(1, eventIndex);
  for (let slot = 0; slot < 40; slot += 1) {
    b.post(RECEIVE, slot, [{ at: 0x100000 + slot * 2048, bytes: 1536 }]);
    a.send(slot, 0x200000 + slot * 2048, ethernet(MAC + 1, MAC, `frame ${slot}`, 60 + slot * 30));
    session.run(37_123 * (1 + (slot % 3)));
  }
  session.uplink(ethernet(MAC, 0x020000001234, 'from the uplink'));
  // Its memory is taken away for a moment, with frames and buffers under way.
  b.send(7, 0x2f0000, ethernet(MAC, MAC + 1, 'across a pause', 1400));
  b.client.unmap(0, GUEST_BYTES);
  session.run(2_000_000);
  b.client.map(0, GUEST_BYTES, 0);
  session.run(2_000_000);
  b.setIndex(TRANSMIT, 9999);
  b.notify(TRANSMIT);
  session.run(500_000);
  b.client.disconnect();
  session.run(100_000);
  b = session.boot(1, eventIndex);
  b.send(0, 0x200000, ethernet(0xffffffffffff, MAC + 1, 'to all'));
  session.run(3_000_000);
  return session.end();
}
