import { describe, expect, it } from 'vitest';
import { contextId } from '../../../scheduler/branded.js';
import { type Discipline, NONE } from '../../../scheduler/discipline.js';
import { MinimumGuarantee } from '../../../scheduler/disciplines/minimum-guarantee.js';
import { TokenBucketLimit } from '../../../scheduler/disciplines/token-bucket-limit.js';
import { TwoLevel } from '../../../scheduler/disciplines/two-level.js';
import { InformedDiscipline } from '../../../scheduler/informed-discipline.js';
import { VirtualLink } from '../../../scheduler/laws/virtual-link.js';
import { CallLog } from '../../../src/fairness/call-log.js';
import { BacklogMeter } from '../../../src/live/backlog-meter.js';
import { FairnessMeter } from '../../../src/machine/fairness-meter.js';

/** What a discipline may leave out. */
type Optional = {
  [Name in keyof Discipline]-?: undefined extends Discipline[Name] ? Name : never;
}[keyof Discipline];

const CONTEXT = contextId(1);
const BYTES = 1_000;

/** The mark of a discipline that was asked, and what it answers. */
const ASKED_AGAIN_NS = 4_242;

/** A discipline with all that is optional, which notes what of it was used; it serves the context that is ready, if any. */
class Whole implements Discipline {
  readonly name = 'whole';
  readonly used = new Set<Optional>();
  #ready = NONE;
  #isHeld = false;

  get timeless(): boolean {
    this.used.add('timeless');
    return true;
  }

  /** From now on it serves nobody for a while. */
  hold(): void {
    this.#isHeld = true;
  }

  join(): void {}
  leave(): void {}
  activate(context: typeof CONTEXT): void {
    this.#ready = context;
  }
  arrived(): void {
    this.used.add('arrived');
  }
  select(): typeof CONTEXT {
    return this.#isHeld ? NONE : this.#ready;
  }
  served(_context: typeof CONTEXT, _bytes: number, nextHeadBytes: number): void {
    if (nextHeadBytes === 0) this.#ready = NONE;
  }
  starve(): void {
    this.used.add('starve');
    this.#ready = NONE;
  }
  pause(): void {
    this.used.add('pause');
    this.#ready = NONE;
  }
  withdraw(): void {
    this.#ready = NONE;
  }
  linkRateChanged(linkBps: number, nowNs: number): void {
    if (linkBps === 5e9 && nowNs >= 0) this.used.add('linkRateChanged');
  }
  nextEligibleNs(): number {
    this.used.add('nextEligibleNs');
    return ASKED_AGAIN_NS;
  }
  relativeFairnessBoundBytes(): number {
    return 0;
  }
  checkInvariants(): void {}
}

/** Makes use of one optional part of whatever stands before a discipline, as a card does. */
const USES: Record<Optional, (outside: Discipline, inside: Whole) => void> = {
  timeless: (outside) => void outside.timeless,
  arrived: (outside) => outside.arrived?.(CONTEXT, BYTES, 100),
  starve: (outside) => {
    outside.activate(CONTEXT, BYTES, 100);
    outside.select(100);
    if (outside.starve === undefined) outside.served(CONTEXT, BYTES, 0, 100);
    else outside.starve(CONTEXT, BYTES, 100);
  },
  pause: (outside) => {
    outside.activate(CONTEXT, BYTES, 100);
    if (outside.pause === undefined) outside.withdraw(CONTEXT, 100);
    else outside.pause(CONTEXT, 100);
  },
  linkRateChanged: (outside) => outside.linkRateChanged?.(5e9, 100),
  nextEligibleNs: (outside, inside) => {
    inside.hold();
    outside.activate(CONTEXT, BYTES, 100);
    expect(outside.select(100)).toBe(NONE);
    expect(outside.nextEligibleNs?.(100)).toBe(ASKED_AGAIN_NS);
  },
};
const ALL = Object.keys(USES) as Optional[];

/** Its own times depend on the clock: those of limits, minimums and meters. */
const OWN_CLOCK = 'its own answers or figures depend on the time';
/** docs/scheduling.md: hierarchies and limits treat a starved context as idle. */
const STARVED_IS_IDLE = 'a starved context is idle in it';
/** As if it were idle: a frame that is withheld has not arrived, and a frame that is due never does. */
const NOT_OF_ALL_FRAMES = 'the inner discipline does not get all frames';

interface Wrapper {
  readonly title: string;
  readonly over: (inner: Discipline) => Discipline;
  /** What it does not pass on, and why. */
  readonly keeps: Partial<Record<Optional, string>>;
}

const WRAPPERS: readonly Wrapper[] = [
  { title: 'CallLog', over: (inner) => new CallLog(inner), keeps: { timeless: OWN_CLOCK } },
  { title: 'FairnessMeter', over: (inner) => new FairnessMeter(inner), keeps: { timeless: OWN_CLOCK } },
  { title: 'BacklogMeter', over: (inner) => new BacklogMeter(inner, 4), keeps: { timeless: OWN_CLOCK } },
  {
    title: 'TokenBucketLimit',
    over: (inner) => new TokenBucketLimit(inner),
    keeps: { timeless: OWN_CLOCK, starve: STARVED_IS_IDLE, arrived: NOT_OF_ALL_FRAMES },
  },
  {
    title: 'MinimumGuarantee',
    over: (inner) => new MinimumGuarantee(inner),
    keeps: { timeless: OWN_CLOCK, starve: STARVED_IS_IDLE, arrived: NOT_OF_ALL_FRAMES },
  },
  {
    title: 'TwoLevel, below',
    over: (inner) => new TwoLevel({ outer: new Whole(), makeInner: () => inner }),
    keeps: { timeless: OWN_CLOCK, starve: STARVED_IS_IDLE },
  },
  {
    title: 'TwoLevel, above',
    over: (inner) => new TwoLevel({ outer: inner, makeInner: () => new Whole() }),
    // Which frame of a tenant is next is not known when it arrives.
    keeps: { timeless: OWN_CLOCK, starve: STARVED_IS_IDLE, arrived: NOT_OF_ALL_FRAMES },
  },
  {
    title: 'TwoLevel, below, another one than gave it its name',
    over: (inner) => {
      const made = [new Whole(), inner];
      return new TwoLevel({ outer: new Whole(), makeInner: () => made.shift() ?? inner });
    },
    keeps: { timeless: OWN_CLOCK, starve: STARVED_IS_IDLE },
  },
];

describe.each(WRAPPERS)('$title', ({ over, keeps }) => {
  it.each(ALL)(`passes %s on, or is known to keep it`, (name) => {
    const inner = new Whole();
    const outside = over(inner);
    outside.join(CONTEXT, { weight: 1, tenant: 0 });
    inner.used.clear();
    USES[name](outside, inner);
    expect(inner.used.has(name), keeps[name] ?? 'nothing keeps it').toBe(keeps[name] === undefined);
  });
});

describe('what tells a discipline of a scheduler', () => {
  it.each(ALL)('passes %s on: InformedDiscipline', (name) => {
    const inner = new Whole();
    const informed = new InformedDiscipline('test', inner, 24);
    informed.join(CONTEXT, { weight: 1 });
    const ready = () => informed.activate(CONTEXT, BYTES, 100);
    const uses: Record<Optional, () => void> = {
      timeless: () => expect(informed.timeless).toBe(true),
      arrived: () => informed.arrived(CONTEXT, BYTES, 100),
      starve: () => {
        ready();
        informed.charge(CONTEXT, BYTES, -1, 100);
      },
      pause: () => {
        ready();
        informed.pause(CONTEXT, 100);
      },
      linkRateChanged: () => informed.linkRateChanged(5e9, 100),
      nextEligibleNs: () => expect(informed.nextEligibleNs(100)).toBe(ASKED_AGAIN_NS),
    };
    uses[name]();
    expect([...inner.used]).toContain(name);
  });

  it('the virtual link of the law kit knows the next frame always, and pauses nobody', () => {
    const inner = new Whole();
    const link = new VirtualLink(inner);
    link.join(CONTEXT, { weight: 1 });
    link.arrive(CONTEXT, BYTES, 2);
    link.serve();
    link.changeRate(5e9);
    expect([...inner.used].sort()).toEqual(['arrived', 'linkRateChanged']);
  });
});

describe('a call log', () => {
  it('plays changes of the rate of the link at their places among the other calls', () => {
    const told: unknown[][] = [];
    const watched = (): Discipline =>
      Object.assign(new Whole(), {
        linkRateChanged: (...args: unknown[]) => told.push(args),
        activate: (...args: unknown[]) => told.push(args),
      });
    const log = new CallLog(watched());
    log.join(CONTEXT, { weight: 1 });
    log.linkRateChanged?.(8e11, 3);
    log.activate(CONTEXT, BYTES, 5);
    log.linkRateChanged?.(1e6, 7);
    const first = told.splice(0);
    expect(first).toEqual([
      [8e11, 3],
      [CONTEXT, BYTES, 5],
      [1e6, 7],
    ]);
    log.play(watched());
    expect(told).toEqual(first);
  });
});
