import { expect, test } from 'vitest';
import { simulate } from '../../../src/simulate.js';

const idle = { kind: 'constant' as const, wireRateBps: 1_000_000 };

// The sum of the weights of a virtual clock is bounded (2^26): the last of these changes makes it too large.
const guests = [{ count: 1_100, traffic: idle, transmitSlots: 16, receiveSlots: 16, memoryMegabytes: 1 }];
const heavier = (count: number) =>
  Array.from({ length: count }, (_, index) => ({
    atNs: 1_000 * (count - index),
    guest: `guest${index}`,
    weight: 65_535,
  }));

test('a weight that the discipline refuses is refused when the run is put together, by the place of its change', async () => {
  const run = simulate(
    { guests, changes: heavier(1_025), discipline: 'wf2q+' },
    { protection: 'none', durationNs: 1_000 },
  );
  // Changes are given latest first, so the first of the list is the last to happen.
  await expect(run).rejects.toThrow(
    /^changes\[0\]\.weight is 65535: wf2q\+: weight of context 0 is 65535, which makes the sum of weights \d+, expected at most 67108864$/,
  );
});
