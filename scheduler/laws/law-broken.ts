/** A discipline violated a law that applies to all, or its own bound. The message ends with the timeline. */
export class LawBroken extends Error {
  override readonly name = 'LawBroken';
  /** The law in a few words, e.g. `work conservation`. */
  readonly law: string;

  constructor(law: string, message: string) {
    super(message);
    this.law = law;
  }
}
