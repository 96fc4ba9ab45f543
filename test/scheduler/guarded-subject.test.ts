import {
  bufferCount,
  count,
  delayWhen,
  map,
  type Observable,
  type Observer,
  of,
  Subject,
  takeLast,
  tap,
} from 'rxjs';
import { describe, expect, it } from 'vitest';
import { ObserverError, ReentryError } from '../../scheduler/errors.js';
import { EventKernel } from '../../scheduler/event-kernel.js';
import { GuardedSubject } from '../../scheduler/guarded-subject.js';
import { listen } from '../../scheduler/listen.js';

function fixture() {
  const kernel = new EventKernel();
  return { kernel, subject: new GuardedSubject<number>('nic.completions$', kernel) };
}

/** Calls `act` at 50 ns, inside an event. */
function at50(kernel: EventKernel, act: () => void): void {
  kernel.schedule(50, kernel.register('test', act));
}

describe('a guarded subject', () => {
  it('delivers to every observer in order of subscription, and does nothing without observers', () => {
    const { subject } = fixture();
    const seen: string[] = [];
    expect(subject.observed).toBe(false);
    subject.next(0);
    subject.stream$.subscribe((value) => seen.push(`first ${value}`));
    subject.stream$.subscribe((value) => seen.push(`second ${value}`));
    expect(subject.observed).toBe(true);
    subject.next(1);
    subject.next(2);
    expect(seen).toEqual(['first 1', 'second 1', 'first 2', 'second 2']);
  });

  it('refuses a next from inside its own observer; run throws an error that names it', () => {
    const { kernel, subject } = fixture();
    subject.stream$.subscribe((value) => {
      if (value < 3) subject.next(value + 1);
    });
    at50(kernel, () => subject.next(1));
    expect(() => kernel.run(100)).toThrow(ReentryError);
    at50(kernel, () => subject.next(1));
    expect(() => kernel.run(200)).toThrow(
      /^nic\.completions\$: next\(\) from inside its own observer at 100 ns/,
    );
  });

  it('delivers values to later observers in the order in which they happened', () => {
    const { kernel, subject } = fixture();
    const [first, second]: [number[], number[]] = [[], []];
    const more = kernel.register('more', (value) => subject.next(value));
    subject.stream$.subscribe((value) => {
      first.push(value);
      if (value < 3) kernel.schedule(0, more, value + 1);
    });
    subject.stream$.subscribe((value) => second.push(value));
    at50(kernel, () => subject.next(1));
    kernel.run(100);
    expect(first).toEqual([1, 2, 3]);
    expect(second).toEqual([1, 2, 3]);
  });

  it('works again after a refusal', () => {
    const { kernel, subject } = fixture();
    const seen: number[] = [];
    subject.stream$.subscribe((value) => {
      seen.push(value);
      if (value === 1) subject.next(99);
    });
    at50(kernel, () => subject.next(1));
    expect(() => kernel.run(100)).toThrow(ReentryError);
    subject.next(2);
    expect(seen).toEqual([1, 2]);
  });

  it('accepts a next while another subject is delivering', () => {
    const { kernel, subject } = fixture();
    const other = new GuardedSubject<number>('nic.interrupts$', kernel);
    const seen: string[] = [];
    subject.stream$.subscribe((value) => other.next(value * 10));
    subject.stream$.subscribe((value) => seen.push(`completion ${value}`));
    other.stream$.subscribe((value) => seen.push(`interrupt ${value}`));
    at50(kernel, () => subject.next(1));
    kernel.run(100);
    expect(seen).toEqual(['interrupt 10', 'completion 1']);
  });

  it('allows changes of observers during delivery: those that leave see no more, those that join see the next value', () => {
    const { subject } = fixture();
    const seen: string[] = [];
    let came = false;
    const first = subject.stream$.subscribe((value) => {
      seen.push(`first ${value}`);
      first.unsubscribe();
      third.unsubscribe();
      if (!came) subject.stream$.subscribe((late) => seen.push(`late ${late}`));
      came = true;
    });
    subject.stream$.subscribe((value) => seen.push(`second ${value}`));
    const third = subject.stream$.subscribe((value) => seen.push(`third ${value}`));
    subject.next(1);
    subject.next(2);
    expect(seen).toEqual(['first 1', 'second 1', 'second 2', 'late 2']);
  });

  it('completes every observer, also later ones, and releases them', () => {
    const { subject } = fixture();
    const seen: string[] = [];
    const observer = (name: string) => ({
      next: (value: number) => void seen.push(`${name} ${value}`),
      complete: () => void seen.push(`${name} complete`),
    });
    subject.stream$.subscribe(observer('first'));
    subject.stream$.subscribe(observer('second'));
    subject.complete();
    subject.next(1);
    subject.stream$.subscribe(observer('late'));
    subject.complete();
    expect(seen).toEqual(['first complete', 'second complete', 'late complete']);
    expect(subject.observed).toBe(false);
  });

  it('an observer that throws fails the run by the name of the stream, and the others see the value', () => {
    const { kernel, subject } = fixture();
    const seen: number[] = [];
    subject.stream$.subscribe(() => {
      throw new Error('a plot that failed');
    });
    subject.stream$.subscribe((value) => seen.push(value));
    at50(kernel, () => subject.next(1));
    const failed = thrownBy(() => kernel.run(100));
    expect(failed).toBeInstanceOf(ObserverError);
    expect(failed).toMatchObject({
      message: 'nic.completions$: an observer threw at 50 ns: a plot that failed',
      stream: 'nic.completions$',
      cause: new Error('a plot that failed'),
    });
    expect(seen).toEqual([1]);
  });

  it.each<[string, (stream$: Observable<number>) => void]>([
    ['behind an operator', (stream$) => stream$.pipe(map((value) => value + 1)).subscribe(fails)],
    [
      'behind several operators',
      (stream$) =>
        stream$
          .pipe(
            bufferCount(1),
            delayWhen(() => of(0)),
          )
          .subscribe(fails),
    ],
    ['as an object', (stream$) => stream$.subscribe({ next: fails })],
    ['when its stream completes', (stream$) => stream$.subscribe({ complete: fails })],
    ['without a handler for an error of an operator', (stream$) => stream$.pipe(tap(fails)).subscribe()],
    ['in its handler of an error', (stream$) => stream$.pipe(tap(fails)).subscribe({ error: fails })],
  ])('an observer that throws %s fails the run', (_where, subscribe) => {
    const { kernel, subject } = fixture();
    subscribe(subject.stream$);
    at50(kernel, () => subject.next(1));
    const failed = thrownBy(() => {
      kernel.run(100);
      kernel.end();
    });
    expect(failed).toBeInstanceOf(ObserverError);
    expect((failed as ObserverError).message).toMatch(/^nic\.completions\$: an observer threw at/);
  });

  it('is subscribed to as any Observable: with functions, of which any may be absent, or with an object', () => {
    const { kernel, subject } = fixture();
    const seen: string[] = [];
    const next = (value: number) => void seen.push(`next ${value}`);
    const complete = () => void seen.push('complete');
    subject.stream$.subscribe(next, null, complete);
    subject.stream$.subscribe(null, null, complete);
    subject.stream$.subscribe(next);
    subject.stream$.subscribe({ complete });
    subject.stream$.subscribe();
    subject.stream$.pipe(tap(fails)).subscribe(null, (error: unknown) => void seen.push(String(error)));
    at50(kernel, () => subject.next(1));
    kernel.run(100);
    kernel.end();
    expect(seen).toEqual(['next 1', 'next 1', 'Error: it failed', 'complete', 'complete', 'complete']);
  });

  it.each<[string, Partial<Observer<number>>]>([
    ['throws in its handler of an error', { error: fails }],
    ['has no handler of an error', {}],
    ['handles it', { error: () => {} }],
  ])('an observer that %s is unsubscribed by an error, and sees nothing more', (_how, observer) => {
    const { kernel, subject } = fixture();
    const seen: number[] = [];
    const failsFrom2$ = subject.stream$.pipe(tap((value) => (value === 2 ? fails() : undefined)));
    const subscription = failsFrom2$.subscribe({ next: (value) => seen.push(value), ...observer });
    for (const value of [1, 2, 3]) subject.next(value);
    expect([seen, subscription.closed, subject.observed]).toEqual([[1], true, false]);
    if (observer.error !== undefined && observer.error !== fails) kernel.run(1);
    else expect(() => kernel.run(1)).toThrow(ObserverError);
  });

  it('an observer that throws as its stream completes is unsubscribed, and so is one that does not', () => {
    const { kernel, subject } = fixture();
    const subscriptions = [
      subject.stream$.subscribe({ complete: fails }),
      subject.stream$.subscribe({ complete: () => {} }),
      subject.stream$.subscribe({ next: () => {} }),
    ];
    subject.complete();
    expect(subscriptions.map(({ closed }) => closed)).toEqual([true, true, true]);
    expect(() => kernel.run(1)).toThrow(ObserverError);
  });

  it('an observer that unsubscribes in its handler is told nothing more, though its operator goes on', () => {
    const { subject } = fixture();
    const seen: number[] = [];
    const subscription = subject.stream$.pipe(takeLast(2)).subscribe((value) => {
      seen.push(value);
      subscription.unsubscribe();
    });
    for (const value of [1, 2, 3]) subject.next(value);
    subject.complete();
    expect(seen).toEqual([2]);
  });

  it('an error that an observer handles does not fail the run', () => {
    const { kernel, subject } = fixture();
    const seen: unknown[] = [];
    subject.stream$.pipe(tap(fails)).subscribe({ error: (error) => seen.push(error) });
    at50(kernel, () => subject.next(1));
    kernel.run(100);
    kernel.end();
    expect(seen).toEqual([new Error('it failed')]);
  });

  it('completes when the run ends, and later subscribers complete at once', () => {
    const { kernel, subject } = fixture();
    const seen: (number | string)[] = [];
    subject.stream$.pipe(count()).subscribe((value) => seen.push(value));
    at50(kernel, () => {
      subject.next(1);
      subject.next(2);
    });
    kernel.run(100);
    expect(seen).toEqual([]);
    kernel.end();
    kernel.end();
    subject.stream$.subscribe({ complete: () => seen.push('late') });
    expect(seen).toEqual([2, 'late']);
    expect(subject.observed).toBe(false);
  });

  it('a run cannot be ended from inside one of its events', () => {
    const { kernel } = fixture();
    at50(kernel, () => kernel.end());
    expect(() => kernel.run(100)).toThrow(ReentryError);
  });
});

function fails(): never {
  throw new Error('it failed');
}

function thrownBy(act: () => void): unknown {
  try {
    act();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}

describe('listen', () => {
  it('makes run throw what the listener throws, when the event has ended', () => {
    const { kernel, subject } = fixture();
    const seen: number[] = [];
    listen(subject.stream$, kernel, () => {
      throw new Error('no such mailbox');
    });
    listen(subject.stream$, kernel, (value) => void seen.push(value));
    at50(kernel, () => {
      subject.next(1);
      subject.next(2);
    });
    expect(() => kernel.run(100)).toThrow('no such mailbox');
    expect(seen).toEqual([1, 2]);
    kernel.run(100);
  });

  it('makes run throw the error of an operator in between', () => {
    const { kernel, subject } = fixture();
    const broken$ = subject.stream$.pipe(
      map((value) => {
        if (value === 2) throw new Error('cannot be mapped');
        return value;
      }),
    );
    const seen: number[] = [];
    listen(broken$, kernel, (value) => void seen.push(value));
    subject.next(1);
    subject.next(2);
    expect(() => kernel.run(1)).toThrow('cannot be mapped');
    expect(seen).toEqual([1]);
  });

  it('ends with its subscription', () => {
    const { kernel, subject } = fixture();
    const seen: number[] = [];
    listen(subject.stream$, kernel, (value) => void seen.push(value)).unsubscribe();
    subject.next(1);
    expect(seen).toEqual([]);
    expect(subject.observed).toBe(false);
  });

  it('hears nothing after its subscription has ended, whatever its source goes on to say', () => {
    const kernel = new EventKernel();
    const source$ = new Subject<number>();
    const seen: number[] = [];
    const heard = listen(source$.pipe(takeLast(2)), kernel, (value) => {
      seen.push(value);
      heard.unsubscribe();
    });
    for (const value of [1, 2, 3]) source$.next(value);
    source$.complete();
    expect(seen).toEqual([2]);
    const fails$ = new Subject<number>();
    const failed = listen(fails$, kernel, () => {});
    fails$.error(new Error('first'));
    expect(failed.closed).toBe(true);
    expect(() => kernel.run(1)).toThrow('first');
    kernel.run(1);
  });
});
