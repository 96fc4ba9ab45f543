import type { Discipline } from '../../../scheduler/discipline.js';
import type * as disciplines from '../../../scheduler/disciplines/index.js';
import { fullShares, type PublishedOrder, type ScriptOptions } from '../../../scheduler/laws/index.js';
import { DeadlineOrder } from './deadline-order.js';
import { QuickOrder, SelfClockedOrder, StartTimeOrder, WorstCaseFairOrder } from './fair-orders.js';
import { LINK_BPS, NS_PER_BYTE } from './follows.js';
import { GpsOrder } from './gps-order.js';
import { HierarchyOrder } from './hierarchy-order.js';
import { LimitedOrder } from './limited-order.js';
import { MinimumOrder } from './minimum-order.js';
import {
  DeficitOrder,
  FifoOrder,
  PacketRoundRobinOrder,
  StrictPriorityOrder,
  SurplusOrder,
  WeightedRoundRobinOrder,
} from './round-robin-orders.js';

/** A discipline beside the model of the order that was published for it. */
export interface Pair {
  readonly make: () => Discipline;
  readonly order: () => PublishedOrder;
  readonly options: ScriptOptions;
}

const shares = fullShares;
const linkBps = LINK_BPS;
/** Low enough for the clock to be lowered during a script, and high enough for the tags of waiting frames. */
const rebased = { rebaseAboveUnits: 2 ** 23 };

/** Every discipline that has a published order, made by a module of disciplines. */
export function publishedOrders(module: typeof disciplines): Readonly<Record<string, Pair>> {
  const pair = (make: () => Discipline, order: () => PublishedOrder, options: ScriptOptions = {}) => ({
    make,
    order,
    options,
  });
  const quanta = [60, 1514, 9018].map((quantumBytes) => ({
    [`drr ${quantumBytes}`]: pair(
      () => new module.DeficitRoundRobin({ quantumBytes }),
      () => new DeficitOrder(quantumBytes),
    ),
    [`srr ${quantumBytes}`]: pair(
      () => new module.SurplusRoundRobin({ quantumBytes }),
      () => new SurplusOrder(quantumBytes),
    ),
  }));
  const sfqOrder = () => new StartTimeOrder(NS_PER_BYTE);
  return {
    fifo: pair(
      () => new module.FifoDrain(),
      () => new FifoOrder(),
    ),
    prr: pair(
      () => new module.PacketRoundRobin(),
      () => new PacketRoundRobinOrder(),
    ),
    wrr: pair(
      () => new module.WeightedRoundRobin(),
      () => new WeightedRoundRobinOrder(),
    ),
    priority: pair(
      () => new module.StrictPriority(),
      () => new StrictPriorityOrder(),
      { shares },
    ),
    edf: pair(
      () => new module.EarliestDeadlineFirst(),
      () => new DeadlineOrder(),
      { shares },
    ),
    ...Object.assign({}, ...quanta),
    sfq: pair(() => new module.StartTimeFairQueueing({ linkBps }), sfqOrder),
    'sfq rebased': pair(() => new module.StartTimeFairQueueing({ linkBps, ...rebased }), sfqOrder),
    scfq: pair(
      () => new module.SelfClockedFairQueueing(),
      () => new SelfClockedOrder(),
    ),
    'scfq rebased': pair(
      () => new module.SelfClockedFairQueueing(rebased),
      () => new SelfClockedOrder(),
    ),
    'wf2q+': pair(
      () => new module.WorstCaseFairWeightedFairQueueing(),
      () => new WorstCaseFairOrder(),
    ),
    'wf2q+ rebased': pair(
      () => new module.WorstCaseFairWeightedFairQueueing(rebased),
      () => new WorstCaseFairOrder(),
    ),
    qfq: pair(
      () => new module.QuickFairQueueing(),
      () => new QuickOrder(9042),
    ),
    wfq: pair(
      () => new module.WeightedFairQueueing({ linkBps }),
      () => new GpsOrder(LINK_BPS),
      { churn: false },
    ),
  };
}

/** Orders that can stand at either level of a hierarchy. */
const LEVELS: Readonly<Record<string, () => PublishedOrder>> = {
  drr: () => new DeficitOrder(1514),
  sfq: () => new StartTimeOrder(NS_PER_BYTE),
  'wf2q+': () => new WorstCaseFairOrder(),
  scfq: () => new SelfClockedOrder(),
  prr: () => new PacketRoundRobinOrder(),
  priority: () => new StrictPriorityOrder(),
};

const WEIGHTS: Readonly<Record<number, number>> = { 0: 5, 1: 1, 2: 300 };

/** A token bucket in front of a rule. */
export function publishedLimit(module: typeof disciplines, inner: string): Pair {
  return {
    make: () => module.makeDiscipline(`limited:${inner}`, { linkBps }),
    order: () => new LimitedOrder(LEVELS[inner]?.() ?? new FifoOrder()),
    options: { shares, reentry: false },
  };
}

/** A minimum rate before a rule. */
export function publishedMinimum(module: typeof disciplines, inner: string): Pair {
  return {
    make: () => module.makeDiscipline(`minimum:${inner}`, { linkBps }),
    order: () => new MinimumOrder(LEVELS[inner]?.() ?? new FifoOrder()),
    options: { shares, reentry: false },
  };
}

/** A hierarchy of two levels, with tenants of different weights. */
export function publishedHierarchy(module: typeof disciplines, outer: string, inner: string): Pair {
  const made = (name: string) => LEVELS[name]?.() ?? new FifoOrder();
  const tenants = Object.fromEntries(
    Object.entries(WEIGHTS).map(([tenant, weight]) => [tenant, { share: { weight } }]),
  );
  return {
    make: () => module.makeDiscipline(`${outer}/${inner}`, { linkBps, tenants }),
    order: () =>
      new HierarchyOrder(
        made(outer),
        () => made(inner),
        (tenant) => WEIGHTS[tenant] ?? 1,
      ),
    options: { shares, reentry: false },
  };
}
