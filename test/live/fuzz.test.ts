import { expect, it } from 'vitest';
import { frame, words } from './support/client.js';
import { fuzz } from './support/fuzz.js';
import { Lab } from './support/lab.js';

// A tenth of a percent of what fuzz.long.test.ts plays: enough to notice that it would not run.
it.each([
  ['none', false],
  ['cdna', true],
  ['iommu:single-use', true],
  ['iommu:guest', true],
] as const)(
  'whatever a client sends and writes, its victim works, keeps its bytes where the approach does so, and is not charged (%s)',
  (protection, stops) => {
    const { messages, leaks, damage } = fuzz({ protection, stops, cases: 8, steps: 80 });
    expect(messages).toBeGreaterThan(300);
    // Without protection the same client reads and writes the victim's memory: the test would notice.
    expect([leaks > 0, damage > 0]).toEqual([!stops, !stops]);
  },
);

it('a client that sends only commands it made up is told so, each time', () => {
  const lab = new Lab();
  const { client } = lab.driver(0);
  client.connect();
  client.version();
  client.raw(frame(5, 99, 0, words([4, 0])));
  client.raw(frame(6, 11, 0, words([8, 0], [8, 4])));
  expect(client.messages.slice(1).map((message) => message[12])).toEqual([95, 95]);
  expect(lab.live.guests[0]?.sessionFaults).toEqual({ 'unknown-command': 2 });
});
