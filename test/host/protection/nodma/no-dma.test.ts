import { describe, expect, it } from 'vitest';
import { NoDma } from '../../../../host/protection/nodma/no-dma.js';
import { hostPhysicalAddress, pageNumber } from '../../../../nic/addresses.js';
import { frame, Machine, macOf, PAGE, STRANGER } from '../../support/machine.js';

describe('NoDMA, PMR and DPR under guests with contexts', () => {
  it('keep every page of the hypervisor from every device but the vector ring, each by its own check', () => {
    const machine = new Machine(new NoDma());
    const { protection } = machine.host;
    const { pages } = machine.host;
    const { pmr, dpr, table } = protection.measured;
    const open: number[] = [];
    for (let at = 0; at < pages.pageCount; at += 1) {
      const denied = protection.gate.deniedBy(hostPhysicalAddress(at * PAGE), PAGE);
      if (pages.owner(pageNumber(at)) !== 0) {
        expect(denied, `frame ${at}`).toBeUndefined();
        continue;
      }
      const address = at * PAGE;
      const within = (range: { base: number; bytes: number }) =>
        address >= range.base && address < range.base + range.bytes;
      if (denied === undefined) open.push(at);
      else if (within(table)) expect(denied).toBe('nodma-table-protect');
      else if (within(pmr)) expect(denied).toBe('pmr');
      else if (within(dpr)) expect(denied).toBe('dpr');
      else expect(denied).toBe('nodma-table');
    }
    // 33 bits are 8 bytes a vector, 64 vectors and a header: one page.
    expect(open).toHaveLength(1);
    expect(pmr.base % 2 ** 21).toBe(0);
    expect((dpr.base + dpr.bytes) % 2 ** 20).toBe(0);
  });

  it('stop a guest that posts hypervisor memory for receiving', () => {
    const machine = new Machine(new NoDma());
    const { protection } = machine.host;
    const guest = machine.guest(1);
    machine.run();
    const { base } = protection.measured.table;
    const before = machine.peek(base, 2048);
    guest.postReceive({ address: base, length: 2048 });
    machine.run();
    machine.arrive(frame(macOf(1), STRANGER, 1000));
    machine.run();
    expect(machine.peek(base, 2048)).toEqual(before);
    expect(machine.host.hypervisor.faultLog).toMatchObject([{ domain: 'guest 1', reason: 'payload-abort' }]);
    expect(protection.counters().details.deniedByTableProtect).toBe(1);
  });

  it('do not keep guests from each other: they know no devices', () => {
    const machine = new Machine(new NoDma());
    const [thief, victim] = [machine.guest(1), machine.guest(2)];
    machine.run();
    const page = victim.page();
    const secret = frame(STRANGER, macOf(2), 300, 9);
    victim.store(page, secret);
    thief.post({ address: page, length: 300 });
    machine.run();
    expect(machine.wire.frames).toMatchObject([{ bytes: secret, context: thief.port.context }]);
    expect(machine.host.protection.counters().denied).toBe(0);
  });

  it('follow the frames that the hypervisor takes and gives back', () => {
    const machine = new Machine(new NoDma());
    const { protection } = machine.host;
    const address = machine.host.hypervisor.allocateOwn('hypervisor', 2 * PAGE);
    expect(protection.gate.deniedBy(hostPhysicalAddress(address + PAGE), 1)).toBe('nodma-table');
    machine.host.hypervisor.freeOwn(address, 2 * PAGE);
    expect(protection.gate.deniedBy(hostPhysicalAddress(address + PAGE), 1)).toBeUndefined();
    machine.guest(1);
    machine.host.checkInvariants();
  });

  it('count every access that was denied, by the check that did it, and every bit that was changed', () => {
    const machine = new Machine(new NoDma());
    const { protection, hypervisor } = machine.host;
    const { pmr, dpr, table } = protection.measured;
    const changed = () => protection.counters().details.tableBitsChanged ?? 0;
    const before = changed();
    const own = hypervisor.allocateOwn('hypervisor', 3 * PAGE);
    expect(changed()).toBe(before + 3);
    const tries = [
      own,
      table.base,
      pmr.base,
      pmr.base + PAGE,
      dpr.base + table.bytes,
      own + PAGE,
      own + PAGE,
    ];
    for (const [at, address] of tries.entries()) {
      const guest = machine.guest(at + 1);
      guest.post({ address, length: 64 });
      machine.run();
    }
    expect(machine.wire.frames).toEqual([]);
    const { denied, checked, details } = protection.counters();
    expect(details).toMatchObject({
      deniedByTable: 3,
      deniedByTableProtect: 1,
      deniedByPmr: 2,
      deniedByDpr: 1,
    });
    expect(denied).toBe(tries.length);
    expect(checked).toBeGreaterThan(denied);
    const now = changed();
    hypervisor.freeOwn(own, 3 * PAGE);
    expect(changed()).toBe(now + 3);
  });

  it('take a table that does not fit the DPR into a larger one', () => {
    const { protection } = new Machine(new NoDma(), { host: { memoryBytes: 64 * 2 ** 30 } }).host;
    const { dpr, table } = protection.measured;
    expect(table.bytes).toBe(2 * 2 ** 20);
    expect(dpr.bytes).toBe(2 * 2 ** 20);
  });

  it.each([0, 256, 1.5])('refuse a DPR of %s MB', (dprMegabytes) => {
    expect(() => new NoDma({ dprMegabytes })).toThrow(
      /nodma\.dprMegabytes is .*, expected a whole number from 1 to 255/,
    );
  });
});
