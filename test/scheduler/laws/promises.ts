import type { BoundMember } from '../../../scheduler/discipline.js';
import { DISCIPLINES } from '../../../scheduler/disciplines/index.js';
import type { CheckOptions } from '../../../scheduler/laws/index.js';

/** The bounds on waiting that do not follow from a relative fairness bound. */
export const waiting: Record<string, CheckOptions['starvationBound']> = {
  prr: (_waiting, others) => sum(others, (other) => other.maxFrameBytes),
  wrr: (_waiting, others) => sum(others, (other) => other.weight * other.maxFrameBytes),
};

/** The bounds that a discipline states, or that it states none. */
export function promises(name: string): CheckOptions {
  const starvationBound = waiting[name];
  if (starvationBound !== undefined) return { starvationBound };
  return DISCIPLINES.some((entry) => entry.name === name && entry.weighted) ? {} : { bound: 'none' };
}

function sum(others: readonly BoundMember[], bytes: (other: BoundMember) => number): number {
  return others.reduce((total, other) => total + bytes(other), 0);
}
