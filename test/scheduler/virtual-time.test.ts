import fc from 'fast-check';
import {
  auditTime,
  bufferTime,
  concatMap,
  debounceTime,
  delay,
  from,
  interval,
  map,
  merge,
  type Observable,
  observeOn,
  of,
  type SchedulerAction,
  type SchedulerLike,
  sampleTime,
  scan,
  subscribeOn,
  switchMap,
  take,
  throttleTime,
  timeInterval,
  timeout,
  timer,
  timestamp,
  VirtualTimeScheduler,
  windowTime,
} from 'rxjs';
import { describe, expect, it } from 'vitest';
import { EventKernel, KernelTimeError } from '../../scheduler/event-kernel.js';
import { KernelScheduler } from '../../scheduler/virtual-time.js';
import { runs } from '../support/whole.js';

function machine() {
  const kernel = new EventKernel();
  return { kernel, scheduler: new KernelScheduler(kernel, 'guest0.traffic') };
}

/** Every notification of a stream, with its time. */
function record<T>(stream$: Observable<T>, clock: { now(): number }): [number, string, unknown][] {
  const seen: [number, string, unknown][] = [];
  stream$.subscribe({
    next: (value) => seen.push([clock.now(), 'next', value]),
    error: (error: unknown) => seen.push([clock.now(), 'error', (error as Error).name]),
    complete: () => seen.push([clock.now(), 'complete', undefined]),
  });
  return seen;
}

describe('RxJS operators in virtual nanoseconds', () => {
  it('timer and interval fire on the nanosecond', () => {
    const { kernel, scheduler } = machine();
    const once = record(timer(1_230, scheduler), scheduler);
    const often = record(interval(672, scheduler).pipe(take(3)), scheduler);
    const period = record(timer(5, 10, scheduler).pipe(take(3)), scheduler);
    kernel.drain();
    expect(once).toEqual([
      [1_230, 'next', 0],
      [1_230, 'complete', undefined],
    ]);
    expect(often.map(([at]) => at)).toEqual([672, 1_344, 2_016, 2_016]);
    expect(period.map(([at]) => at)).toEqual([5, 15, 25, 25]);
    expect(kernel.pending).toBe(0);
  });

  it('timer and timeout take a Date as virtual nanoseconds since the start', () => {
    const { kernel, scheduler } = machine();
    kernel.run(100);
    const seen = record(timer(new Date(150), scheduler), scheduler);
    const late = record(
      timer(1_000, scheduler).pipe(timeout({ first: new Date(400), scheduler })),
      scheduler,
    );
    kernel.drain();
    expect(seen[0]).toEqual([150, 'next', 0]);
    expect(late).toEqual([[400, 'error', 'TimeoutError']]);
  });

  it('timestamp and timeInterval read the virtual clock', () => {
    const { kernel, scheduler } = machine();
    const stamps = record(interval(10, scheduler).pipe(take(2), timestamp(scheduler)), scheduler);
    const gaps = record(timer(3, 10, scheduler).pipe(take(3), timeInterval(scheduler)), scheduler);
    kernel.drain();
    expect(stamps.slice(0, 2).map(([, , value]) => value)).toEqual([
      { timestamp: 10, value: 0 },
      { timestamp: 20, value: 1 },
    ]);
    expect(gaps.slice(0, 3).map(([, , value]) => (value as { interval: number }).interval)).toEqual([
      3, 10, 10,
    ]);
  });

  it('coalesces as an interrupt moderator does: by count or by time', () => {
    const { kernel, scheduler } = machine();
    const completions$ = from([10, 20, 30, 500, 510]).pipe(
      concatMap((at) => timer(new Date(at), scheduler).pipe(map(() => at))),
    );
    const interrupts = record(completions$.pipe(bufferTime(100, null, 2, scheduler)), scheduler);
    kernel.drain();
    expect(interrupts.filter(([, kind, value]) => kind === 'next' && (value as number[]).length > 0)).toEqual(
      [
        [20, 'next', [10, 20]],
        [120, 'next', [30]],
        [510, 'next', [500, 510]],
      ],
    );
  });

  /** Each makes a stage that runs on the given scheduler; times in whole nanoseconds. */
  type Stage = (ns: number, scheduler: SchedulerLike) => (source$: Observable<number>) => Observable<number>;
  const stages: Stage[] = [
    (ns, s) => delay(ns, s),
    (ns, s) => debounceTime(ns, s),
    (ns, s) => throttleTime(ns, s, { leading: true, trailing: true }),
    (ns, s) => auditTime(ns, s),
    (ns, s) => observeOn(s, ns),
    (ns, s) => subscribeOn(s, ns),
    (ns, s) => timeout({ each: ns + 1, with: () => of(-1), scheduler: s }),
    (ns, s) => (source$) =>
      source$.pipe(
        bufferTime(ns + 1, null, 3, s),
        map((buffer) => buffer.length),
      ),
    (ns, s) => (source$) =>
      source$.pipe(
        bufferTime(ns + 1, ns + 2, s),
        map((buffer) => buffer.length),
      ),
    (ns, s) => (source$) => source$.pipe(switchMap((value) => timer(ns, s).pipe(map(() => value)))),
    (ns, s) => (source$) => source$.pipe(sampleTime(ns + 1, s)),
    (ns, s) => (source$) =>
      source$.pipe(
        windowTime(ns + 1, s),
        switchMap((window$) => window$.pipe(scan((count) => count + 1, 0))),
      ),
  ];

  it('agrees with RxJS’s own virtual scheduler on any chain of operators', () => {
    const arrivals = fc.array(fc.nat(60), { minLength: 1, maxLength: 12 });
    const chain = fc.array(fc.tuple(fc.nat(stages.length - 1), fc.nat(25)), { minLength: 1, maxLength: 4 });
    const limitNs = 400;
    fc.assert(
      fc.property(arrivals, chain, (times, links) => {
        const build = (scheduler: SchedulerLike) => {
          const source$ = merge(...times.map((at, index) => timer(at, scheduler).pipe(map(() => index))));
          return links.reduce<Observable<number>>((stream$, [stage, ns]) => {
            const operator = stages[stage];
            if (operator === undefined) throw new Error(`no stage ${stage}`);
            return operator(ns, scheduler)(stream$);
          }, source$);
        };

        const theirs = new VirtualTimeScheduler(undefined, limitNs);
        const expected = record(build(theirs), theirs);
        theirs.flush();

        const { kernel, scheduler } = machine();
        const seen = record(build(scheduler), scheduler);
        while ((kernel.nextTimeNs() ?? Number.POSITIVE_INFINITY) <= limitNs) {
          kernel.step();
          scheduler.checkInvariants();
        }
        kernel.checkInvariants();
        expect(seen).toEqual(expected);
      }),
      { numRuns: runs(500) },
    );
  });
});

describe('an action', () => {
  it('runs in the order of scheduling at equal times, among the kernel’s events (clocks that ran same-instant events last-in first-out)', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(3), fc.boolean()), { maxLength: 40 }), (plan) => {
        const { kernel, scheduler } = machine();
        const ran: number[] = [];
        const direct = kernel.register('other', (id) => void ran.push(id));
        for (const [id, [at, throughRxjs]] of plan.entries()) {
          if (throughRxjs) scheduler.schedule(() => void ran.push(id), at);
          else kernel.schedule(at, direct, id);
        }
        kernel.drain();
        const expected = plan.map(([at], id) => ({ at, id })).sort((a, b) => a.at - b.at || a.id - b.id);
        expect(ran).toEqual(expected.map(({ id }) => id));
      }),
    );
  });

  it('receives its state and is reused when it schedules itself', () => {
    const { kernel, scheduler } = machine();
    const seen: [number, number | undefined][] = [];
    const actions = new Set<unknown>();
    const first = scheduler.schedule<number>(
      function (this: SchedulerAction<number>, count = 0) {
        seen.push([scheduler.now(), count]);
        actions.add(this);
        if (count < 3) actions.add(this.schedule(count + 1, 10 * count));
      },
      7,
      0,
    );
    kernel.drain();
    expect(seen).toEqual([
      [7, 0],
      [7, 1],
      [17, 2],
      [37, 3],
    ]);
    expect(actions).toEqual(new Set([first]));
    expect(scheduler.pending).toBe(0);
  });

  it('that is scheduled again while it waits, waits for the later call only', () => {
    const { kernel, scheduler } = machine();
    const seen: [number, string | undefined][] = [];
    const work = (state?: string) => void seen.push([scheduler.now(), state]);
    const action = scheduler.schedule<string>(work, 10, 'first') as SchedulerAction<string>;
    action.schedule('second', 4);
    expect(kernel.pending).toBe(1);
    kernel.drain();
    action.schedule('third', 1);
    kernel.drain();
    expect(seen).toEqual([
      [4, 'second'],
      [5, 'third'],
    ]);
  });

  it('that is unsubscribed never runs, and leaves the kernel’s queue', () => {
    const { kernel, scheduler } = machine();
    let ran = 0;
    const count = () => {
      ran += 1;
    };
    const action = scheduler.schedule(count, 10) as SchedulerAction<unknown>;
    const doomed = scheduler.schedule(count, 5);
    scheduler.schedule(() => doomed.unsubscribe(), 4);
    action.unsubscribe();
    expect(kernel.pending).toBe(2);
    action.schedule(undefined, 1);
    expect(kernel.pending).toBe(2);
    kernel.drain();
    expect(ran).toBe(0);
    expect([kernel.pending, scheduler.pending]).toEqual([0, 0]);
    scheduler.checkInvariants();
  });

  it('that throws is unsubscribed; run throws the error and the queue stays', () => {
    const { kernel, scheduler } = machine();
    const seen: string[] = [];
    scheduler.schedule(() => void seen.push('before'), 5);
    const broken = scheduler.schedule(function (this: SchedulerAction<unknown>) {
      this.schedule(undefined, 1);
      throw new Error('spilt');
    }, 5);
    scheduler.schedule(() => void seen.push('same instant'), 5);
    scheduler.schedule(() => void seen.push('later'), 9);
    expect(() => kernel.run(20)).toThrow('spilt');
    expect(seen).toEqual(['before']);
    expect(broken.closed).toBe(true);
    expect(kernel.nowNs).toBe(5);
    scheduler.checkInvariants();
    kernel.checkInvariants();
    kernel.run(20);
    expect(seen).toEqual(['before', 'same instant', 'later']);
    expect(kernel.nowNs).toBe(20);
  });

  it('with an impossible delay is refused by name and changes nothing (impossible time parameters accepted)', () => {
    const { kernel, scheduler } = machine();
    const seen: number[] = [];
    const waiting = scheduler.schedule(() => void seen.push(scheduler.now()), 8) as SchedulerAction<unknown>;
    for (const bad of [-1, -0.5, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 2 ** 53]) {
      expect(() => scheduler.schedule(() => void seen.push(-1), bad)).toThrow(KernelTimeError);
      expect(() => waiting.schedule(undefined, bad)).toThrow(/guest0\.traffic.*expected/);
      scheduler.checkInvariants();
    }
    expect([kernel.pending, scheduler.pending]).toEqual([1, 1]);
    kernel.drain();
    expect(seen).toEqual([8]);
  });

  it('a bad delay inside an operator reaches the observer as an error', () => {
    const { scheduler } = machine();
    expect(record(timer(Number.POSITIVE_INFINITY, scheduler), scheduler)).toEqual([
      [0, 'error', 'KernelTimeError'],
    ]);
    const past = timer(1, scheduler).pipe(timeout({ first: new Date(-5), scheduler }));
    expect(record(past, scheduler)).toEqual([[0, 'error', 'KernelTimeError']]);
  });

  it('with a fraction of a nanosecond runs at the next whole one', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1e6, noNaN: true }), fc.nat(1000), (delayNs, startNs) => {
        const { kernel, scheduler } = machine();
        kernel.run(startNs);
        let at = -1;
        scheduler.schedule(() => {
          at = scheduler.now();
        }, delayNs);
        kernel.drain();
        expect(at).toBe(startNs + Math.ceil(delayNs));
      }),
    );
    const { kernel, scheduler } = machine();
    const seen = record(timer(0, 3, scheduler).pipe(take(3), debounceTime(0.4, scheduler)), scheduler);
    expect(kernel.drain(100)).toBeLessThan(100);
    expect(seen.map(([at, kind]) => [at, kind])).toEqual([
      [1, 'next'],
      [4, 'next'],
      [6, 'next'],
      [6, 'complete'],
    ]);
  });

  it('leaves no trace: a hundred thousand repetitions of one action need one line', () => {
    const { kernel, scheduler } = machine();
    let turns = 0;
    scheduler.schedule(function (this: SchedulerAction<unknown>) {
      turns += 1;
      this.schedule(undefined, 3);
    });
    for (let index = 0; index < 100; index += 1) scheduler.schedule(() => {}, 5).unsubscribe();
    kernel.drain(100_000);
    expect(turns).toBe(100_000);
    expect(scheduler.pending).toBe(1);
    scheduler.checkInvariants();
  });
});
