import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KernelTimeError, ReentryError } from '../../scheduler/errors.js';
import { EventKernel, MAX_TIME_NS } from '../../scheduler/event-kernel.js';

describe('the order of events', () => {
  it('equal times run in schedule order (clocks that ran same-instant events last-in first-out)', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(4), { maxLength: 300 }), fc.nat(10_000), (times, startNs) => {
        const kernel = new EventKernel(16);
        kernel.run(startNs);
        const ran: { id: number; atNs: number }[] = [];
        const handler = kernel.register('component', (id) => void ran.push({ id, atNs: kernel.nowNs }));
        for (const [id, delayNs] of times.entries()) kernel.schedule(delayNs, handler, id);
        kernel.drain();
        const expected = times.map((delayNs, id) => ({ id, atNs: startNs + delayNs }));
        expected.sort((x, y) => x.atNs - y.atNs || x.id - y.id);
        expect(ran).toEqual(expected);
      }),
    );
  });

  it('an event scheduled early and one scheduled at the last moment keep that order', () => {
    const kernel = new EventKernel();
    const ran: string[] = [];
    const names = ['long before', 'at the last moment', 'at the instant itself'];
    const note = kernel.register('note', (id) => void ran.push(names[id] ?? ''));
    const late = kernel.register('late', () => void kernel.schedule(1, note, 1));
    const self = kernel.register('self', () => void kernel.schedule(0, note, 2));
    kernel.schedule(70_000, self);
    kernel.schedule(70_000, note, 0);
    kernel.schedule(69_999, late);
    kernel.drain();
    expect(ran).toEqual(['long before', 'at the last moment', 'at the instant itself']);
  });

  it('holds for all times up to the largest', () => {
    const time = fc.oneof(
      fc.maxSafeNat(),
      fc.nat(2 ** 33),
      fc.nat(1000).map((back) => MAX_TIME_NS - back),
    );
    fc.assert(
      fc.property(fc.array(time, { maxLength: 60 }), (times) => {
        const kernel = new EventKernel();
        const ran: number[] = [];
        const handler = kernel.register('component', () => void ran.push(kernel.nowNs));
        for (const timeNs of times) kernel.scheduleAt(timeNs, handler);
        while (kernel.step()) kernel.checkInvariants();
        expect(ran).toEqual([...times].sort((x, y) => x - y));
      }),
    );
  });

  it('passes each event the two numbers that it was scheduled with', () => {
    const kernel = new EventKernel();
    const seen: [number, number][] = [];
    const handler = kernel.register('component', (a, b) => void seen.push([a, b]));
    kernel.schedule(3, handler, 2 ** 40 + 1, -7);
    kernel.post(1, handler, 0.5, 9);
    kernel.scheduleAt(2, handler);
    kernel.drain();
    expect(seen).toEqual([
      [0.5, 9],
      [0, 0],
      [2 ** 40 + 1, -7],
    ]);
  });

  it('passes them on whatever they are, near and far, and after the tables have grown', () => {
    const kernel = new EventKernel(16);
    const seen: number[][] = [];
    const handler = kernel.register('component', (a, b) => void seen.push([a, b, kernel.nowNs]));
    const expected: number[][] = [];
    for (const [turn, [a, b]] of [
      [2 ** 31, 0],
      [0, 2 ** 31],
      [-(2 ** 31) - 1, -1],
      [-(2 ** 31), 2 ** 31 - 1],
      [0.25, Number.NaN],
      [7, -0.5],
    ].entries()) {
      for (const atNs of [5, 3_000, 1e12]) {
        kernel.scheduleAt(atNs, handler, a, b);
        expected.push([a ?? 0, b ?? 0, atNs]);
      }
      if (turn === 4) for (let filler = 0; filler < 40; filler += 1) kernel.scheduleAt(1e13, handler, filler);
    }
    kernel.run(1e12);
    expect(seen).toEqual(expected.sort(([, , x = 0], [, , y = 0]) => x - y));
    kernel.checkInvariants();
  });

  it('keeps its order at equal times when some come from beyond the window, some were cancelled, and time passes in between', () => {
    const kernel = new EventKernel(16);
    const ran: number[] = [];
    const note = kernel.register('note', (id) => void ran.push(id));
    const handles = Array.from({ length: 12 }, (_, id) => kernel.scheduleAt(10_000, note, id));
    for (const id of [0, 3, 11]) expect(kernel.cancel(handles[id] ?? -1)).toBe(true);
    expect(kernel.nextTimeNs()).toBe(10_000);
    for (const atNs of [1_023, 1_024, 7_000, 9_487, 9_488, 9_999]) {
      kernel.run(atNs);
      kernel.scheduleAt(10_000, note, atNs);
      kernel.checkInvariants();
    }
    kernel.cancel(handles[5] ?? -1);
    expect(kernel.nextTimeNs()).toBe(10_000);
    kernel.run(10_000);
    expect(ran).toEqual([1, 2, 4, 6, 7, 8, 9, 10, 1_023, 1_024, 7_000, 9_487, 9_488, 9_999]);
  });

  it.each([{ waitNs: [] }, { waitNs: [10_000] }, { waitNs: [3_500, 2 ** 40] }])(
    'events at any distance run at their time, with others far ahead: $waitNs',
    ({ waitNs }) => {
      for (const nowNs of [0, 1_023, 1_024, 1_100, 2_047, 2_048, 3_000]) {
        const kernel = new EventKernel(16);
        const ran: number[] = [];
        const note = kernel.register('note', () => void ran.push(kernel.nowNs));
        for (const atNs of waitNs) kernel.scheduleAt(atNs, note);
        kernel.run(nowNs);
        const atNs = [0, 500, 1_023, 1_024, 2_047, 2_048, 2_500, 4_000, 5_000, 9_999].map((ns) => nowNs + ns);
        for (const ns of atNs) {
          kernel.scheduleAt(ns, note);
          kernel.checkInvariants();
        }
        kernel.drain(100);
        expect(ran).toEqual([...atNs, ...waitNs].sort((x, y) => x - y));
      }
    },
  );

  it('survives growth in the middle of an instant', () => {
    const kernel = new EventKernel(16);
    const ran: number[] = [];
    const note = kernel.register('note', (id) => void ran.push(id));
    const flood = kernel.register('flood', () => {
      for (let id = 0; id < 1_000; id += 1) kernel.schedule(id % 2, note, id);
      kernel.checkInvariants();
    });
    kernel.schedule(5, flood);
    kernel.run(10);
    const ids = Array.from({ length: 1_000 }, (_, id) => id);
    expect(ran).toEqual([...ids.filter((id) => id % 2 === 0), ...ids.filter((id) => id % 2 === 1)]);
    kernel.checkInvariants();
  });
});

describe('impossible times (impossible time parameters accepted)', () => {
  const bad = [-1, -0.25, 0.5, 1e-300, Number.NaN, Infinity, -Infinity, 2 ** 53];

  it.each(bad)('a delay of %d ns is refused with the name of the component', (delayNs) => {
    const kernel = new EventKernel();
    kernel.run(1_000);
    const handler = kernel.register('guest3.driver', () => {});
    expect(() => kernel.schedule(delayNs, handler)).toThrow(KernelTimeError);
    expect(() => kernel.post(delayNs, handler)).toThrow(
      `guest3.driver: event after ${delayNs} ns (now 1000 ns)`,
    );
    expect(kernel.pending).toBe(0);
    kernel.checkInvariants();
  });

  it.each([...bad, 999, 1_000.5])('an event at %d ns is refused at 1,000 ns', (timeNs) => {
    const kernel = new EventKernel();
    kernel.run(1_000);
    const handler = kernel.register('nic.mac', () => {});
    expect(() => kernel.scheduleAt(timeNs, handler)).toThrow(`nic.mac: event at ${timeNs} ns (now 1000 ns)`);
    expect(() => kernel.run(timeNs)).toThrow(KernelTimeError);
    expect(kernel.nowNs).toBe(1_000);
    kernel.checkInvariants();
  });

  it('an unregistered handler is refused when it is scheduled', () => {
    const kernel = new EventKernel();
    expect(() => kernel.schedule(1, 0)).toThrow('handler 0 is not registered');
    expect(() => kernel.schedule(0, -1)).toThrow('handler -1 is not registered');
    kernel.checkInvariants();
  });

  it.each([0, -4, 2.5, Number.NaN, 2 ** 22 + 1])('an initial capacity of %d is refused', (capacity) => {
    expect(() => new EventKernel(capacity)).toThrow(`initialCapacity is ${capacity}`);
  });
});

describe('defects', () => {
  it('a handler that throws ends the run there and loses nothing else', () => {
    const kernel = new EventKernel();
    const ran: number[] = [];
    const note = kernel.register('note', (id) => void ran.push(id));
    const broken = kernel.register('broken', () => {
      kernel.schedule(0, note, 3);
      throw new Error('out of mailboxes');
    });
    kernel.schedule(4, note, 1);
    kernel.schedule(4, broken);
    kernel.schedule(4, note, 2);
    expect(() => kernel.run(10)).toThrow('out of mailboxes');
    expect([kernel.nowNs, kernel.pending]).toEqual([4, 2]);
    kernel.checkInvariants();
    kernel.run(10);
    expect(ran).toEqual([1, 2, 3]);
    expect(kernel.nowNs).toBe(10);
  });

  it('a reported error is thrown by run when its event has ended, the first of several', () => {
    const kernel = new EventKernel();
    let ended = false;
    const broken = kernel.register('broken', () => {
      kernel.fail(new Error('first'));
      kernel.fail(new Error('second'));
      ended = true;
    });
    kernel.schedule(1, broken);
    expect(() => kernel.run(5)).toThrow('first');
    expect(ended).toBe(true);
    kernel.run(5);
    expect(kernel.nowNs).toBe(5);
  });

  it.each([1, 2_000, 1_000_000])(
    'a reported error ends the run after its event, also where the next ones are %i ns apart',
    (apartNs) => {
      const kernel = new EventKernel();
      const ran: number[] = [];
      const reports = kernel.register('reports', (id) => {
        ran.push(id);
        if (id !== 2) kernel.fail(new Error(`event ${id}`));
      });
      for (const id of [1, 2, 3]) kernel.scheduleAt(id * apartNs, reports, id);
      expect(() => kernel.run(9 * apartNs)).toThrow('event 1');
      expect([kernel.nowNs, kernel.pending]).toEqual([apartNs, 2]);
      expect(() => kernel.drain()).toThrow('event 3');
      expect([ran, kernel.nowNs]).toEqual([[1, 2, 3], 3 * apartNs]);
      expect(kernel.drain()).toBe(0);
    },
  );

  it('an error reported between two runs is thrown by the next one before any event', () => {
    const kernel = new EventKernel();
    kernel.fail(new Error('before the start'));
    expect(() => kernel.run(5)).toThrow('before the start');
    expect(kernel.nowNs).toBe(0);
  });

  it.each([
    ['run', (kernel: EventKernel) => kernel.run(100)],
    ['drain', (kernel: EventKernel) => void kernel.drain()],
    ['step', (kernel: EventKernel) => void kernel.step()],
  ])(
    '%s from inside an event is refused by name, and the clock does not run ahead of the event',
    (_name, again) => {
      const kernel = new EventKernel();
      const ran: number[] = [];
      const note = kernel.register('note', () => void ran.push(kernel.nowNs));
      const nested = kernel.register('host.interrupts', () => again(kernel));
      kernel.schedule(7, nested);
      kernel.schedule(9, note);
      expect(() => kernel.run(20)).toThrow(ReentryError);
      expect(kernel.nowNs).toBe(7);
      kernel.schedule(1, nested);
      expect(() => kernel.run(20)).toThrow(/^host\.interrupts: .* at 8 ns/);
      kernel.run(20);
      expect(ran).toEqual([9]);
    },
  );
});

describe('cancelling', () => {
  it('a million timeouts that are set and cancelled leave nothing behind', () => {
    const kernel = new EventKernel(16);
    const handler = kernel.register('timeout', () => {});
    kernel.schedule(5_000_000_000, handler);
    for (let turn = 0; turn < 1_000_000; turn += 1) {
      kernel.cancel(kernel.schedule(1_000_000_000 + (turn & 1023), handler));
    }
    expect(kernel.pending).toBe(1);
    expect(kernel.nextTimeNs()).toBe(5_000_000_000);
    kernel.checkInvariants();
  });

  it('returns false for an event that has run, was cancelled before, or never existed', () => {
    const kernel = new EventKernel(16);
    const handler = kernel.register('component', () => {});
    const ran = kernel.schedule(1, handler);
    kernel.drain();
    const waits = kernel.schedule(1, handler);
    expect(kernel.cancel(ran)).toBe(false);
    expect(kernel.cancel(waits)).toBe(true);
    expect(kernel.cancel(waits)).toBe(false);
    for (const never of [-1, 0, 515, 520, Number.NaN, 2 ** 52]) expect(kernel.cancel(never)).toBe(false);
    kernel.checkInvariants();
  });

  it('an event is cancelled at its place, near or far, and a place without one is a defect', () => {
    const kernel = new EventKernel();
    const ran: number[] = [];
    const handler = kernel.register('test', (a) => ran.push(a));
    const [near, far] = [kernel.place(5, handler, 1), kernel.place(1e9, handler, 2)];
    kernel.post(7, handler, 3);
    kernel.cancelAt(near);
    kernel.cancelAt(far);
    kernel.checkInvariants();
    expect(kernel.pending).toBe(1);
    expect(() => kernel.cancelAt(near)).toThrow('no event is pending in place');
    for (const never of [-1, 0, 520, Number.NaN])
      expect(() => kernel.cancelAt(never)).toThrow('no event is pending in place');
    kernel.drain();
    expect(ran).toEqual([3]);
    kernel.checkInvariants();
  });

  it('an event cancelled at its own instant does not run', () => {
    const kernel = new EventKernel();
    const ran: number[] = [];
    const note = kernel.register('note', (id) => void ran.push(id));
    const handles: number[] = [];
    const cancels = kernel.register('cancels', () => {
      for (const handle of handles) kernel.cancel(handle);
    });
    kernel.schedule(0, cancels);
    handles.push(kernel.schedule(0, note, 1), kernel.schedule(0, note, 2), kernel.schedule(3, note, 3));
    kernel.run(3);
    expect(ran).toEqual([]);
    expect([kernel.pending, kernel.executed, kernel.nowNs]).toEqual([0, 1, 3]);
    kernel.checkInvariants();
  });
});

describe('a run', () => {
  it('ends once: its endings are called in their order, and what is pending stays pending', () => {
    const kernel = new EventKernel();
    const ended: string[] = [];
    kernel.onEnd(() => void ended.push('first'));
    kernel.onEnd(() => void ended.push('second'));
    kernel.schedule(
      5,
      kernel.register('component', () => {}),
    );
    kernel.end();
    kernel.end();
    expect([ended, kernel.pending]).toEqual([['first', 'second'], 1]);
  });

  it('that is ended throws what one of its endings reports, after all of them', () => {
    const kernel = new EventKernel();
    const ended: string[] = [];
    kernel.onEnd(() => kernel.fail(new Error('an observer')));
    kernel.onEnd(() => void ended.push('second'));
    expect(() => kernel.end()).toThrow('an observer');
    expect(ended).toEqual(['second']);
    kernel.run(1);
  });

  it('in parts of so many events is the run in one', () => {
    const kernel = new EventKernel();
    const ran: number[] = [];
    const handler = kernel.register('component', (id) => void ran.push(id));
    for (const [id, atNs] of [1, 1, 5_000, 9_000_000].entries()) kernel.scheduleAt(atNs, handler, id);
    expect([kernel.drain(0), kernel.drain(1), kernel.drain(2), kernel.drain(2)]).toEqual([0, 1, 2, 1]);
    expect([ran, kernel.step(), kernel.executed, kernel.nowNs, kernel.nextTimeNs()]).toEqual([
      [0, 1, 2, 3],
      false,
      4,
      9_000_000,
      undefined,
    ]);
  });

  it('up to a time runs what is due then, and nothing later, near or far', () => {
    for (const atNs of [1, 2_047, 2_048, 70_000, 2 ** 33]) {
      const kernel = new EventKernel();
      let ran = 0;
      kernel.scheduleAt(
        atNs,
        kernel.register('component', () => {
          ran += 1;
        }),
      );
      kernel.run(atNs - 1);
      expect([atNs, ran, kernel.nowNs]).toEqual([atNs, 0, atNs - 1]);
      kernel.run(atNs);
      expect([atNs, ran, kernel.nowNs]).toEqual([atNs, 1, atNs]);
      kernel.checkInvariants();
    }
  });

  it('names the component of a handler, or its number', () => {
    const kernel = new EventKernel();
    const handler = kernel.register('nic.mac', () => {});
    expect([kernel.componentOf(handler), kernel.componentOf(99)]).toEqual(['nic.mac', 'handler 99']);
  });

  it.each([1, 15, 16, 17])('begins with tables for %i events, and takes more', (capacity) => {
    const kernel = new EventKernel(capacity);
    const ran: number[] = [];
    const handler = kernel.register('component', (id) => void ran.push(id));
    for (let id = 0; id < 70; id += 1) kernel.schedule((id % 2) * 1e6, handler, id);
    kernel.checkInvariants();
    kernel.drain();
    expect(ran).toHaveLength(70);
  });
});
