import { expect, it } from 'vitest';
import { LiveSampler } from '../../src/live/server/live-sample.js';
import { ethernet } from './support/driver.js';
import { Lab, MAC } from './support/lab.js';

const WIRE_BYTES = 1514 + 24;
/** A millisecond per frame of an emulated guest. */
const RATE_BPS = WIRE_BYTES * 8 * 1_000;

it('counts what all guests put on the wire, emulated ones too, and shares of that', () => {
  const lab = new Lab({
    weights: [1],
    scenario: {
      guests: [
        { name: 'real', attached: true, memoryMegabytes: 4 },
        { name: 'model', traffic: { kind: 'constant', wireRateBps: RATE_BPS, frameBytes: 1514 } },
      ],
    },
  });
  const driver = lab.boot(0);
  lab.run(10_000_000);
  const sampler = new LiveSampler(lab.live);
  lab.run(100_000_000);
  const alone = sampler.sample();
  expect(alone.guests.map(({ name, sentBps, share }) => [name, sentBps, share])).toEqual([['real', 0, 0]]);
  // A frame may lie across either end.
  expect(Math.abs(alone.wireBps - RATE_BPS)).toBeLessThanOrEqual((WIRE_BYTES * 8) / 0.1);

  for (let slot = 0; slot < 20; slot += 1)
    driver.send(slot, 0x200000 + slot * 2048, ethernet(0x020000ffffff, MAC, 'x', 1514));
  lab.run(100_000_000);
  const { wireBps, guests } = sampler.sample();
  const sentBps = guests[0]?.sentBps ?? 0;
  expect(sentBps).toBe((20 * WIRE_BYTES * 8) / 0.1);
  expect(Math.abs(wireBps - sentBps - RATE_BPS)).toBeLessThanOrEqual((WIRE_BYTES * 8) / 0.1);
  expect(guests[0]?.share).toBeCloseTo(sentBps / wireBps, 10);
});
