import { type SchedulerAction, type SchedulerLike, VirtualTimeScheduler } from 'rxjs';
import { EventKernel } from '../../scheduler/event-kernel.js';
import { KernelScheduler } from '../../scheduler/virtual-time.js';
import { hostNs, measure, round, type Timing, timingColumns } from '../measure.js';
import type { BenchContext, Row, Section } from '../section.js';

const PENDING = [10, 1_000, 100_000];

/** Every event schedules its successor this far ahead, so the queue stays as long as it was. */
const delaysNs = Uint32Array.from(
  { length: 4096 },
  (_, index) => 1 + (((index * 2654435761) >>> 0) % 20_000),
);

/** The hold model: take the earliest event, put one back at a random distance. One operation = schedule + run. */
export const kernel: Section = {
  name: 'kernel',
  title: 'Virtual time: schedule + run with a queue of constant length',
  run(context) {
    const rows: Row[] = [];
    for (const pending of PENDING) {
      const ours = timeKernel(pending, context);
      const ourActions = timeKernelScheduler(pending, context);
      const theirs = timeVirtualTimeScheduler(pending, context);
      const add = (what: string, timing: Timing) => {
        rows.push({
          what,
          pending,
          ...timingColumns(timing),
          timesRxjs: what.startsWith('RxJS') ? null : round(theirs.medianNs / timing.medianNs),
        });
      };
      add('EventKernel', ours);
      add('KernelScheduler (RxJS actions on EventKernel)', ourActions);
      add('RxJS VirtualTimeScheduler', theirs);
    }
    rows.push({
      what: 'EventKernel, delay 0',
      pending: 1,
      ...timingColumns(timeSameInstant(context)),
      timesRxjs: null,
    });
    rows.push({
      what: 'EventKernel, schedule + cancel',
      pending: 1_000,
      ...timingColumns(timeCancel(context)),
      timesRxjs: null,
    });
    return rows;
  },
};

function timeKernel(pending: number, { progress, quick }: BenchContext): Timing {
  progress(`EventKernel, ${pending} pending`);
  const queue = new EventKernel(pending);
  let turn = 0;
  const handler = queue.register('bench', (a) => {
    turn = (turn + 1) & 4095;
    queue.schedule(delaysNs[turn] ?? 1, handler, a);
  });
  for (let index = 0; index < pending; index += 1)
    queue.schedule(delaysNs[index & 4095] ?? 1, handler, index);
  return measure((operations) => void queue.drain(operations), { operations: quick ? 20_000 : 400_000 });
}

function timeKernelScheduler(pending: number, { progress, quick }: BenchContext): Timing {
  progress(`KernelScheduler, ${pending} pending`);
  const queue = new EventKernel(pending);
  fill(new KernelScheduler(queue), pending, () => false);
  return measure((operations) => void queue.drain(operations), { operations: quick ? 20_000 : 200_000 });
}

/**
 * RxJS sorts its array at each schedule, so the number of events is what some hundred milliseconds allow.
 * Filling it would take minutes for the same reason: while it is filled, sorting is put off to the end.
 */
function timeVirtualTimeScheduler(pending: number, { progress, quick }: BenchContext): Timing {
  progress(`RxJS VirtualTimeScheduler, ${pending} pending`);
  const timesNs: number[] = [];
  for (let repetition = 0; repetition < (quick ? 1 : 5); repetition += 1) {
    const scheduler = new VirtualTimeScheduler();
    const { actions } = scheduler;
    const limitNs = (quick ? 20 : 300) * 1e6;
    let events = 0;
    let start = 0;
    const stop = () => {
      events += 1;
      if (events === 1) start = hostNs();
      if ((events & 15) === 1 && hostNs() - start > limitNs) {
        timesNs.push((hostNs() - start) / (events - 1));
        actions.length = 0;
        return true;
      }
      return false;
    };
    actions.sort = () => actions;
    fill(scheduler, pending, stop);
    Reflect.deleteProperty(actions, 'sort');
    actions.sort((a, b) => a.delay - b.delay);
    scheduler.flush();
  }
  timesNs.sort((a, b) => a - b);
  return {
    medianNs: timesNs[timesNs.length >> 1] ?? Number.NaN,
    fastestNs: timesNs[0] ?? Number.NaN,
    slowestNs: timesNs.at(-1) ?? Number.NaN,
    repetitions: timesNs.length,
  };
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

/** A doorbell that sets off a decision at the same instant, and so on. */
function timeSameInstant({ progress, quick }: BenchContext): Timing {
  progress('EventKernel, delay 0');
  const queue = new EventKernel();
  const handler = queue.register('bench', () => void queue.schedule(0, handler));
  queue.schedule(0, handler);
  return measure((operations) => void queue.drain(operations), { operations: quick ? 20_000 : 1_000_000 });
}

/** A timeout that is set for each packet and taken back before it fires. */
function timeCancel({ progress, quick }: BenchContext): Timing {
  progress('EventKernel, schedule + cancel');
  const queue = new EventKernel();
  const handler = queue.register('bench', () => {});
  for (let index = 0; index < 1_000; index += 1) queue.schedule(1_000_000 + index, handler);
  return measure(
    (operations) => {
      for (let index = 0; index < operations; index += 1) {
        queue.cancel(queue.schedule(delaysNs[index & 4095] ?? 1, handler));
      }
    },
    { operations: quick ? 20_000 : 400_000 },
  );
}
