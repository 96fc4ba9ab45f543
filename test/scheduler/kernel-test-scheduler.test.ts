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
    ['a 0.5m b', 30_000_000_001],
    ['a 1us 2ns b', 1_003],
    ['a 0.1us b', 101],
  ])('the times of "%s" are exact', (diagram, atNs) => {
    const { kernel, scheduler } = marbles();
    const seen: number[] = [];
    scheduler.run(({ hot }) => {
      hot(diagram).subscribe(() => seen.push(kernel.nowNs));
    });
    expect(seen).toEqual([0, atNs]);
  });

  it.each([
    ['5ns', 5],
    ['1.5us|', 1_500],
    [' 2ms | ', 2_000_000],
    ['1.5s', 1_500_000_000],
    ['2m', 120_000_000_000],
    ['---|', 3],
    ['- 9ns -|', 11],
  ])('createTime("%s") is %i ns', (marble, ns) => {
    const { scheduler } = marbles();
    scheduler.run(({ time }) => expect(time(marble)).toBe(ns));
  });

  it('what a hot stream has before its ^ is not emitted, and subscriptions may be several and begin later', () => {
    const { kernel, scheduler } = marbles();
    scheduler.run(({ cold, hot, expectObservable, expectSubscriptions }) => {
      expectObservable(hot('ab^c|')).toBe('-c|');
      const source = cold('a|');
      expectObservable(source, '- 5ns ^').toBe('- 5ns a|');
      expectObservable(source).toBe('a|');
      expectSubscriptions(source.subscriptions).toBe(['^!', '- 5ns ^!']);
      expectObservable(cold('a 7ns |')).toEqual(cold('a 7ns |'));
    });
    expect(kernel.nowNs).toBe(8);
  });

  it('subscriptions that are not as expected are reported', () => {
    for (const expected of ['^ 3ns !', ['^ 3ns !']])
      expect(() =>
        marbles().scheduler.run(({ cold, expectObservable, expectSubscriptions }) => {
          const source = cold('a 2ns |');
          expectObservable(source).toBe('a 2ns |');
          expectSubscriptions(source.subscriptions).toBe(expected);
        }),
      ).toThrow();
  });

  it('its frame is that of the kernel, and a flush sets none', () => {
    const kernel = new EventKernel();
    kernel.run(1_000);
    const { scheduler } = marbles(kernel);
    kernel.run(1_007);
    scheduler.frame = 3;
    expect(scheduler.frame).toBe(7);
    scheduler.flush();
    expect([scheduler.frame, kernel.nowNs]).toEqual([7, 1_007]);
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
