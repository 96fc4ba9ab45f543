import { describe, expect, it } from 'vitest';
import { APPROACHES } from '../../../host/protection/approaches.js';
import { hostPhysicalAddress, pageNumber } from '../../../nic/addresses.js';
import { turnOf } from '../../support/whole.js';
import { frame, Machine, macOf, PAGE, STRANGER } from '../support/machine.js';

const FRAMES = 60;
const POOL = 3;
const STEP_NS = 500;
const SCRIBBLE = new Uint8Array(PAGE).fill(0xee);
const VENDORS = ['vtd', 'amdvi'] as const;
const CASES = APPROACHES.flatMap(({ name, make }) =>
  name.includes('iommu')
    ? VENDORS.map((vendor) => ({ title: `${name} on ${vendor}`, plan: () => make({ vendor }) }))
    : [{ title: name, plan: () => make() }],
);
const lengthOf = (number: number) => 60 + ((number * 211) % 1400);

describe('pages that are used again at once', () => {
  it.each(turnOf(CASES, 0))('send the bytes that were posted, $title', ({ plan }) => {
    const machine = new Machine(plan());
    const guest = machine.guest(1);
    machine.run();
    const pool = Array.from({ length: POOL }, () => guest.page());
    const sent: Uint8Array[] = [];
    let finished = 0;
    for (let step = 0; sent.length < FRAMES || finished < FRAMES; step += 1) {
      expect(step).toBeLessThan(20_000);
      const queue = guest.port.transmit;
      const consumer = queue.consumer();
      if (consumer !== finished) {
        queue.finish(consumer);
        // What was sent is overwritten in the same instant, before anything else happens.
        for (; finished !== consumer; finished += 1) guest.store(pool[finished % POOL] ?? 0, SCRIBBLE);
      }
      while (sent.length < FRAMES && sent.length - finished < POOL) {
        const bytes = frame(STRANGER, macOf(1), lengthOf(sent.length), sent.length);
        const address = (pool[sent.length % POOL] ?? 0) + (sent.length % 7) * 8;
        guest.store(address, bytes);
        if (guest.post({ address, length: bytes.length }) === 0) break;
        sent.push(bytes);
      }
      machine.kernel.run(machine.kernel.nowNs + STEP_NS);
    }
    machine.run(60_000_000);
    expect(machine.wire.frames.length).toBe(FRAMES);
    for (const [index, bytes] of sent.entries())
      expect(Buffer.compare(machine.wire.frames[index]?.bytes ?? new Uint8Array(), bytes), `${index}`).toBe(
        0,
      );
  });

  it.each(turnOf(CASES, 1))(
    'receive the bytes that came, and their next owners keep theirs, $title',
    ({ plan }) => {
      const machine = new Machine(plan());
      const guest = machine.guest(1);
      const { host } = machine;
      const next = host.createGuest('next owner', 1);
      machine.run();
      const buffers: number[] = [];
      const offer = () => {
        const address = guest.page();
        if (guest.postReceive({ address, length: PAGE }) === 1) buffers.push(address);
      };
      for (let slot = 0; slot < 4; slot += 1) offer();
      machine.run();
      const owned: number[] = [];
      for (let number = 0; number < FRAMES; number += 1) {
        const bytes = frame(macOf(1), STRANGER, lengthOf(number), number);
        machine.arrive(bytes);
        const got: Uint8Array[] = [];
        for (let step = 0; got.length === 0 && step < 2_000; step += 1) {
          machine.kernel.run(machine.kernel.nowNs + STEP_NS);
          got.push(...guest.receive());
        }
        expect(got.map((one) => Buffer.compare(one, bytes))).toEqual([0]);
        const page = buffers.shift() ?? 0;
        guest.domain.release(pageNumber(page / PAGE));
        // The next owner gets it as soon as it is free, and fills it.
        if (host.pages.owner(pageNumber(page / PAGE)) === -1) {
          const [mine = pageNumber(0)] = next.allocate(1);
          machine.poke(mine * PAGE, SCRIBBLE);
          owned.push(mine * PAGE);
        }
        offer();
      }
      machine.run(60_000_000);
      for (const page of owned)
        expect(Buffer.compare(machine.peek(hostPhysicalAddress(page), PAGE), SCRIBBLE)).toBe(0);
      expect(guest.receive()).toEqual([]);
    },
  );
});
