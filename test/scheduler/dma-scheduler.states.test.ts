import { describe, expect, it } from 'vitest';
import { type ContextId, contextId } from '../../scheduler/branded.js';
import { type Discipline, NONE, type Share, STARVED } from '../../scheduler/discipline.js';
import { PacketRoundRobin } from '../../scheduler/disciplines/index.js';
import { BEHIND, DmaScheduler, type DmaSchedulerOptions } from '../../scheduler/dma-scheduler.js';
import { EventKernel } from '../../scheduler/event-kernel.js';

/** What a discipline is told, one call a line; queries are left out. */
function written(discipline: Discipline, told: string[], keepsPlaces: boolean): Discipline {
  return {
    name: 'written',
    join: (context, share) => {
      told.push(`join ${context} ${JSON.stringify(share)}`);
      discipline.join(context, share);
    },
    leave: (context, nowNs) => {
      told.push(`leave ${context}`);
      discipline.leave(context, nowNs);
    },
    arrived: (context, bytes) => void told.push(`arrived ${context} ${bytes}`),
    activate: (context, bytes, nowNs) => {
      told.push(`activate ${context} ${bytes}`);
      discipline.activate(context, bytes, nowNs);
    },
    select: (nowNs) => discipline.select(nowNs),
    served: (context, bytes, next, nowNs) => {
      told.push(`served ${context} ${bytes} ${next}`);
      discipline.served(context, bytes, next, nowNs);
    },
    withdraw: (context, nowNs) => {
      told.push(`withdraw ${context}`);
      discipline.withdraw(context, nowNs);
    },
    relativeFairnessBoundBytes: () => Number.POSITIVE_INFINITY,
    checkInvariants: () => discipline.checkInvariants(),
    ...(keepsPlaces && {
      starve: (context: ContextId, bytes: number, nowNs: number) => {
        told.push(`starve ${context} ${bytes}`);
        discipline.served(context, bytes, 0, nowNs);
      },
      pause: (context: ContextId, nowNs: number) => {
        told.push(`pause ${context}`);
        discipline.withdraw(context, nowNs);
      },
    }),
  };
}

/** A scheduler of round robin before a link that returns nothing by itself; contexts 0 to 2 take part. */
function lab({
  creditBytes = 10_000,
  keepsPlaces = true,
  ...options
}: Partial<DmaSchedulerOptions> & { creditBytes?: number; keepsPlaces?: boolean } = {}) {
  const kernel = new EventKernel();
  const told: string[] = [];
  /** Heads: lengths, or what stands for one. */
  const queues: number[][] = [[], [], []];
  const granted: string[] = [];
  const scheduler = new DmaScheduler(kernel, {
    name: 'lab',
    discipline: written(new PacketRoundRobin(), told, keepsPlaces),
    heads: { headBytes: (context) => queues[context]?.[0] ?? 0 },
    onGrant: (context, bytes) => {
      granted.push(`${context}:${bytes}`);
      queues[context]?.shift();
    },
    ...options,
  });
  scheduler.credit(creditBytes);
  kernel.drain();
  for (const context of [0, 1, 2]) scheduler.join(contextId(context), { weight: 1 });
  told.length = 0;
  const queue = (context: number, ...heads: number[]) => {
    queues[context]?.splice(0, Number.POSITIVE_INFINITY, ...heads);
  };
  return {
    kernel,
    scheduler,
    told: () => told.splice(0),
    granted: () => granted.splice(0),
    queue,
    post: (context: number, ...heads: number[]) => {
      queue(context, ...heads);
      scheduler.ring(contextId(context));
    },
    run: () => {
      kernel.run(kernel.nowNs + 10);
      scheduler.checkInvariants();
    },
  };
}
const [first, second] = [contextId(0), contextId(1)];

describe('the overhead of a frame on the link', () => {
  it('is counted by the discipline with every length, and neither granted nor taken from the credit', () => {
    const { scheduler, told, granted, post, run } = lab({ overheadBytes: 24 });
    scheduler.arrived(first, 60);
    post(0, 60, 100, STARVED);
    run();
    expect(told()).toEqual(['arrived 0 84', 'activate 0 84', 'served 0 84 124', 'starve 0 124']);
    expect(granted()).toEqual(['0:60', '0:100']);
    expect(scheduler.creditBytes).toBe(10_000 - 160);
    post(0, 60);
    run();
    expect(told()).toEqual(['activate 0 84', 'served 0 84 0']);
  });

  it('is counted with the largest frame that a share declares, where there is any', () => {
    const joined = (overheadBytes: number, share: Share) => {
      const { scheduler, told } = lab({ overheadBytes });
      scheduler.join(contextId(7), share);
      return told();
    };
    expect(joined(24, { weight: 2, maxFrameBytes: 1_514 })).toEqual([
      'join 7 {"weight":2,"maxFrameBytes":1538}',
    ]);
    expect(joined(24, { weight: 2 })).toEqual(['join 7 {"weight":2}']);
    expect(joined(0, { weight: 2, maxFrameBytes: 1_514 })).toEqual([
      'join 7 {"weight":2,"maxFrameBytes":1514}',
    ]);
  });

  it('is none by default, and arrivals of contexts that take no part are not told', () => {
    const { scheduler, told, post } = lab();
    scheduler.arrived(contextId(9), 60);
    scheduler.arrived(first, 60);
    post(0, 60);
    expect(told()).toEqual(['arrived 0 60', 'activate 0 60']);
  });
});

// docs/scheduling.md, what priority flow control does to shares.
describe('a context that is paused', () => {
  it.each([
    [true, 'pause 0'],
    [false, 'withdraw 0'],
  ])(
    'is not served until it rings again; a discipline that keeps places (%s) is told "%s"',
    (keepsPlaces, word) => {
      const { scheduler, told, granted, post, queue, run } = lab({ keepsPlaces, creditBytes: 100 });
      post(0, 60, 60, 60);
      run();
      expect([granted(), told()]).toEqual([['0:60'], ['activate 0 60', 'served 0 60 60']]);
      scheduler.pause(first);
      queue(0, BEHIND, 60);
      expect([told(), scheduler.backlogged, scheduler.has(first)]).toEqual([[word], 0, true]);
      // Twice is once, and neither a doorbell nor credit lets it go.
      scheduler.pause(first);
      scheduler.ring(first);
      scheduler.credit(60);
      run();
      expect([granted(), scheduler.backlogged]).toEqual([[], 0]);
      expect(told().filter((line) => line !== word)).toEqual([]);
      post(0, 60);
      run();
      expect([granted(), told()]).toEqual([['0:60'], ['activate 0 60', 'served 0 60 0']]);
    },
  );

  it('that has no frames, or takes no part, is told to no discipline', () => {
    const { scheduler, told } = lab();
    scheduler.pause(first);
    scheduler.pause(contextId(9));
    expect(told()).toEqual([]);
  });

  it('does not hold up the others when its frame waits for credit', () => {
    const { scheduler, granted, post, run } = lab({ creditBytes: 1_000 });
    post(0, 900, 900);
    post(1, 60);
    run();
    expect(granted()).toEqual(['0:900', '1:60']);
    post(1, 30);
    run();
    expect(granted()).toEqual([]);
    scheduler.pause(first);
    expect(scheduler.willDecide).toBe(true);
    run();
    expect(granted()).toEqual(['1:30']);
  });

  it('loses its place when it has no frame after all, and is told so when it withdraws or leaves', () => {
    const paused = () => {
      const link = lab({ creditBytes: 100 });
      link.post(0, 60, 60);
      link.run();
      link.scheduler.pause(first);
      link.told();
      return link;
    };
    const emptied = paused();
    emptied.post(0);
    expect(emptied.told()).toEqual(['withdraw 0']);
    // It is idle now, as any other: the next doorbell of an empty queue tells nothing.
    emptied.post(0);
    expect(emptied.told()).toEqual([]);
    const withdrawn = paused();
    withdrawn.scheduler.withdraw(first);
    withdrawn.scheduler.withdraw(first);
    expect(withdrawn.told()).toEqual(['withdraw 0']);
    const left = paused();
    left.scheduler.leave(first);
    left.scheduler.leave(first);
    for (const { scheduler } of [emptied, withdrawn, left]) {
      expect(scheduler.backlogged).toBe(0);
      scheduler.checkInvariants();
    }
    expect([left.told(), left.scheduler.has(first)]).toEqual([['withdraw 0', 'leave 0'], false]);
  });

  it('and is the one that decisions wait for is starved of the frame that was granted, and they go on', () => {
    const { scheduler, told, granted, post, run } = lab({ waitsForStarved: true });
    post(0, 60, STARVED);
    post(1, 60);
    run();
    expect([granted(), told()]).toEqual([['0:60'], ['activate 0 60', 'activate 1 60']]);
    scheduler.pause(first);
    expect(told()).toEqual(['starve 0 60', 'pause 0']);
    run();
    expect(granted()).toEqual(['1:60']);
  });
});

describe('the share of a context that is changed', () => {
  it('counts from now on, and its backlog stays', () => {
    const { scheduler, told, granted, post, run } = lab({ creditBytes: 60 });
    post(0, 60, 60);
    run();
    expect(granted()).toEqual(['0:60']);
    told();
    scheduler.reweigh(first, { weight: 5 });
    expect(told()).toEqual(['withdraw 0', 'leave 0', 'join 0 {"weight":5}', 'activate 0 60']);
    scheduler.credit(60);
    run();
    expect([granted(), scheduler.backlogged]).toEqual([['0:60'], 0]);
  });

  it('is that of no context that takes no part', () => {
    const { scheduler, told } = lab();
    scheduler.reweigh(contextId(9), { weight: 5 });
    expect([told(), scheduler.has(contextId(9))]).toEqual([[], false]);
  });

  it('and is starved is charged for its last grant first', () => {
    const { scheduler, told, post, run } = lab({ waitsForStarved: true });
    post(0, 60, STARVED);
    post(1, 60);
    run();
    told();
    scheduler.reweigh(first, { weight: 5 });
    expect(told()).toEqual(['served 0 60 0', 'leave 0', 'join 0 {"weight":5}']);
  });
});

describe('a starved context', () => {
  it('is waited for while the link sends, and starved when the link is idle', () => {
    const { scheduler, told, granted, post, run } = lab({ waitsForStarved: true });
    post(0, 60, STARVED);
    post(1, 70);
    run();
    expect(granted()).toEqual(['0:60']);
    scheduler.credit(59);
    run();
    expect(granted()).toEqual([]);
    told();
    scheduler.credit(1);
    run();
    expect([granted(), told()]).toEqual([['1:70'], ['starve 0 60', 'served 1 70 0']]);
  });

  it('is waited for on an idle link too where the card has no space for its frames', () => {
    let isHeldUp = true;
    const asked: number[] = [];
    const { scheduler, granted, post, run } = lab({
      waitsForStarved: true,
      isHeldUp: (context) => {
        asked.push(context);
        return isHeldUp;
      },
    });
    post(0, 60, STARVED);
    post(1, 70);
    run();
    scheduler.credit(60);
    run();
    expect([granted(), new Set(asked)]).toEqual([['0:60'], new Set([0])]);
    isHeldUp = false;
    scheduler.credit(0);
    run();
    expect(granted()).toEqual(['1:70']);
  });

  it('is not waited for unless that is asked for', () => {
    const { granted, told, post, run } = lab();
    post(0, 60, STARVED);
    post(1, 70);
    run();
    expect([granted(), told().includes('starve 0 60')]).toEqual([['0:60', '1:70'], true]);
  });

  it('is not charged while it is the only one: its next frame may still be the next of its visit', () => {
    const { scheduler, told, granted, post, run } = lab({ waitsForStarved: true });
    post(0, 60, STARVED);
    run();
    scheduler.credit(60);
    run();
    expect(told()).toEqual(['activate 0 60']);
    // A doorbell that brings no frame changes nothing, one that brings it charges the last one.
    scheduler.ring(first);
    expect(told()).toEqual([]);
    post(0, 80);
    expect(told()).toEqual(['served 0 60 80']);
    run();
    expect(granted()).toEqual(['0:60', '0:80']);
  });

  it('with its next frame for another link is not waited for', () => {
    const { granted, told, post, run } = lab({ waitsForStarved: true });
    post(0, 60, BEHIND);
    post(1, 70);
    run();
    expect(granted()).toEqual(['0:60', '1:70']);
    expect(told()).toContain('starve 0 60');
  });
});

describe('the head of a queue', () => {
  it.each([0, STARVED, BEHIND])(
    'that is %i when its context is selected costs it its place, not its grant',
    (head) => {
      const { scheduler, told, granted, post, queue, run } = lab();
      post(0, 60);
      post(1, 70);
      queue(0, head);
      run();
      expect([granted(), told()]).toEqual([
        ['1:70'],
        ['activate 0 60', 'activate 1 70', 'withdraw 0', 'served 1 70 0'],
      ]);
      expect(scheduler.decisions).toBe(1);
    },
  );

  it.each([STARVED, BEHIND])('that is %i when its context rings is no frame', (head) => {
    const { scheduler, told, post, run } = lab();
    post(0, head);
    run();
    expect([told(), scheduler.backlogged]).toEqual([[], 0]);
  });

  it('may withdraw its context while it is read', () => {
    const kernel = new EventKernel();
    const heads = { headBytes: (context: ContextId): number => (context === 0 && withdraws() ? 60 : 70) };
    let reads = 0;
    const withdraws = () => {
      reads += 1;
      if (reads === 2) scheduler.withdraw(first);
      return true;
    };
    const granted: number[] = [];
    const scheduler = new DmaScheduler(kernel, {
      name: 'lab',
      discipline: new PacketRoundRobin(),
      heads,
      onGrant: (context) => {
        granted.push(context);
        scheduler.withdraw(context);
      },
    });
    scheduler.credit(1_000);
    for (const context of [first, second]) {
      scheduler.join(context, { weight: 1 });
      scheduler.ring(context);
    }
    kernel.drain();
    expect(granted).toEqual([1]);
  });
});

describe('decisions', () => {
  it('are due from a doorbell, from credit and until they are made', () => {
    const { kernel, scheduler, post } = lab({ creditBytes: 60 });
    expect(scheduler.willDecide).toBe(false);
    post(0, 60, 60);
    expect([scheduler.willDecide, kernel.pending]).toEqual([true, 1]);
    kernel.drain();
    expect(scheduler.willDecide).toBe(false);
    scheduler.credit(60);
    expect([scheduler.willDecide, kernel.pending]).toEqual([true, 1]);
  });

  it('are under way in a grant, and settled when their event ends, with a grant or without', () => {
    const seen: string[] = [];
    let decides: () => boolean = () => false;
    const { scheduler, kernel, post } = lab({
      onGrant: () => void seen.push(`granted, ${decides()}`),
      onSettled: () => void seen.push(`settled, ${decides()}`),
      heads: { headBytes: () => (seen.some((line) => line.startsWith('granted')) ? 0 : 60) },
    });
    decides = () => scheduler.willDecide;
    seen.length = 0;
    post(0);
    kernel.drain();
    expect(seen).toEqual(['granted, true', 'settled, false']);
    scheduler.credit(0);
    kernel.drain();
    expect(seen).toHaveLength(3);
  });

  it('that throw go to the one who asked for that, with the clock at the instant', () => {
    const errors: unknown[] = [];
    const { kernel, post } = lab({
      onError: (error) => errors.push(error),
      onGrant: () => {
        throw new Error('no space');
      },
    });
    post(0, 60);
    kernel.drain();
    expect(errors).toEqual([new Error('no space')]);
  });

  it('make no event for a time that never comes, and forget the one before', () => {
    let eligibleNs = 500;
    const held: Discipline = Object.assign(new PacketRoundRobin(), {
      select: () => NONE,
      nextEligibleNs: () => eligibleNs,
    });
    const { kernel, scheduler, post } = lab({ discipline: held });
    post(0, 60);
    kernel.run(20);
    expect([kernel.nextTimeNs(), scheduler.willDecide]).toEqual([500, true]);
    eligibleNs = Number.POSITIVE_INFINITY;
    scheduler.credit(0);
    kernel.run(30);
    expect([kernel.nextTimeNs(), scheduler.willDecide]).toEqual([undefined, false]);
    eligibleNs = 800;
    scheduler.credit(0);
    kernel.run(40);
    scheduler.pause(first);
    expect([kernel.nextTimeNs(), scheduler.willDecide]).toEqual([undefined, false]);
  });

  it('wait for no credit that was never given', () => {
    const kernel = new EventKernel();
    const scheduler = new DmaScheduler(kernel, {
      name: 'lab',
      discipline: new PacketRoundRobin(),
      heads: { headBytes: () => 60 },
      onGrant: () => expect.unreachable(),
    });
    scheduler.join(first, { weight: 1 });
    scheduler.ring(first);
    kernel.drain();
    scheduler.checkInvariants();
    expect([scheduler.decisions, scheduler.creditBytes, scheduler.backlogged]).toEqual([0, 0, 1]);
  });
});
