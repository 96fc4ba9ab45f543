import { describe, expect, it } from 'vitest';
import { type ContextId, contextId, storedContextId } from '../../../scheduler/branded.js';
import { type Discipline, NONE } from '../../../scheduler/discipline.js';
import { PacketRoundRobin } from '../../../scheduler/disciplines/index.js';
import { type PublishedOrder, type Script, type Step, VirtualLink } from '../../../scheduler/laws/index.js';
import { type TrialSettings, tryScript } from '../../../scheduler/laws/trial.js';
import { caughtBy } from './law-broken-by.js';

/** Packet round robin that writes down what it is told, beside its clock. */
class Told extends PacketRoundRobin {
  readonly said: string[] = [];

  override join(context: ContextId): void {
    this.said.push(`join ${context}`);
    super.join(context);
  }
  override leave(context: ContextId, nowNs = Number.NaN): void {
    this.said.push(`leave ${context} at ${nowNs}`);
    super.leave(context);
  }
  arrived(context: ContextId, bytes: number, nowNs: number): void {
    this.said.push(`arrived ${context} ${bytes} at ${nowNs}`);
  }
  override activate(context: ContextId, bytes: number, nowNs = Number.NaN): void {
    this.said.push(`activate ${context} ${bytes} at ${nowNs}`);
    super.activate(context, bytes);
  }
  override select(nowNs = Number.NaN): ContextId {
    this.said.push(`select at ${nowNs}`);
    return super.select();
  }
  override served(context: ContextId, bytes: number, next: number, nowNs = Number.NaN): void {
    this.said.push(`served ${context} ${bytes} ${next} at ${nowNs}`);
    super.served(context, bytes, next);
  }
  override withdraw(context: ContextId, nowNs = Number.NaN): void {
    if (!Number.isNaN(nowNs)) this.said.push(`withdraw ${context} at ${nowNs}`);
    super.withdraw(context);
  }
}

describe('the companions of a discipline on a virtual link', () => {
  const link = () => {
    const [subject, exact, sober, late] = [new Told(), new Told(), new Told(), new Told()];
    const virtual = new VirtualLink(subject, {
      startNs: 100,
      companions: [
        { discipline: exact, law: 'exact', isExact: true },
        { discipline: sober, law: 'sober' },
        { discipline: late, law: 'late', isExact: true, aheadNs: 1_000 },
      ],
    });
    const said = () =>
      [subject, exact, sober, late].map((discipline) => discipline.said.splice(0).join(', '));
    return { virtual, said };
  };

  it('are told the same, each by its own clock', () => {
    const { virtual, said } = link();
    virtual.join(contextId(1), { weight: 1 });
    virtual.arrive(contextId(1), 60, 2);
    const told = (ns: number) =>
      `join 1, arrived 1 60 at ${ns}, activate 1 60 at ${ns}, arrived 1 60 at ${ns}`;
    expect(said()).toEqual([told(100), told(100), told(100), told(1_100)]);
    virtual.arrive(contextId(1), 64);
    virtual.serve();
    virtual.serve();
    const served = (ns: number) =>
      `arrived 1 64 at ${ns}, select at ${ns}, served 1 60 60 at ${ns}, ` +
      `select at ${ns + 480}, served 1 60 64 at ${ns + 480}`;
    expect(said()).toEqual([served(100), served(100), served(100), served(1_100)]);
    virtual.withdraw(contextId(1));
    virtual.leave(contextId(1));
    const left = (ns: number) => `withdraw 1 at ${ns}, leave 1 at ${ns}`;
    expect(said()).toEqual([left(580), left(580), left(580), left(1_580)]);
  });

  it('are not told needless calls, but for those that are exact; the others are told to withdraw before a context leaves', () => {
    const { virtual, said } = link();
    virtual.join(contextId(1), { weight: 1 });
    virtual.arrive(contextId(1), 60);
    said();
    virtual.ringAgain(contextId(1));
    expect(said()).toEqual(['activate 1 60 at 100', 'activate 1 60 at 100', '', 'activate 1 60 at 1100']);
    virtual.ask();
    expect(said()).toEqual([
      'select at 100, select at 100',
      'select at 100, select at 100',
      'select at 100',
      'select at 1100, select at 1100',
    ]);
    virtual.leave(contextId(1));
    expect(said()).toEqual([
      'leave 1 at 100',
      'leave 1 at 100',
      'withdraw 1 at 100, leave 1 at 100',
      'leave 1 at 1100',
    ]);
    expect([virtual.backlogged, virtual.isMember(contextId(1)), [...virtual.members]]).toEqual([
      0,
      false,
      [],
    ]);
  });

  it.each([
    [0, 'context 1 is selected at 0 ns, and 2 by the other instance'],
    [7, 'context 1 is selected at 0 ns, and 2 by the other instance (its clock shows 7 ns)'],
  ])('that is %i ns ahead breaks its law by selecting another context', (aheadNs, message) => {
    const other = Object.assign(new PacketRoundRobin(), { select: () => contextId(2) });
    const virtual = new VirtualLink(new PacketRoundRobin(), {
      companions: [{ discipline: other, law: 'its law', aheadNs }],
    });
    for (const context of [1, 2]) {
      virtual.join(contextId(context), { weight: 1 });
      virtual.arrive(contextId(context), 60);
    }
    const broken = caughtBy(() => virtual.serve());
    expect(broken?.law).toBe('its law');
    expect(broken?.message.split('\n')[0]).toBe(`prr breaks "its law": ${message}`);
  });
});

describe('a virtual link', () => {
  it('refuses a context that does not take part, and rings for none that does not wait', () => {
    const virtual = new VirtualLink(new Told());
    for (const act of ['leave', 'ringAgain', 'withdraw'] as const)
      expect(() => virtual[act](contextId(4))).toThrow('context 4 does not take part in the virtual link');
    expect(() => virtual.arrive(contextId(4), 60)).toThrow('context 4 does not take part');
    virtual.join(contextId(4), { weight: 1 });
    virtual.ringAgain(contextId(4));
    virtual.withdraw(contextId(4));
    expect([virtual.isBacklogged(contextId(4)), virtual.timeline.print()]).toEqual([
      false,
      expect.not.stringContaining('withdrawn'),
    ]);
  });

  it('breaks a law where two questions have two answers', () => {
    let turn = 0;
    const restless = Object.assign(new PacketRoundRobin(), {
      select: () => {
        turn += 1;
        return contextId(1 + (turn % 2));
      },
    });
    const virtual = new VirtualLink(restless);
    for (const context of [1, 2]) {
      virtual.join(contextId(context), { weight: 1 });
      virtual.arrive(contextId(context), 60);
    }
    const broken = caughtBy(() => virtual.ask());
    expect(broken?.law).toBe('needless calls change nothing');
    expect(broken?.message).toContain('context 2 is selected at 0 ns, and then 1');
  });

  it('waits until the time at which a rule says that a frame may go, and for no other', () => {
    const held = (eligibleNs: number, from: number): Discipline =>
      Object.assign(new PacketRoundRobin(), {
        select: (nowNs: number) => (nowNs >= from ? contextId(1) : NONE),
        nextEligibleNs: () => eligibleNs,
      });
    const serve = (eligibleNs: number, from: number) => {
      const virtual = new VirtualLink(held(eligibleNs, from), { startNs: 10 });
      virtual.join(contextId(1), { weight: 1 });
      virtual.arrive(contextId(1), 60);
      const broken = caughtBy(() => virtual.serve());
      return broken?.message.split('\n')[0] ?? virtual.nowNs;
    };
    expect(serve(99.5, 100)).toBe(100);
    expect(serve(10.5, 11)).toBe(11);
    expect(serve(10, 11)).toContain('next time 10 ns');
    expect(serve(Number.POSITIVE_INFINITY, 11)).toContain('next time Infinity ns');
    expect(serve(Number.NaN, 11)).toContain('next time NaN ns');
    expect(serve(20, 21)).toContain('20 ns was promised and no context is selected then');
  });

  it('lets no time run back when a rule has held a frame beyond the time that passes', () => {
    const held = Object.assign(new PacketRoundRobin(), {
      select: (nowNs: number) => (nowNs >= 500 ? contextId(1) : NONE),
      nextEligibleNs: () => 500,
    });
    const virtual = new VirtualLink(held);
    virtual.join(contextId(1), { weight: 1 });
    virtual.arrive(contextId(1), 60);
    virtual.pass(100);
    expect(virtual.nowNs).toBe(500);
  });

  it('asks for the invariants after every call but serve, and after every 64th grant', () => {
    let checks = 0;
    const checked = Object.assign(new PacketRoundRobin(), {
      checkInvariants: () => {
        checks += 1;
      },
    });
    const virtual = new VirtualLink(checked);
    const calls = (act: () => void) => {
      checks = 0;
      act();
      return checks;
    };
    const context = contextId(1);
    expect(calls(() => virtual.join(context, { weight: 1 }))).toBe(1);
    expect(calls(() => virtual.arrive(context, 60, 200))).toBe(1);
    expect(calls(() => virtual.ringAgain(context))).toBe(1);
    const serve = (frames: number) => () => {
      for (let frame = 0; frame < frames; frame += 1) virtual.serve();
    };
    expect([calls(serve(63)), calls(serve(1)), calls(serve(63)), calls(serve(1))]).toEqual([0, 1, 0, 1]);
    expect(calls(() => virtual.withdraw(context))).toBe(1);
    expect(calls(() => virtual.leave(context))).toBe(1);
  });

  it('compares with a published order, which may permit several, or none', () => {
    const judged = (permitted: readonly number[], choice: number) => {
      const order: PublishedOrder = { next: () => permitted };
      const chosen = Object.assign(new PacketRoundRobin(), {
        select: () => storedContextId(choice),
      });
      const virtual = new VirtualLink(chosen, { order });
      for (const context of [1, 2]) {
        virtual.join(contextId(context), { weight: 1 });
        virtual.arrive(contextId(context), 60);
      }
      const broken = caughtBy(() => virtual.serve());
      return [virtual.orderChecks, broken?.law, broken?.message.split('\n')[0]?.split('": ')[1]];
    };
    expect(judged([1, 2], 2)).toEqual([1, undefined, undefined]);
    expect(judged([2], 2)).toEqual([1, undefined, undefined]);
    expect(judged([2, 3], 1)).toEqual([
      1,
      'the published order',
      'context 1 is selected at 0 ns, the published rule says context 2 or 3',
    ]);
    expect(judged([1], NONE)[2]).toBe('no context is selected at 0 ns, the published rule says context 1');
    expect(judged([], NONE).slice(0, 2)).toEqual([1, 'work conservation']);
    expect(judged([], 1)[2]).toBe('context 1 is selected at 0 ns, the published rule says no context');
  });
});

describe('a script that is tried', () => {
  const arrive = (context: number, count = 1): Step => ({ step: 'arrive', context, bytes: 60, count });
  const join = (context: number, weight = 1): Step => ({ step: 'join', context, share: { weight } });
  const settings = (
    make: () => Discipline,
    more: Partial<TrialSettings> = {},
  ): TrialSettings & { readonly makes: () => number } => {
    let made = 0;
    return {
      makeDiscipline: () => {
        made += 1;
        return make();
      },
      makes: () => made,
      bound: 'none',
      starvationBound: undefined,
      order: undefined,
      linkBps: 1e9,
      longRunTolerance: 0.05,
      ...more,
    };
  };
  const prr = () => new PacketRoundRobin();
  const script = (steps: Step[], more: Partial<Script> = {}): Script => ({ startNs: 0, steps, ...more });

  it('is served to its end, up to 1,000 frames behind its last step, but a long run is not', () => {
    const two = [join(1), join(2), arrive(1, 3), arrive(2, 600)];
    expect(tryScript(script(two), settings(prr))).toMatchObject({
      broken: undefined,
      brokenAt: 4,
      grants: 603,
      grantsInStep: 603,
    });
    expect(tryScript(script([join(1), arrive(1, 2_000)]), settings(prr)).grants).toBe(1_000);
    expect(tryScript(script(two, { longRunFrames: 5 }), settings(prr)).grants).toBe(0);
  });

  it('goes beside an instance that is told the same, one without needless calls, and one whose clock began early', () => {
    for (const [more, instances] of [
      [{}, 3],
      [{ startNs: 2 ** 30 }, 3],
      [{ startNs: 2 ** 30 + 1 }, 4],
      [{ longRunFrames: 1, startNs: 2 ** 31 }, 1],
    ] as const) {
      const tried = settings(prr);
      tryScript(script([join(1), arrive(1)], more), tried);
      expect([more, tried.makes()]).toEqual([more, instances]);
    }
  });

  it('is played at the same times by the one whose clock began at 2^30 ns', () => {
    const made: Told[] = [];
    const tried = settings(() => {
      const told = new Told();
      made.push(told);
      return told;
    });
    tryScript(script([join(1), { step: 'pass', ns: 7 }, arrive(1)], { startNs: 2 ** 40 }), tried);
    const activations = made.map(({ said }) => said.find((line) => line.startsWith('activate')));
    const [late, early] = [2 ** 40 + 7, 2 ** 30 + 7];
    expect(activations).toEqual([late, late, late, early].map((ns) => `activate 1 60 at ${ns}`));
  });

  it('is judged by the bound of the discipline, by the one that is given, or by none', () => {
    const bounded = () => Object.assign(new PacketRoundRobin(), { relativeFairnessBoundBytes: () => 59 });
    const two = script([join(1), join(2), arrive(1, 2), arrive(2, 2)]);
    expect(tryScript(two, settings(bounded, { bound: undefined })).broken?.law).toBe('shares follow weights');
    const given = tryScript(two, settings(bounded, { bound: () => 60 }));
    expect([given.broken, given.largestGapRatio, given.gapUncompared]).toEqual([undefined, 1, 0]);
    expect(given.gapChecks).toBeGreaterThan(0);
    expect(given.starvationChecks).toBeGreaterThan(0);
    const none = tryScript(two, settings(bounded));
    expect([none.broken, none.gapChecks, none.starvationChecks]).toEqual([undefined, 0, 0]);
    expect(none.gapUncompared).toBeGreaterThan(0);
    const starving = tryScript(two, settings(bounded, { starvationBound: () => 59 }));
    expect(starving.broken?.law).toBe('no context starves');
    const waiting = tryScript(two, settings(bounded, { starvationBound: () => 120 }));
    expect([waiting.broken, waiting.largestStarvationRatio]).toEqual([undefined, 0.5]);
  });

  it('says at which step a law broke, and how many frames that step had sent', () => {
    const bounded = { bound: () => 60 };
    const greedy = () => Object.assign(new PacketRoundRobin(), { select: () => contextId(1) });
    const steps: Step[] = [join(1), join(2), arrive(1, 9), arrive(2, 9), { step: 'serve', frames: 1 }];
    const serve: Step = { step: 'serve', frames: 5 };
    const found = tryScript(script([...steps, serve]), settings(greedy, bounded));
    expect(found).toMatchObject({ brokenAt: 5, grantsInStep: 1, grants: 2 });
    expect(found.broken?.law).toBe('shares follow weights');
    expect(tryScript(script(steps), settings(greedy, bounded))).toMatchObject({
      brokenAt: 5,
      grantsInStep: 1,
    });
  });

  it('is compared with a published order, if there is one', () => {
    const order = () => ({ next: () => [1] });
    const one = script([join(1), arrive(1, 3)]);
    expect(tryScript(one, settings(prr, { order })).orderChecks).toBe(3);
    expect(tryScript(one, settings(prr)).orderChecks).toBe(0);
  });

  it('of a long run is judged by the shares at its end, and by nothing else', () => {
    const long = script([join(1, 3), join(2), arrive(1, 50), arrive(2, 50), { step: 'serve', frames: 40 }], {
      longRunFrames: 40,
    });
    expect(tryScript(long, settings(prr)).broken?.law).toBe('long-run shares follow weights');
    const wide = tryScript(long, settings(prr, { longRunTolerance: 1 }));
    expect([wide.broken, wide.longRunChecks]).toEqual([undefined, 1]);
    const { longRunFrames: _, ...short } = long;
    expect(tryScript(short, settings(prr))).toMatchObject({ broken: undefined, longRunChecks: 0 });
  });

  it('on a link of another rate takes another time', () => {
    const two = script([join(1), arrive(1, 9), { step: 'pass', ns: 4_800 }], { longRunFrames: 1 });
    const grants = (linkBps: number) => tryScript(two, settings(prr, { linkBps })).grants;
    expect([grants(1e9), grants(1e8)]).toEqual([9, 1]);
  });

  it.each([
    [
      'an error',
      () => {
        throw new Error('not today');
      },
      'not today',
    ],
    [
      'anything',
      () => {
        throw 'a string';
      },
      'a string',
    ],
  ])('breaks the law that no call throws when a discipline throws %s', (_what, served, message) => {
    const thrown = tryScript(
      script([join(1), arrive(1)]),
      settings(() => Object.assign(prr(), { served })),
    );
    expect(thrown.broken?.law).toBe('no call throws');
    expect(thrown.broken?.message).toContain(message);
  });

  it.each([
    [
      'an error',
      () => {
        throw new Error('upside down');
      },
      'upside down',
    ],
    [
      'anything',
      () => {
        throw 'a string';
      },
      'a string',
    ],
  ])('breaks the law of invariants when they throw %s', (_what, checkInvariants, message) => {
    const thrown = tryScript(
      script([join(1)]),
      settings(() => Object.assign(prr(), { checkInvariants })),
    );
    expect(thrown.broken?.law).toBe('invariants');
    expect(thrown.broken?.message).toContain(message);
  });
});
