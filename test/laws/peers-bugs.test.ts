import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FramePattern } from '../../guests/traffic/index.js';
import { BufferBatch } from '../../host/protection/guest-port.js';
import { guestPhysicalAddress, hostPhysicalAddress, pageNumber } from '../../nic/addresses.js';
import { FLAG_END_OF_PACKET } from '../../nic/descriptor.js';
import { PAGE_BYTES } from '../../nic/registers.js';
import { contextId } from '../../scheduler/branded.js';
import { DISCIPLINES } from '../../scheduler/disciplines/index.js';
import { EventKernel } from '../../scheduler/event-kernel.js';
import { checkScenario } from '../../src/scenario/load.js';
import type { ScenarioInput } from '../../src/scenario/schema.js';
import { anyApproach, approaches, type Plan } from '../arbitraries/scenarios.js';
import { either, runs, some, turnOf } from '../support/whole.js';
import { LawBook } from './law-book.js';
import { LawMachine, resultOf, type WireFrame } from './law-machine.js';

type Guest = ScenarioInput['guests'][number];

interface Setting {
  readonly approach?: Plan['approach'];
  readonly discipline?: string;
  readonly nic?: ScenarioInput['nic'];
  readonly host?: ScenarioInput['host'];
  readonly quantumBytes?: number;
}

/** A CPU that is never the bottleneck, so that guests differ by what the wire gives them and by nothing else. */
function planOf(guests: readonly Guest[], setting: Setting = {}): Plan {
  const { nic, host, quantumBytes } = setting;
  const [first] = approaches;
  if (first === undefined) throw new Error('there is no approach');
  return {
    scenario: checkScenario({
      guests: guests.map((guest, index) => ({ memoryMegabytes: 2, core: 1 + (index % 3), ...guest })),
      nic: { contexts: Math.max(32, guests.length), ...nic },
      host: { cores: 4, hertz: 1e11, memoryMegabytes: 256, ...host },
      ...(quantumBytes === undefined ? {} : { quantumBytes }),
    }),
    approach: setting.approach ?? approaches.find(({ name }) => name === 'cdna') ?? first,
    discipline: setting.discipline ?? 'drr',
    seed: 1,
    durationNs: 500_000,
  };
}

const machineOf = (guests: readonly Guest[], setting: Setting = {}) =>
  new LawMachine(planOf(guests, setting));
const greedy = (frameBytes: number, more: Guest = {}): Guest => ({
  traffic: { kind: 'greedy', frameBytes, startNs: 0 },
  transmitSlots: 128,
  ...more,
});
const macOf = (guest: number) => 0x020000000001 + guest;
const bytesOf = (frames: readonly WireFrame[], guest: number) =>
  frames.reduce((sum, { source, bytes }) => sum + (source === macOf(guest) ? bytes : 0), 0);

/** Preamble and delimiter 8, FCS 4 and gap 12 included (IEEE 802.3). */
const wireBytesOf = (frames: readonly WireFrame[], guest: number) =>
  bytesOf(frames, guest) + 24 * frames.filter(({ source }) => source === macOf(guest)).length;

/** Disciplines that promise a bound in bytes. */
const fair = ['drr', 'srr', 'sfq', 'scfq', 'wfq', 'wf2q+', 'qfq'];

describe('bugs that others shipped, on the whole machine', () => {
  test('1: a context that was idle does not own the wire until it has caught up', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 200_000, max: 3_000_000 }),
        fc.constantFrom(...fair),
        (idleNs, discipline) => {
          const late: Guest = { traffic: { kind: 'greedy', startNs: idleNs }, transmitSlots: 128 };
          const law = machineOf([greedy(1514), late], { discipline });
          law.machine.run(idleNs + 1_500_000);
          const back = law.wire.findIndex(({ source }) => source === macOf(1));
          const after = law.wire.slice(back, back + 60);
          expect(back).toBeGreaterThan(0);
          expect(after.length).toBe(60);
          // Half each from its first frame on, but for a round and what lay in the FIFO.
          expect(Math.abs(bytesOf(after, 0) - bytesOf(after, 1))).toBeLessThanOrEqual(4 * 1514 + 16_384);
          expect(bytesOf(after, 0)).toBeGreaterThan(20 * 1514);
        },
      ),
      { numRuns: runs(15) },
    );
  });

  test('2: weights are not rounded: coprime and nearly equal ones are told apart', () => {
    for (const weights of [
      [31, 32],
      [7, 8, 9],
      [1, 13],
    ]) {
      const law = machineOf(
        weights.map((weight) => greedy(300, { weight, transmitSlots: 256 })),
        { quantumBytes: 300, nic: { descriptorCacheSlots: 256, transmitFifoBytes: 9018 } },
      );
      law.machine.run(16_000_000);
      const steady = law.wire.slice(500);
      const unit = weights.map((weight, guest) => bytesOf(steady, guest) / weight);
      expect(Math.max(...unit) / Math.min(...unit), weights.join(':')).toBeLessThan(1.012);
    }
  });

  test('3: equal flows get equal shares, and none is left out, from 1 guest to 24', () => {
    for (const count of some([1, 2, 3, 7, 16, 24])) {
      const law = machineOf(Array.from({ length: count }, () => greedy(1514, { transmitSlots: 32 })));
      law.machine.run(12_000_000);
      // From where all take part and what was granted before that has left the FIFO.
      const seen = new Set<number>();
      const all = law.wire.findIndex(({ source }) => seen.add(source).size === count);
      const steady = law.wire.slice(all + Math.ceil(16_384 / 1514));
      const shares = Array.from({ length: count }, (_, guest) => bytesOf(steady, guest));
      expect(Math.max(...shares) - Math.min(...shares), `${count} guests`).toBeLessThanOrEqual(2 * 1514);
      expect(Math.min(...shares)).toBeGreaterThan(0);
    }
  });

  test('4: a round skips no context where it wraps, nor at the end of a word of the event vector', () => {
    for (const count of [31, 32, 33, 40]) {
      const law = machineOf(
        Array.from({ length: count }, () => greedy(1514, { transmitSlots: 16, receiveSlots: 2 })),
        { nic: { contexts: count, transmitFifoBytes: 9018 } },
      );
      law.machine.run(8_000_000);
      const steady = law.wire.slice(2 * count).map(({ source }) => source);
      expect(steady.length).toBeGreaterThan(5 * count);
      // A frame is a quantum: any `count` frames in a row are one of each.
      for (let first = 0; first + count <= steady.length; first += 1) {
        expect(new Set(steady.slice(first, first + count)).size, `${count} guests, frame ${first}`).toBe(
          count,
        );
      }
    }
  });

  test('5: a doorbell rung from inside a grant or a completion is not a second place in the round', () => {
    const law = machineOf(Array.from({ length: 5 }, () => greedy(1514)));
    const { nic } = law.machine.host;
    let rung = 0;
    const ringAgain = (context: number) => {
      const producer = nic.contexts[context]?.transmit.producer ?? 0;
      nic.write(context * PAGE_BYTES, 4, producer);
      rung += 1;
    };
    nic.grants$.subscribe(({ context }) => ringAgain(context));
    nic.streams.completions$.subscribe(({ context }) => ringAgain(context));
    for (let step = 1; step <= 30; step += 1) {
      law.machine.run(step * 100_000);
      law.machine.checkInvariants();
    }
    const steady = law.wire.slice(20).map(({ source }) => source);
    expect(rung).toBeGreaterThan(200);
    for (let first = 0; first + 5 <= steady.length; first += 1) {
      expect(new Set(steady.slice(first, first + 5)).size).toBe(5);
    }
  });

  test('6: a doorbell that lands while the last descriptor is being taken is not lost', () => {
    for (let gapNs = 0; gapNs < 4_000; gapNs += either(23, 197)) {
      const law = machineOf([{ coalesceFrames: 1, coalesceNs: 0 }]);
      const { kernel, guests } = law.machine;
      const frames = new FramePattern(
        { name: 'f', sourceId: 1, source: macOf(0), destination: 0x02_00_00_01_00_01 },
        60,
      );
      const send = kernel.register('test', (sequence) => {
        guests[0]?.driver.send(frames.fill(60, sequence));
      });
      kernel.scheduleAt(10_000, send, 0);
      kernel.scheduleAt(10_000 + gapNs, send, 1);
      law.machine.run(100_000);
      expect(law.wire.length, `${gapNs} ns apart`).toBe(2);
      expect(guests[0]?.driver.framesQueued).toBe(0);
    }
  });

  test('7: wire bytes are shared, not packets: frames of 64 bytes against 9,000', () => {
    const contest = (discipline: string) => {
      const law = machineOf([greedy(64, { transmitSlots: 1024, memoryMegabytes: 4 }), greedy(9000)], {
        discipline,
        nic: { descriptorCacheSlots: 512, descriptorBatch: 64 },
      });
      law.machine.run(4_000_000);
      return wireBytesOf(law.wire, 1) / wireBytesOf(law.wire, 0);
    };
    for (const discipline of some(fair)) {
      const ratio = contest(discipline);
      expect(ratio, discipline).toBeGreaterThan(0.7);
      expect(ratio, discipline).toBeLessThan(1.4);
    }
    // What counting packets does, so that the measure above is known to tell.
    expect(contest('prr')).toBeGreaterThan(10);
  });

  test.each(DISCIPLINES.map(({ name }) => name))(
    '8: the first frame of the only guest, and no frame at all, divide nothing by zero: %s',
    (discipline) => {
      const one: Guest = { traffic: { kind: 'constant', wireRateBps: 1e6, startNs: 0 } };
      for (const guests of [[one], [{}], [one, {}]]) {
        const result = resultOf(planOf(guests, { discipline }));
        expect(result.framesTransmitted).toBe(guests[0] === one ? 1 : 0);
        expect(result.laws.filter(({ held }) => !held)).toEqual([]);
        // Everything that JSON could not say would come back as null.
        for (const { transmitGoodputBps, receiveGoodputBps, cpuNs } of result.guests) {
          expect([transmitGoodputBps, receiveGoodputBps, cpuNs].every(Number.isFinite)).toBe(true);
        }
        expect(Number.isFinite(result.fairness.jainIndex)).toBe(true);
        expect(Number.isFinite(result.goodputBps)).toBe(true);
      }
    },
  );

  test('9: what happens in the same instant happens in the order in which it was asked for', () => {
    const kernel = new EventKernel();
    const order: number[] = [];
    const note = kernel.register('test', (number) => order.push(number));
    for (let number = 0; number < 100; number += 1)
      kernel.scheduleAt(number % 2 === 0 ? 50 : 20, note, number);
    kernel.drain();
    const even = Array.from({ length: 50 }, (_, index) => 2 * index);
    expect(order).toEqual([...even.map((number) => number + 1), ...even]);

    // Guests on cores of their own that all start at once: the wire has them in the order of the scenario.
    const law = machineOf(
      Array.from({ length: 6 }, (_, core) => ({
        traffic: { kind: 'constant', wireRateBps: 1e6, startNs: 0 },
        core,
      })),
      { host: { cores: 6 } },
    );
    law.machine.run(200_000);
    expect(law.wire.map(({ source }) => source)).toEqual(
      Array.from({ length: 6 }, (_, guest) => macOf(guest)),
    );
  });

  test('10: a transfer that had to wait for a tag is retried: every accepted descriptor completes', () => {
    for (const approach of turnOf(approaches, 0, 6)) {
      const law = machineOf([greedy(9018), greedy(60), { receive: { kind: 'greedy', frameBytes: 1514 } }], {
        approach,
        nic: { dmaInFlight: 1, descriptorBatch: 4 },
      });
      law.machine.run(1_000_000);
      for (const { driver } of law.machine.guests) driver.close();
      law.machine.partner.close();
      law.machine.run(30_000_000);
      expect(law.machine.host.nic.dma.backpressured, approach.name).toBeGreaterThan(100);
      expect(law.machine.host.nic.dma.outstanding, approach.name).toBe(0);
      for (const { driver } of law.machine.guests) expect(driver.framesQueued, approach.name).toBe(0);
      law.machine.checkInvariants();
    }
  });

  test('11: a fault stops the context that made it, and nothing else', () => {
    for (const approach of turnOf(approaches, 1, 6)) {
      const law = machineOf([greedy(1514), {}], { approach });
      const { host, guests } = law.machine;
      const [good, bad] = guests;
      if (good === undefined || bad === undefined) throw new Error('no guests');
      law.machine.run(300_000);
      const before = law.wire.length;
      const batch = new BufferBatch(1);
      batch.add(guestPhysicalAddress(host.memory.bytes + 4096), 100, FLAG_END_OF_PACKET);
      // What a broken driver does: the machine's own leaves the port first, which has one user.
      bad.driver.close();
      bad.port.transmit.post(batch);
      bad.port.transmit.ring();
      law.machine.run(1_300_000);
      expect(
        host.hypervisor.faultLog.map(({ domain }) => domain),
        approach.name,
      ).toEqual(['guest1']);
      // At line rate throughout: 1,538 byte times per frame.
      expect(law.wire.length - before, approach.name).toBeGreaterThanOrEqual(
        Math.floor(1_000_000 / (1538 * 8)) - 1,
      );
    }
  });

  test.each(
    approaches
      .filter(({ claims }) => claims.interGuest)
      .map((approach) => [approach.name, approach] as const),
  )('12: a buffer that is released in flight carries nothing of its next owner: %s', (_name, approach) => {
    for (let delayNs = 0; delayNs < 3_000; delayNs += either(250, 750)) {
      const law = machineOf([{}, {}], { approach, host: { memoryMegabytes: 16 } });
      const { host, guests, kernel } = law.machine;
      const [sender, heir] = guests;
      if (sender === undefined || heir === undefined) throw new Error('no guests');
      law.machine.run(50_000);
      const page = sender.domain.allocate(1)[0] ?? 0;
      const frame = new FramePattern(
        { name: 'f', sourceId: 1, source: sender.mac, destination: 0x02_00_00_01_00_01 },
        2000,
      ).fill(2000, 0);
      sender.domain.write(guestPhysicalAddress(page * 4096), frame.length, frame, 0);
      const batch = new BufferBatch(1);
      batch.add(guestPhysicalAddress(page * 4096), frame.length, FLAG_END_OF_PACKET);
      sender.driver.close();
      expect(sender.port.transmit.post(batch)).toBe(1);
      sender.port.transmit.ring();
      law.machine.run(kernel.nowNs + delayNs);
      sender.domain.release(pageNumber(page));
      // Frames that came back are given out first: were this one free, the heir has it now, and writes to it.
      const secret = new Uint8Array(4096).fill(0xee);
      const taken = host.pages.allocate(heir.domain.id, 'guest', 64);
      for (const frame of taken.ok ? taken.value : [])
        host.memory.write(hostPhysicalAddress(frame * 4096), 4096, secret, 0);
      law.machine.run(kernel.nowNs + 200_000);
      for (const { verdict } of law.wire) expect(verdict, `${delayNs} ns`).toBe('good');
      host.pages.checkInvariants();
    }
  });

  test('13: giving back what one never had is refused and changes nothing', () => {
    fc.assert(
      fc.property(anyApproach, fc.integer({ min: -5, max: 70_000 }), (approach, frame) => {
        const law = machineOf([greedy(1514), {}], { approach });
        const { host, guests } = law.machine;
        law.machine.run(200_000);
        const [one, other] = guests;
        if (one === undefined || other === undefined) throw new Error('no guests');
        const owner = host.pages.owner(pageNumber(frame));
        fc.pre(owner !== other.domain.id);
        const free = host.pages.freePages;
        expect(other.domain.release(pageNumber(frame))).toBe('refused');
        expect(host.pages.owner(pageNumber(frame))).toBe(owner);
        expect(host.pages.freePages).toBe(free);
        host.hypervisor.revokeContext(contextId(31));
        host.protection.closePort(other.port);
        host.protection.closePort(other.port);
        law.machine.run(400_000);
        host.checkInvariants();
        expect(law.wire.at(-1)?.verdict).toBe('good');
      }),
      { numRuns: runs(30) },
    );
  });

  test('14: a frame without a buffer is counted as a drop with its reason, and the counts add up', () => {
    const result = resultOf({
      ...planOf([{ receive: { kind: 'greedy', frameBytes: 60 }, receiveSlots: 2, coalesceNs: 100_000 }]),
      durationNs: 2_000_000,
    });
    expect(result.drops['no-receive-buffer']).toBeGreaterThan(100);
    expect(Object.keys(result.drops)).toEqual(['no-receive-buffer']);
    expect(result.guests[0]?.drops).toEqual(result.drops);
    const law = result.laws.find(({ law: name }) => name === 'receive-conservation');
    expect(law).toMatchObject({ held: true });
  });

  test('15: an offset past the last register block is no register, for any width', () => {
    const law = machineOf([greedy(1514)], { nic: { contexts: 5 } });
    law.machine.run(200_000);
    const { nic } = law.machine.host;
    const management = 5 * PAGE_BYTES;
    fc.assert(
      fc.property(
        fc.oneof(fc.integer({ min: 6 * PAGE_BYTES, max: nic.barBytes + 65_536 }), fc.integer({ max: -1 })),
        fc.constantFrom(1, 2, 4),
        fc.nat({ max: 0xffffffff }),
        (offset, width, value) => {
          expect(nic.write(offset, width, value)).toBe(false);
          expect(nic.read(offset, width)).toBe(2 ** (8 * width) - 1);
        },
      ),
    );
    expect(nic.read(management, 4)).toBe(0x43444e41);
    expect(nic.contexts.map(({ state }) => state)).toEqual(['open', 'free', 'free', 'free', 'free']);
    law.machine.checkInvariants();
  });

  test('16: the clock of the host does not show in the result', () => {
    const plan = planOf([greedy(1514), { traffic: { kind: 'poisson', wireRateBps: 3e8 } }]);
    const one = JSON.stringify(resultOf(plan));
    const untilMs = Date.now() + 20;
    while (Date.now() < untilMs) {
      // another time of day
    }
    expect(JSON.stringify(resultOf(plan))).toBe(one);
  });

  test.each<[string, Partial<ScenarioInput> & { guest?: Guest }]>([
    ['nic.rateBps', { nic: { rateBps: 0 } }],
    ['nic.dmaInFlight', { nic: { dmaInFlight: 0 } }],
    ['nic.decodeNs', { nic: { decodeNs: -1 } }],
    ['nic.transmitFifoBytes', { nic: { transmitFifoBytes: 9017 } }],
    ['nic.descriptorCacheSlots', { nic: { descriptorCacheSlots: 48 } }],
    ['link.propagationNs', { link: { propagationNs: -1 } }],
    ['link.queueBytes', { link: { queueBytes: 100 } }],
    ['host.cores', { host: { cores: 0 } }],
    ['host.hertz', { host: { hertz: 1 } }],
    ['costs.hypercal', { host: { costs: { hypercal: 1 } as object } }],
    ['quantumBytes', { quantumBytes: 0 }],
    ['durationNs', { durationNs: 0 }],
    ['guests[0].weight', { guest: { weight: 0 } }],
    ['guests[0].transmitSlots', { guest: { transmitSlots: 3 } }],
    ['guests[0].coalesceFrames', { guest: { coalesceFrames: 0 } }],
    ['wireRateBps', { guest: { traffic: { kind: 'constant', wireRateBps: 0 } } }],
  ])('17: a parameter that cannot be is refused by its name: %s', (field, { guest, ...input }) => {
    const [approach] = approaches;
    if (approach === undefined) throw new Error('there is no approach');
    expect(() =>
      resultOf({
        scenario: checkScenario({ guests: [{ memoryMegabytes: 2, ...guest }], ...input }),
        approach,
        discipline: 'drr',
        seed: 1,
        durationNs: 1_000,
      }),
    ).toThrow(field);
  });

  test('18: a law that never runs, or runs on nothing, is seen', () => {
    expect(() => new LawBook('nothing').check()).toThrow('laws of nothing');
    const book = new LawBook('sleepers');
    book.note('never run', 10);
    expect(() => book.check()).toThrow('runs of "never run"');
    const idle = new LawBook('idlers');
    idle.note('run on nothing', 2);
    for (let run = 0; run < 2; run += 1) idle.ran('run on nothing', false);
    expect(() => idle.check()).toThrow('that could have broken it');
    idle.ran('run on nothing', true);
    idle.check();
  });
});
