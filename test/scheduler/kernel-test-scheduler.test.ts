import { delay, interval, map, merge, take, timer } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { contextId } from '../../scheduler/branded.js';
import { makeDiscipline } from '../../scheduler/disciplines/index.js';
import { DmaScheduler } from '../../scheduler/dma-scheduler.js';
import { EventKernel } from '../../scheduler/event-kernel.js';
import { GuardedSubject } from '../../scheduler/guarded-subject.js';
import { KernelTestScheduler } from '../../scheduler/kernel-test-scheduler.js';
import { KernelScheduler } from '../../scheduler/virtual-time.js';

function marbles(kernel = new EventKernel(), options: { untilNs?: number } = {}) {
  const scheduler = new KernelTestScheduler(
    kernel,
    (actual, expected) => expect(actual).toEqual(expected),
    options,
  );
  return { kernel, scheduler };
}

describe('KernelTestScheduler', () => {
  it('a character is a nanosecond of the kernel, for cold and for hot streams', () => {
    const { kernel, scheduler } = marbles();
    scheduler.run(({ cold, hot, expectObservable, expectSubscriptions }) => {
      const source = cold('a-b|');
      expectObservable(merge(source, hot('-c---|'))).toBe('acb--|');
      expectSubscriptions(source.subscriptions).toBe('^--!');
    });
    expect(kernel.nowNs).toBe(5);
  });

  it.each([
    ['a 5ns b', 6],
    ['a 1.5us b', 1_501],
    ['a 2ms b', 2_000_001],
    ['a 3s b', 3_000_000_001],
  ])('the times of "%s" are exact', (diagram, atNs) => {
    const { kernel, scheduler } = marbles();
    const seen: number[] = [];
    scheduler.run(({ hot }) => {
      hot(diagram).subscribe(() => seen.push(kernel.nowNs));
    });
    expect(seen).toEqual([0, atNs]);
  });

  it('a time that is not a whole number of nanoseconds is refused', () => {
    const { scheduler } = marbles();
    expect(() => scheduler.run(({ hot }) => hot('a 0.5ns b'))).toThrow(
      'marbles: 0.5ns is 0.5 ns, expected a whole number of nanoseconds',
    );
  });

  it('marbles, RxJS timers and kernel events of one instant keep the order in which they were scheduled', () => {
    const { kernel, scheduler } = marbles();
    const subject = new GuardedSubject<string>('lab$', kernel);
    scheduler.run(({ cold, expectObservable }) => {
      expectObservable(
        merge(subject.stream$, cold('--c'), timer(2, new KernelScheduler(kernel)).pipe(map(() => 't'))),
      ).toBe('--(kct)');
      kernel.schedule(
        2,
        kernel.register('lab', () => subject.next('k')),
      );
    });
  });

  it('operators take their time from it, and a failed expectation is reported', () => {
    const { scheduler } = marbles();
    scheduler.run(({ cold, expectObservable }) => {
      expectObservable(cold('a|').pipe(delay(3))).toBe('---(a|)');
    });
    expect(() =>
      marbles().scheduler.run(({ cold, expectObservable }) => {
        expectObservable(cold('a|')).toBe('-a|');
      }),
    ).toThrow();
  });

  it('a machine that never stops is observed up to untilNs', () => {
    const { kernel, scheduler } = marbles(new EventKernel(), { untilNs: 5 });
    scheduler.run(({ expectObservable }) => {
      expectObservable(interval(2, new KernelScheduler(kernel)).pipe(map(String))).toBe('--0-1-');
    });
    expect(kernel.nowNs).toBe(5);
  });

  it('a kernel that has run starts at frame 0', () => {
    const kernel = new EventKernel();
    kernel.run(1_000);
    const { scheduler } = marbles(kernel);
    scheduler.run(({ cold, expectObservable }) => expectObservable(cold('-a|')).toBe('-a|'));
    expect(kernel.nowNs).toBe(1_002);
  });

  it('a DMA scheduler grants at the instant of its doorbells', () => {
    const { kernel, scheduler } = marbles();
    const left = [1, 1, 1];
    const core = new DmaScheduler(kernel, {
      name: 'lab',
      discipline: makeDiscipline('drr'),
      heads: { headBytes: (context) => ((left[context] ?? 0) > 0 ? 1_514 : 0) },
      onGrant: (context) => {
        left[context] = (left[context] ?? 0) - 1;
      },
    });
    core.credit(9_018);
    for (let context = 0; context < 3; context += 1) core.join(contextId(context), { weight: 1 });
    scheduler.run(({ hot, expectObservable }) => {
      hot('0-1 1us (20)')
        .pipe(map(Number), take(4))
        .subscribe((context) => core.ring(contextId(context)));
      expectObservable(core.grants$.pipe(map(({ context }) => String(context)))).toBe('0-1 1us 2');
    });
  });
});
