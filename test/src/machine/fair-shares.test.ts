import { describe, expect, test } from 'vitest';
import { simulate } from '../../../src/simulate.js';

const LATE = new URL('../../fixtures/cases/late-jain.json', import.meta.url).pathname;
const greedy = (frameBytes: number) => ({ kind: 'greedy' as const, frameBytes, startNs: 0 });

describe('what a guest got of its due', () => {
  test('follows arrivals: a guest that starts late is due its share from then on, and gets it', async () => {
    const run = await simulate(LATE, { protection: 'none', warmUpNs: 0 });
    const [early, late] = run.guests;
    // 15 ms alone and 5 ms of two: 17.5 ms of a wire of 1 Gb/s, and 2.5 ms.
    // The early one starts within its first frame.
    expect(Math.abs((early?.wireBytesDue ?? 0) - 17.5e6 / 8)).toBeLessThan(1538);
    expect(late?.wireBytesDue).toBeCloseTo(2.5e6 / 8, -1);
    expect(early?.fairShareGot).toBeGreaterThan(0.98);
    expect(late?.fairShareGot).toBeGreaterThan(0.93);
    expect(run.fairness.jainIndex).toBeGreaterThan(0.999);
  });

  test('counts bytes of the wire: equal weights are due the same, whatever the length of their frames', async () => {
    const guests = [
      { name: 'small', traffic: greedy(60) },
      { name: 'big', traffic: greedy(1514) },
    ];
    const run = await simulate({ guests }, { protection: 'none', durationNs: 4_000_000 });
    const [small, big] = run.guests;
    expect(small?.wireBytesDue).toBeCloseTo(big?.wireBytesDue ?? 0, 3);
    expect((small?.wireBytesDue ?? 0) + (big?.wireBytesDue ?? 0)).toBeCloseTo(4e6 / 8, 3);
    expect(small?.wireBytesSent).toBe((small?.framesTransmitted ?? 0) * 84);
    expect(big?.wireBytesSent).toBe((big?.framesTransmitted ?? 0) * 1538);
  });

  test('is by weight, and what one does not ask for is shared among the others', async () => {
    const guests = [
      { name: 'asks for little', traffic: { kind: 'constant' as const, wireRateBps: 100_000_000 } },
      { name: 'light', traffic: greedy(1514) },
      { name: 'heavy', weight: 2, traffic: greedy(1514) },
    ];
    const run = await simulate(
      { guests },
      { protection: 'none', warmUpNs: 5_000_000, durationNs: 20_000_000 },
    );
    const due = run.guests.map(({ wireBytesDue }) => (wireBytesDue * 8e9) / run.durationNs / 1e6);
    expect(due[0]).toBeCloseTo(100, -1);
    expect(due[1]).toBeCloseTo(300, -1);
    expect(due[2]).toBeCloseTo(600, -1);
    for (const { fairShareGot } of run.guests) expect(Math.abs(fairShareGot - 1)).toBeLessThan(0.02);
  });

  test('depends on what is offered and on no approach: a driver domain that cannot fill the wire leaves guests below it', async () => {
    const scenario = {
      guests: [
        { traffic: greedy(60), core: 0 },
        { traffic: greedy(60), core: 0 },
      ],
      host: { cores: 1 },
    };
    const at = { durationNs: 4_000_000 };
    const [direct, domain] = [
      await simulate(scenario, { ...at, protection: 'none' }),
      await simulate(scenario, { ...at, protection: 'driver-domain' }),
    ];
    expect(domain.guests.map(({ wireBytesDue }) => wireBytesDue)).toEqual(
      direct.guests.map(({ wireBytesDue }) => wireBytesDue),
    );
    for (const { fairShareGot } of domain.guests) expect(fairShareGot).toBeLessThan(0.5);
  });

  test('frames that stay inside the machine load no wire: nothing is due, and nothing counts as got', async () => {
    const guests = [
      { name: 'a', traffic: { kind: 'greedy' as const, to: 'b' } },
      { name: 'b', traffic: { kind: 'constant' as const, wireRateBps: 50_000_000, to: 'a' } },
    ];
    for (const run of [
      await simulate({ guests, nic: { switching: true } }, { protection: 'none', durationNs: 2_000_000 }),
      await simulate({ guests }, { protection: 'driver-domain', durationNs: 2_000_000 }),
    ]) {
      expect(run.guests.reduce((sum, guest) => sum + guest.bytesTransmitted, 0)).toBeGreaterThan(50_000);
      for (const guest of run.guests) {
        expect([guest.wireBytesSent, guest.wireBytesDue]).toEqual([0, 0]);
        expect(guest.fairShareGot).toBeNaN();
      }
    }
  });
});
