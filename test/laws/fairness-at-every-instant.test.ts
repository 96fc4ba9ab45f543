import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { makeProtection } from '../../host/protection/approaches.js';
import { makeDiscipline } from '../../scheduler/disciplines/index.js';
import { FairnessMeter, type FairnessReport } from '../../src/machine/fairness-meter.js';
import { Machine } from '../../src/machine/machine.js';
import { checkScenario } from '../../src/scenario/load.js';
import type { ScenarioInput } from '../../src/scenario/schema.js';

/** What the meters of both directions say at every step of a run: at each, a run of that duration would have ended. */
function reportsOf(
  scenario: ScenarioInput,
  {
    discipline,
    protection,
    seed,
    durationNs,
    stepNs,
  }: {
    readonly discipline: string;
    readonly protection: string;
    readonly seed: number;
    readonly durationNs: number;
    readonly stepNs: number;
  },
): { readonly reports: FairnessReport[]; readonly largestGapBytes: number } {
  const checked = checkScenario(scenario);
  const linkBps = checked.nic?.rateBps ?? 1e9;
  const transmit = new FairnessMeter(makeDiscipline(discipline, { linkBps }));
  // Receive shares the path to memory, whose rate no discipline is told.
  const receive = new FairnessMeter(makeDiscipline(discipline, { linkBps, linkVaries: true }));
  const machine = new Machine({
    scenario: checked,
    directory: '.',
    captures: new Map(),
    seed,
    protection: makeProtection(protection),
    transmitDiscipline: transmit,
    receiveDiscipline: receive,
  });
  const reports: FairnessReport[] = [];
  for (let atNs = stepNs; atNs <= durationNs; atNs += stepNs) {
    machine.run(atNs);
    reports.push(transmit.report(), receive.report());
  }
  const largestGapBytes = Math.max(...reports.map((report) => report.largestGapBytes));
  return { reports, largestGapBytes };
}

describe('the bound counts the frame at the head of the queue, whenever a run ends', () => {
  it('a run of 300 us that ended with large frames waiting was said to break the bound of scfq', () => {
    const scenario: ScenarioInput = {
      guests: [
        { name: 'a', traffic: { kind: 'greedy', frameBytes: 'imix' } },
        { name: 'b', count: 3, traffic: { kind: 'request', to: 'a', outstanding: 4 } },
        {
          name: 'c',
          traffic: { kind: 'pareto', peakWireRateBps: 100_000_000 },
          receive: { kind: 'poisson', wireRateBps: 100_000_000 },
        },
        // Requests of b leave by the inner exit: what shares the wire with a is this.
        { name: 'd', traffic: { kind: 'greedy', frameBytes: 1514 } },
      ],
      nic: { switching: true, pcie: { generation: 4 } },
      host: { cores: 4 },
      link: { reflect: false },
      balloon: { pages: 200 },
    };
    const { reports, largestGapBytes } = reportsOf(scenario, {
      discipline: 'scfq',
      protection: 'iommu:shared',
      seed: 1,
      durationNs: 1_000_000,
      stepNs: 1_000,
    });
    expect(reports.filter(({ broken }) => broken > 0)).toEqual([]);
    expect(largestGapBytes).toBeGreaterThan(500);
  });

  it('holds for any mix of frames, at every microsecond', () => {
    const frames = fc.oneof(
      fc.constantFrom<'imix' | number>('imix', 60, 1514, 9018),
      fc.integer({ min: 60, max: 9018 }),
    );
    const guest = fc.record({ weight: fc.constantFrom(1, 2, 7, 50), frameBytes: frames });
    let largest = 0;
    fc.assert(
      fc.property(
        fc.array(guest, { minLength: 2, maxLength: 5 }),
        fc.constantFrom('drr', 'srr', 'sfq', 'scfq', 'wf2q+', 'qfq'),
        fc.constantFrom(1e9, 10e9),
        fc.nat({ max: 1_000 }),
        (guests, discipline, rateBps, seed) => {
          const scenario: ScenarioInput = {
            nic: { rateBps },
            guests: guests.map(({ weight, frameBytes }) => ({
              weight,
              traffic: { kind: 'greedy', frameBytes },
            })),
          };
          const options = { discipline, protection: 'none', seed, durationNs: 150_000, stepNs: 1_000 };
          const { reports, largestGapBytes } = reportsOf(scenario, options);
          largest = Math.max(largest, largestGapBytes);
          expect(reports.filter(({ broken }) => broken > 0)).toEqual([]);
        },
      ),
      { numRuns: 25 },
    );
    expect(largest).toBeGreaterThan(1_500);
  });
});
