import { refuseValue } from '../../../scheduler/checked-values.js';
import { InvariantViolation } from '../../../scheduler/errors.js';
import { refuseUnknownOptions } from '../../../scheduler/known-options.js';
import { absent } from '../../../scheduler/present.js';
import type { HostParts } from '../../host-parts.js';

/** The lock around a unit's queue, and what is done while it is held. Times in ns. */
export interface QueueLockOptions {
  /** How long a submission (an invalidation and its wait) holds the lock, apart from the write of the tail. */
  readonly submissionNs: number;
  /**
   * The write of the queue's tail, while the lock is held: in a nested guest it traps to the hypervisor below, which
   * carries out the invalidations before it returns. @defaultValue 0: a register of the machine itself
   */
  readonly tailWriteNs: number;
  /**
   * How long a batch of maps holds the lock; 0 if it does not take it. Linux 6.12 looks under `cache_lock` for caches
   * that have to be told of new mappings. @defaultValue 0
   */
  readonly mapNs: number;
  /**
   * How long a waiter spins before it leaves the guest: the processor exits to the hypervisor because of the waiter's
   * pauses (pause-loop exiting), or the kernel halts it (paravirtual spin locks).
   * @defaultValue Infinity: on the metal it spins until it has the lock
   */
  readonly spinLimitNs: number;
  /** Time between handing the lock to a waiter that has left the guest and the waiter running again. */
  readonly returnNs: number;
}

const DEFAULT_QUEUE_LOCK: QueueLockOptions = {
  submissionNs: 300,
  tailWriteNs: 0,
  mapNs: 0,
  spinLimitNs: Number.POSITIVE_INFINITY,
  returnNs: 0,
};

/** The defaults with some changed. @throws ParameterError for a time that is none */
export function queueLockOptions(changes: Partial<QueueLockOptions>): QueueLockOptions {
  refuseUnknownOptions('iommu.queueLock', changes, DEFAULT_QUEUE_LOCK);
  const all = { ...DEFAULT_QUEUE_LOCK, ...changes };
  for (const [name, value] of Object.entries<unknown>(all)) {
    const isTime = typeof value === 'number' && value >= 0;
    if (!isTime || !(name === 'spinLimitNs' || Number.isFinite(value)))
      refuseValue(`iommu.queueLock.${name}`, value, 'a time in ns >= 0');
  }
  return all;
}

/** An interval in which the lock is held, ns. */
interface Hold {
  readonly startNs: number;
  readonly endNs: number;
}

/**
 * A spin lock that cores contend for. A core that finds it held spins, and is charged for the time. The work of a core
 * is computed at one instant and extends into the future, so a request can name an earlier moment than one that has
 * been granted already: the lock keeps the intervals in which it is held, and a request gets the first gap that is long
 * enough.
 */
export class QueueLock {
  readonly options: QueueLockOptions;
  readonly #parts: HostParts;
  /** Intervals that have not ended, in order of time; no two overlap. */
  readonly #holds: Hold[] = [];
  #acquisitions = 0;
  #contended = 0;
  #absences = 0;
  #heldNs = 0;
  #waitedNs = 0;

  /** @throws ParameterError for a time that is none. */
  constructor(parts: HostParts, options: Partial<QueueLockOptions>) {
    this.#parts = parts;
    this.options = queueLockOptions(options);
  }

  /** How often it was taken, and waited for, and how often a waiter had left the guest; times in ns, summed. */
  get counters(): Readonly<Record<string, number>> {
    return {
      lockAcquisitions: this.#acquisitions,
      lockContended: this.#contended,
      lockAbsences: this.#absences,
      lockHeldNs: this.#heldNs,
      lockWaitedNs: this.#waitedNs,
    };
  }

  /** A submission: waits for the lock, holds it, writes the tail. All of it is time of the core that asks. */
  submit(): void {
    this.#take(this.options.submissionNs + this.options.tailWriteNs);
  }

  /** A batch of maps looks for caches to be told of it. */
  map(): void {
    if (this.options.mapNs > 0) this.#take(this.options.mapNs);
  }

  checkInvariants(): void {
    let before = 0;
    for (const { startNs, endNs } of this.#holds) {
      if (startNs < before || endNs < startNs)
        throw new InvariantViolation(`the lock of the queue is held twice at ${startNs} ns`);
      before = endNs;
    }
  }

  #take(holdNs: number): void {
    const { kernel, processor, hypervisor } = this.#parts;
    const askedNs = kernel.nowNs + processor.elapsedNs;
    this.#forget(kernel.nowNs);
    const { at, startNs, isAbsent } = this.#firstGap(askedNs, holdNs);
    const readyNs = startNs + (isAbsent ? this.options.returnNs : 0);
    // While a waiter that was handed the lock is away, none has it and none gets it.
    this.#holds.splice(at, 0, { startNs, endNs: readyNs + holdNs });
    this.#acquisitions += 1;
    if (startNs > askedNs) this.#contended += 1;
    if (isAbsent) this.#absences += 1;
    this.#waitedNs += readyNs - askedNs;
    this.#heldNs += holdNs;
    processor.spin(hypervisor.account, readyNs - askedNs + holdNs);
  }

  /** The first time from `askedNs` on for which the lock is free for long enough, and its place in the list. */
  #firstGap(askedNs: number, holdNs: number): { at: number; startNs: number; isAbsent: boolean } {
    let startNs = askedNs;
    for (const [at, hold] of this.#holds.entries()) {
      const isAbsent = this.#leaves(startNs - askedNs);
      if (hold.startNs >= startNs + holdNs + (isAbsent ? this.options.returnNs : 0))
        return { at, startNs, isAbsent };
      startNs = Math.max(startNs, hold.endNs);
    }
    return { at: this.#holds.length, startNs, isAbsent: this.#leaves(startNs - askedNs) };
  }

  #leaves(waitedNs: number): boolean {
    return waitedNs > this.options.spinLimitNs;
  }

  /** No core can ask for a moment before now. */
  #forget(nowNs: number): void {
    let past = 0;
    while (past < this.#holds.length && (this.#holds[past] ?? absent()).endNs <= nowNs) past += 1;
    if (past > 0) this.#holds.splice(0, past);
  }
}
