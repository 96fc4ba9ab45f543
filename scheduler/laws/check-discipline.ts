import fc from 'fast-check';
import type { Discipline, Share } from '../discipline.js';
import { weightedShares } from './arbitraries.js';
import { linkCommands } from './commands.js';
import { LawBroken } from './law-broken.js';
import { type RelativeFairnessBound, RelativeFairnessLaw } from './relative-fairness-law.js';
import { type StarvationBound, StarvationLaw, starvationFromGap } from './starvation-law.js';
import { VirtualLink } from './virtual-link.js';

/** How a discipline is checked. */
export interface CheckOptions {
  /** Bound on |S_i/w_i - S_j/w_j|, bytes per unit of weight. @defaultValue the discipline's `gapBoundBytes` */
  readonly bound?: RelativeFairnessBound;
  /** Bound on the bytes of other contexts while one waits. @defaultValue derived from the gap bound */
  readonly starvationBound?: StarvationBound;
  /** Random scripts to play. @defaultValue 200 */
  readonly numRuns?: number;
  /** Repeats a run. @defaultValue the seed that fast-check is configured with */
  readonly seed?: number;
  /** Most contexts at once. @defaultValue 6 */
  readonly maxContexts?: number;
  /** Most steps per script. @defaultValue 60 */
  readonly maxCommands?: number;
  /** Shares for a given number of contexts, where a discipline needs more than weights. */
  readonly shares?: (contexts: number) => fc.Arbitrary<Share[]>;
  /** Rate of the virtual link, bits per second; a discipline that follows a reference system must be made for the same rate. @defaultValue 10^9 */
  readonly linkBps?: number;
}

/** What a check has covered; a check without comparisons proves nothing. */
export interface CheckReport {
  readonly discipline: string;
  readonly runs: number;
  readonly grants: number;
  /** Comparisons with the gap bound, and the largest gap as a fraction of it. */
  readonly gapChecks: number;
  readonly largestGapRatio: number;
  readonly starvationChecks: number;
  readonly largestStarvationRatio: number;
  readonly seed: number;
}

/**
 * Plays random scripts (arrivals of 60 to 9,018 bytes, awkward weights of every kind, joins, leaves,
 * withdrawals, idle times, redundant doorbells) on a virtual link against a discipline, and checks the
 * laws: no call throws, work conservation, no context starves, shares follow weights within the bound, an idle context gains
 * nothing, needless calls change nothing, and its own `checkInvariants` after every step.
 *
 * @param makeDiscipline a fresh, empty discipline at each call.
 * @throws LawBroken with the smallest script found, as a timeline of arrivals and grants.
 */
export function checkDiscipline(makeDiscipline: () => Discipline, options: CheckOptions = {}): CheckReport {
  const { maxContexts = 6, maxCommands = 60, shares = weightedShares, numRuns = 200 } = options;
  const tally = { runs: 0, grants: 0, gapChecks: 0, gap: 0, starvationChecks: 0, starvation: 0 };
  const script = fc
    .integer({ min: 2, max: maxContexts })
    .chain(shares)
    .chain((list) => fc.tuple(fc.constant(list), linkCommands(list, { maxCommands })));

  const outcome = fc.check(
    fc.property(script, ([list, commands]) => {
      const subject = makeDiscipline();
      const bound = options.bound ?? ((i, j) => subject.relativeFairnessBoundBytes(i, j));
      const broken = (law: string, message: string): never => link.broken(law, message);
      const relativeFairnessLaw = new RelativeFairnessLaw(bound, broken);
      const starvationLaw = new StarvationLaw(options.starvationBound ?? starvationFromGap(bound), broken);
      const link: VirtualLink = new VirtualLink(subject, {
        twin: makeDiscipline(),
        watchers: [relativeFairnessLaw, starvationLaw],
        ...(options.linkBps === undefined ? {} : { linkBps: options.linkBps }),
      });
      try {
        for (const [context, share] of list.entries()) link.join(context, share);
        fc.modelRun(() => ({ model: link, real: link }), commands);
        while (link.serve());
      } catch (error) {
        if (error instanceof LawBroken) throw error;
        link.broken('no call throws', error instanceof Error ? error.message : `${error}`);
      }
      tally.runs += 1;
      tally.grants += link.timeline.grants;
      tally.gapChecks += relativeFairnessLaw.checks;
      tally.gap = Math.max(tally.gap, relativeFairnessLaw.largestRatio);
      tally.starvationChecks += starvationLaw.checks;
      tally.starvation = Math.max(tally.starvation, starvationLaw.largestRatio);
    }),
    { numRuns, ...(options.seed === undefined ? {} : { seed: options.seed }) },
  );

  if (outcome.failed) {
    const cause = outcome.errorInstance;
    const replay = `found with seed ${outcome.seed} after ${outcome.numRuns} runs and ${outcome.numShrinks} shrinks`;
    if (cause instanceof LawBroken) throw new LawBroken(cause.law, `${cause.message}\n${replay}`);
    throw cause instanceof Error ? cause : new Error(`the check failed: ${cause}`);
  }
  return {
    discipline: makeDiscipline().name,
    runs: tally.runs,
    grants: tally.grants,
    gapChecks: tally.gapChecks,
    largestGapRatio: tally.gap,
    starvationChecks: tally.starvationChecks,
    largestStarvationRatio: tally.starvation,
    seed: outcome.seed,
  };
}
