import { contextId } from '../../../scheduler/branded.js';
import type { Discipline } from '../../../scheduler/discipline.js';

/**
 * Frame sizes of each context, all waiting from the start and served back to back: the setting of the papers'
 * worked examples. Returns the contexts in the order in which they were served.
 */
export function playBacklog(discipline: Discipline, queues: readonly (readonly number[])[]): number[] {
  const rest = queues.map((frames) => [...frames]);
  for (const [context, frames] of rest.entries()) {
    for (const bytes of frames) discipline.arrived?.(contextId(context), bytes, 0);
    const head = frames[0];
    if (head !== undefined) discipline.activate(contextId(context), head, 0);
  }
  const order: number[] = [];
  for (;;) {
    const context = discipline.select(0);
    if (context < 0) return order;
    const frames = rest[context] ?? [];
    const bytes = frames.shift();
    if (bytes === undefined) throw new Error(`context ${context} has nothing`);
    order.push(context);
    discipline.served(context, bytes, frames[0] ?? 0, 0);
    discipline.checkInvariants();
  }
}

/**
 * Contexts that are always backlogged, each with frames of one size, until `totalBytes` have been served.
 * Returns the bytes of each.
 */
export function playGreedy(
  discipline: Discipline,
  frameBytes: readonly number[],
  totalBytes: number,
): number[] {
  const bytes = frameBytes.map(() => 0);
  for (const [context, size] of frameBytes.entries()) {
    for (let ahead = 0; ahead < 2; ahead += 1) discipline.arrived?.(contextId(context), size, 0);
    discipline.activate(contextId(context), size, 0);
  }
  for (let sum = 0; sum < totalBytes; ) {
    const context = discipline.select(0);
    const size = frameBytes[context];
    if (size === undefined) throw new Error(`no context selected after ${sum} bytes`);
    discipline.arrived?.(context, size, 0);
    discipline.served(context, size, size, 0);
    bytes[context] = (bytes[context] ?? 0) + size;
    sum += size;
  }
  return bytes;
}
