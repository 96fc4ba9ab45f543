import { describe, expect, it } from 'vitest';
import { COST, COSTS, type CostName, costTable, MOST_COST_CYCLES } from '../../../host/cpu/costs.js';
import { Processor } from '../../../host/cpu/processor.js';
import { EventKernel } from '../../../scheduler/event-kernel.js';

/** At 1 GHz a cycle is a nanosecond. */
function bench(cores: number, costs: Partial<Record<CostName, number>> = {}) {
  const kernel = new EventKernel();
  const free = Object.fromEntries(Object.keys(COSTS).map((name) => [name, 0]));
  const cpu = new Processor(kernel, { cores, hertz: 1e9, costs: costTable({ ...free, ...costs }) });
  return { kernel, cpu };
}

describe('a processor at the edge of what it may be', () => {
  it.each([
    [1, 1e6, true],
    [1024, 1e11, true],
    [1025, 1e9, false],
    [-1, 1e9, false],
    [1, 999_999, false],
    [1, 1.1e11, false],
  ])('with %i cores at %d Hz: %s', (cores, hertz, can) => {
    const make = () => new Processor(new EventKernel(), { cores, hertz, costs: costTable() });
    if (can) expect([make().cores, make().hertz]).toEqual([cores, hertz]);
    else expect(make).toThrow(/cpu\.(cores|hertz) is/);
  });

  it.each([
    [0, true],
    [MOST_COST_CYCLES, true],
    [MOST_COST_CYCLES + 1, false],
    [Number.NaN, false],
    [Number.POSITIVE_INFINITY, false],
  ])('with a cost of %d cycles: %s', (cycles, can) => {
    const make = () => costTable({ doorbell: cycles }).doorbell;
    if (can) expect(make()).toBe(cycles);
    else expect(make).toThrow(`costs.doorbell is ${cycles}, expected cycles from 0 to ${MOST_COST_CYCLES}`);
  });

  it('has a core for every account, counted round', () => {
    const { cpu } = bench(2);
    const numbers = [0, 1, 2, 5].map((core) => cpu.addAccount(`on ${core}`, core));
    expect(numbers).toEqual([0, 1, 2, 3]);
    expect(cpu.accounts.map(({ name, core }) => `${name}: ${core}`)).toEqual([
      'on 0: 0',
      'on 1: 1',
      'on 2: 0',
      'on 5: 1',
    ]);
    expect(cpu.busyNsOf(1)).toBe(0);
    for (const core of [2, -1]) expect(() => cpu.busyNsOf(core)).toThrow(`core is ${core}, expected 0 to 1`);
    expect(() => cpu.post(9, () => undefined)).toThrow(/account 9 does not exist/);
    expect(() => cpu.halt(9)).toThrow(/account 9 does not exist/);
  });
});

describe('work', () => {
  it('gets the argument that it was posted with, 0 if none', () => {
    const { kernel, cpu } = bench(1);
    const account = cpu.addAccount('one', 0);
    const seen: number[] = [];
    cpu.post(account, (argument) => seen.push(argument), 7);
    cpu.post(account, (argument) => seen.push(argument));
    expect(cpu.backlogOf(account)).toBe(2);
    kernel.run(10);
    expect([seen, cpu.backlogOf(account)]).toEqual([[7, 0], 0]);
  });

  it('that fails has cost what it had charged, and the core goes on with the next', () => {
    const { kernel, cpu } = bench(1, { doorbell: 50 });
    const account = cpu.addAccount('one', 0);
    const at: number[] = [];
    cpu.post(account, () => {
      cpu.charge(COST.doorbell);
      throw new Error('on purpose');
    });
    cpu.post(account, () => at.push(kernel.nowNs));
    expect(() => kernel.run(10)).toThrow('on purpose');
    expect(cpu.running).toBe(-1);
    kernel.run(100);
    expect([at, cpu.nsOf(account)]).toEqual([[50], 50]);
  });

  it('of an account that is halted while it waits is not run, and the turns of others stay as they are', () => {
    const { kernel, cpu } = bench(1, { doorbell: 10 });
    const hypervisor = cpu.addAccount('hypervisor', 0, true);
    const urgent = cpu.addAccount('urgent', 0, true);
    const [left, right] = [cpu.addAccount('left', 0), cpu.addAccount('right', 0)];
    const order: string[] = [];
    const work = (name: string) => () => {
      cpu.charge(COST.doorbell);
      order.push(name);
    };
    cpu.post(left, work('first'));
    kernel.run(5);
    for (const [account, name] of [
      [left, 'left'],
      [right, 'right'],
      [urgent, 'urgent'],
      [hypervisor, 'hypervisor'],
    ] as const)
      cpu.post(account, work(name));
    cpu.halt(urgent);
    cpu.halt(urgent);
    cpu.halt(left);
    cpu.post(left, work('left'));
    cpu.checkInvariants();
    // What is urgent and comes later still goes first.
    kernel.run(15);
    cpu.post(hypervisor, work('again'));
    kernel.run(100);
    expect(order).toEqual(['first', 'hypervisor', 'again', 'right']);
    expect([cpu.backlogOf(left), cpu.backlogOf(urgent)]).toEqual([0, 0]);
    cpu.checkInvariants();
  });

  it('charges nobody where none runs, and whom it names where it runs', () => {
    const { kernel, cpu } = bench(1, { doorbell: 10, hypercall: 7 });
    const [one, other] = [cpu.addAccount('one', 0), cpu.addAccount('other', 0)];
    cpu.charge(COST.doorbell);
    cpu.post(one, () => {
      cpu.charge(COST.doorbell, 3);
      cpu.chargeAccount(other, COST.hypercall, 2);
    });
    kernel.run(100);
    expect([cpu.cyclesOf(one), cpu.cyclesOf(other), cpu.nsOf(one), cpu.nsOf(other)]).toEqual([
      30, 14, 30, 14,
    ]);
  });

  it('that spins holds its core for the time that it waits, whoever pays', () => {
    const { kernel, cpu } = bench(1, { doorbell: 10 });
    const [one, other] = [cpu.addAccount('one', 0), cpu.addAccount('other', 0)];
    const at: number[] = [];
    cpu.post(one, () => {
      cpu.charge(COST.doorbell);
      cpu.spin(other, 400);
      expect(cpu.elapsedNs).toBe(410);
    });
    cpu.post(one, () => at.push(kernel.nowNs));
    kernel.run(1000);
    expect([at, cpu.nsOf(one), cpu.nsOf(other)]).toEqual([[410], 10, 400]);
    // Outside of work the account's core owes it, once time runs.
    cpu.spin(other, 300);
    kernel.run(2000);
    expect(cpu.nsOf(other)).toBe(700);
  });

  it('owed by several accounts is done in the order in which they were charged, all of one at once', () => {
    const { kernel, cpu } = bench(1, { unpinPage: 100 });
    const [one, other] = [cpu.addAccount('one', 0), cpu.addAccount('other', 0)];
    const told: number[][] = [];
    cpu.watch((...share) => told.push(share));
    const charge = kernel.register('test', () => {
      cpu.chargeAccount(other, COST.unpinPage);
      cpu.chargeAccount(one, COST.unpinPage);
      cpu.chargeAccount(other, COST.unpinPage);
      cpu.chargeAccount(one, COST.unpinPage, 0);
    });
    kernel.schedule(10, charge);
    kernel.run(1000);
    expect(told).toEqual([
      [0, other, 10, 210],
      [0, one, 210, 310],
    ]);
  });
});

describe('who watches a processor', () => {
  it('is told of each share of each unit of work, of its core, and of none that takes no time', () => {
    const { kernel, cpu } = bench(2, { doorbell: 10, hypercall: 7 });
    const [one, other] = [cpu.addAccount('one', 1), cpu.addAccount('other', 0)];
    const told: number[][] = [];
    const stop = cpu.watch((...share) => told.push(share));
    const work = () => {
      cpu.charge(COST.doorbell);
      cpu.chargeAccount(other, COST.interrupt);
      cpu.chargeAccount(other, COST.hypercall);
      cpu.charge(COST.doorbell);
    };
    kernel.scheduleAt(
      100,
      kernel.register('test', () => cpu.post(one, work)),
    );
    kernel.run(200);
    expect(told).toEqual([
      [1, one, 100, 110],
      [1, other, 110, 117],
      [1, one, 117, 127],
    ]);
    stop();
    stop();
    cpu.post(one, work);
    kernel.run(400);
    expect(told).toHaveLength(3);
  });

  it('and stops does not stop the others', () => {
    const { kernel, cpu } = bench(1, { doorbell: 10 });
    const one = cpu.addAccount('one', 0);
    let [first, second] = [0, 0];
    const stop = cpu.watch(() => {
      first += 1;
    });
    cpu.watch(() => {
      second += 1;
    });
    stop();
    stop();
    cpu.post(one, () => cpu.charge(COST.doorbell));
    kernel.run(100);
    expect([first, second]).toEqual([0, 1]);
  });
});
