import { describe, expect, test } from 'vitest';
import { PlainDma } from '../../../host/protection/none/plain-dma.js';
import type { WirePort } from '../../../nic/host-port.js';
import { makeDiscipline } from '../../../scheduler/disciplines/index.js';
import { Machine } from '../../../src/machine/machine.js';
import { checkScenario } from '../../../src/scenario/load.js';
import type { ScenarioInput } from '../../../src/scenario/schema.js';

function machineOf(scenario: ScenarioInput, wireTap?: WirePort): Machine {
  return new Machine({
    scenario: checkScenario(scenario),
    directory: '.',
    captures: new Map(),
    seed: 1,
    protection: new PlainDma(),
    transmitDiscipline: makeDiscipline('drr'),
    receiveDiscipline: makeDiscipline('drr'),
    ...(wireTap === undefined ? {} : { wireTap }),
  });
}

describe('a machine', () => {
  test('starts every kind of traffic when the scenario says, greedy ones too, both ways', () => {
    const kinds = [
      { kind: 'greedy' },
      { kind: 'constant', wireRateBps: 1e8 },
      { kind: 'poisson', wireRateBps: 1e8 },
    ] as const;
    for (const traffic of kinds) {
      let firstNs = Number.POSITIVE_INFINITY;
      const machine = machineOf(
        {
          guests: [
            { traffic: { ...traffic, startNs: 300_000 }, receive: { kind: 'greedy', startNs: 500_000 } },
          ],
        },
        {
          transmitted: (_bytes, _offset, _length, _context, _index, { startNs }) => {
            firstNs = Math.min(firstNs, startNs);
          },
        },
      );
      machine.run(299_999);
      expect(machine.guests[0]?.driver.framesOffered).toBe(0);
      machine.run(499_999);
      expect(machine.guests[0]?.driver.framesReceived).toBe(0);
      expect(machine.partner.framesToNic).toBe(0);
      machine.run(2_000_000);
      expect(firstNs).toBeGreaterThan(300_000);
      expect(machine.guests[0]?.driver.framesSent).toBeGreaterThan(0);
      expect(machine.guests[0]?.driver.framesReceived).toBeGreaterThan(50);
      machine.checkInvariants();
    }
  });

  test('lets every guest have its inbound stream, however greedy the others are', () => {
    const machine = machineOf({ guests: [{ count: 5, receive: { kind: 'greedy' } }] });
    machine.run(2_000_000);
    const received = machine.guests.map(({ driver }) => driver.framesReceived);
    expect(Math.min(...received)).toBeGreaterThan(20);
    machine.checkInvariants();
  });

  test('frame sizes of a mix are independent of the gaps between them', () => {
    const arrivals: { atNs: number; bytes: number }[] = [];
    const scenario: ScenarioInput = {
      guests: [
        {
          receive: {
            kind: 'poisson',
            wireRateBps: 1e8,
            frameBytes: [
              { bytes: 60, count: 10 },
              { bytes: 1514, count: 10 },
            ],
          },
        },
      ],
    };
    const machine = machineOf(scenario);
    machine.partner.connect((_bytes, _offset, length) => {
      arrivals.push({ atNs: machine.kernel.nowNs - (length + 24) * 8, bytes: length });
    });
    machine.run(200_000_000);
    const gaps = arrivals.slice(1).map(({ atNs, bytes }, index) => ({
      gapNs: atNs - (arrivals[index]?.atNs ?? 0),
      bytes,
    }));
    const mean = (list: readonly number[]) => list.reduce((sum, value) => sum + value, 0) / list.length;
    const meanGapOf = (size: number) =>
      mean(gaps.filter(({ bytes }) => bytes === size).map(({ gapNs }) => gapNs));
    expect(gaps.length).toBeGreaterThan(2_000);
    // With gaps of mean m among n frames the two means differ by about 2 m / sqrt(n): 4 % here.
    expect(meanGapOf(60) / meanGapOf(1514)).toBeGreaterThan(0.85);
    expect(meanGapOf(60) / meanGapOf(1514)).toBeLessThan(1.15);
  });

  test('refuses what cannot be, with the guest and the field', () => {
    const refused = (guest: ScenarioInput['guests'][number]) => () =>
      machineOf({ guests: [{ name: 'one', ...guest }, { name: 'two' }] });
    expect(refused({ traffic: { kind: 'greedy', to: 'three' } })).toThrow(
      'one.traffic.to is "three", expected the name of a guest: one, two',
    );
    for (const kind of ['request', 'greedy', 'poisson'] as const)
      expect(
        refused({
          traffic: { kind, to: 'one', ...(kind === 'poisson' ? { wireRateBps: 1e8 } : {}) } as never,
        }),
      ).toThrow('one.traffic.to is "one", expected another guest than one itself: two');
    expect(refused({ receive: { kind: 'greedy', to: 'two' } })).toThrow(
      'one.receive.to is "two", expected none',
    );
    expect(refused({ receive: { kind: 'request' } })).toThrow(
      'one.receive.kind is "request", expected a kind',
    );
    expect(() => machineOf({ guests: [{ count: 3, traffic: { kind: 'greedy', to: 'guest1' } }] })).toThrow(
      'guest1.traffic.to is "guest1", expected another guest than guest1 itself: guest0, guest2',
    );
    expect(() => machineOf({ guests: [{ name: 'one', traffic: { kind: 'greedy', to: 'one' } }] })).toThrow(
      'one.traffic.to is "one", expected another guest than one itself: there is none',
    );
    expect(() => machineOf({ guests: [{ name: 'one' }, { name: 'one' }] })).toThrow(
      'guests: two are named "one"',
    );
  });
});
