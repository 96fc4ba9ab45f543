import type { Scenario, TrafficSpec } from './schema.js';

/** What is said of a run in which a seed decides nothing. */
export const NOTHING_RANDOM = 'nothing here is random: every seed gives the same run';

/** Whether the seed of a run decides anything in a scenario. */
export function isRandom({ guests, balloon, changes = [] }: Scenario): boolean {
  if (balloon !== undefined || changes.some((change) => change.balloon !== undefined)) return true;
  if (
    changes.some(
      ({ traffic }) => traffic !== undefined && drawsFromSeed({ ...traffic, startNs: 0 } as TrafficSpec),
    )
  )
    return true;
  return guests.some(
    ({ traffic, receive, attached }) =>
      attached === true || drawsFromSeed(traffic) || (receive !== undefined && drawsFromSeed(receive)),
  );
}

function drawsFromSeed(spec: TrafficSpec): boolean {
  if (spec.kind !== 'none' && spec.startNs === undefined) return true;
  switch (spec.kind) {
    case 'none':
    case 'replay':
      return false;
    case 'request':
      return spec.thinkNs > 0;
    case 'poisson':
    case 'pareto':
      return true;
    case 'on-off':
      return spec.lengths === 'exponential' || mixesSizes(spec.frameBytes);
    case 'greedy':
    case 'constant':
      return mixesSizes(spec.frameBytes);
  }
}

/** A mix has exact proportions, in an order that is drawn. */
function mixesSizes(sizes: Extract<TrafficSpec, { kind: 'greedy' }>['frameBytes']): boolean {
  if (typeof sizes === 'number') return false;
  return sizes === 'imix' || new Set(sizes.map(({ bytes }) => bytes)).size > 1;
}
