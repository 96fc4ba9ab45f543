import { describe, expect, test } from 'vitest';
import { COST_NAMES, COSTS, type CostName, costTable } from '../../host/cpu/costs.js';
import { DriverDomain } from '../../host/protection/driver-domain/driver-domain.js';
import { Iommu, type IommuOptions } from '../../host/protection/iommu/iommu.js';
import { present } from '../../scheduler/present.js';
import { checkScenario } from '../../src/scenario/load.js';
import { approaches, type Plan } from '../arbitraries/scenarios.js';
import { either, some } from '../support/whole.js';
import { LawMachine, resultOf } from './law-machine.js';

const NAMES = Object.keys(COSTS) as CostName[];
/** Until the guest makes its mistake. */
const TRAFFIC_NS = either(1_000_000, 500_000);
/** Doorbell of a context's page. */
const TX_PRODUCER = 0;
const CERTAINTIES = ['S', 'S2', 'D', 'M+', 'M', 'M-', 'assumed'];

/** Traffic both ways, between guests and to the wire, so that whatever an approach does it does here. */
function plan(approach: Plan['approach'], costs: Partial<Record<CostName, number>> = {}): Plan {
  return {
    scenario: checkScenario({
      guests: [
        {
          memoryMegabytes: 4,
          bufferBytes: 4096,
          traffic: { kind: 'greedy', to: 'guest1' },
          receive: { kind: 'constant', wireRateBps: 2e8 },
        },
        {
          memoryMegabytes: 4,
          bufferBytes: 4096,
          traffic: { kind: 'constant', wireRateBps: 2e8 },
          receive: { kind: 'greedy', frameBytes: 9018 },
        },
      ],
      host: { memoryMegabytes: 64, cores: 2, costs },
    }),
    approach,
    discipline: 'drr',
    seed: 1,
    durationNs: 2_000_000,
  };
}

/** Ways in which kernels found addresses before they cached them. */
const earlierKernels: readonly IommuOptions[] = [
  { strategy: 'single-use', strategyOptions: { iovaAllocator: 'rbtree' } },
  { strategy: 'deferred', strategyOptions: { iovaAllocator: 'rbtree' } },
  { strategy: 'flush-on-wrap' },
];

/** The approaches, the driver domain in the older of its two ways to move a frame, and kernels before caches of addresses. */
const machines: readonly Plan['approach'][] = [
  ...approaches,
  ...approaches
    .filter(({ name }) => name === 'driver-domain')
    .map((approach) => ({ ...approach, make: () => new DriverDomain({ transfer: 'flip' }) })),
  ...approaches
    .filter(({ name }) => name === 'iommu:single-use')
    .flatMap((approach) =>
      earlierKernels.map((options) => ({ ...approach, make: () => new Iommu(options) })),
    ),
];

/** Cycles charged to all accounts in the life of a machine with these costs, and which costs these were. */
function cycles(
  approach: Plan['approach'],
  costs: Partial<Record<CostName, number>> = {},
): { total: number; charged: ReadonlySet<CostName> } {
  const law = new LawMachine(plan(approach, costs));
  const { host, guests, run } = law.machine;
  const charged = new Set<CostName>();
  const { processor } = host;
  const { chargeAccount } = processor;
  processor.chargeAccount = (account, cost, times) => {
    if (times !== 0) charged.add(present(COST_NAMES[cost]));
    chargeAccount.call(processor, account, cost, times);
  };
  run.call(law.machine, TRAFFIC_NS);
  // A mistake, a port that is closed and pages that are given back belong to the life of a machine too.
  const [first] = guests;
  if (first !== undefined) host.window.write(first.domain.id, first.port.context, TX_PRODUCER, 0x8000_0000);
  run.call(law.machine, TRAFFIC_NS + 200_000);
  for (const { port, domain } of guests) {
    host.protection.closePort(port);
    for (const frame of [...domain.ownedPages].slice(0, 4)) domain.release(frame);
  }
  run.call(law.machine, 12_000_000);
  const total = processor.accounts.reduce((sum, _, account) => sum + processor.cyclesOf(account), 0);
  return { total, charged };
}

describe('law 5: a cost is a named parameter', () => {
  test.each(NAMES)('%s says what it is charged for, where it comes from and how certain it is', (name) => {
    const { cycles: value, per, source, certainty } = COSTS[name];
    expect(value).toBeGreaterThan(0);
    expect(Number.isFinite(value)).toBe(true);
    expect(per.length).toBeGreaterThan(3);
    expect(source.length).toBeGreaterThan(3);
    expect(CERTAINTIES).toContain(certainty);
    // "assumed" is not a source that a reader could look up, and must not pass for one.
    expect(source === 'assumed').toBe(certainty === 'assumed');
  });

  test('a cost that the user sets moves the cycles that are charged: every one of them, under some approach', () => {
    const unmoved = new Set(NAMES);
    const tried = new Set(some(NAMES));
    for (const approach of machines) {
      const { total, charged } = cycles(approach);
      for (const name of charged) {
        if (!unmoved.has(name)) continue;
        if (tried.has(name))
          expect(cycles(approach, { [name]: COSTS[name].cycles + 1 }).total, name).not.toBe(total);
        unmoved.delete(name);
      }
    }
    if (process.env.CDNA_APPROACH === undefined) expect([...unmoved]).toEqual([]);
  });

  test('dearer work is slower work: with one core full, less gets through', () => {
    const [approach] = approaches;
    if (approach === undefined) throw new Error('no approach');
    const goodput = (transmitPacket: number) =>
      resultOf({
        ...plan(approach),
        scenario: checkScenario({
          guests: [{ count: 2, memoryMegabytes: 4, traffic: { kind: 'greedy', frameBytes: 60 } }],
          host: { cores: 1, memoryMegabytes: 64, costs: { transmitPacket } },
        }),
      }).framesTransmitted;
    const [cheap, usual, dear] = [goodput(400), goodput(3_900), goodput(39_000)];
    expect(cheap).toBeGreaterThan(usual);
    expect(usual).toBeGreaterThan(2 * dear);
  });

  test('an impossible cost is refused by name; an unknown one with the names of those that exist', () => {
    for (const bad of [-1, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => costTable({ hypercall: bad })).toThrow(
        `costs.hypercall is ${bad}, expected cycles from 0 to 1000000000`,
      );
    }
    expect(() => costTable({ hypercal: 1 } as object)).toThrow(
      /costs\.hypercal is not a cost; there are hypercall/u,
    );
    expect(() => costTable({ toString: 1 } as object)).toThrow(/costs\.toString is not a cost/u);
  });
});
