import { describe, expect, it } from 'vitest';
import { contextId } from '../../../scheduler/branded.js';
import { type Discipline, NONE } from '../../../scheduler/discipline.js';
import { DeficitRoundRobin, PacketRoundRobin } from '../../../scheduler/disciplines/index.js';
import { checkDiscipline, LawBroken, VirtualLink } from '../../../scheduler/laws/index.js';

/** Packet round robin with one method replaced. */
function altered(change: (discipline: Discipline) => Partial<Discipline>): Discipline {
  const discipline = new PacketRoundRobin();
  return new Proxy(discipline, {
    get: (target, key) => {
      const replaced = Reflect.get(change(discipline), key);
      if (replaced !== undefined) return replaced;
      const own = Reflect.get(target, key);
      return typeof own === 'function' ? own.bind(target) : own;
    },
  });
}

function twoWaiting(discipline: Discipline): VirtualLink {
  const link = new VirtualLink(discipline);
  link.join(contextId(0), { weight: 1 });
  link.join(contextId(1), { weight: 1 });
  link.arrive(contextId(0), 1514);
  return link;
}

describe('a virtual link', () => {
  it('takes frames back to back, at the rate of the link', () => {
    const link = twoWaiting(new PacketRoundRobin());
    link.arrive(contextId(1), 60);
    expect(link.serve()).toBe(true);
    expect(link.nowNs).toBe(0);
    expect(link.serve()).toBe(true);
    expect(link.nowNs).toBe(1514 * 8);
    expect(link.serve()).toBe(false);
  });

  it('stays idle while time passes and no context waits', () => {
    const link = twoWaiting(new PacketRoundRobin());
    link.pass(1_000_000);
    expect(link.nowNs).toBe(1_000_000);
    expect(link.backlogged).toBe(0);
  });

  it('prints a timeline of what has happened', () => {
    const link = twoWaiting(new PacketRoundRobin());
    link.arrive(contextId(1), 60);
    link.arrive(contextId(1), 64);
    link.ringAgain(contextId(1));
    link.serve();
    link.withdraw(contextId(1));
    link.leave(contextId(0));
    expect(link.timeline.print().split('\n')).toEqual([
      '+n: a frame of n bytes arrives, > n: it is granted',
      '          ns  context 0   context 1',
      '           0  joins w=1',
      '           0              joins w=1',
      '           0  +1514',
      '           0              +60 +64',
      '           0              rings again',
      '           0  > 1514',
      '           0              withdrawn',
      '           0  leaves',
    ]);
  });

  it('prints all of a long timeline, and what repeats once with the number of its repetitions', () => {
    const link = twoWaiting(new PacketRoundRobin());
    link.arrive(contextId(0), 60, 3);
    for (let frame = 0; frame < 30; frame += 1) {
      link.arrive(contextId(1), 60);
      link.serve();
    }
    expect(link.timeline.print().split('\n').slice(4)).toEqual([
      '           0  +1514 +60 x 3',
      '           0                 +60',
      '           0  > 1514',
      '           0                 +60',
      '       12112                 > 60',
      '       12112                 +60',
      '       12592  > 60',
      '         ...  the 4 lines above, 3 times in all, until 14512',
      '       14512                 +60',
      '       14992                 > 60',
      '         ...  the 2 lines above, 23 times in all, until 25552',
    ]);
  });

  const broken: [string, string, () => Discipline][] = [
    ['work conservation', 'none is selected', () => altered(() => ({ select: () => NONE }))],
    [
      'only ready contexts are selected',
      'context 1 is selected without a frame',
      () => altered(() => ({ select: () => contextId(1) })),
    ],
    [
      'says when to ask again',
      'next time 0 ns',
      () => altered(() => ({ select: () => NONE, nextEligibleNs: (nowNs) => nowNs })),
    ],
    [
      'says when to ask again',
      '5 ns was promised',
      () => altered(() => ({ select: () => NONE, nextEligibleNs: (nowNs) => nowNs + 5 })),
    ],
  ];
  it.each(broken)('checks a discipline for "%s": %s', (law, message, make) => {
    try {
      twoWaiting(make()).serve();
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(LawBroken);
      expect((error as LawBroken).law).toBe(law);
      expect((error as LawBroken).message).toContain(message);
    }
  });

  it('reports the message of checkInvariants', () => {
    const make = () =>
      altered(() => ({
        checkInvariants: () => {
          throw new Error('the heap is upside down');
        },
      }));
    expect(() => twoWaiting(make())).toThrow('breaks "invariants": the heap is upside down');
  });
});

describe('checkDiscipline', () => {
  it('plays the same scripts for the same seed', () => {
    const check = () =>
      checkDiscipline(() => new DeficitRoundRobin(), { seed: 42, numRuns: 20, longRunFrames: 0 });
    expect(check()).toEqual(check());
    expect(check().seed).toBe(42);
  });

  it('checks a discipline against a given bound', () => {
    expect(() => checkDiscipline(() => new DeficitRoundRobin(), { bound: () => 1514 })).toThrow(LawBroken);
  });

  it('prints the timeline of an error that a discipline throws', () => {
    const make = () =>
      altered(() => ({
        served: () => {
          throw new TypeError('not today');
        },
      }));
    expect(() => checkDiscipline(make, { numRuns: 5 })).toThrow(
      /breaks "no call throws": not today\n.*\n +ns {2}context \d+/,
    );
  });
});
