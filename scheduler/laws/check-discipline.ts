import fc from 'fast-check';
import type { Discipline } from '../discipline.js';
import { ParameterError } from '../errors.js';
import { present } from '../present.js';
import { type CheckOptions, checkCheckOptions, scriptPath } from './check-options.js';
import { checkMaker } from './discipline-maker.js';
import { LawBroken } from './law-broken.js';
import { requireScript, type Script, scriptFromJson } from './script.js';
import { seedOfScript } from './script-seed.js';
import { anyLongRun, anyScript, LONG_RUNS, type ScriptOptions } from './scripts.js';
import { SmallerScript } from './smaller-script.js';
import { DETERMINISM, type TrialOutcome, type TrialSettings, tryScript } from './trial.js';

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
 * @throws ParameterError for what makes no discipline, and for an option that is not known or has a value that it must
 *   not have, before any script is played
 */
export function checkDiscipline(makeDiscipline: () => Discipline, options: CheckOptions = {}): CheckReport {
  checkMaker(makeDiscipline);
  checkCheckOptions(options);
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
      const { label, run } = scriptPath('path', path);
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
      { label: 'script', numRuns, arbitrary: () => anyScript(options) },
      {
        label: 'long run',
        numRuns: LONG_RUNS,
        arbitrary: (run) => anyLongRun(run, longRunFrames, options),
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
