import { describe, expect, it } from 'vitest';
import { ArrayBank } from '../../../host/memory/memory-bank.js';
import { PAGE_BYTES } from '../../../host/memory/physical-memory.js';
import { APPROACHES } from '../../../host/protection/approaches.js';
import { Cdna } from '../../../host/protection/cdna/cdna.js';
import { DriverDomain } from '../../../host/protection/driver-domain/driver-domain.js';
import { PlainDma } from '../../../host/protection/none/plain-dma.js';
import type { Protection, ProtectionPlan } from '../../../host/protection/protection.js';
import { pageNumber } from '../../../nic/addresses.js';
import { frame, Machine, macOf, PORT, STRANGER, TestGuest } from '../support/machine.js';

/** As guests' memory files are: 2 MB and some pages, not a multiple of 64 KB. */
const RAM_BYTES = 2 ** 21 + 5 * PAGE_BYTES;

function attached(plan: ProtectionPlan<Protection>) {
  const machine = new Machine<Protection>(plan);
  const domain = machine.host.createGuest('real', 1);
  const file = new Uint8Array(RAM_BYTES);
  const ram = domain.attachRam(new ArrayBank(file));
  const guest = new TestGuest(machine, domain, { ...PORT, mac: macOf(1) });
  machine.run();
  return { machine, domain, file, ram, guest };
}

const FLIPPING = { name: 'driver-domain, flip', make: () => new DriverDomain({ transfer: 'flip' }) };

describe.each([...APPROACHES, FLIPPING])('RAM in a bank under $name', ({ make }) => {
  it('carries frames out of it and into it, byte for byte', () => {
    const { machine, file, ram, guest } = attached(make());
    const out = frame(STRANGER, macOf(1), 1514, 3);
    const back = frame(macOf(1), STRANGER, 1200, 4);
    // Across a page, and in the last page.
    file.set(out, 3 * PAGE_BYTES - 700);
    guest.post({ address: ram.address + 3 * PAGE_BYTES - 700, length: out.length });
    guest.postReceive({ address: ram.address + RAM_BYTES - PAGE_BYTES, length: PAGE_BYTES });
    machine.run();
    machine.arrive(back);
    machine.run(60_000_000);
    expect(machine.wire.frames.map(({ bytes }) => Buffer.compare(bytes, out))).toEqual([0]);
    expect(guest.receive().map((bytes) => Buffer.compare(bytes, back))).toEqual([0]);
    expect(Buffer.compare(file.subarray(RAM_BYTES - PAGE_BYTES).subarray(0, back.length), back)).toBe(0);
  });

  it('is never drawn from: rings, grants and tables lie elsewhere', () => {
    const { machine, domain, file, ram, guest } = attached(make());
    guest.send(frame(STRANGER, macOf(1), 300));
    machine.arrive(frame(macOf(1), STRANGER, 300));
    machine.run(60_000_000);
    expect(file.every((byte) => byte === 0)).toBe(true);
    const first = ram.address / PAGE_BYTES;
    for (const page of domain.allocate(64))
      expect(page >= first && page < first + RAM_BYTES / PAGE_BYTES).toBe(false);
    expect(machine.host.pages.owner(pageNumber(first))).toBe(domain.id);
  });

  it('is gone from the device when a withdrawal is done, and its bytes are as the guest left them', () => {
    const { machine, file, ram, guest } = attached(make());
    file.fill(0x77, 0, PAGE_BYTES);
    guest.postReceive({ address: ram.address, length: 2048 });
    machine.run(100_000);
    let outcome = ram.withdraw(0, RAM_BYTES);
    if (outcome === 'pending') {
      expect(ram.isReachable(0, RAM_BYTES)).toBe(true);
      machine.host.protection.closePort(guest.port);
      machine.run(60_000_000);
      outcome = ram.withdraw(0, RAM_BYTES);
    }
    expect(outcome).toBe('withdrawn');
    expect(ram.isReachable(0, RAM_BYTES)).toBe(false);
    expect(file.subarray(0, PAGE_BYTES).every((byte) => byte === 0x77)).toBe(true);
    expect(ram.detach()).toBe(true);
    machine.arrive(frame(macOf(1), STRANGER, 600));
    machine.run(60_000_000);
    expect(file.subarray(0, PAGE_BYTES).every((byte) => byte === 0x77)).toBe(true);
  });
});

describe('RAM in a bank', () => {
  it('refuses a buffer in a part that was withdrawn, and takes it again when that is restored', () => {
    const { machine, ram, guest } = attached(new Cdna());
    expect(ram.withdraw(PAGE_BYTES, 2 * PAGE_BYTES)).toBe('withdrawn');
    expect(guest.post({ address: ram.address + PAGE_BYTES, length: 64 })).toBe(0);
    expect(guest.port.transmit.refusal?.refusal).toBe('not-owner');
    expect(guest.post({ address: ram.address, length: 64 })).toBe(1);
    ram.restore(0, RAM_BYTES);
    expect(guest.post({ address: ram.address + PAGE_BYTES, length: 64 })).toBe(1);
    machine.run();
    expect(machine.wire.frames).toHaveLength(2);
  });

  it("stays the guest's while a device uses it, and a restoration calls the withdrawal off", () => {
    const { machine, ram, guest } = attached(new Cdna());
    guest.postReceive({ address: ram.address, length: 2048 });
    machine.run(100_000);
    expect(ram.withdraw(0, PAGE_BYTES)).toBe('pending');
    expect(ram.withdraw(0, PAGE_BYTES)).toBe('pending');
    expect(guest.post({ address: ram.address, length: 64 })).toBe(0);
    ram.restore(0, PAGE_BYTES);
    expect(guest.post({ address: ram.address, length: 64 })).toBe(1);
    machine.run(60_000_000);
    machine.arrive(frame(macOf(1), STRANGER, 500, 8));
    machine.run(60_000_000);
    expect(guest.receive()).toEqual([frame(macOf(1), STRANGER, 500, 8)]);
  });

  it('frees its memory for the next guest when it is detached, as often as one comes', () => {
    const machine = new Machine(new PlainDma());
    const free = machine.host.pages.freePages;
    for (let turn = 0; turn < 100; turn += 1) {
      const domain = machine.host.createGuest(`guest ${turn}`, 0);
      const ram = domain.attachRam(new ArrayBank(new Uint8Array(RAM_BYTES)));
      expect(ram.address % 2 ** 21).toBe(0);
      expect([...domain.ownedPages]).toHaveLength(RAM_BYTES / PAGE_BYTES);
      expect(ram.detach()).toBe(true);
      expect(ram.detach()).toBe(true);
      expect([...domain.ownedPages]).toEqual([]);
      machine.host.checkInvariants();
    }
    expect(machine.host.pages.freePages).toBe(free);
  });

  it('is refused by name when the machine has no piece of that size', () => {
    const machine = new Machine(new PlainDma());
    const domain = machine.host.createGuest('large', 0);
    const bank = { bytes: 2 ** 30, read: () => {}, write: () => {} };
    expect(() => domain.attachRam(bank)).toThrow(
      /large: no 262144 pages in one piece for its RAM, .*expected a larger host.memoryMegabytes/,
    );
    expect(() => domain.attachRam({ ...bank, bytes: 1000 })).toThrow(/large: RAM of 1000 bytes, expected/);
  });

  it('takes only ranges of whole pages within it', () => {
    const { ram } = attached(new PlainDma());
    for (const [offset, length] of [
      [1, PAGE_BYTES],
      [0, 100],
      [-PAGE_BYTES, PAGE_BYTES],
      [RAM_BYTES, PAGE_BYTES],
    ] as const)
      expect(() => ram.withdraw(offset, length)).toThrow(/are not pages of RAM/);
  });
});
