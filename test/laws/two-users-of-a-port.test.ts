import { expect, test } from 'vitest';
import { HostileGuest } from '../../guests/hostile/hostile-guest.js';
import { NicDriver } from '../../guests/nic-driver.js';
import { ParameterError } from '../../scheduler/errors.js';
import type { Machine } from '../../src/machine/machine.js';
import { simulate } from '../../src/simulate.js';

const APPROACHES = ['none', 'cdna', 'driver-domain', 'iommu:single-use'];

function runWith(protection: string, traffic: boolean, atNs: number, use: (machine: Machine) => void) {
  return simulate(
    { guests: [{ name: 'a', ...(traffic ? { traffic: { kind: 'greedy' as const } } : {}) }] },
    {
      protection,
      warmUpNs: 0,
      durationNs: 200_000,
      prepare: (machine) => {
        const event = machine.kernel.register('test.second-user', () => use(machine));
        machine.kernel.schedule(atNs, event);
      },
    },
  );
}

function postBeside({ guests, host }: Machine): void {
  const [guest] = guests;
  if (guest === undefined) throw new Error('one guest expected');
  const second = new HostileGuest(host, guest.domain, guest.port);
  const { address } = second.header(0x020000010001);
  if (!second.ask('transmit', [{ address, length: 64, flags: 1 }])) return;
  guest.port.transmit.ring();
}

// A producer index past what the driver had written once made it walk 2^32 slots, and the run never ended.
test.each(APPROACHES)(
  'under %s a frame that is posted beside the driver of a port is refused by name',
  async (protection) => {
    const run = runWith(protection, false, 1_000, postBeside);
    await expect(run).rejects.toThrow(ParameterError);
    await expect(run).rejects.toThrow(
      'port.transmit of a: the producer index is 1, expected 0 as the driver left it: a second user has posted to the port',
    );
  },
);

test('so is one beside a driver that sends itself', async () => {
  const run = runWith('none', true, 50_000, (machine) => {
    const queue = machine.guests[0]?.port.transmit;
    // Whatever is free of the ring may be none: then nothing is posted, and nothing is wrong.
    queue?.finish(queue.consumer());
    postBeside(machine);
  });
  await expect(run).rejects.toThrow(
    /port\.transmit of a: the producer index is \d+, expected \d+ as the driver/,
  );
});

test('a second driver on a port is refused, and the message names the first', async () => {
  const unused: number[] = [];
  const run = runWith('none', false, 1_000, ({ guests, host }) => {
    const [guest] = guests;
    if (guest === undefined) return;
    unused.push(guest.domain.unusedPages);
    try {
      new NicDriver(host, guest.domain, guest.port);
    } finally {
      unused.push(guest.domain.unusedPages);
    }
  });
  await expect(run).rejects.toThrow(
    'port of context 0 is used by the driver of a, expected one that is not used by another',
  );
  // Nor has it taken any of the guest's memory.
  expect(unused).toHaveLength(2);
  expect(unused[1]).toBe(unused[0]);
});

test('a driver whose buffers have no memory leaves the port to the next', async () => {
  let refusal: unknown;
  const result = await runWith('none', false, 1_000, ({ guests, host }) => {
    const [guest] = guests;
    if (guest === undefined) return;
    const { domain, driver, port } = guest;
    driver.close();
    domain.allocate(domain.unusedPages - 1);
    try {
      new NicDriver(host, domain, port);
    } catch (error) {
      refusal = error;
    }
    // A third one meets the same want of memory, not a port that is in use.
    expect(() => new NicDriver(host, domain, port)).toThrow(/memory/);
  });
  expect(refusal).toBeInstanceOf(ParameterError);
  expect(result.laws.every(({ held }) => held)).toBe(true);
});

test('a port whose driver was closed has its next user', async () => {
  const result = await runWith('none', false, 1_000, (machine) => {
    machine.guests[0]?.driver.close();
    postBeside(machine);
  });
  expect(result.framesTransmitted).toBe(1);
});
