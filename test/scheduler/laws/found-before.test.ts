import { describe, expect, it } from 'vitest';
import { contextId } from '../../../scheduler/branded.js';
import type { Discipline } from '../../../scheduler/discipline.js';
import {
  makeDiscipline,
  QuickFairQueueing,
  StartTimeFairQueueing,
  WorstCaseFairWeightedFairQueueing,
} from '../../../scheduler/disciplines/index.js';
import { playStep, RelativeFairnessLaw, type Step, VirtualLink } from '../../../scheduler/laws/index.js';

/** Plays one script, shrunk by an earlier run of the laws, and serves what is left. Returns the contexts served. */
function play(discipline: Discipline, weights: readonly number[], script: readonly Step[]): number[] {
  const order: number[] = [];
  const law: RelativeFairnessLaw = new RelativeFairnessLaw(
    (i, j) => discipline.relativeFairnessBoundBytes(i, j),
    (name, message) => link.broken(name, message),
  );
  const link: VirtualLink = new VirtualLink(discipline, {
    watchers: [law, { granted: (context) => order.push(context) }],
  });
  for (const [context, weight] of weights.entries()) link.join(contextId(context), { weight });
  for (const step of script) playStep(link, step);
  while (link.serve());
  return order;
}

function arrive(context: number, bytes: number, count: number): Step {
  return { step: 'arrive', context, bytes, count };
}

/** Scripts that once broke a law. Each was found by `checkDiscipline` and is kept for good. */
describe('found before', () => {
  it('SFQ: a frame that arrives between select and served starts with the service', () => {
    const order = play(
      new StartTimeFairQueueing(),
      [2, 2],
      [arrive(1, 60, 5), { step: 'serve', frames: 1 }, { step: 'serveWhileArriving', context: 0, bytes: 60 }],
    );
    expect(order).toEqual([1, 1, 0, 1, 1, 1]);
  });

  it('WF2Q+: no context starts behind a jump of V that was made for another', () => {
    const order = play(
      new WorstCaseFairWeightedFairQueueing(),
      [1000, 1000, 1000, 1],
      [
        arrive(3, 60, 5),
        { step: 'serveWhileArriving', context: 3, bytes: 60 },
        { step: 'serveWhileArriving', context: 1, bytes: 60 },
        arrive(1, 1514, 18),
        arrive(0, 60, 5),
      ],
    );
    // Context 0 came with context 1 and has the same weight: they take turns, it does not wait for 27,252 bytes.
    expect(order.slice(0, 4)).toEqual([3, 3, 0, 1]);
  });

  it('WF2Q+: a context that joins while a frame is on the link starts after the advance of V for that frame', () => {
    play(
      new WorstCaseFairWeightedFairQueueing(),
      [3, 17, 11],
      [
        { step: 'leave', context: 1 },
        arrive(0, 9018, 1),
        { step: 'leave', context: 2 },
        { step: 'serve', frames: 1 },
        { step: 'pass', ns: 1 },
        { step: 'join', context: 2, share: { weight: 11 } },
        { step: 'join', context: 1, share: { weight: 17 } },
        arrive(1, 9018, 2),
        arrive(1, 60, 3),
        arrive(1, 107, 1),
        arrive(1, 8580, 1),
        arrive(1, 1513, 1),
        arrive(1, 60, 1),
        arrive(1, 576, 1),
        arrive(1, 60, 2),
        arrive(2, 60, 1),
        { step: 'serve', frames: 1 },
        arrive(2, 60, 1),
      ],
    );
  });

  it('QFQ: a group that is early keeps its slots when V jumps over it', () => {
    const order = play(
      new QuickFairQueueing(),
      [255, 300, 300, 3],
      [
        arrive(3, 60, 3),
        arrive(3, 9018, 1),
        arrive(3, 60, 3),
        arrive(3, 283, 1),
        arrive(3, 2627, 1),
        arrive(3, 60, 1),
        { step: 'comeAndGo', context: 2, bytes: 9018, times: 4 },
        { step: 'serveWhileArriving', context: 2, bytes: 60 },
        arrive(1, 60, 10),
      ],
    );
    expect(order).toHaveLength(25);
  });

  it('QFQ below QFQ: an offer is served as it was selected, however many frames have arrived since', () => {
    const discipline = makeDiscipline('qfq/qfq');
    const link = new VirtualLink(discipline);
    for (const [context, weight] of [255, 257, 1, 1, 3].entries())
      link.join(contextId(context), { weight, tenant: 0 });
    for (let frame = 0; frame < 20; frame += 1) link.arrive(contextId(3), 820);
    for (let frame = 0; frame < 19; frame += 1) link.serve();
    for (const context of [1, 0, 4, 2])
      for (let frame = 0; frame < 5; frame += 1) link.arrive(contextId(context), 60);
    link.arrive(contextId(3), 820);
    while (link.serve());
    expect(link.backlogged).toBe(0);
  });
});
