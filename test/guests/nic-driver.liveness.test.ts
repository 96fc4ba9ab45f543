import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { NicDriver } from '../../guests/nic-driver.js';
import { FramePattern, FrameVerifier } from '../../guests/traffic/index.js';
import { MAILBOX } from '../../nic/registers.js';
import { either, runs } from '../support/whole.js';
import { DriverLab, FAR_MAC, GUEST_MAC, PROTECTIONS } from './driver-lab.js';

const inbound = (sourceId = 9) =>
  new FramePattern({ name: 'inbound', sourceId, source: FAR_MAC, destination: GUEST_MAC }, 9018);
const outbound = () =>
  new FramePattern({ name: 'outbound', sourceId: 3, source: GUEST_MAC, destination: FAR_MAC }, 9018);

/** Long after the last frame every timer, write-back and interrupt has run its course. */
const QUIET_NS = 1_000_000;
/** Between two distances that are tried; a prime number, so that they fall anywhere between the card's times. */
const STEP_NS = either(29, 199);

describe.each(PROTECTIONS)('nothing is slept through over %s', (_name, makeProtection) => {
  test('interrupts are masked from the interrupt to the end of the poll', () => {
    const machine = new DriverLab({ protection: makeProtection() });
    const { driver } = machine.guest({ coalesceFrames: 1, coalesceNs: 0 });
    const masks: number[] = [];
    machine.run(10_000);
    machine.host.nic.streams.doorbells$.subscribe(({ mailbox, value }) => {
      if (mailbox === MAILBOX.INTERRUPT_MASK) masks.push(value);
    });
    machine.host.nic.receive(inbound().fill(60, 0), 0, 60);
    machine.run(QUIET_NS);
    expect(driver.framesReceived).toBe(1);
    expect(masks).toEqual([1, 0]);
  });

  test('two frames at any distance in time: both are seen without a third', () => {
    // From the same instant to well after the poll of the first is over and unmasked.
    for (let distanceNs = 0; distanceNs < 9_000; distanceNs += STEP_NS) {
      const machine = new DriverLab({ protection: makeProtection() });
      const { driver } = machine.guest({ coalesceFrames: 1, coalesceNs: 0 });
      const frames = inbound();
      const deliver = machine.kernel.register('test', (sequence) => {
        machine.host.nic.receive(frames.fill(60, sequence), 0, 60);
      });
      machine.kernel.scheduleAt(20_000, deliver, 0);
      machine.kernel.scheduleAt(20_000 + distanceNs, deliver, 1);
      machine.run(QUIET_NS);
      expect(driver.framesReceived, `${distanceNs} ns apart`).toBe(2);
    }
  });

  test('a frame sent at any distance from one received: its slot is reclaimed without a further one', () => {
    for (let distanceNs = 0; distanceNs < 9_000; distanceNs += STEP_NS) {
      const machine = new DriverLab({ protection: makeProtection() });
      const { driver } = machine.guest({ coalesceFrames: 1, coalesceNs: 0 });
      const deliver = machine.kernel.register('test', () => {
        machine.host.nic.receive(inbound().fill(60, 0), 0, 60);
      });
      const send = machine.kernel.register('test', () => {
        driver.send(outbound().fill(60, 0));
      });
      machine.kernel.scheduleAt(20_000, send);
      machine.kernel.scheduleAt(18_000 + distanceNs, deliver);
      machine.run(QUIET_NS);
      expect(driver.framesQueued, `${distanceNs} ns apart`).toBe(0);
      expect(driver.framesReceived, `${distanceNs} ns apart`).toBe(1);
    }
  });

  test('any interleaving of sends, arrivals and time: in the end all is seen, in order, and nothing is lost', () => {
    fc.assert(
      fc.property(
        fc.record({
          coalesceFrames: fc.integer({ min: 1, max: 12 }),
          coalesceNs: fc.constantFrom(0, 1, 500, 20_000),
          budget: fc.constantFrom(1, 2, 7, 64),
          cores: fc.constantFrom(1, 2),
          receiveSlots: fc.constantFrom(8, 32),
          transmitSlots: fc.constantFrom(8, 32),
        }),
        fc.commands(commandArbitraries, { size: '+1', maxCommands: 60 }),
        (settings, commands) => {
          fc.modelRun(() => {
            const machine = new DriverLab({
              protection: makeProtection(),
              host: { memoryBytes: 64 * 2 ** 20, cores: settings.cores },
            });
            const { budget, cores: _, ...port } = settings;
            const { driver } = machine.guest({ ...port, driver: { budget } });
            return { model: { arrived: 0, sent: 0 }, real: new Bench(machine, driver) };
          }, [...commands, new Quiet()]);
        },
      ),
      { numRuns: runs(80) },
    );
  });
});

/** What must have happened: every frame that was given to the card or the driver. */
interface Model {
  arrived: number;
  sent: number;
}

class Bench {
  readonly machine: DriverLab;
  readonly driver: NicDriver;
  readonly inbound = inbound();
  readonly outbound = outbound();
  readonly seen: number[] = [];

  constructor(machine: DriverLab, driver: NicDriver) {
    this.machine = machine;
    this.driver = driver;
    const verifier = new FrameVerifier();
    driver.onReceive((bytes, offset, length) => {
      expect(verifier.verify(bytes, offset, length)).toBe('good');
      this.seen.push(verifier.sequence);
      return undefined;
    });
  }
}

class Arrive implements fc.Command<Model, Bench> {
  readonly #bytes: number;

  constructor(bytes: number) {
    this.#bytes = bytes;
  }

  check = () => true;

  run(model: Model, { machine, inbound: frames }: Bench): void {
    machine.host.nic.receive(frames.fill(this.#bytes, model.arrived), 0, this.#bytes);
    model.arrived += 1;
    machine.check();
  }

  toString = () => `arrive(${this.#bytes})`;
}

class Send implements fc.Command<Model, Bench> {
  readonly #bytes: number;

  constructor(bytes: number) {
    this.#bytes = bytes;
  }

  check = () => true;

  run(model: Model, { machine, driver, outbound: frames }: Bench): void {
    if (driver.send(frames.fill(this.#bytes, model.sent))) model.sent += 1;
    machine.check();
  }

  toString = () => `send(${this.#bytes})`;
}

class Wait implements fc.Command<Model, Bench> {
  readonly #ns: number;

  constructor(ns: number) {
    this.#ns = ns;
  }

  check = () => true;

  run(_model: Model, { machine }: Bench): void {
    machine.run(this.#ns);
  }

  toString = () => `wait(${this.#ns})`;
}

class Quiet implements fc.Command<Model, Bench> {
  check = () => true;

  run(model: Model, { machine, driver, seen }: Bench): void {
    machine.run(QUIET_NS);
    expect(driver).toMatchObject({ framesQueued: 0, framesSent: model.sent });
    expect(machine.sent.length).toBe(model.sent);
    // Sequence numbers only go up, and those that are missing were dropped by name.
    expect([...seen].sort((a, b) => a - b)).toEqual(seen);
    expect(seen.length + machine.host.nic.counters.totalDrops()).toBe(model.arrived);
    expect(driver.framesReceived).toBe(seen.length);
  }

  toString = () => 'quiet';
}

const sizes = fc.constantFrom(60, 61, 1514, 2049, 9018);
const commandArbitraries: fc.Arbitrary<fc.Command<Model, Bench>>[] = [
  sizes.map((bytes) => new Arrive(bytes)),
  sizes.map((bytes) => new Send(bytes)),
  fc.integer({ min: 0, max: 3_000 }).map((ns) => new Wait(ns)),
  fc.integer({ min: 0, max: 60_000 }).map((ns) => new Wait(ns)),
  fc.constant(new Quiet()),
];
