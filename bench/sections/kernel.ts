import { type SchedulerAction, type SchedulerLike, VirtualTimeScheduler } from 'rxjs';
import { EventKernel } from '../../scheduler/event-kernel.js';
import { KernelScheduler } from '../../scheduler/virtual-time.js';
import { cpuNs, round, type Stopwatch, type Timing, timingColumns } from '../measure.js';
import type { Row, Section } from '../section.js';

/** How many events are pending, and how many of RxJS's a repetition can wait for. */
const QUEUES = [
  { pending: 10, rxjsOperations: 20_000 },
  { pending: 1_000, rxjsOperations: 1_000 },
  { pending: 100_000, rxjsOperations: 20 },
];

/** Every event schedules its successor this far ahead, so the queue stays as long as it was. */
const delaysNs = Uint32Array.from(
  { length: 4096 },
  (_, index) => 1 + (((index * 2654435761) >>> 0) % 20_000),
);

/** The hold model: take the earliest event, put one back at a random distance. One operation = schedule + run. */
export const kernel: Section = {
  name: 'kernel',
  title: 'Virtual time: schedule + run with a queue of constant length',
  run({ stopwatch, progress }) {
    const rows: Row[] = [];
    const add = (what: string, pending: number, timing: Timing, rxjs: Timing | undefined) => {
      const timesRxjs = rxjs === undefined ? null : round(rxjs.floorRatio / timing.floorRatio);
      rows.push({ what, pending, ...timingColumns(timing), timesRxjs });
    };
    for (const { pending, rxjsOperations } of QUEUES) {
      progress(`${pending} events pending`);
      const rxjs = timeVirtualTimeScheduler(stopwatch, pending, rxjsOperations);
      add('EventKernel', pending, timeKernel(stopwatch, pending), rxjs);
      add('KernelScheduler (RxJS actions)', pending, timeKernelScheduler(stopwatch, pending), rxjs);
      add('RxJS VirtualTimeScheduler', pending, rxjs, undefined);
    }
    progress('delay 0, and cancelling');
    add('EventKernel, delay 0', 1, timeSameInstant(stopwatch), undefined);
    add('EventKernel, schedule + cancel', 1_000, timeCancel(stopwatch), undefined);
    return rows;
  },
};

function timeKernel(stopwatch: Stopwatch, pending: number): Timing {
  const queue = new EventKernel(pending);
  let turn = 0;
  const handler = queue.register('bench', (a) => {
    turn = (turn + 1) & 4095;
    queue.post(delaysNs[turn] ?? 1, handler, a);
  });
  for (let index = 0; index < pending; index += 1) queue.post(delaysNs[index & 4095] ?? 1, handler, index);
  return stopwatch.time((operations) => void queue.drain(operations), { operations: 400_000 });
}

function timeKernelScheduler(stopwatch: Stopwatch, pending: number): Timing {
  const queue = new EventKernel(pending);
  fill(new KernelScheduler(queue), pending, () => false);
  return stopwatch.time((operations) => void queue.drain(operations), { operations: 200_000 });
}

/**
 * RxJS sorts its array at each schedule. Filling it would take minutes for the same reason, so sorting is postponed to the end
 * while it is filled; filling is not timed.
 */
function timeVirtualTimeScheduler(stopwatch: Stopwatch, pending: number, operations: number): Timing {
  const run = (count: number) => {
    const scheduler = new VirtualTimeScheduler();
    const { actions } = scheduler;
    let events = 0;
    actions.sort = () => actions;
    fill(scheduler, pending, () => {
      events += 1;
      if (events <= count) return false;
      actions.length = 0;
      return true;
    });
    Reflect.deleteProperty(actions, 'sort');
    actions.sort((a, b) => a.delay - b.delay);
    const start = cpuNs();
    scheduler.flush();
    return cpuNs() - start;
  };
  return stopwatch.time(run, { operations });
}

/** Puts actions in the queue that schedule themselves again until `stop` says true. */
function fill(scheduler: SchedulerLike, pending: number, stop: () => boolean): void {
  let turn = 0;
  function work(this: SchedulerAction<unknown>) {
    if (stop()) return;
    turn = (turn + 1) & 4095;
    this.schedule(undefined, delaysNs[turn] ?? 1);
  }
  for (let index = 0; index < pending; index += 1) scheduler.schedule(work, delaysNs[index & 4095] ?? 1);
}

/** A doorbell that triggers a decision at the same instant, and so on. */
function timeSameInstant(stopwatch: Stopwatch): Timing {
  const queue = new EventKernel();
  const handler = queue.register('bench', () => queue.post(0, handler));
  queue.post(0, handler);
  return stopwatch.time((operations) => void queue.drain(operations), { operations: 1_000_000 });
}

/** A timeout that is set for each packet and cancelled before it fires. */
function timeCancel(stopwatch: Stopwatch): Timing {
  const queue = new EventKernel();
  const handler = queue.register('bench', () => {});
  for (let index = 0; index < 1_000; index += 1) queue.post(1_000_000 + index, handler);
  const run = (operations: number) => {
    for (let index = 0; index < operations; index += 1) {
      queue.cancel(queue.schedule(delaysNs[index & 4095] ?? 1, handler));
    }
    return undefined;
  };
  return stopwatch.time(run, { operations: 400_000 });
}
