import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { COST, COSTS, type CostName, costTable } from '../../../host/cpu/costs.js';
import { Processor } from '../../../host/cpu/processor.js';
import { EventKernel } from '../../../scheduler/event-kernel.js';
import { runs } from '../../support/whole.js';

/** At 1 GHz a cycle is a nanosecond, so that costs can be read as times. */
function processor(cores: number, costs: Partial<Record<CostName, number>> = {}) {
  const kernel = new EventKernel();
  const free = Object.fromEntries(Object.keys(COSTS).map((name) => [name, 0]));
  const cpu = new Processor(kernel, { cores, hertz: 1e9, costs: costTable({ ...free, ...costs }) });
  return { kernel, cpu };
}

describe('the processor', () => {
  it('runs work in one instant and keeps the core busy for what it charged', () => {
    const { kernel, cpu } = processor(1, { transmitPacket: 100, doorbell: 30 });
    const guest = cpu.addAccount('guest', 0);
    const log: string[] = [];
    for (const name of ['first', 'second']) {
      cpu.post(guest, () => {
        cpu.charge(COST.transmitPacket);
        log.push(`${name} at ${kernel.nowNs}, ${cpu.elapsedNs} in`);
        cpu.charge(COST.doorbell);
        expect(cpu.elapsedNs).toBe(130);
        expect(cpu.running).toBe(guest);
      });
    }
    kernel.run(1000);
    expect(log).toEqual(['first at 0, 100 in', 'second at 130, 100 in']);
    expect(cpu.cyclesOf(guest)).toBe(260);
    expect(cpu.busyNsOf(0)).toBe(260);
    expect(cpu.idleNs).toBe(740);
    expect(cpu.elapsedNs).toBe(0);
  });

  it('counts a core as idle for wall time less busy time, also in the middle of work', () => {
    const { kernel, cpu } = processor(2, { transmitPacket: 100 });
    const guest = cpu.addAccount('guest', 1);
    cpu.post(guest, () => cpu.charge(COST.transmitPacket));
    kernel.run(40);
    expect(cpu.busyNsOf(1)).toBe(40);
    expect(cpu.busyNsOf(0)).toBe(0);
    expect(cpu.idleNs).toBe(40);
    kernel.run(1000);
    expect(cpu.idleNs).toBe(1900);
  });

  it('serves the accounts of a core round-robin, one unit of work each, and the hypervisor first', () => {
    const { kernel, cpu } = processor(1, { transmitPacket: 10 });
    const hypervisor = cpu.addAccount('hypervisor', 0, true);
    const left = cpu.addAccount('left', 0);
    const right = cpu.addAccount('right', 0);
    const order: string[] = [];
    const work = (name: string) => () => {
      cpu.charge(COST.transmitPacket);
      order.push(name);
    };
    for (let turn = 0; turn < 3; turn += 1) cpu.post(left, work('left'));
    for (let turn = 0; turn < 3; turn += 1) cpu.post(right, work('right'));
    cpu.post(hypervisor, work('hypervisor'));
    kernel.run(15);
    cpu.post(hypervisor, work('hypervisor'));
    kernel.run(1000);
    expect(order).toEqual(['hypervisor', 'left', 'hypervisor', 'right', 'left', 'right', 'left', 'right']);
  });

  it('charges the hypervisor for a change of domain, and for no other change', () => {
    const { kernel, cpu } = processor(2, { transmitPacket: 10, contextSwitch: 1000 });
    const hypervisor = cpu.addAccount('hypervisor', 0, true);
    const left = cpu.addAccount('left', 0);
    const right = cpu.addAccount('right', 0);
    const alone = cpu.addAccount('alone', 1);
    const work = () => cpu.charge(COST.transmitPacket);
    for (const account of [left, left, hypervisor, left, alone, alone, right, left]) cpu.post(account, work);
    kernel.run(1e6);
    // left runs twice, then right, left, left: two changes.
    expect(cpu.cyclesOf(hypervisor)).toBe(10 + 2 * 1000);
    expect(cpu.cyclesOf(left)).toBe(40);
    expect(cpu.busyNsOf(1)).toBe(20);
  });

  it('makes everything late when a core is full: throughput falls to what the cycles allow', () => {
    const perSecond = (guests: number) => {
      const { kernel, cpu } = processor(1, { transmitPacket: 4_000, contextSwitch: 1_000 });
      cpu.addAccount('hypervisor', 0, true);
      let done = 0;
      for (let guest = 0; guest < guests; guest += 1) {
        const account = cpu.addAccount(`guest ${guest}`, 0);
        // Each wants 100,000 packets per second: 0.4 of the core.
        const source = kernel.register('test', () => {
          cpu.post(account, () => {
            cpu.charge(COST.transmitPacket);
            done += 1;
          });
          kernel.schedule(10_000, source);
        });
        kernel.schedule(0, source);
      }
      kernel.run(100_000_000);
      return { rate: done * 10, idleNs: cpu.idleNs };
    };
    expect(perSecond(1)).toEqual({ rate: 100_010, idleNs: 60_000_000 });
    expect(perSecond(2).rate).toBeCloseTo(200_000, -3);
    const full = perSecond(4);
    // 4,000 cycles of work and 1,000 of switching each: 200,000 per second, not 400,000.
    expect(full.rate).toBeCloseTo(200_000, -3);
    expect(full.idleNs).toBe(0);
  });

  it('carries fractions of a nanosecond on, so that a million short works take what they should', () => {
    const kernel = new EventKernel();
    const cpu = new Processor(kernel, { cores: 1, hertz: 2.4e9, costs: costTable({ doorbell: 1 }) });
    const guest = cpu.addAccount('guest', 0);
    let left = 240_000;
    const work = () => {
      cpu.charge(COST.doorbell);
      left -= 1;
      if (left > 0) cpu.post(guest, work);
    };
    cpu.post(guest, work);
    kernel.drain();
    expect(left).toBe(0);
    expect(Math.abs(cpu.busyNsOf(0) - 100_000)).toBeLessThanOrEqual(1);
  });

  it('never runs a halted account again, and the others go on', () => {
    const { kernel, cpu } = processor(1, { transmitPacket: 10 });
    const bad = cpu.addAccount('bad', 0);
    const good = cpu.addAccount('good', 0);
    const ran: string[] = [];
    cpu.post(bad, () => {
      ran.push('bad');
      cpu.post(bad, () => ran.push('bad again'));
      cpu.halt(bad);
      cpu.charge(COST.transmitPacket);
    });
    cpu.post(bad, () => ran.push('bad later'));
    cpu.post(good, () => ran.push('good'));
    kernel.run(100);
    cpu.post(bad, () => ran.push('bad at the end'));
    kernel.run(200);
    expect(ran).toEqual(['bad', 'good']);
    expect(cpu.busyNsOf(0)).toBe(10);
    cpu.checkInvariants();
  });

  it('does what was charged outside of work before anything else, and is busy for as long', () => {
    const { kernel, cpu } = processor(1, { unpinPage: 300, transmitPacket: 100 });
    const hypervisor = cpu.addAccount('hypervisor', 0, true);
    const guest = cpu.addAccount('guest', 0);
    const at: number[] = [];
    const report = kernel.register('test', () => cpu.chargeAccount(hypervisor, COST.unpinPage, 2));
    const work = kernel.register('test', () =>
      cpu.post(guest, () => {
        at.push(kernel.nowNs);
        cpu.charge(COST.transmitPacket);
      }),
    );
    kernel.scheduleAt(50, report);
    kernel.scheduleAt(60, work);
    kernel.run(350);
    expect([cpu.nsOf(hypervisor), cpu.busyNsOf(0), cpu.idleNs]).toEqual([300, 300, 50]);
    kernel.run(1000);
    expect(at).toEqual([650]);
    expect([cpu.nsOf(hypervisor), cpu.nsOf(guest), cpu.idleNs]).toEqual([600, 100, 300]);
  });

  it('counts work that runs past now only up to now, in the order in which accounts had it', () => {
    const { kernel, cpu } = processor(1, { hypercall: 40, transmitPacket: 100 });
    const hypervisor = cpu.addAccount('hypervisor', 0, true);
    const guest = cpu.addAccount('guest', 0);
    cpu.post(guest, () => {
      cpu.charge(COST.transmitPacket);
      cpu.chargeAccount(hypervisor, COST.hypercall);
      cpu.charge(COST.transmitPacket);
    });
    const spent = [90, 120, 140, 200, 240, 300].map((untilNs) => {
      kernel.run(untilNs);
      cpu.checkInvariants();
      return [cpu.nsOf(guest), cpu.nsOf(hypervisor), cpu.idleNs];
    });
    expect(spent).toEqual([
      [90, 0, 0],
      [100, 20, 0],
      [100, 40, 0],
      [160, 40, 0],
      [200, 40, 0],
      [200, 40, 60],
    ]);
  });

  it('forgets what set-up was charged, spent or owed', () => {
    const { kernel, cpu } = processor(1, { unpinPage: 300 });
    const hypervisor = cpu.addAccount('hypervisor', 0, true);
    const charge = kernel.register('test', () => cpu.chargeAccount(hypervisor, COST.unpinPage));
    cpu.chargeAccount(hypervisor, COST.unpinPage);
    kernel.schedule(50, charge);
    kernel.run(40);
    // A machine that has not begun to run has no time to spend.
    expect([cpu.cyclesOf(hypervisor), cpu.nsOf(hypervisor), cpu.idleNs]).toEqual([300, 0, 40]);
    kernel.run(360);
    expect([cpu.cyclesOf(hypervisor), cpu.nsOf(hypervisor), cpu.idleNs]).toEqual([600, 300, 60]);
    cpu.startAccounts();
    kernel.run(400);
    expect([cpu.cyclesOf(hypervisor), cpu.nsOf(hypervisor), cpu.idleNs]).toEqual([0, 0, 40]);
    kernel.schedule(0, charge);
    kernel.run(401);
    expect(() => cpu.startAccounts()).toThrow('in the middle of work');
  });

  it('conserves CPU time to the nanosecond at every instant, whatever is posted and charged', () => {
    const step = fc.record({
      atNs: fc.nat(2_000),
      account: fc.nat(4),
      cycles: fc.nat(300),
      payer: fc.nat(4),
      kind: fc.constantFrom('post' as const, 'post-again' as const, 'charge' as const),
    });
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 40 }),
        fc.integer({ min: 1, max: 3 }),
        fc.constantFrom(1e9, 2.4e9, 0.7e9),
        (steps, cores, hertz) => {
          const kernel = new EventKernel();
          const cpu = new Processor(kernel, {
            cores,
            hertz,
            costs: costTable({ doorbell: 1, contextSwitch: 17 }),
          });
          for (let account = 0; account < 5; account += 1)
            cpu.addAccount(`account ${account}`, account, account === 0);
          let [ran, posted, cycles] = [0, 0, 0];
          const start = kernel.register('test', (index) => {
            const { account, cycles, payer, kind } = steps[index] as (typeof steps)[number];
            if (kind === 'charge') {
              cpu.chargeAccount(account, COST.doorbell, cycles);
              return;
            }
            posted += 1;
            cpu.post(account, () => {
              cpu.charge(COST.doorbell, cycles);
              cpu.chargeAccount(payer, COST.doorbell, cycles);
              ran += 1;
              if (kind === 'post-again') cpu.post(account, () => cpu.charge(COST.doorbell, cycles));
            });
          });
          for (const [index, { atNs }] of steps.entries()) kernel.scheduleAt(atNs, start, index);
          for (let untilNs = 0; untilNs < 40_000; untilNs += 37) {
            kernel.run(untilNs);
            // Accounts are the busy time, and with idle time all the time: checked within.
            cpu.checkInvariants();
            let busyNs = 0;
            for (let core = 0; core < cores; core += 1) busyNs += cpu.busyNsOf(core);
            expect(busyNs + cpu.idleNs).toBe(cores * untilNs);
          }
          expect(ran).toBe(posted);
          let spentNs = 0;
          for (let account = 0; account < 5; account += 1) {
            cycles += cpu.cyclesOf(account);
            spentNs += cpu.nsOf(account);
            expect(cpu.backlogOf(account)).toBe(0);
          }
          // What is lost is the part of a nanosecond with which a core falls idle.
          const exactNs = (cycles * 1e9) / hertz;
          expect(spentNs).toBeLessThanOrEqual(exactNs + 1e-6);
          expect(spentNs).toBeGreaterThan(exactNs - 3 * steps.length - 1);
        },
      ),
      { numRuns: runs(60) },
    );
  });

  it.each([
    [{ cores: 0, hertz: 1e9 }, /cpu\.cores is 0, expected/],
    [{ cores: 1.5, hertz: 1e9 }, /cpu\.cores is 1\.5, expected/],
    [{ cores: 1, hertz: 0 }, /cpu\.hertz is 0, expected/],
    [{ cores: 1, hertz: Number.NaN }, /cpu\.hertz is NaN, expected/],
  ])('cannot be built as %o', (options, message) => {
    expect(() => new Processor(new EventKernel(), { ...options, costs: costTable() })).toThrow(message);
  });
});

describe('the table of costs', () => {
  it('names unit, source and certainty of every cost', () => {
    for (const [name, entry] of Object.entries(COSTS)) {
      expect(entry.cycles, name).toBeGreaterThan(0);
      expect(entry.per.length, name).toBeGreaterThan(5);
      expect(entry.source.length, name).toBeGreaterThan(5);
      expect(['S', 'S2', 'D', 'M+', 'M', 'M-', 'assumed'], name).toContain(entry.certainty);
    }
  });

  it('takes what the user sets otherwise, and refuses what is no cost', () => {
    expect(costTable({ hypercall: 7 }).hypercall).toBe(7);
    expect(costTable({ hypercall: 7 }).doorbell).toBe(COSTS.doorbell.cycles);
    expect(() => costTable({ hypercall: -1 })).toThrow(
      /costs\.hypercall is -1, expected cycles from 0 to 1000000000/,
    );
    expect(() => costTable({ coffee: 1 } as never)).toThrow(
      /costs\.coffee is not a cost; there are hypercall/,
    );
  });
});
