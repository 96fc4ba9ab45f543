import { InvariantViolation } from '../../scheduler/errors.js';
/** The user has asked for the end (Ctrl-C, or a polite kill). */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
  readonly signal: 'SIGINT' | 'SIGTERM';
  /** What is left of the work. */
  readonly left: string;

  constructor(signal: 'SIGINT' | 'SIGTERM', left = 'nothing was written') {
    super(`stopped by ${signal}`);
    this.signal = signal;
    this.left = left;
  }

  /** As a shell counts: 128 and the number of the signal. */
  get exitCode(): number {
    return this.signal === 'SIGINT' ? 130 : 143;
  }
}

/**
 * Hears signals while work goes on. Work that computes for long calls `breathe` now and then: it lets the
 * signal in, and throws if there was one, so that whoever holds files can take them away. Who waits for work that
 * others do (threads) waits through `cutShort`.
 */
export class Interruption {
  #signal: 'SIGINT' | 'SIGTERM' | undefined;
  #heard: (() => void) | undefined;
  readonly #onSignal = (signal: NodeJS.Signals) => {
    this.#signal ??= signal === 'SIGTERM' ? 'SIGTERM' : 'SIGINT';
    this.#heard?.();
  };

  listen(): void {
    process.on('SIGINT', this.#onSignal);
    process.on('SIGTERM', this.#onSignal);
  }

  close(): void {
    process.off('SIGINT', this.#onSignal);
    process.off('SIGTERM', this.#onSignal);
  }

  /** @throws Interrupted when a signal has come. */
  async breathe(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    if (this.#signal !== undefined) throw new Interrupted(this.#signal);
  }

  /**
   * What `work` comes to. When a signal comes first it is not waited for any longer; whoever does the work is then to
   * be stopped.
   * @throws Interrupted
   */
  async cutShort<T>(work: Promise<T>): Promise<T> {
    const signal = new Promise<void>((resolve) => {
      this.#heard = resolve;
    });
    if (this.#signal !== undefined) this.#heard?.();
    const first = await Promise.race([work.then((result) => ({ result })), signal]);
    if (first !== undefined) return first.result;
    // Work that fails because it was stopped has nothing to say any more.
    work.catch(() => undefined);
    await this.breathe();
    throw new InvariantViolation('a signal was heard and is gone');
  }
}
