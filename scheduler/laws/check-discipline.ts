import fc from 'fast-check';
import type { Discipline, Share } from '../discipline.js';
import { ParameterError } from '../errors.js';
import { present } from '../present.js';
import { LawBroken } from './law-broken.js';
import type { RelativeFairnessBound } from './relative-fairness-law.js';
import { requireScript, type Script, scriptFromJson } from './script.js';
import { seedOfScript } from './script-seed.js';
import { LONG_RUNS, longRun, type ScriptOptions, scripts } from './scripts.js';
import { SmallerScript } from './smaller-script.js';
import type { StarvationBound } from './starvation-law.js';
import { DETERMINISM, type TrialOutcome, type TrialSettings, tryScript } from './trial.js';
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

/** What a check has covered; a check without comparisons proves nothing. */
export interface CheckReport {
  readonly discipline: string;
  readonly verdict: 'the laws hold' | 'the laws that need no bound hold';
  readonly runs: number;
  readonly grants: number;
  /** Comparisons with the relative fairness bound, and the largest gap as a fraction of it. */
  readonly gapChecks: number;
  readonly largestGapRatio: number;
  /** How often two contexts were not compared, since their bound was infinite. */
  readonly gapUncompared: number;
  readonly starvationChecks: number;
  readonly largestStarvationRatio: number;
  /** Comparisons with the published order, if one was given. */
  readonly orderChecks: number;
  /** Comparisons of long-run shares. */
  readonly longRunChecks: number;
  readonly seed: number;
}

/**
 * Plays random scripts (arrivals of 60 to 9,018 bytes, awkward weights of every kind up to 65,535, sparse context numbers
 * up to 16,383, clocks about to overflow, joins, leaves, rejoins with another weight, withdrawals, idle times, redundant
 * doorbells, thousands of frames) on a virtual link against a discipline, and checks the laws: the same calls make the same
 * grants, no call throws, work conservation, no context starves, shares follow weights within the bound, an idle context
 * gains nothing, needless calls change nothing, the instant of the start changes nothing, and its own `checkInvariants`
 * after every step. Four long runs follow, after which shares must be those of the weights.
 *
 * @param makeDiscipline a fresh, empty discipline at each call.
 * @throws LawBroken with the smallest script found, as a timeline of arrivals and grants, and as data that `replay` takes.
 *   `nothing was compared` is a law too: a discipline with an infinite bound must be checked with `bound: 'none'`.
 */
export function checkDiscipline(makeDiscipline: () => Discipline, options: CheckOptions = {}): CheckReport {
  return new Check(makeDiscipline, options).run();
}

/** Where a script comes from: its name in `path`, and its arbitrary. */
interface Source {
  readonly label: 'script' | 'long run';
  readonly numRuns: number;
  readonly arbitrary: (run: number) => fc.Arbitrary<Script>;
}

class Check {
  readonly #options: CheckOptions;
  readonly #makeDiscipline: () => Discipline;
  readonly #seed: number;
  readonly #settings: TrialSettings;
  #runs = 0;
  readonly #tally = {
    grants: 0,
    gapChecks: 0,
    gapUncompared: 0,
    largestGapRatio: 0,
    starvationChecks: 0,
    largestStarvationRatio: 0,
    orderChecks: 0,
    longRunChecks: 0,
  };

  constructor(makeDiscipline: () => Discipline, options: CheckOptions) {
    this.#makeDiscipline = makeDiscipline;
    this.#options = options;
    this.#seed = options.seed ?? fc.readConfigureGlobal().seed ?? 1;
    this.#settings = {
      makeDiscipline,
      bound: options.bound,
      starvationBound: options.starvationBound,
      order: options.order,
      linkBps: options.linkBps ?? 1e9,
      longRunTolerance: options.longRunTolerance ?? 0.05,
    };
  }

  run(): CheckReport {
    const { replay, path, longRunFrames = 100_000 } = this.#options;
    const [random, long] = this.#sources(longRunFrames);
    if (replay !== undefined) {
      const script = typeof replay === 'string' ? scriptFromJson(replay) : requireScript(replay);
      this.#judge(script, undefined);
      return this.#report();
    }
    if (path !== undefined) {
      const { label, run } = requirePath(path);
      this.#judge(this.#draw(label === 'script' ? random : long, run), path);
      return this.#report();
    }
    this.#playAll(random);
    if (this.#options.bound !== 'none' && this.#tally.gapChecks + this.#tally.starvationChecks === 0) {
      throw this.#nothingCompared();
    }
    // Long-run shares are those of a discipline that bounds shares.
    if (longRunFrames > 0 && this.#tally.gapChecks > 0) this.#playAll(long);
    return this.#report();
  }

  #sources(longRunFrames: number): [Source, Source] {
    const { numRuns = 200 } = this.#options;
    const options: ScriptOptions = this.#options;
    return [
      { label: 'script', numRuns, arbitrary: () => scripts(options) },
      {
        label: 'long run',
        numRuns: LONG_RUNS,
        arbitrary: (run) => longRun(run, longRunFrames, options),
      },
    ];
  }

  #playAll(source: Source): void {
    for (let run = 0; run < source.numRuns; run += 1)
      this.#judge(this.#draw(source, run), `${source.label} ${run}`);
  }

  /** Each script has a seed of its own, so that one can be drawn without those before it and no other check draws it. */
  #draw({ arbitrary }: Source, run: number): Script {
    const [script] = fc.sample(arbitrary(run), { seed: seedOfScript(this.#seed, run), numRuns: 1 });
    if (script === undefined) throw new ParameterError(`no script was drawn for run ${run}`);
    return script;
  }

  #judge(script: Script, path: string | undefined): void {
    const outcome = tryScript(script, this.#settings);
    this.#runs += 1;
    this.#add(outcome);
    if (outcome.broken !== undefined) throw this.#explained(script, outcome, outcome.broken, path);
  }

  /** The violation on the smallest script, with what repeats it. */
  #explained(
    script: Script,
    outcome: TrialOutcome,
    violation: LawBroken,
    path: string | undefined,
  ): LawBroken {
    const play = (smaller: Script) => tryScript(smaller, this.#settings);
    const again = play(script);
    if (again.broken?.message !== violation.message || violation.law === DETERMINISM) {
      const how = `played twice, a script broke "${violation.law}" and then ${again.broken === undefined ? 'no law' : `"${again.broken.law}"`}`;
      const message =
        violation.law === DETERMINISM
          ? violation.message
          : `${this.#makeDiscipline().name} breaks "${DETERMINISM}": ${how}`;
      return this.#broken(DETERMINISM, message, script, path);
    }
    const isFinal = path === undefined || this.#options.minimise === false;
    if (isFinal) return this.#broken(violation.law, violation.message, script, path);
    const least = new SmallerScript(play, script, outcome).find();
    const { law, message } = present(least.outcome.broken);
    return this.#broken(law, message, least.script, path);
  }

  #broken(law: string, message: string, script: Script, path: string | undefined): LawBroken {
    const counterexample = path === undefined ? { script } : { script, seed: this.#seed, path };
    const found = path === undefined ? '' : `\nfound with { seed: ${this.#seed}, path: '${path}' }`;
    return new LawBroken(
      law,
      `${message}${found}\nplayed again by { replay: '${JSON.stringify(script)}' }`,
      counterexample,
    );
  }

  #nothingCompared(): LawBroken {
    const { gapUncompared } = this.#tally;
    const why =
      gapUncompared > 0
        ? `the bound was infinite in all ${gapUncompared} cases; with { bound: 'none' } the other laws are checked alone`
        : 'no two contexts were backlogged at the same time';
    return new LawBroken(
      'nothing was compared',
      `${this.#makeDiscipline().name} breaks "nothing was compared": ${this.#runs} scripts, ${this.#tally.grants} grants, no comparison: ${why}`,
    );
  }

  #add(outcome: TrialOutcome): void {
    const tally = this.#tally;
    tally.grants += outcome.grants;
    tally.gapChecks += outcome.gapChecks;
    tally.gapUncompared += outcome.gapUncompared;
    tally.starvationChecks += outcome.starvationChecks;
    tally.orderChecks += outcome.orderChecks;
    tally.longRunChecks += outcome.longRunChecks;
    tally.largestGapRatio = Math.max(tally.largestGapRatio, outcome.largestGapRatio);
    tally.largestStarvationRatio = Math.max(tally.largestStarvationRatio, outcome.largestStarvationRatio);
  }

  #report(): CheckReport {
    const { gapChecks, starvationChecks } = this.#tally;
    return {
      discipline: this.#makeDiscipline().name,
      verdict: gapChecks + starvationChecks > 0 ? 'the laws hold' : 'the laws that need no bound hold',
      runs: this.#runs,
      ...this.#tally,
      seed: this.#seed,
    };
  }
}

function requirePath(path: string): { readonly label: Source['label']; readonly run: number } {
  const match = /^(script|long run) (\d+)$/.exec(path);
  if (match === null)
    throw new ParameterError(`path is "${path}", expected "script" or "long run" and a number`);
  return { label: match[1] === 'script' ? 'script' : 'long run', run: Number(match[2]) };
}
