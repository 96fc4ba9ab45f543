import { describe, expect, it } from 'vitest';
import { type ContextId, contextId } from '../../../scheduler/branded.js';
import type { Discipline } from '../../../scheduler/discipline.js';
import { PacketRoundRobin } from '../../../scheduler/disciplines/index.js';
import { playStep, type Step, VirtualLink } from '../../../scheduler/laws/index.js';

/** A link on which contexts 1 and 2 have joined, and what its discipline and its watchers are told. */
function link(waiting: number[] = []) {
  const said: string[] = [];
  class Told extends PacketRoundRobin {
    override activate(context: ContextId, headBytes: number): void {
      said.push(`activate ${context}`);
      super.activate(context, headBytes);
    }
    override select(): ContextId {
      said.push('select');
      return super.select();
    }
    override withdraw(context: ContextId): void {
      said.push(`withdraw ${context}`);
      super.withdraw(context);
    }
  }
  const happened: string[] = [];
  const discipline: Discipline = new Told();
  const virtual = new VirtualLink(discipline, {
    watchers: [
      {
        joined: (context, share) => happened.push(`join ${context} w=${share.weight}`),
        left: (context) => happened.push(`leave ${context}`),
        arrived: (context, bytes, first) =>
          happened.push(`arrive ${context} ${bytes}${first ? ' first' : ''}`),
        granted: (context, bytes, more) => happened.push(`grant ${context} ${bytes}${more ? '' : ' last'}`),
        withdrawn: (context) => happened.push(`withdraw ${context}`),
      },
    ],
  });
  for (const context of [1, 2]) virtual.join(contextId(context), { weight: context });
  for (const context of waiting) virtual.arrive(contextId(context), 60);
  happened.length = 0;
  said.length = 0;
  return {
    virtual,
    said,
    happened,
    play: (step: Step) => {
      playStep(virtual, step);
      return happened.splice(0);
    },
  };
}

describe('a step of a script', () => {
  it('joins a context; one that takes part leaves first', () => {
    const { play } = link([1]);
    expect(play({ step: 'join', context: 3, share: { weight: 9 } })).toEqual(['join 3 w=9']);
    expect(play({ step: 'join', context: 1, share: { weight: 7 } })).toEqual([
      'withdraw 1',
      'leave 1',
      'join 1 w=7',
    ]);
  });

  it('serves some frames, or as many as there are', () => {
    const { play } = link([1, 1, 1, 2]);
    expect(play({ step: 'serve', frames: 2 })).toEqual(['grant 1 60', 'grant 2 60 last']);
    expect(play({ step: 'serve', frames: 9 })).toEqual(['grant 1 60', 'grant 1 60 last']);
    expect(play({ step: 'serve', frames: 9 })).toEqual([]);
  });

  it('lets time pass, in which the link sends', () => {
    const { play, virtual } = link([1, 1, 1]);
    // 60 bytes take 480 ns; the third frame starts at 960 ns.
    expect(play({ step: 'pass', ns: 960 })).toHaveLength(2);
    expect(virtual.nowNs).toBe(960);
    expect(play({ step: 'pass', ns: 1 })).toHaveLength(1);
    expect(virtual.nowNs).toBe(961);
  });

  it('lets frames arrive together', () => {
    expect(link().play({ step: 'arrive', context: 2, bytes: 64, count: 3 })).toEqual([
      'arrive 2 64 first',
      'arrive 2 64',
      'arrive 2 64',
    ]);
  });

  it('lets a context come and go: it is idle between its frames, while the others go on', () => {
    const { play } = link([1, 1, 1, 1]);
    expect(play({ step: 'comeAndGo', context: 2, bytes: 64, times: 2 })).toEqual([
      'arrive 2 64 first',
      'grant 1 60',
      'grant 2 64 last',
      'arrive 2 64 first',
      'grant 1 60',
      'grant 2 64 last',
    ]);
  });

  it('gives up a context that comes and goes after 50 frames of others', () => {
    const discipline = new PacketRoundRobin();
    const starving = new VirtualLink(Object.assign(discipline, { select: () => contextId(1) }));
    for (const context of [1, 2]) starving.join(contextId(context), { weight: 1 });
    starving.arrive(contextId(1), 60, 500);
    playStep(starving, { step: 'comeAndGo', context: 2, bytes: 60, times: 2 });
    expect(starving.timeline.grants).toBe(100);
  });

  it('lets a frame arrive between select and served', () => {
    const { play, said } = link([1]);
    expect(play({ step: 'serveWhileArriving', context: 2, bytes: 64 })).toEqual([
      'arrive 2 64 first',
      'grant 1 60 last',
    ]);
    expect(said.indexOf('select')).toBeLessThan(said.indexOf('activate 2'));
  });

  it('rings again, with needless questions before and after', () => {
    const { virtual, said, happened } = link([1, 1]);
    playStep(virtual, { step: 'ringAgain', context: 1 });
    expect(said).toEqual(['select', 'select', 'activate 1', 'select', 'select']);
    expect(happened).toEqual([]);
    // While the link is busy nothing is asked.
    virtual.serve();
    virtual.pass(100);
    said.length = 0;
    playStep(virtual, { step: 'ringAgain', context: 1 });
    expect(said).toEqual(['activate 1']);
  });

  it('withdraws a backlog, and lets a context leave', () => {
    const { play } = link([1, 2]);
    expect(play({ step: 'withdraw', context: 1 })).toEqual(['withdraw 1']);
    expect(play({ step: 'leave', context: 2 })).toEqual(['withdraw 2', 'leave 2']);
    expect(play({ step: 'leave', context: 1 })).toEqual(['leave 1']);
  });

  it.each<Step>([
    { step: 'leave', context: 9 },
    { step: 'arrive', context: 9, bytes: 60, count: 1 },
    { step: 'comeAndGo', context: 9, bytes: 60, times: 2 },
    { step: 'serveWhileArriving', context: 9, bytes: 60 },
    { step: 'ringAgain', context: 9 },
    { step: 'ringAgain', context: 2 },
    { step: 'withdraw', context: 9 },
    { step: 'withdraw', context: 2 },
  ])('is skipped for a context that does not take part, or has nothing waiting: %j', (step) => {
    const { play, said } = link([1]);
    expect(play(step)).toEqual([]);
    expect(said).toEqual([]);
  });

  it('serves no frame while one arrives if none waits', () => {
    expect(link().play({ step: 'serveWhileArriving', context: 1, bytes: 60 })).toEqual([]);
  });
});
