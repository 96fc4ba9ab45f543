import { describe, expect, it } from 'vitest';
import { contextId } from '../../scheduler/branded.js';
import type { Discipline } from '../../scheduler/discipline.js';
import {
  DeficitRoundRobin,
  DISCIPLINES,
  makeDiscipline,
  TwoLevel,
  WeightedFairQueueing,
} from '../../scheduler/disciplines/index.js';
import { checkDiscipline, fullShares, LawBroken } from '../../scheduler/laws/index.js';
import { runs } from '../support/whole.js';

const LINK_BPS = 1e9;
/** From a wire of the slowest kind to the fastest. */
const RATES = [1e6, 1e8, 1e9, 1e10, 8e11];
const bounded = ['drr', 'srr', 'sfq', 'scfq', 'wfq', 'wf2q+', 'qfq'];

/** Notes what it is told of the link's rate. */
class RateNotes extends DeficitRoundRobin {
  readonly told: [linkBps: number, nowNs: number][] = [];

  linkRateChanged(linkBps: number, nowNs: number): void {
    this.told.push([linkBps, nowNs]);
  }
}

describe('on a link that gets other rates at any time', () => {
  it.each(bounded)('%s keeps its bound', (name) => {
    const report = checkDiscipline(() => makeDiscipline(name, { linkBps: LINK_BPS }), {
      linkBps: LINK_BPS,
      rates: RATES,
      numRuns: runs(120),
      longRunFrames: 0,
    });
    expect(report.gapChecks).toBeGreaterThan(1_000);
    expect(report.largestGapRatio).toBeLessThanOrEqual(1);
  });

  it.each([
    ...DISCIPLINES.map(({ name }) => name).filter((name) => !bounded.includes(name)),
    'wfq/sfq',
    'drr/wfq',
    'limited:wfq',
    'minimum:sfq',
    'priority/(limited:wfq)/sfq',
  ])('%s keeps the laws that need no bound', (name) => {
    const report = checkDiscipline(() => makeDiscipline(name, { linkBps: LINK_BPS }), {
      linkBps: LINK_BPS,
      rates: RATES,
      bound: 'none',
      shares: (contexts) => fullShares(contexts),
      numRuns: runs(60),
    });
    expect(report.grants).toBeGreaterThan(1_000);
  });

  it('wfq breaks its bound where it is not told of them: the law can break', () => {
    class Deaf extends WeightedFairQueueing {
      override linkRateChanged(): void {}
    }
    const check = () =>
      checkDiscipline(() => new Deaf({ linkBps: LINK_BPS }), {
        linkBps: LINK_BPS,
        rates: [1e6, 1e7],
        numRuns: 1_000,
        longRunFrames: 0,
      });
    let broken: unknown;
    try {
      check();
    } catch (error) {
      broken = error;
    }
    expect(broken).toBeInstanceOf(LawBroken);
    const { counterexample, message } = broken as LawBroken;
    // The smallest script still has a change of rate, and its timeline shows it.
    expect(counterexample?.script.steps.some(({ step }) => step === 'rate')).toBe(true);
    expect(message).toMatch(/\n +\d+ +bits per second from here on: 1000000/u);
  });
});

describe('every level is told of the rate of the link', () => {
  const told = (make: (inner: () => Discipline) => Discipline) => {
    const made: RateNotes[] = [];
    const discipline = make(() => {
      const notes = new RateNotes();
      made.push(notes);
      return notes;
    });
    return { discipline, made };
  };

  it('tenants that are there, and those that come later', () => {
    const outer = new RateNotes();
    const { discipline, made } = told((makeInner) => new TwoLevel({ outer, makeInner }));
    discipline.join(contextId(0), { weight: 1, tenant: 0 });
    discipline.linkRateChanged?.(5e9, 700);
    discipline.join(contextId(1), { weight: 1, tenant: 1 });
    expect(outer.told).toEqual([[5e9, 700]]);
    // The first is made to see what it can; it serves no tenant.
    expect(made.map((notes) => notes.told)).toEqual([[], [[5e9, 700]], [[5e9, 700]]]);
  });

  it.each(['drr', 'scfq', 'wf2q+', 'qfq', 'edf', 'limited:drr', 'minimum:scfq', 'drr/drr'])(
    '%s has no use for it',
    (name) => {
      expect(makeDiscipline(name, { linkBps: LINK_BPS }).linkRateChanged).toBeUndefined();
    },
  );

  it.each(['wfq', 'sfq', 'limited:wfq', 'minimum:sfq', 'wfq/drr', 'drr/(limited:sfq)'])(
    '%s takes it',
    (name) => {
      expect(makeDiscipline(name, { linkBps: LINK_BPS }).linkRateChanged).toBeInstanceOf(Function);
    },
  );

  it('by hand: what came while the fluid link was slow starts where that link is', () => {
    // A byte per ns, and two contexts of weight 1 with 1,000 bytes each.
    const wfq = new WeightedFairQueueing({ linkBps: 8e9 });
    for (const context of [0, 1, 2]) wfq.join(contextId(context), { weight: 1 });
    const arrive = (context: number, bytes: number, nowNs: number) => {
      wfq.arrived(contextId(context), bytes, nowNs);
      wfq.activate(contextId(context), bytes, nowNs);
    };
    for (const context of [0, 1]) arrive(context, 1_000, 0);
    wfq.served(wfq.select(), 1_000, 0, 0);
    // After 1,000 ns V is 500; after 1,000 more at a thousandth of the rate it is 500.5, and would be 1,000.
    wfq.linkRateChanged(8e6, 1_000);
    arrive(2, 400, 2_000);
    expect(wfq.select()).toBe(contextId(2));
    wfq.checkInvariants();
  });
});
