import { expect } from 'vitest';
import { contextId } from '../../../scheduler/branded.js';
import { NONE, type Share } from '../../../scheduler/discipline.js';
import { QuickFairQueueing } from '../../../scheduler/disciplines/index.js';
import { present } from '../../../scheduler/present.js';
import { QuickOrder } from '../oracles/fair-orders.js';

const SIZES = [60, 576, 1514, 4000, 9042];

/** Numbers below a limit, the same in every run. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32;
    return Math.floor((state / 2 ** 32) * below);
  };
}

interface Setting {
  readonly shares: readonly Share[];
  readonly rebaseAboveUnits?: number;
  readonly maxFrameBytes?: number;
}

/** QFQ beside the model of its published order, and the queues of both. */
export class QuickPair {
  readonly qfq: QuickFairQueueing;
  readonly order: QuickOrder;
  readonly queues = new Map<number, number[]>();
  grants = 0;

  constructor({ shares, rebaseAboveUnits = 2 ** 52, maxFrameBytes = 9042 }: Setting) {
    this.qfq = new QuickFairQueueing({ rebaseAboveUnits, maxFrameBytes });
    this.order = new QuickOrder(maxFrameBytes);
    for (const [context, share] of shares.entries()) {
      this.qfq.join(contextId(context), share);
      this.order.joined(context, share);
      this.queues.set(context, []);
    }
  }

  arrive(context: number, bytes: number): void {
    const queue = this.#queue(context);
    queue.push(bytes);
    this.order.arrived(context, bytes, queue.length === 1, 0);
    if (queue.length === 1) this.qfq.activate(contextId(context), bytes);
  }

  withdraw(context: number): void {
    const queue = this.#queue(context);
    if (queue.length === 0) return;
    queue.length = 0;
    this.order.withdrawn(context);
    this.qfq.withdraw(contextId(context));
  }

  /** Serves what QFQ selects, which has to be what the published rule says. `meanwhile` runs in between. */
  serve(meanwhile?: () => void): boolean {
    const context = this.qfq.select();
    expect(context === NONE ? [] : [context], `grant ${this.grants}`).toEqual(this.order.next());
    if (context === NONE) return false;
    meanwhile?.();
    const queue = this.#queue(context);
    const bytes = present(queue.shift());
    // 0: the queue is empty, as a discipline is told it.
    this.qfq.served(context, bytes, queue[0] ?? 0);
    this.order.granted(context, bytes, queue.length > 0, 0);
    this.grants += 1;
    return true;
  }

  #queue(context: number): number[] {
    const queue = this.queues.get(context);
    if (queue === undefined) throw new Error(`context ${context} does not take part`);
    return queue;
  }
}

/** A script of arrivals. */
export interface Load extends Setting {
  readonly grants: number;
  /** Frames that arrive per grant, in hundredths. */
  readonly load: number;
  /** Whether frames arrive between a selection and its service. */
  readonly reentry?: boolean;
  readonly isChecked?: boolean;
}

/** Plays arrivals, withdrawals and services at random, the same in every run. */
export function playArrivals({
  grants,
  load,
  reentry = false,
  isChecked = false,
  ...setting
}: Load): QuickPair {
  const { shares } = setting;
  const below = numbers(shares.length * 1_000 + load);
  const pair = new QuickPair(setting);
  const arrive = () => {
    const context = below(shares.length);
    const most = shares[context]?.maxFrameBytes ?? 9042;
    pair.arrive(context, Math.min(present(SIZES[below(SIZES.length)]), most));
  };
  while (pair.grants < grants) {
    if (below(100 + load) < load) arrive();
    else pair.serve(reentry && below(3) === 0 ? arrive : undefined);
    if (below(150) === 0) pair.withdraw(below(shares.length));
    if (isChecked) pair.qfq.checkInvariants();
  }
  while (pair.serve()) if (isChecked) pair.qfq.checkInvariants();
  return pair;
}

/** A script in which every context waits. */
export interface Backlog extends Setting {
  readonly maxFrameBytes: number;
  readonly grants: number;
  /** Of a hundred frames, those that are not as long as they may be. */
  readonly odd: number;
  /** Of a hundred grants, those after which a context has nothing until the next such grant. */
  readonly idle?: number;
  readonly isChecked?: boolean;
}

/**
 * Contexts that always wait, mostly with the largest frames. The first ones have any length, so that the tags begin anywhere
 * in their slots. Then a group may still wait, ready, in the second half of its time, and blocks the groups below it.
 */
export function playGroups({ grants, odd, idle = 0, isChecked = false, ...setting }: Backlog): QuickPair {
  const { shares, maxFrameBytes } = setting;
  const below = numbers(shares.length + odd);
  const pair = new QuickPair(setting);
  const most = (context: number) => shares[context]?.maxFrameBytes ?? maxFrameBytes;
  const any = (context: number) => 60 + below(most(context) - 59);
  const refill = (context: number) => pair.arrive(context, below(100) < odd ? any(context) : most(context));
  for (const context of shares.keys()) pair.arrive(context, any(context));
  let spared = NONE as number;
  for (const context of shares.keys()) refill(context);
  while (pair.grants < grants) {
    pair.serve();
    if (isChecked) pair.qfq.checkInvariants();
    if (below(100) < idle) spared = below(shares.length);
    for (const [context, queue] of pair.queues) if (queue.length < 2 && context !== spared) refill(context);
  }
  return pair;
}
