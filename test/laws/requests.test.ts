import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { makeProtection } from '../../host/protection/approaches.js';
import { type RunResult, runScenario } from '../../src/machine/run.js';
import { checkScenario } from '../../src/scenario/load.js';
import type { ScenarioInput } from '../../src/scenario/schema.js';
import { LawBook } from './law-book.js';

const laws = new LawBook('requests');

interface Clients {
  /** Requests under way of each client at once. */
  readonly outstanding: readonly number[];
  readonly servers: number;
  readonly timeoutNs: number;
  readonly discipline: string;
  readonly protection: string;
  /** Receive slots of the servers: few of them lose requests. */
  readonly receiveSlots: number;
  readonly switching: boolean;
  readonly seed: number;
}

const clients: fc.Arbitrary<Clients> = fc.record({
  outstanding: fc.array(fc.integer({ min: 1, max: 32 }), { minLength: 1, maxLength: 6 }),
  servers: fc.integer({ min: 1, max: 2 }),
  timeoutNs: fc.constantFrom(200_000, 10_000_000),
  discipline: fc.constantFrom('drr', 'sfq', 'wf2q+', 'prr'),
  protection: fc.constantFrom('none', 'cdna', 'iommu:single-use'),
  receiveSlots: fc.constantFrom(4, 256),
  switching: fc.boolean(),
  seed: fc.nat({ max: 2 ** 31 - 1 }),
});

function run(plan: Clients, durationNs: number): RunResult {
  const scenario: ScenarioInput = {
    guests: [
      ...Array.from({ length: plan.servers }, (_, server) => ({
        name: `server${server}`,
        receiveSlots: plan.receiveSlots,
      })),
      ...plan.outstanding.map((outstanding, client) => ({
        name: `client${client}`,
        traffic: {
          kind: 'request' as const,
          to: `server${client % plan.servers}`,
          outstanding,
          timeoutNs: plan.timeoutNs,
        },
      })),
    ],
    nic: { switching: plan.switching },
  };
  return runScenario({
    scenario: checkScenario(scenario),
    directory: '.',
    captures: new Map(),
    protection: makeProtection(plan.protection),
    discipline: plan.discipline,
    seed: plan.seed,
    durationNs,
  });
}

describe('requests', () => {
  laws.law('each is answered, lost or under way, at whichever client', clients, 8, (plan, substance) => {
    const { guests, laws: judged } = run(plan, 1_000_000);
    // Every client counts its requests by outcome, and a run asks it whether they add up.
    const law = judged.find(({ law: name }) => name === 'invariants');
    expect(law?.held, law?.detail).toBe(true);
    const counts = guests.flatMap(({ requests }) => (requests === undefined ? [] : [requests]));
    expect(counts).toHaveLength(plan.outstanding.length);
    for (const [client, { sent, answered, lost }] of counts.entries()) {
      const underWay = sent - answered - lost;
      expect(underWay, `client ${client}`).toBeGreaterThanOrEqual(0);
      expect(underWay, `client ${client}`).toBeLessThanOrEqual(plan.outstanding[client] ?? 0);
      // With room for what comes and a timeout longer than the run none is lost.
      if (plan.receiveSlots > 100 && plan.timeoutNs > 1_000_000) expect(lost, `client ${client}`).toBe(0);
    }
    if (counts.some(({ answered }) => answered > 0)) substance();
  });

  test.each([1, 2])('two clients get answers from %i servers, and lose none', (servers) => {
    const { guests } = run(
      {
        outstanding: [2, 2],
        servers,
        timeoutNs: 10_000_000,
        discipline: 'drr',
        protection: 'none',
        receiveSlots: 256,
        switching: false,
        seed: 1,
      },
      2_000_000,
    );
    for (const { requests } of guests) {
      if (requests === undefined) continue;
      expect(requests.answered).toBeGreaterThan(5);
      expect(requests.lost).toBe(0);
    }
  });
});

laws.close();
