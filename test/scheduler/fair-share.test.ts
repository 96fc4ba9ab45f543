import fc from 'fast-check';
import {
  concat,
  count,
  delay,
  interval,
  lastValueFrom,
  map,
  NEVER,
  Observable,
  of,
  Subject,
  take,
  throwError,
  toArray,
} from 'rxjs';
import { describe, expect, it } from 'vitest';
import { contextId } from '../../scheduler/branded.js';
import { DISCIPLINES, makeDiscipline } from '../../scheduler/disciplines/index.js';
import { DmaScheduler, type Grant } from '../../scheduler/dma-scheduler.js';
import { EventKernel } from '../../scheduler/event-kernel.js';
import { type ContextChange, fairShare } from '../../scheduler/fair-share.js';
import { KernelTestScheduler } from '../../scheduler/kernel-test-scheduler.js';
import { KernelScheduler } from '../../scheduler/virtual-time.js';
import { runs } from '../support/whole.js';

/** Queues of frames, as lengths. */
class Queues {
  readonly frames = new Map<number, number[]>();

  post(context: number, ...lengths: number[]): void {
    this.frames.set(context, [...(this.frames.get(context) ?? []), ...lengths]);
  }

  headBytes(context: number): number {
    return this.frames.get(context)?.[0] ?? 0;
  }

  take(context: number): void {
    this.frames.get(context)?.shift();
  }
}

/** An operator between two subjects, with everything that it emits. */
function lab({
  discipline = 'drr',
  changes$,
}: {
  discipline?: string;
  changes$?: Observable<ContextChange>;
} = {}) {
  const kernel = new EventKernel();
  const doorbells$ = new Subject<number>();
  const linkReady$ = new Subject<number>();
  const heads = new Queues();
  const seen: string[] = [];
  const grants$ = doorbells$.pipe(
    fairShare({
      kernel,
      discipline: makeDiscipline(discipline, { linkBps: 1e9 }),
      heads,
      linkReady$,
      ...(changes$ === undefined ? {} : { changes$ }),
    }),
  );
  const subscription = grants$.subscribe({
    next: ({ context, atNs }) => seen.push(`${context}@${atNs}`),
    error: (error: Error) => seen.push(`error: ${error.message}`),
    complete: () => seen.push('complete'),
  });
  return { kernel, doorbells$, linkReady$, heads, seen, subscription };
}

describe('fairShare', () => {
  it('grants contexts that ring, and completes when its inputs have and the queues are empty', () => {
    const { kernel, doorbells$, linkReady$, heads, seen } = lab();
    heads.post(0, 100, 100);
    heads.post(1, 100);
    linkReady$.next(1_000);
    doorbells$.next(0);
    doorbells$.next(1);
    kernel.run(1);
    expect(seen).toEqual(['0@0', '0@0', '1@0']);
    linkReady$.complete();
    doorbells$.complete();
    expect(seen.at(-1)).toBe('complete');
  });

  it('when its inputs complete while frames wait, it completes after the last frame', () => {
    const { kernel, doorbells$, linkReady$, heads, seen } = lab();
    heads.post(0, 600, 600);
    linkReady$.next(1_000);
    doorbells$.next(0);
    doorbells$.complete();
    kernel.run(1);
    expect(seen).toEqual(['0@0']);
    linkReady$.next(600);
    linkReady$.complete();
    expect(seen).toEqual(['0@0']);
    kernel.run(2);
    expect(seen).toEqual(['0@0', '0@1', 'complete']);
  });

  it('when no credit is left and none will come, it completes and the frames stay in their queues', () => {
    const { kernel, doorbells$, linkReady$, heads, seen } = lab();
    heads.post(0, 600, 600);
    linkReady$.next(1_000);
    doorbells$.next(0);
    kernel.run(1);
    doorbells$.complete();
    linkReady$.complete();
    expect(seen).toEqual(['0@0', 'complete']);
    expect(heads.headBytes(0)).toBe(600);
  });

  it('a context held by a rate limit does not end it', () => {
    const kernel = new EventKernel();
    const heads = new Queues();
    heads.post(0, 1_000, 1_000, 1_000);
    const atNs: number[] = [];
    let completedNs = -1;
    of(0)
      .pipe(
        fairShare({
          kernel,
          discipline: makeDiscipline('limited:fifo'),
          heads,
          linkReady$: of(9_018),
          shareOf: () => ({ weight: 1, limitBps: 8e6, burstBytes: 1_000 }),
        }),
      )
      .subscribe({ next: (grant) => atNs.push(grant.atNs), complete: () => (completedNs = kernel.nowNs) });
    kernel.drain();
    expect(atNs).toEqual([0, 1_000_000, 2_000_000]);
    expect(completedNs).toBe(2_000_000);
  });

  it.each(['doorbells$', 'linkReady$'] as const)('an error of %s is its error, and ends it', (which) => {
    const { kernel, heads, seen, ...inputs } = lab();
    heads.post(0, 100);
    inputs[which].error(new Error('upstream died'));
    expect(seen).toEqual(['error: upstream died']);
    expect([inputs.doorbells$.observed, inputs.linkReady$.observed]).toEqual([false, false]);
    kernel.run(1);
    expect(seen).toHaveLength(1);
  });

  it.each<[string, Partial<ConstructorParameters<typeof Thrower>[0]>]>([
    ['select', { select: true }],
    ['headBytes', { headBytes: true }],
    ['take', { take: true }],
  ])("what %s throws is its error, not the kernel's", (_which, throws) => {
    const kernel = new EventKernel();
    const thrower = new Thrower(throws);
    const discipline = makeDiscipline('drr');
    const { select } = discipline;
    discipline.select = (nowNs) => {
      thrower.at('select');
      return select.call(discipline, nowNs);
    };
    const seen: string[] = [];
    of(0)
      .pipe(fairShare({ kernel, discipline, heads: thrower, linkReady$: concat(of(1_000), NEVER) }))
      .subscribe({ error: (error: Error) => seen.push(error.message) });
    kernel.run(1);
    expect(seen).toEqual([Object.keys(throws)[0]]);
  });

  it('contexts join by changes where there are any, leave, are withdrawn, and are told to the discipline as they arrive', () => {
    const changes$ = new Subject<ContextChange>();
    const { kernel, doorbells$, linkReady$, heads, seen } = lab({ discipline: 'wfq', changes$ });
    heads.post(0, 100, 100, 100);
    heads.post(1, 100);
    linkReady$.next(1_000);
    // Nobody has joined.
    doorbells$.next(0);
    kernel.run(1);
    expect(seen).toEqual([]);
    for (const context of [0, 1]) changes$.next({ kind: 'join', context, share: { weight: 1 } });
    changes$.next({ kind: 'arrived', context: 1, bytes: 100 });
    doorbells$.next(0);
    doorbells$.next(1);
    changes$.next({ kind: 'withdraw', context: 0 });
    kernel.run(2);
    expect(seen).toEqual(['1@1']);
    doorbells$.next(0);
    changes$.next({ kind: 'leave', context: 0 });
    kernel.run(3);
    doorbells$.next(0);
    kernel.run(4);
    expect(seen).toEqual(['1@1']);
    for (const input$ of [doorbells$, linkReady$]) input$.complete();
    expect(seen.at(-1)).toBe('complete');
  });

  it('an error of changes$, and a change that cannot be, are its error', () => {
    for (const fails of [
      (changes$: Subject<ContextChange>) => changes$.error(new Error('upstream died')),
      (changes$: Subject<ContextChange>) => changes$.next({ kind: 'leave', context: -1 }),
    ]) {
      const changes$ = new Subject<ContextChange>();
      const { seen, doorbells$, linkReady$ } = lab({ changes$ });
      fails(changes$);
      expect(seen).toEqual([expect.stringMatching(/^error: (upstream died|context is -1)/)]);
      expect([changes$, doorbells$, linkReady$].some(({ observed }) => observed)).toBe(false);
    }
  });

  it.each(['changes$', 'linkReady$'] as const)(
    'where %s fails as it is subscribed to, no other input is',
    (which) => {
      const heads = new Queues();
      const dead$ = throwError(() => new Error('dead'));
      let subscribed = 0;
      const live$ = new Observable<never>(() => {
        subscribed += 1;
      });
      const seen: unknown[] = [];
      live$
        .pipe(
          fairShare({
            kernel: new EventKernel(),
            discipline: makeDiscipline('drr'),
            heads,
            linkReady$: which === 'linkReady$' ? dead$ : live$,
            ...(which === 'changes$' && { changes$: dead$ }),
          }),
        )
        .subscribe({ error: (error) => seen.push(error) });
      expect([seen, subscribed]).toEqual([[new Error('dead')], 0]);
    },
  );

  it('shares by weight, 1 each unless told otherwise, and names itself in errors', () => {
    const served = (shareOf?: (context: number) => { weight: number }) => {
      const kernel = new EventKernel();
      const heads = new Queues();
      for (const context of [0, 1]) heads.post(context, ...Array.from({ length: 40 }, () => 1_514));
      const contexts: number[] = [];
      of(0, 1)
        .pipe(
          fairShare({
            kernel,
            discipline: makeDiscipline('drr'),
            heads,
            linkReady$: of(16 * 1_514),
            name: 'lab.share',
            ...(shareOf && { shareOf }),
          }),
        )
        .subscribe(({ context, reason, creditBytes }) => {
          contexts.push(context);
          expect([reason, creditBytes]).toEqual(['drr', (16 - contexts.length) * 1_514]);
        });
      kernel.drain();
      return contexts.filter((context) => context === 1).length;
    };
    expect([served(), served((context) => ({ weight: 1 + 2 * context }))]).toEqual([8, 12]);
    const seen: string[] = [];
    of(0)
      .pipe(
        fairShare({
          kernel: new EventKernel(),
          discipline: makeDiscipline('drr'),
          heads: new Queues(),
          linkReady$: of(5, 6),
          name: 'lab.share',
        }),
      )
      .subscribe({ error: (error: Error) => seen.push(error.message) });
    expect(seen[0]).toMatch(/^lab\.share: the link returned 6 bytes/);
  });

  it('a context that no table can hold is its error', () => {
    const { doorbells$, seen } = lab();
    doorbells$.next(-1);
    expect(seen).toEqual(['error: context is -1, expected a whole number >= 0']);
  });

  it('more credit than was granted is its error', () => {
    const { linkReady$, seen } = lab();
    linkReady$.next(1_000);
    linkReady$.next(1);
    expect(seen[0]).toMatch(/^error: fairShare: the link returned 1 bytes where 1000 of 1000 were free/);
  });

  it('unsubscribing unsubscribes from every input, and nothing more is granted', () => {
    const changes$ = new Subject<ContextChange>();
    const { kernel, doorbells$, linkReady$, heads, seen, subscription } = lab({ changes$ });
    heads.post(0, 100);
    linkReady$.next(1_000);
    changes$.next({ kind: 'join', context: 0, share: { weight: 1 } });
    doorbells$.next(0);
    subscription.unsubscribe();
    expect([doorbells$.observed, linkReady$.observed, changes$.observed]).toEqual([false, false, false]);
    kernel.drain();
    expect(seen).toEqual([]);
    expect(heads.headBytes(0)).toBe(100);
  });

  it('take(1) downstream stops it after one grant', () => {
    const kernel = new EventKernel();
    const heads = new Queues();
    heads.post(0, 100, 200);
    const seen: Grant[] = [];
    concat(of(0), NEVER)
      .pipe(fairShare({ kernel, discipline: makeDiscipline('drr'), heads, linkReady$: of(1_000) }), take(1))
      .subscribe((grant) => seen.push(grant));
    kernel.drain();
    expect(seen.map(({ bytes }) => bytes)).toEqual([100]);
    expect(heads.headBytes(0)).toBe(200);
  });

  it('frames leave their queues before the grant is emitted, so grants may be delayed downstream', async () => {
    const kernel = new EventKernel();
    const heads = new Queues();
    heads.post(0, 100, 200);
    heads.post(1, 300);
    const grants = lastValueFrom(
      of(0, 1).pipe(
        fairShare({ kernel, discipline: makeDiscipline('prr'), heads, linkReady$: of(1_000) }),
        delay(50, new KernelScheduler(kernel)),
        map(({ bytes }) => bytes),
        toArray(),
      ),
    );
    kernel.drain();
    expect(await grants).toEqual([100, 300, 200]);
  });

  it('count() emits', () => {
    const kernel = new EventKernel();
    const heads = new Queues();
    for (let context = 0; context < 3; context += 1) heads.post(context, 1_514);
    const counted: number[] = [];
    interval(1_000, new KernelScheduler(kernel))
      .pipe(
        take(3),
        fairShare({ kernel, discipline: makeDiscipline('drr'), heads, linkReady$: of(9_018) }),
        count(),
      )
      .subscribe((value) => counted.push(value));
    kernel.drain();
    expect(counted).toEqual([3]);
  });

  it('in marbles: a doorbell, its grant, and the completion of both', () => {
    const kernel = new EventKernel();
    const heads = new Queues();
    for (let context = 0; context < 3; context += 1) heads.post(context, 500);
    new KernelTestScheduler(kernel, (actual, expected) => expect(actual).toEqual(expected)).run(
      ({ hot, cold, expectObservable, expectSubscriptions }) => {
        // 1,000 bytes of credit: the third frame waits until 500 come back at 2 us.
        const linkReady$ = cold('r 1999ns b', { r: 1_000, b: 500 });
        const grants$ = hot<number>('-a-b-c|', { a: 0, b: 1, c: 2 }).pipe(
          fairShare({ kernel, discipline: makeDiscipline('drr'), heads, linkReady$ }),
          map(({ context }) => context),
        );
        expectObservable(grants$).toBe('-a-b 1996ns (c|)', { a: 0, b: 1, c: 2 });
        expectSubscriptions(linkReady$.subscriptions).toBe('^ 1999ns !');
      },
    );
  });
});

/** Queues that throw at a chosen call. */
class Thrower {
  readonly #throws: { select?: boolean; headBytes?: boolean; take?: boolean };

  constructor(throws: { select?: boolean; headBytes?: boolean; take?: boolean }) {
    this.#throws = throws;
  }

  at(place: 'select' | 'headBytes' | 'take'): void {
    if (this.#throws[place] === true) throw new Error(place);
  }

  headBytes(): number {
    this.at('headBytes');
    return 100;
  }

  take(): void {
    this.at('take');
  }
}

type Step =
  | { readonly kind: 'post'; readonly context: number; readonly bytes: number; readonly frames: number }
  | { readonly kind: 'ring' | 'leave' | 'withdraw'; readonly context: number }
  | { readonly kind: 'join'; readonly context: number; readonly weight: number }
  | { readonly kind: 'give back'; readonly part: number }
  | { readonly kind: 'wait'; readonly ns: number };

const CONTEXTS = 5;
const CAPACITY_BYTES = 20_000;
const context = fc.nat(CONTEXTS - 1);
const steps = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant('post' as const),
        context,
        bytes: fc.integer({ min: 60, max: 9_018 }),
        frames: fc.integer({ min: 1, max: 6 }),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constantFrom('ring' as const, 'leave' as const, 'withdraw' as const),
        context,
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant('join' as const),
        context,
        weight: fc.integer({ min: 1, max: 9 }),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant('give back' as const),
        part: fc.double({ min: 0, max: 1, noNaN: true }),
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({ kind: fc.constant('wait' as const), ns: fc.integer({ min: 0, max: 5_000 }) }),
    },
  ),
  { minLength: 1, maxLength: 60 },
) as fc.Arbitrary<Step[]>;

/** The interface of both sides. */
interface Side {
  readonly kernel: EventKernel;
  readonly heads: Queues;
  readonly grants: Grant[];
  ring(context: number): void;
  credit(bytes: number): void;
  change(change: ContextChange): void;
}

function coreSide(name: string): Side {
  const kernel = new EventKernel();
  const heads = new Queues();
  const grants: Grant[] = [];
  const discipline = makeDiscipline(name, { linkBps: 1e9 });
  const scheduler = new DmaScheduler(kernel, {
    name: 'core',
    discipline,
    heads,
    onGrant: (granted, bytes) => {
      heads.take(granted);
      const { creditBytes } = scheduler;
      grants.push({ context: granted, bytes, atNs: kernel.nowNs, creditBytes, reason: discipline.name });
    },
  });
  return {
    kernel,
    heads,
    grants,
    ring: (rung) => scheduler.ring(contextId(rung)),
    credit: (bytes) => scheduler.credit(bytes),
    change: (change) => {
      if (change.kind === 'join') scheduler.join(contextId(change.context), change.share);
      else if (change.kind === 'arrived') scheduler.arrived(contextId(change.context), change.bytes);
      else scheduler[change.kind](contextId(change.context));
    },
  };
}

function operatorSide(
  name: string,
): Side & { readonly close: () => void; readonly isComplete: () => boolean } {
  const kernel = new EventKernel();
  const heads = new Queues();
  const grants: Grant[] = [];
  const [doorbells$, linkReady$, changes$] = [
    new Subject<number>(),
    new Subject<number>(),
    new Subject<ContextChange>(),
  ];
  let complete = false;
  doorbells$
    .pipe(
      fairShare({ kernel, discipline: makeDiscipline(name, { linkBps: 1e9 }), heads, linkReady$, changes$ }),
    )
    .subscribe({ next: (grant) => grants.push(grant), complete: () => (complete = true) });
  return {
    kernel,
    heads,
    grants,
    ring: (rung) => doorbells$.next(rung),
    credit: (bytes) => linkReady$.next(bytes),
    change: (change) => changes$.next(change),
    close: () => {
      for (const input$ of [doorbells$, linkReady$, changes$]) input$.complete();
    },
    isComplete: () => complete,
  };
}

function play(side: Side, script: readonly Step[]): void {
  const joined = new Set<number>();
  side.credit(CAPACITY_BYTES);
  for (const step of script) {
    switch (step.kind) {
      case 'post':
        for (let frame = 0; frame < step.frames; frame += 1) {
          side.heads.post(step.context, step.bytes);
          side.change({ kind: 'arrived', context: step.context, bytes: step.bytes });
        }
        side.ring(step.context);
        break;
      case 'ring':
        side.ring(step.context);
        break;
      case 'join':
        if (!joined.has(step.context))
          side.change({ kind: 'join', context: step.context, share: { weight: step.weight } });
        joined.add(step.context);
        break;
      case 'leave':
        joined.delete(step.context);
        side.heads.frames.delete(step.context);
        side.change({ kind: 'leave', context: step.context });
        break;
      case 'withdraw':
        side.heads.frames.delete(step.context);
        side.change({ kind: 'withdraw', context: step.context });
        break;
      case 'give back':
        giveBack(side, step.part);
        break;
      case 'wait':
        side.kernel.run(side.kernel.nowNs + step.ns);
    }
  }
  side.kernel.drain();
}

const returnedBy = new WeakMap<Side, number>();

function giveBack(side: Side, part: number): void {
  const granted = side.grants.reduce((sum, { bytes }) => sum + bytes, 0);
  const bytes = Math.floor((granted - (returnedBy.get(side) ?? 0)) * part);
  returnedBy.set(side, (returnedBy.get(side) ?? 0) + bytes);
  side.credit(bytes);
}

describe('fairShare grants exactly what the core grants', () => {
  for (const { name } of DISCIPLINES) {
    it(name, () => {
      fc.assert(
        fc.property(steps, (script) => {
          const [core, operator] = [coreSide(name), operatorSide(name)];
          play(core, script);
          play(operator, script);
          expect(operator.grants).toEqual(core.grants);
          operator.close();
          operator.kernel.drain();
          expect(operator.isComplete()).toBe(true);
        }),
        { numRuns: runs(60) },
      );
    });
  }
});
