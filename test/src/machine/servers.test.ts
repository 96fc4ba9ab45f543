import { expect, test } from 'vitest';
import { simulate } from '../../../src/simulate.js';
import { either } from '../../support/whole.js';

// The driver domain bridges between its guests; the others have a context of the card each.
test.each(['none', 'cdna', 'iommu:deferred', 'driver-domain'])(
  'under %s a guest answers every one of its clients, each as that client expects',
  async (protection) => {
    const { guests } = await simulate(
      {
        guests: [
          { name: 'server', traffic: { kind: 'request', to: 'client2', responseBytes: 300 } },
          { name: 'client0', traffic: { kind: 'request', to: 'server', responseBytes: 64 } },
          {
            name: 'client1',
            traffic: { kind: 'request', to: 'server', responseBytes: 1_500, outstanding: 3 },
          },
          { name: 'client2', traffic: { kind: 'request', to: 'server', responseBytes: 9_000 } },
        ],
      },
      { protection, durationNs: either(10_000_000, 5_000_000) },
    );
    for (const { name, requests, bytesReceived, framesReceived } of guests) {
      expect([name, requests?.lost]).toEqual([name, 0]);
      expect(requests?.answered, name).toBeGreaterThan(10);
      if (name === 'client0') expect(bytesReceived / framesReceived).toBe(64);
      if (name === 'client1') expect(bytesReceived / framesReceived).toBe(1_500);
    }
  },
);
