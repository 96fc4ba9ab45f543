import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DEFAULT_DRIVER, type DriverOptions } from '../../guests/nic-driver.js';
import { BUFFER_BYTES } from '../../guests/ring-buffers.js';
import { FramePattern, FrameVerifier, fixedSize, greedy, mixedSizes } from '../../guests/traffic/index.js';
import { Cdna } from '../../host/protection/cdna/cdna.js';
import { pageNumber } from '../../nic/addresses.js';
import { contextId } from '../../scheduler/branded.js';
import { runs } from '../support/whole.js';
import { DriverLab, FAR_MAC, GUEST_MAC, onTheWire, PROTECTIONS } from './driver-lab.js';

const LONGEST = 9018;
const pattern = (sourceId = 7, source = GUEST_MAC, destination = FAR_MAC) =>
  new FramePattern({ name: 'test', sourceId, source, destination }, LONGEST);

const underCdna = () => new DriverLab({ protection: new Cdna() });

const frameBytes = fc.oneof(
  { weight: 3, arbitrary: fc.integer({ min: 14, max: LONGEST }) },
  {
    weight: 2,
    arbitrary: fc.constantFrom(14, 59, 60, 61, 1514, 2047, 2048, 2049, 4096, 4097, 8192, LONGEST),
  },
);

describe.each(PROTECTIONS)('a driver over %s', (_name, makeProtection) => {
  const lab = (options = {}) => new DriverLab({ protection: makeProtection(), ...options });

  test('sends a frame: the bytes that the application gave are the bytes on the wire', () => {
    const machine = lab();
    const { driver, port } = machine.guest();
    const frame = pattern().fill(1514, 0).slice();
    expect(driver.send(frame)).toBe(true);
    machine.run(100_000);
    expect(machine.sent.map(({ bytes }) => bytes)).toEqual([frame]);
    expect(machine.sent[0]?.context).toBe(port.context);
    expect(driver).toMatchObject({ framesOffered: 1, framesPosted: 1, framesSent: 1, framesQueued: 0 });
  });

  test('frames of every size leave in order, byte for byte, over buffers of every size', () => {
    fc.assert(
      fc.property(
        fc.array(frameBytes, { minLength: 1, maxLength: 40 }),
        fc.constantFrom(...BUFFER_BYTES),
        fc.integer({ min: 1, max: 40 }),
        (sizes, bufferBytes, postBatch) => {
          const machine = lab();
          const { driver } = machine.guest({ driver: { bufferBytes, postBatch } });
          const frames = pattern();
          const expected: Uint8Array[] = [];
          for (const [sequence, bytes] of sizes.entries()) {
            const frame = frames.fill(bytes, sequence);
            while (!driver.send(frame)) machine.run(20_000);
            expected.push(onTheWire(frame));
          }
          machine.run(2_000_000);
          expect(machine.sent.length).toBe(expected.length);
          for (const [index, { bytes }] of machine.sent.entries()) {
            expect(Buffer.compare(bytes, expected[index] ?? new Uint8Array())).toBe(0);
          }
          expect(driver.framesSent).toBe(sizes.length);
        },
      ),
      { numRuns: runs(60) },
    );
  });

  test('frames of every size come in, in order, byte for byte', () => {
    fc.assert(
      fc.property(
        fc.array(frameBytes, { minLength: 1, maxLength: 40 }),
        fc.constantFrom(...BUFFER_BYTES),
        fc.constantFrom(8, 16, 32),
        (sizes, bufferBytes, receiveSlots) => {
          const machine = lab();
          const { driver } = machine.guest({ receiveSlots, driver: { bufferBytes } });
          const verifier = new FrameVerifier();
          const seen: [number, string][] = [];
          driver.onReceive((bytes, offset, length) => {
            const verdict = verifier.verify(bytes, offset, length);
            seen.push([length, verdict]);
            return undefined;
          });
          const frames = pattern(9, FAR_MAC, GUEST_MAC);
          for (const [sequence, bytes] of sizes.entries()) {
            const frame = frames.fill(bytes, sequence);
            machine.partner.send(frame, 0, frame.length);
            machine.run(150_000);
          }
          expect(seen).toEqual(sizes.map((bytes) => [Math.max(60, bytes), 'good']));
          expect(driver.framesReceived).toBe(sizes.length);
          expect(driver.bytesReceived).toBe(sizes.reduce((sum, bytes) => sum + Math.max(60, bytes), 0));
        },
      ),
      { numRuns: runs(60) },
    );
  });

  test('a jumbo frame takes five buffers of 2,048 bytes, and three of 4,096', () => {
    for (const [bufferBytes, buffers] of [
      [2048, 5],
      [4096, 3],
    ] as const) {
      const machine = lab();
      const { driver, port } = machine.guest({ driver: { bufferBytes } });
      driver.send(pattern().fill(LONGEST, 0));
      machine.run(200_000);
      expect(port.transmit.producer).toBe(buffers);
      const inbound = pattern(9, FAR_MAC, GUEST_MAC).fill(LONGEST, 0);
      machine.partner.send(inbound, 0, inbound.length);
      machine.run(300_000);
      expect(port.receive.consumer()).toBe(buffers);
    }
  });

  test('a full ring drops by name, and what was in it still goes', () => {
    const machine = lab();
    const { driver } = machine.guest({ transmitSlots: 8 });
    const frames = pattern();
    const outcomes = Array.from({ length: 12 }, (_, sequence) => driver.send(frames.fill(100, sequence)));
    expect(outcomes).toEqual([...new Array(8).fill(true), ...new Array(4).fill(false)]);
    expect(driver.drops).toMatchObject({ 'ring-full': 4 });
    driver.checkInvariants();
    machine.walk(1_000_000);
    expect(driver).toMatchObject({ framesOffered: 12, framesSent: 8, framesQueued: 0 });
    expect(machine.sent.length).toBe(8);
  });

  test('a frame that no ring could hold is told apart from one that came at a bad time', () => {
    const machine = lab();
    const { driver } = machine.guest({ transmitSlots: 4 });
    expect(driver.send(new Uint8Array(13))).toBe(false);
    expect(driver.send(new Uint8Array(9019))).toBe(false);
    expect(driver.send(pattern().fill(LONGEST, 0))).toBe(false);
    expect(driver.drops).toMatchObject({ 'bad-size': 3, 'ring-full': 0 });
    machine.run(1_000_000);
    expect(machine.sent).toEqual([]);
  });

  test('a greedy source of frames that do not fit the ring neither hangs the guest nor stops those that do', () => {
    const machine = lab({ host: { memoryBytes: 64 * 2 ** 20, costs: { transmitPacket: 0 } } });
    const { driver } = machine.guest({ transmitSlots: 2 });
    const identity = { name: 'wild', sourceId: 1, source: GUEST_MAC, destination: FAR_MAC };
    driver.attach(greedy({ ...identity, sizes: fixedSize('wild', LONGEST), frameLimit: 100 }));
    driver.attach(greedy({ ...identity, name: 'tame', sizes: fixedSize('tame', 60), frameLimit: 100 }));
    machine.run(2_000_000);
    expect(machine.sent.length).toBe(100);
    expect(driver.drops).toMatchObject({ 'bad-size': 100 });
  });

  test('greedy sources take turns', () => {
    const machine = lab();
    const { driver } = machine.guest();
    for (const sourceId of [1, 2, 3]) {
      driver.attach(
        greedy({
          name: `source ${sourceId}`,
          sourceId,
          source: GUEST_MAC,
          destination: FAR_MAC,
          sizes: fixedSize('size', 500),
        }),
      );
    }
    machine.run(1_000_000);
    const verifier = new FrameVerifier();
    const bySource = [0, 0, 0, 0];
    for (const { bytes } of machine.sent) {
      expect(verifier.verify(bytes, 0, bytes.length)).toBe('good');
      bySource[verifier.sourceId] = (bySource[verifier.sourceId] ?? 0) + 1;
    }
    const [, ...counts] = bySource;
    expect(Math.min(...counts)).toBeGreaterThan(50);
    expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
  });

  test('a greedy source keeps the wire at line rate: 1,538 byte times a full frame, from the first to the last', () => {
    const machine = lab();
    const { driver } = machine.guest({ transmitSlots: 128 });
    const identity = { name: 'greedy', sourceId: 1, source: GUEST_MAC, destination: FAR_MAC };
    driver.attach(greedy({ ...identity, sizes: fixedSize('greedy', 1514) }));
    machine.run(5_000_000);
    const gaps = machine.sent.slice(1).map(({ endNs }, index) => endNs - (machine.sent[index]?.endNs ?? 0));
    expect(new Set(gaps)).toEqual(new Set([1538 * 8]));
    // The first batch of 64 frames costs its CPU time before the doorbell; from then on nothing is lost.
    const firstNs = machine.sent[0]?.endNs ?? Infinity;
    expect(firstNs).toBeLessThan(150_000);
    expect(machine.sent.length).toBe(1 + Math.floor((5_000_000 - firstNs) / (1538 * 8)));
  });

  test('a poll takes no more than its budget before the core is given to others', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 60 }), (budget, frames) => {
        // All guests share one core, so a unit of work of one is a wait for the other.
        const machine = lab({ host: { memoryBytes: 64 * 2 ** 20, cores: 1 } });
        const { driver } = machine.guest({ receiveSlots: 64, driver: { budget } });
        const inbound = pattern(9, FAR_MAC, GUEST_MAC);
        const seenAt: number[] = [];
        driver.onReceive(() => {
          seenAt.push(machine.kernel.nowNs);
          return undefined;
        });
        for (let sequence = 0; sequence < frames; sequence += 1) {
          const frame = inbound.fill(60, sequence);
          machine.partner.send(frame, 0, frame.length);
        }
        machine.run(3_000_000);
        expect(seenAt.length).toBe(frames);
        const perUnit = new Map<number, number>();
        for (const atNs of seenAt) perUnit.set(atNs, (perUnit.get(atNs) ?? 0) + 1);
        expect(Math.max(...perUnit.values())).toBeLessThanOrEqual(budget);
      }),
      { numRuns: runs(60) },
    );
  });

  test('receive buffers go back in time: a stream of any size never ends for want of them', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(8, 16, 32),
        fc.constantFrom(...BUFFER_BYTES),
        fc.integer({ min: 1, max: 32 }),
        fc.constantFrom(60, 1514, 2049, LONGEST),
        (receiveSlots, bufferBytes, refill, bytes) => {
          const machine = lab();
          const refillBatch = Math.min(refill, receiveSlots);
          const { driver } = machine.guest({
            receiveSlots,
            coalesceFrames: 1,
            driver: { bufferBytes, refillBatch },
          });
          const frames = pattern(9, FAR_MAC, GUEST_MAC);
          for (let sequence = 0; sequence < 3 * receiveSlots; sequence += 1) {
            const frame = frames.fill(bytes, sequence);
            machine.partner.send(frame, 0, frame.length);
            machine.run(130_000);
          }
          expect(driver.framesReceived).toBe(3 * receiveSlots);
          expect(machine.host.nic.counters.totalDrops()).toBe(0);
        },
      ),
      { numRuns: runs(40) },
    );
  });

  test('without a buffer the card drops with a reason, and everything is accounted for', () => {
    const machine = lab();
    const { domain, driver, port } = machine.guest({ receiveSlots: 4 });
    machine.run(10_000);
    machine.host.processor.halt(domain.account);
    const frames = pattern(9, FAR_MAC, GUEST_MAC);
    for (let sequence = 0; sequence < 10; sequence += 1) {
      const frame = frames.fill(1514, sequence);
      machine.partner.send(frame, 0, frame.length);
    }
    machine.run(1_000_000);
    expect(machine.host.nic.counters.get('framesReceived', port.context)).toBe(4);
    expect(machine.host.nic.counters.dropsOf(port.context)).toEqual({ 'no-receive-buffer': 6 });
    expect(driver.framesReceived).toBe(0);
  });

  test('an answer of the handler is sent, and counted as offered', () => {
    const machine = lab();
    const { driver } = machine.guest();
    const answers = pattern(3);
    driver.onReceive((_bytes, _offset, length) => answers.fill(length, 42));
    const question = pattern(9, FAR_MAC, GUEST_MAC).fill(200, 0);
    machine.partner.send(question, 0, question.length);
    machine.walk(300_000);
    expect(machine.sent.map(({ bytes }) => bytes)).toEqual([answers.fill(200, 42)]);
    expect(driver).toMatchObject({ framesOffered: 1, framesSent: 1 });
  });

  test('two guests talk over the wire and back', () => {
    const machine = lab();
    const one = machine.guest();
    const other = machine.guest();
    const verifier = new FrameVerifier();
    const seen: string[] = [];
    other.driver.onReceive((bytes, offset, length) => {
      seen.push(verifier.verify(bytes, offset, length));
      return undefined;
    });
    one.driver.send(pattern(1, one.port.mac, other.port.mac).fill(700, 0));
    machine.walk(200_000);
    expect(seen).toEqual(['good']);
    expect(one.driver.framesReceived).toBe(0);
  });
});

describe('a driver and its mistakes', () => {
  test('the cases of options below are all that there are', () => {
    expect(Object.keys(DEFAULT_DRIVER).sort()).toEqual(['budget', 'bufferBytes', 'postBatch', 'refillBatch']);
  });

  test.each<Partial<DriverOptions>>([
    { budget: 63 },
    { bufferBytes: 2048 },
    { refillBatch: 15 },
    { postBatch: 63 },
  ])('one that has %j has it for itself, and those without it have not', (driver) => {
    const lab = new DriverLab();
    const [plain, own, after] = [lab.guest(), lab.guest({ driver }), lab.guest()].map(
      (guest) => guest.driver.options,
    );
    expect(plain).toEqual(DEFAULT_DRIVER);
    expect(own).toEqual({ ...DEFAULT_DRIVER, ...driver });
    expect(after).toEqual(DEFAULT_DRIVER);
  });

  test('options that cannot be are refused by name', () => {
    const withDriver = (driver: Partial<DriverOptions>) => () => new DriverLab().guest({ driver });
    expect(withDriver({ budget: 0 })).toThrow('driver.budget is 0, expected');
    expect(withDriver({ postBatch: 1.5 })).toThrow('driver.postBatch is 1.5, expected');
    expect(withDriver({ refillBatch: 33 })).toThrow('driver.refillBatch is 33, expected');
    expect(withDriver({ bufferBytes: 1000 as 2048 })).toThrow(
      'driver.bufferBytes is 1000, expected one of: 1536, 2048, 4096',
    );
  });

  test('a buffer that is not its own any more is refused at set-up; once it is back, sending goes on', () => {
    const machine = underCdna();
    const { domain, driver, port } = machine.guest({ transmitSlots: 8 });
    const frames = pattern();
    driver.send(frames.fill(100, 0));
    // Between the store and the hypercall the hypervisor gives the page to another domain.
    const page = Math.floor(driver.transmitBuffer(0) / 4096);
    machine.host.pages.forceTransfer(pageNumber(page), domain.id + 1, 'guest');
    machine.run(100_000);
    expect(driver.drops).toMatchObject({ 'refused-at-set-up': 1 });
    expect(machine.host.hypervisor.faultLog).toMatchObject([
      { domain: 'guest0', context: port.context, caughtBy: 'set-up', reason: 'not-owner' },
    ]);
    expect(machine.sent).toEqual([]);

    // The store itself does not get through the MMU now: a drop of its own name, not the end of the run.
    expect(driver.send(frames.fill(100, 1))).toBe(false);
    expect(driver.drops).toMatchObject({ 'buffer-lost': 1 });

    machine.host.pages.forceTransfer(pageNumber(page), domain.id, 'guest');
    for (let sequence = 2; sequence < 10; sequence += 1) {
      expect(driver.send(frames.fill(100, sequence))).toBe(true);
      machine.run(100_000);
    }
    expect(machine.sent.length).toBe(8);
    driver.checkInvariants();
  });

  test('a refused frame takes those behind it with it, those before it go, and no half frame stays in the ring', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 60, max: LONGEST }), { minLength: 1, maxLength: 6 }),
        fc.nat({ max: 31 }),
        fc.integer({ min: 1, max: 40 }),
        (sizes, lostSlot, postBatch) => {
          const machine = underCdna();
          const { domain, driver } = machine.guest({ driver: { postBatch, bufferBytes: 4096 } });
          const frames = pattern();
          for (const [sequence, bytes] of sizes.entries()) {
            expect(driver.send(frames.fill(bytes, sequence))).toBe(true);
          }
          const page = Math.floor(driver.transmitBuffer(lostSlot) / 4096);
          machine.host.pages.forceTransfer(pageNumber(page), domain.id + 1, 'guest');
          let slot = 0;
          let whole = 0;
          for (const bytes of sizes) {
            slot += Math.ceil(bytes / 4096);
            if (slot > lostSlot) break;
            whole += 1;
          }
          machine.walk(1_000_000);
          expect(machine.sent.length).toBe(whole);
          expect(driver.framesSent).toBe(whole);
          expect(driver.drops['refused-at-set-up']).toBe(sizes.length - whole);

          machine.host.pages.forceTransfer(pageNumber(page), domain.id, 'guest');
          const after = frames.fill(3000, 99);
          expect(driver.send(after)).toBe(true);
          machine.walk(1_000_000);
          expect(Buffer.compare(machine.sent.at(-1)?.bytes ?? new Uint8Array(), after)).toBe(0);
          expect(machine.host.nic.contexts[0]?.state).toBe('open');
        },
      ),
      { numRuns: runs(60) },
    );
  });

  test('a receive buffer that was refused is offered again when it is back', () => {
    const machine = underCdna();
    const { domain, driver } = machine.guest({
      receiveSlots: 4,
      coalesceFrames: 1,
      driver: { bufferBytes: 4096, refillBatch: 1 },
    });
    const inbound = pattern(9, FAR_MAC, GUEST_MAC);
    let sequence = 0;
    const arrive = (frames: number) => {
      for (let index = 0; index < frames; index += 1) {
        const frame = inbound.fill(60, sequence++);
        machine.partner.send(frame, 0, frame.length);
        machine.run(200_000);
      }
    };
    arrive(3);
    const page = Math.floor(driver.receiveBuffer(0) / 4096);
    machine.host.pages.forceTransfer(pageNumber(page), domain.id + 1, 'guest');
    arrive(8);
    // The device had four buffers, that one among them, and got one more before it was that one's turn.
    const stuck = driver.framesReceived;
    expect(stuck).toBeLessThanOrEqual(8);
    expect(machine.host.hypervisor.faultLog[0]).toMatchObject({ caughtBy: 'set-up', reason: 'not-owner' });
    expect(machine.host.nic.counters.dropsOf(contextId(0))).toEqual({ 'no-receive-buffer': 11 - stuck });
    machine.host.pages.forceTransfer(pageNumber(page), domain.id, 'guest');
    // Any poll will do: a frame sent brings one.
    driver.send(pattern().fill(60, 0));
    machine.run(300_000);
    arrive(8);
    expect(driver.framesReceived).toBe(stuck + 8);
  });

  test('a port that is closed under it: every frame has a name, and nothing is sent any more', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...PROTECTIONS),
        fc.integer({ min: 0, max: 300_000 }),
        fc.boolean(),
        ([, make], closeNs, greedyGuest) => {
          const machine = new DriverLab({ protection: make() });
          const { driver, port } = machine.guest();
          const other = machine.guest();
          const identity = { name: 'g', sourceId: 1, source: GUEST_MAC, destination: FAR_MAC };
          if (greedyGuest)
            driver.attach(
              greedy({
                ...identity,
                sizes: mixedSizes(
                  'g',
                  [
                    { bytes: 60, count: 1 },
                    { bytes: LONGEST, count: 1 },
                  ],
                  1,
                ),
              }),
            );
          else for (let n = 0; n < 20; n += 1) driver.send(pattern().fill(1000, n));
          machine.walk(closeNs);
          machine.host.protection.closePort(port);
          const onWire = machine.sent.length;
          machine.walk(500_000);
          // One frame may have been on the wire already.
          expect(machine.sent.length - onWire).toBeLessThanOrEqual(1);
          expect(driver.send(pattern().fill(100, 0))).toBe(true);
          machine.walk(500_000);
          expect(driver.send(pattern().fill(100, 1))).toBe(false);
          expect(driver.framesQueued).toBe(0);
          expect(driver.drops['port-closed']).toBeGreaterThanOrEqual(2);
          driver.attach(greedy({ ...identity, sizes: fixedSize('g', 60) }));
          machine.walk(100_000);
          expect(machine.sent.length - onWire).toBeLessThanOrEqual(1);

          other.driver.send(pattern(2, other.port.mac).fill(100, 0));
          machine.run(100_000);
          expect(machine.sent.at(-1)?.context).toBe(other.port.context);
        },
      ),
      { numRuns: runs(60) },
    );
  });

  test('a driver that is closed drops what the device has not heard of, and hands nothing more over', () => {
    const machine = new DriverLab();
    const { driver } = machine.guest();
    for (let n = 0; n < 5; n += 1) driver.send(pattern().fill(100, n));
    driver.close();
    driver.checkInvariants();
    machine.walk(500_000);
    expect(machine.sent).toEqual([]);
    expect(driver.drops).toMatchObject({ 'port-closed': 5 });
    expect(driver.send(pattern().fill(100, 6))).toBe(false);
  });

  test('a killed guest stops at once, its counters balance, and the others continue', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...PROTECTIONS),
        fc.integer({ min: 0, max: 300_000 }),
        ([, make], killNs) => {
          const machine = new DriverLab({
            protection: make(),
            host: { memoryBytes: 64 * 2 ** 20, cores: 1 },
          });
          const [victim, other] = [machine.guest(), machine.guest()];
          for (const [sourceId, { driver, port }] of [victim, other].entries()) {
            driver.attach(
              greedy({
                name: `guest ${sourceId}`,
                sourceId,
                source: port.mac,
                destination: FAR_MAC,
                sizes: fixedSize('size', 1514),
              }),
            );
          }
          machine.walk(killNs);
          machine.host.hypervisor.kill(victim.domain);
          const onWire = machine.sent.length;
          machine.walk(2_000_000);
          const later = machine.sent.slice(onWire);
          expect(later.filter(({ context }) => context === victim.port.context).length).toBeLessThanOrEqual(
            1,
          );
          expect(later.length).toBeGreaterThan(50);
          victim.driver.send(pattern().fill(100, 0));
          machine.walk(100_000);
          expect(machine.host.pages.pinsTaken - machine.host.pages.pinsReleased).toBe(
            [...other.domain.ownedPages].reduce((sum, frame) => sum + machine.host.pages.count(frame), 0),
          );
        },
      ),
      { numRuns: runs(40) },
    );
  });
});
