import type { EventHandle, EventKernel, HandlerId } from './event-kernel.js';

/** When a scheduler decides: in an event of its own at the instant at which it was asked to, or at a promised time. */
export class DecisionEvents {
  readonly #kernel: EventKernel;
  readonly #decide: HandlerId;
  #pending = false;
  #wakeUp: EventHandle | undefined;

  /** @param name of the scheduler. @param decide makes decisions. @param onError receives what it throws, if given. */
  constructor(
    kernel: EventKernel,
    name: string,
    decide: () => void,
    onError: ((error: unknown) => void) | undefined,
  ) {
    this.#kernel = kernel;
    const run = (isWakeUp: number) => {
      if (isWakeUp === 1) this.#wakeUp = undefined;
      else this.#pending = false;
      decide();
    };
    this.#decide = kernel.register(
      `${name}.scheduler`,
      onError === undefined
        ? run
        : (isWakeUp) => {
            try {
              run(isWakeUp);
            } catch (error) {
              onError(error);
            }
          },
    );
  }

  /** Whether a decision is due, at this instant or later. */
  get areDue(): boolean {
    return this.#pending || this.#wakeUp !== undefined;
  }

  /** A decision at this instant, after the event that asks for it. */
  request(): void {
    if (this.#pending) return;
    this.#pending = true;
    this.#kernel.post(0, this.#decide);
  }

  /** A decision at `eligibleNs`, in place of the one that was promised before; none if that is Infinity. */
  wakeAt(eligibleNs: number): void {
    this.cancelWakeUp();
    if (eligibleNs === Number.POSITIVE_INFINITY) return;
    // Never at this instant again: rounding in a discipline must not stop the clock.
    const atNs = Math.max(Math.ceil(eligibleNs), this.#kernel.nowNs + 1);
    this.#wakeUp = this.#kernel.scheduleAt(atNs, this.#decide, 1);
  }

  cancelWakeUp(): void {
    if (this.#wakeUp !== undefined) this.#kernel.cancel(this.#wakeUp);
    this.#wakeUp = undefined;
  }
}
