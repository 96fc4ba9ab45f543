import type { Script } from './script.js';

/** Where a violation was found, and what plays it again. */
export interface Counterexample {
  /** Smallest script that was found; `checkDiscipline(make, { replay: script })` plays it again. */
  readonly script: Script;
  /** Seed and path of the script as it was drawn, before it was made smaller: options of `checkDiscipline`. */
  readonly seed?: number;
  readonly path?: string;
}

/** A discipline violated a law that applies to all, or its own bound. The message ends with the timeline. */
export class LawBroken extends Error {
  override readonly name = 'LawBroken';
  /** The law in a few words, e.g. `work conservation`. */
  readonly law: string;
  readonly counterexample: Counterexample | undefined;

  constructor(law: string, message: string, counterexample?: Counterexample) {
    super(message);
    this.law = law;
    this.counterexample = counterexample;
  }

  /** Law, script, seed and path, without the text. The `replay` option takes it as it is. */
  toJSON(): { readonly law: string } & Partial<Counterexample> {
    return { law: this.law, ...this.counterexample };
  }
}
