import { describe, expect, it } from 'vitest';
import { PlainDma } from '../../../host/index.js';
import { hostPhysicalAddress } from '../../../nic/addresses.js';
import { MANAGEMENT } from '../../../nic/registers.js';
import { frame, Machine, macOf, STRANGER } from '../support/machine.js';

/** Slots of the hypervisor's vector ring, and what a look at one costs there: contexts in words of 32 bits. */
const SLOTS = 64;

describe('a vector ring that was overwritten', () => {
  for (const producer of [0xffffffff, 0x80000000, 1000]) {
    it(`makes the hypervisor look at no more vectors than there are slots (producer ${producer})`, () => {
      const machine = new Machine(new PlainDma());
      const { host } = machine;
      machine.run();
      const ring = host.window.readNow(host.window.managementPage, MANAGEMENT.VECTOR_RING_LOW);
      host.memory.writeU32(hostPhysicalAddress(ring), producer);
      const before = host.processor.cyclesOf(host.hypervisor.account);
      host.bus.raise();
      machine.run();
      const { interrupt, vectorWord, doorbell } = host.processor.costs;
      const words = host.window.readNow(host.window.managementPage, MANAGEMENT.VECTOR_BYTES) / 4;
      const spent = host.processor.cyclesOf(host.hypervisor.account) - before;
      expect(spent).toBe(interrupt + SLOTS * words * vectorWord + doorbell);
    });
  }

  it('is accepted as long as it holds no more entries than slots', () => {
    const machine = new Machine(new PlainDma());
    const guest = machine.guest(1);
    machine.run();
    guest.postReceive({ address: guest.page(), length: 2048 });
    machine.run();
    machine.arrive(frame(macOf(1), STRANGER));
    machine.run();
    expect(guest.interrupts).toBe(1);
  });
});
