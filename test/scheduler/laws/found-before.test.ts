import { describe, expect, it } from 'vitest';
import type { Discipline } from '../../../scheduler/discipline.js';
import {
  makeDiscipline,
  QuickFairQueueing,
  StartTimeFairQueueing,
  WorstCaseFairWeightedFairQueueing,
} from '../../../scheduler/disciplines/index.js';
import {
  Arrive,
  ComeAndGo,
  JoinOrLeave,
  type LinkCommand,
  Pass,
  RelativeFairnessLaw,
  Serve,
  ServeWhileArriving,
  VirtualLink,
} from '../../../scheduler/laws/index.js';

/** Plays one script, shrunk by an earlier run of the laws, and serves what is left. Returns the contexts served. */
function play(discipline: Discipline, weights: readonly number[], script: readonly LinkCommand[]): number[] {
  const order: number[] = [];
  const law: RelativeFairnessLaw = new RelativeFairnessLaw(
    (i, j) => discipline.relativeFairnessBoundBytes(i, j),
    (name, message) => link.broken(name, message),
  );
  const link: VirtualLink = new VirtualLink(discipline, {
    watchers: [law, { granted: (context) => order.push(context) }],
  });
  for (const [context, weight] of weights.entries()) link.join(context, { weight });
  for (const command of script) if (command.check(link)) command.run(link, link);
  while (link.serve());
  return order;
}

/** Scripts that once broke a law. Each was found by `checkDiscipline` and is kept for good. */
describe('found before', () => {
  it('SFQ: a frame that arrives between select and served starts with the service', () => {
    const order = play(
      new StartTimeFairQueueing(),
      [2, 2],
      [new Arrive(1, [60, 60, 60, 60, 60]), new Serve(1), new ServeWhileArriving(0, 60)],
    );
    expect(order).toEqual([1, 1, 0, 1, 1, 1]);
  });

  it('WF2Q+: no context starts behind a jump of V that was made for another', () => {
    const order = play(
      new WorstCaseFairWeightedFairQueueing(),
      [1000, 1000, 1000, 1],
      [
        new Arrive(3, [60, 60, 60, 60, 60]),
        new ServeWhileArriving(3, 60),
        new ServeWhileArriving(1, 60),
        new Arrive(1, Array<number>(18).fill(1514)),
        new Arrive(0, [60, 60, 60, 60, 60]),
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
        new JoinOrLeave(1, { weight: 17 }),
        new Arrive(0, [9018]),
        new JoinOrLeave(2, { weight: 11 }),
        new Serve(1),
        new Pass(1),
        new JoinOrLeave(2, { weight: 11 }),
        new JoinOrLeave(1, { weight: 17 }),
        new Arrive(1, [9018, 9018, 60, 60, 60, 107, 8580, 1513, 60, 576, 60, 60]),
        new Arrive(2, [60]),
        new Serve(1),
        new Arrive(2, [60]),
      ],
    );
  });

  it('QFQ: a group that is early keeps its slots when V jumps over it', () => {
    const order = play(
      new QuickFairQueueing(),
      [255, 300, 300, 3],
      [
        new Arrive(3, [60, 60, 60, 9018, 60, 60, 60, 283, 2627, 60]),
        new ComeAndGo(2, 9018, 4),
        new ServeWhileArriving(2, 60),
        new Arrive(1, Array<number>(10).fill(60)),
      ],
    );
    expect(order).toHaveLength(25);
  });

  it('QFQ below QFQ: an offer is served as it was selected, however many frames have arrived since', () => {
    const discipline = makeDiscipline('qfq/qfq');
    const link = new VirtualLink(discipline);
    for (const [context, weight] of [255, 257, 1, 1, 3].entries()) link.join(context, { weight, tenant: 0 });
    for (let frame = 0; frame < 20; frame += 1) link.arrive(3, 820);
    for (let frame = 0; frame < 19; frame += 1) link.serve();
    for (const context of [1, 0, 4, 2]) for (let frame = 0; frame < 5; frame += 1) link.arrive(context, 60);
    link.arrive(3, 820);
    while (link.serve());
    expect(link.backlogged).toBe(0);
  });
});
