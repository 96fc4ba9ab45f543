import { config, map } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { ReentryError } from '../../scheduler/errors.js';
import { EventKernel } from '../../scheduler/event-kernel.js';
import { listen } from '../../scheduler/listen.js';
import { Outlet } from '../../scheduler/outlet.js';

function room() {
  const kernel = new EventKernel();
  return { kernel, outlet: new Outlet<number>('nic.completions$', kernel) };
}

/** Lets `act` happen at 50 ns, inside an event. */
function at50(kernel: EventKernel, act: () => void): void {
  kernel.schedule(50, kernel.register('test', act));
}

describe('an outlet', () => {
  it('tells every observer, in the order in which they came, and nobody costs nothing', () => {
    const { outlet } = room();
    const seen: string[] = [];
    expect(outlet.observed).toBe(false);
    outlet.next(0);
    outlet.stream$.subscribe((value) => seen.push(`first ${value}`));
    outlet.stream$.subscribe((value) => seen.push(`second ${value}`));
    expect(outlet.observed).toBe(true);
    outlet.next(1);
    outlet.next(2);
    expect(seen).toEqual(['first 1', 'second 1', 'first 2', 'second 2']);
  });

  it('refuses a next from inside its own observer; the error names it and leaves through run', () => {
    const { kernel, outlet } = room();
    outlet.stream$.subscribe((value) => {
      if (value < 3) outlet.next(value + 1);
    });
    at50(kernel, () => outlet.next(1));
    expect(() => kernel.run(100)).toThrow(ReentryError);
    at50(kernel, () => outlet.next(1));
    expect(() => kernel.run(200)).toThrow(
      /^nic\.completions\$: next\(\) from inside its own observer at 100 ns/,
    );
  });

  it('so later observers see values in the order in which they happened', () => {
    const { kernel, outlet } = room();
    const [first, second]: [number[], number[]] = [[], []];
    const more = kernel.register('more', (value) => outlet.next(value));
    outlet.stream$.subscribe((value) => {
      first.push(value);
      if (value < 3) kernel.schedule(0, more, value + 1);
    });
    outlet.stream$.subscribe((value) => second.push(value));
    at50(kernel, () => outlet.next(1));
    kernel.run(100);
    expect(first).toEqual([1, 2, 3]);
    expect(second).toEqual([1, 2, 3]);
  });

  it('works again after a refusal', () => {
    const { kernel, outlet } = room();
    const seen: number[] = [];
    outlet.stream$.subscribe((value) => {
      seen.push(value);
      if (value === 1) outlet.next(99);
    });
    at50(kernel, () => outlet.next(1));
    expect(() => kernel.run(100)).toThrow(ReentryError);
    outlet.next(2);
    expect(seen).toEqual([1, 2]);
  });

  it('may be told something while another one is telling', () => {
    const { kernel, outlet } = room();
    const other = new Outlet<number>('nic.interrupts$', kernel);
    const seen: string[] = [];
    outlet.stream$.subscribe((value) => other.next(value * 10));
    outlet.stream$.subscribe((value) => seen.push(`completion ${value}`));
    other.stream$.subscribe((value) => seen.push(`interrupt ${value}`));
    at50(kernel, () => outlet.next(1));
    kernel.run(100);
    expect(seen).toEqual(['interrupt 10', 'completion 1']);
  });

  it('lets observers come and go while it tells: those who go hear no more, those who come hear the next', () => {
    const { outlet } = room();
    const seen: string[] = [];
    let came = false;
    const first = outlet.stream$.subscribe((value) => {
      seen.push(`first ${value}`);
      first.unsubscribe();
      third.unsubscribe();
      if (!came) outlet.stream$.subscribe((late) => seen.push(`late ${late}`));
      came = true;
    });
    outlet.stream$.subscribe((value) => seen.push(`second ${value}`));
    const third = outlet.stream$.subscribe((value) => seen.push(`third ${value}`));
    outlet.next(1);
    outlet.next(2);
    expect(seen).toEqual(['first 1', 'second 1', 'second 2', 'late 2']);
  });

  it('completes everybody, also those who come later, and lets them go', () => {
    const { outlet } = room();
    const seen: string[] = [];
    const observer = (name: string) => ({
      next: (value: number) => void seen.push(`${name} ${value}`),
      complete: () => void seen.push(`${name} complete`),
    });
    outlet.stream$.subscribe(observer('first'));
    outlet.stream$.subscribe(observer('second'));
    outlet.complete();
    outlet.next(1);
    outlet.stream$.subscribe(observer('late'));
    outlet.complete();
    expect(seen).toEqual(['first complete', 'second complete', 'late complete']);
    expect(outlet.observed).toBe(false);
  });

  it('is disturbed by no observer that throws: RxJS reports it after the run', async () => {
    const { kernel, outlet } = room();
    const seen: number[] = [];
    const reported: unknown[] = [];
    const before = config.onUnhandledError;
    config.onUnhandledError = (error) => void reported.push(error);
    try {
      outlet.stream$.subscribe(() => {
        throw new Error('a plot that failed');
      });
      outlet.stream$.subscribe((value) => seen.push(value));
      at50(kernel, () => outlet.next(1));
      kernel.run(100);
      expect([seen, reported]).toEqual([[1], []]);
      await new Promise((resolve) => setTimeout(resolve, 5));
      expect(reported).toEqual([new Error('a plot that failed')]);
    } finally {
      config.onUnhandledError = before;
    }
  });
});

describe('listen', () => {
  it('brings what the listener throws out through run, when the event has ended', () => {
    const { kernel, outlet } = room();
    const seen: number[] = [];
    listen(outlet.stream$, kernel, () => {
      throw new Error('no such mailbox');
    });
    listen(outlet.stream$, kernel, (value) => void seen.push(value));
    at50(kernel, () => {
      outlet.next(1);
      outlet.next(2);
    });
    expect(() => kernel.run(100)).toThrow('no such mailbox');
    expect(seen).toEqual([1, 2]);
    kernel.run(100);
  });

  it('brings out the error of an operator on the way', () => {
    const { kernel, outlet } = room();
    const broken$ = outlet.stream$.pipe(
      map((value) => {
        if (value === 2) throw new Error('cannot be mapped');
        return value;
      }),
    );
    const seen: number[] = [];
    listen(broken$, kernel, (value) => void seen.push(value));
    outlet.next(1);
    outlet.next(2);
    expect(() => kernel.run(1)).toThrow('cannot be mapped');
    expect(seen).toEqual([1]);
  });

  it('ends with its subscription', () => {
    const { kernel, outlet } = room();
    const seen: number[] = [];
    listen(outlet.stream$, kernel, (value) => void seen.push(value)).unsubscribe();
    outlet.next(1);
    expect(seen).toEqual([]);
    expect(outlet.observed).toBe(false);
  });
});
