import type { Share } from '../discipline.js';
import { present } from '../present.js';
import { powerOfTwoFrom } from '../whole-logarithm.js';
import type { Script, Step } from './script.js';
import type { TrialOutcome } from './trial.js';

/** Plays a script. */
export type Player = (script: Script) => TrialOutcome;

/** Frames that may be played in search of a smaller script. A number of frames, so that the result does not depend on the host. */
const BUDGET_FRAMES = 600_000;

/**
 * Makes a script that breaks a law smaller for as long as the same law stays broken: steps are left out, alone and in
 * groups, then every number is lowered as far as it goes. In the end no step can be left out, and no count, length, time,
 * weight or context number can be replaced by the smallest one, or by one less.
 *
 * fast-check's own shrinking is not used: it lowers the values that were drawn, and here the steps depend on each other
 * (who has joined, how much waits), so that most of the scripts that it tries break nothing.
 */
export class SmallerScript {
  readonly #play: Player;
  readonly #law: string;
  #script: Script;
  #outcome: TrialOutcome;
  #framesLeft = BUDGET_FRAMES;

  /** @param outcome of playing `script`, in which a law is broken. */
  constructor(play: Player, script: Script, outcome: TrialOutcome) {
    this.#play = play;
    this.#law = present(outcome.broken).law;
    this.#script = script;
    this.#outcome = outcome;
  }

  /** The smallest script found, and what playing it came to. */
  find(): { readonly script: Script; readonly outcome: TrialOutcome } {
    // It ends when nothing was accepted, and nothing is when no frames are left to be played.
    for (let before = ''; before !== JSON.stringify(this.#script); ) {
      before = JSON.stringify(this.#script);
      this.#endWhereItBroke();
      this.#leaveOutSteps();
      this.#numberFromZero();
      this.#lower(this.#script.startNs, 0, (startNs) => ({ ...this.#script, startNs }));
      for (let index = 0; index < this.#script.steps.length; index += 1) this.#lowerNumbersOf(index);
    }
    return { script: this.#script, outcome: this.#outcome };
  }

  #accepts(script: Script): boolean {
    if (this.#framesLeft <= 0) return false;
    const outcome = this.#play(script);
    this.#framesLeft -= outcome.grants + script.steps.length;
    if (outcome.broken?.law !== this.#law) return false;
    this.#script = script;
    this.#outcome = outcome;
    return true;
  }

  /** Nothing follows the grant that broke the law; what was served after the last step becomes a step. */
  #endWhereItBroke(): void {
    const { brokenAt, grantsInStep } = this.#outcome;
    const { steps } = this.#script;
    const whole = steps.slice(0, brokenAt);
    const last = steps[brokenAt];
    if (last === undefined || last.step === 'serve' || last.step === 'pass') {
      const frames = Math.max(1, grantsInStep);
      for (const count of [frames, frames + 1])
        if (this.#accepts({ ...this.#script, steps: [...whole, { step: 'serve', frames: count }] })) return;
    }
    if (last !== undefined && brokenAt + 1 < steps.length)
      this.#accepts({ ...this.#script, steps: [...whole, last] });
  }

  #leaveOutSteps(): void {
    const size = this.#script.steps.length;
    for (let group = powerOfTwoFrom(size); group >= 1; group /= 2) {
      for (let end = this.#script.steps.length; end > 0; end -= group) {
        const { steps } = this.#script;
        this.#accepts({
          ...this.#script,
          steps: [...steps.slice(0, Math.max(0, end - group)), ...steps.slice(end)],
        });
      }
    }
  }

  /** All context numbers at once, as they appear: 0, 1, 2, ...; then each as far down as it goes. */
  #numberFromZero(): void {
    const numbers = () => {
      const all = this.#script.steps.flatMap((step) => ('context' in step ? [step.context] : []));
      return [...new Set(all)].sort((a, b) => a - b);
    };
    const dense = new Map(numbers().map((context, index) => [context, index]));
    if (this.#accepts(renumbered(this.#script, (context) => dense.get(context) ?? context))) return;
    for (const context of numbers()) {
      const taken = new Set(numbers());
      const lowest = [...Array(taken.size + 1).keys()].find((number) => !taken.has(number)) ?? context;
      this.#lower(context, lowest, (lower) =>
        taken.has(lower)
          ? undefined
          : renumbered(this.#script, (number) => (number === context ? lower : number)),
      );
    }
  }

  #lowerNumbersOf(index: number): void {
    const replaced = (change: (step: Step) => Step): Script => ({
      ...this.#script,
      steps: this.#script.steps.map((step, at) => (at === index ? change(step) : step)),
    });
    const step = this.#script.steps[index];
    if (step === undefined) return;
    for (const [field, least] of LEAST) {
      const value = Reflect.get(step, field);
      if (typeof value !== 'number') continue;
      this.#lower(value, least, (lower) => replaced((old) => ({ ...old, [field]: lower }) as Step));
    }
    if (step.step !== 'join') return;
    this.#lower(step.share.weight, 1, (weight) =>
      replaced((old) => (old.step === 'join' ? { ...old, share: { ...old.share, weight } } : old)),
    );
    for (const field of Object.keys(step.share).filter((name) => name !== 'weight'))
      this.#accepts(
        replaced((old) => (old.step === 'join' ? { ...old, share: without(old.share, field) } : old)),
      );
  }

  /** Lowers one number: to the least at once if that will do, otherwise by halving, and at last by one. */
  #lower(value: number, least: number, withNumber: (lower: number) => Script | undefined): void {
    const accepts = (lower: number) => {
      const script = withNumber(lower);
      return script !== undefined && this.#accepts(script);
    };
    if (value <= least || accepts(least)) return;
    let [low, high] = [least, value];
    while (high - low > 1) {
      const middle = low + Math.floor((high - low) / 2);
      if (accepts(middle)) high = middle;
      else low = middle;
    }
  }
}

/** The numbers of a step, apart from its context, and the least that makes sense. */
const LEAST: readonly (readonly [string, number])[] = [
  ['count', 1],
  ['frames', 1],
  ['times', 1],
  ['ns', 0],
  ['bytes', 60],
];

function renumbered(script: Script, rename: (context: number) => number): Script {
  return {
    ...script,
    steps: script.steps.map((step) =>
      'context' in step ? { ...step, context: rename(step.context) } : step,
    ),
  };
}

function without(share: Share, field: string): Share {
  return {
    ...Object.fromEntries(Object.entries(share).filter(([name]) => name !== field)),
    weight: share.weight,
  };
}
