import type fc from 'fast-check';
import {
  refuseValue,
  requireFlag,
  requireFunction,
  requireRateBps,
  requireWhole,
} from '../checked-values.js';
import type { Share } from '../discipline.js';
import {
  checkOptions,
  type OptionChecks,
  requireContexts,
  requireRates,
  requireShares,
  requireSteps,
} from './checked-options.js';
import type { RelativeFairnessBound } from './relative-fairness-law.js';
import { requireScript, type Script, scriptFromJson } from './script.js';
import type { StarvationBound } from './starvation-law.js';
import type { PublishedOrder } from './virtual-link.js';

/** How a discipline is checked. */
export interface CheckOptions {
  /**
   * Bound on |S_i/w_i - S_j/w_j|, bytes per unit of weight, or `none` for a discipline that promises no shares: the laws
   * that need a bound are then left out. @defaultValue the discipline's `relativeFairnessBoundBytes`
   */
  readonly bound?: RelativeFairnessBound | 'none';
  /** Bound on the bytes of other contexts while one waits. @defaultValue derived from the relative fairness bound */
  readonly starvationBound?: StarvationBound;
  /** A published order that the discipline claims to follow exactly; a fresh model at each call. */
  readonly order?: () => PublishedOrder;
  /** Random scripts to play. @defaultValue 200 */
  readonly numRuns?: number;
  /** Repeats a check. @defaultValue the seed that fast-check is configured with */
  readonly seed?: number;
  /** With `seed`: plays one script of a check alone, as a `LawBroken` names it, e.g. `script 17` or `long run 2`. */
  readonly path?: string;
  /** Plays this script alone: of a `LawBroken`, or its JSON text. */
  readonly replay?: Script | string;
  /** Most contexts at once. @defaultValue 6 */
  readonly maxContexts?: number;
  /** Most steps per script. @defaultValue 60 */
  readonly maxSteps?: number;
  /** Shares for a given number of contexts, where a discipline needs more than weights. */
  readonly shares?: (contexts: number) => fc.Arbitrary<Share[]>;
  /** Rate of the virtual link, bits per second; a discipline that follows a reference system must be made for the same rate. @defaultValue 10^9 */
  readonly linkBps?: number;
  /**
   * Rates that the link may get during a script, bits per second: a discipline that was made for one has to have
   * `linkRateChanged`. @defaultValue none: it keeps its own
   */
  readonly rates?: readonly number[];
  /** Frames of each of the four long runs, in which three contexts are always backlogged; 0 for none. @defaultValue 100,000 */
  readonly longRunFrames?: number;
  /** Whether a script that breaks a law is made smaller before it is reported. @defaultValue true */
  readonly minimise?: boolean;
  /** Largest |S_i/S_j - w_i/w_j| after a long run, as a fraction of w_i/w_j. @defaultValue 0.05 */
  readonly longRunTolerance?: number;
}

const CHECK_OPTIONS: OptionChecks<CheckOptions> = {
  bound: (field, value) => {
    if (value !== 'none') requireFunction(field, value, '"none", or a function of two members');
  },
  starvationBound: (field, value) =>
    requireFunction(field, value, 'a function of the context that waits and the others'),
  order: (field, value) => requireFunction(field, value, 'a function that makes a published order'),
  numRuns: (field, value) => requireWhole(field, value, 0),
  seed: (field, value) => requireWhole(field, value, -Number.MAX_SAFE_INTEGER),
  path: scriptPath,
  replay: (_field, value) => {
    if (typeof value === 'string') scriptFromJson(value);
    else requireScript(value);
  },
  maxContexts: requireContexts,
  maxSteps: requireSteps,
  shares: requireShares,
  linkBps: requireRateBps,
  rates: requireRates,
  longRunFrames: (field, value) => requireWhole(field, value, 0),
  minimise: requireFlag,
  longRunTolerance: (field, value) => {
    if (typeof value !== 'number' || !(value >= 0)) refuseValue(field, value, 'a number >= 0');
  },
};

/** @throws ParameterError for an option that is not known, or has a value that it must not have */
export function checkCheckOptions(options: CheckOptions): void {
  checkOptions('check options', options, CHECK_OPTIONS);
}

/** The place of a script in a check. @throws ParameterError for what is none */
export function scriptPath(
  field: string,
  path: unknown,
): { readonly label: 'script' | 'long run'; readonly run: number } {
  const match = typeof path === 'string' ? /^(script|long run) (\d+)$/.exec(path) : null;
  if (match === null) return refuseValue(field, path, '"script" or "long run" and a number');
  return { label: match[1] === 'script' ? 'script' : 'long run', run: Number(match[2]) };
}
