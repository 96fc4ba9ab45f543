import { expect, test } from 'vitest';
import { HostileGuest } from '../../guests/hostile/hostile-guest.js';
import { simulate } from '../../src/simulate.js';

// A producer index past what the driver has written made it walk 2^32 slots.
test('a frame that is posted beside the driver of a port does not stop the run', async () => {
  let used = false;
  const result = await simulate(
    { guests: [{ name: 'a' }] },
    {
      protection: 'none',
      warmUpNs: 0,
      durationNs: 200_000,
      prepare: ({ guests, host, kernel }) => {
        const [guest] = guests;
        if (guest === undefined) throw new Error('one guest expected');
        const hostile = new HostileGuest(host, guest.domain, guest.port);
        const { address } = hostile.header(0x020000010001);
        const use = kernel.register('test.second-user', () => {
          hostile.ask('transmit', [{ address, length: 64, flags: 1 }]);
          guest.port.transmit.ring();
          used = true;
        });
        kernel.schedule(1_000, use);
      },
    },
  );
  expect(used).toBe(true);
  expect(result.framesTransmitted).toBe(1);
});
