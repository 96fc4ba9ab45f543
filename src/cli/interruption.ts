import { InvariantViolation } from '../../scheduler/errors.js';

/** Signals that ask for the end, and their exit codes as a shell counts: 128 and the number of the signal. */
const EXIT_CODES = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;
type EndSignal = keyof typeof EXIT_CODES;
const END_SIGNALS = Object.keys(EXIT_CODES) as EndSignal[];

/** The end was asked for: Ctrl-C, a polite kill, or the terminal went away. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
  readonly signal: EndSignal;
  /** What is left of the work. */
  readonly left: string;

  constructor(signal: EndSignal, left = 'nothing was written') {
    super(`stopped by ${signal}`);
    this.signal = signal;
    this.left = left;
  }

  get exitCode(): number {
    return EXIT_CODES[this.signal];
  }
}

/**
 * Handles signals while work goes on. Work that computes for long calls `breathe` now and then: it lets the
 * signal in, and throws if there was one, so that files can be removed. Work that threads do is
 * awaited through `cutShort`.
 */
export class Interruption {
  #signal: EndSignal | undefined;
  #heard: (() => void) | undefined;
  readonly #onSignal = (signal: NodeJS.Signals) => {
    this.#signal ??= END_SIGNALS.find((one) => one === signal);
    this.#heard?.();
  };

  listen(): void {
    for (const signal of END_SIGNALS) process.on(signal, this.#onSignal);
  }

  close(): void {
    for (const signal of END_SIGNALS) process.off(signal, this.#onSignal);
  }

  /** @throws Interrupted when a signal has come. */
  async breathe(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    if (this.#signal !== undefined) throw new Interrupted(this.#signal);
  }

  /**
   * What `work` comes to. When a signal comes first it is not waited for any longer, and is then to be
   * stopped.
   * @throws Interrupted
   */
  async cutShort<T>(work: Promise<T>): Promise<T> {
    const signal = new Promise<void>((resolve) => {
      this.#heard = resolve;
    });
    if (this.#signal !== undefined) this.#heard?.();
    const first = await Promise.race([work.then((result) => ({ result })), signal]);
    if (first !== undefined) return first.result;
    // Work that fails because it was stopped has nothing to report.
    work.catch(() => undefined);
    await this.breathe();
    throw new InvariantViolation('a signal was heard and is gone');
  }
}
