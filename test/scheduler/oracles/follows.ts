import fc from 'fast-check';
import type { Discipline } from '../../../scheduler/discipline.js';
import {
  type PublishedOrder,
  playStep,
  type ScriptOptions,
  scripts,
  VirtualLink,
} from '../../../scheduler/laws/index.js';
import { runs } from '../../support/whole.js';

/** Scripts that a pair is played, unless told otherwise. */
export const SCRIPTS: number = runs(80);
/** The rate at which oracles and disciplines follow a link. */
export const LINK_BPS = 1e9;
/** Time of a byte at that rate, ns. */
export const NS_PER_BYTE = 8;

/**
 * Plays random scripts against a discipline and the model of its published order; every grant has to be one that the model
 * permits. Returns the number of grants that were compared.
 * @throws where they differ, with the timeline and both choices.
 */
export function followsOrder(
  pair: {
    readonly make: () => Discipline;
    readonly order: () => PublishedOrder;
    readonly options: ScriptOptions;
  },
  { numRuns = SCRIPTS, endOnFailure = false } = {},
): number {
  let compared = 0;
  fc.assert(
    fc.property(scripts({ plain: true, ...pair.options }), ({ startNs, steps }) => {
      const link = new VirtualLink(pair.make(), { order: pair.order(), linkBps: LINK_BPS, startNs });
      for (const step of steps) playStep(link, step);
      for (let left = 0; left < 300 && link.serve(); left += 1);
      compared += link.orderChecks;
    }),
    { numRuns, endOnFailure },
  );
  return compared;
}
