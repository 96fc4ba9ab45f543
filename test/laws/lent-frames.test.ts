import { expect, test } from 'vitest';
import { simulate } from '../../src/index.js';

test('a card lends the frames that it copies, in the same order', async () => {
  const copied: unknown[] = [];
  const lent: unknown[] = [];
  await simulate(
    {
      guests: [
        { name: 'asks', traffic: { kind: 'request', outstanding: 4 } },
        { name: 'sends', traffic: { kind: 'greedy', frameBytes: 1514 } },
      ],
    },
    {
      durationNs: 1_000_000,
      prepare: ({ host }) => {
        host.nic.streams.frames$.subscribe(({ bytes, ...about }) =>
          copied.push({ ...about, bytes: Buffer.from(bytes).toString('base64') }),
        );
        host.nic.streams.lentFrames$.subscribe(({ buffer, offset, length, ...about }) =>
          lent.push({
            ...about,
            bytes: Buffer.from(buffer.subarray(offset, offset + length)).toString('base64'),
          }),
        );
      },
    },
  );
  expect(copied.length).toBeGreaterThan(100);
  expect(lent).toEqual(copied);
});
