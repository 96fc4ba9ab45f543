import { ioVirtualAddress, type RequesterId } from '../../../nic/addresses.js';
import { countOf } from '../../../scheduler/tally.js';
import type { UnitQueue } from './unit-queue.js';
import type { QueueError, VendorOperations } from './vendor-operations.js';

/** Time-outs in a row after which a device that does not answer is stopped. */
export const SILENCE_LIMIT = 3;

/** Refusals in a row after which the queue is left alone: nothing that it holds back is ever released. */
const REFUSAL_LIMIT = 16;

/** What the recovery needs besides the queue and its vendor's operations. */
export interface RecoveryParts {
  /** The device is asked no more, and everything of it is taken away. */
  readonly giveUp: (requesterId: RequesterId) => void;
  /** Devices that have to answer invalidations, and whether there ever was one. */
  readonly devices: () => readonly RequesterId[];
  readonly everAnyDevice: () => boolean;
  /** Times of an invalidation of everything and of a device's answer, ns. */
  readonly globalNs: number;
  readonly deviceNs: number;
}

/**
 * What the hypervisor does when the unit's queue stops, or passes over a command (XSA-373). Nothing that was waited for is
 * believed: pages, table pages, domain IDs and contexts stay as they are until an invalidation of everything has been
 * reported. A command that was refused is replaced, as Linux does in qi_check_fault. A device that did not answer is asked
 * again, for all that it holds; after `SILENCE_LIMIT` time-outs in a row its function is stopped, as Xen does.
 */
export class QueueRecovery<Command extends object> {
  readonly #queue: UnitQueue<Command>;
  readonly #operations: VendorOperations<Command>;
  readonly #parts: RecoveryParts;
  readonly #silences = new Map<RequesterId, number>();
  #refusals = 0;
  #errors = 0;
  #stopped = 0;

  constructor(queue: UnitQueue<Command>, operations: VendorOperations<Command>, parts: RecoveryParts) {
    this.#queue = queue;
    this.#operations = operations;
    this.#parts = parts;
  }

  /** Errors of the queue, and devices that were stopped for their silence. */
  get counters(): { readonly errors: number; readonly devicesStopped: number } {
    return { errors: this.#errors, devicesStopped: this.#stopped };
  }

  /** True while the unit stands still and software has not dealt with it. */
  get pending(): boolean {
    return this.#refusals > REFUSAL_LIMIT || this.#operations.queueError(false) !== undefined;
  }

  /** Deals with an error, if there is one. True if there was: what the unit has reported is then not to be believed. */
  check(): boolean {
    if (this.#refusals > REFUSAL_LIMIT) return true;
    const error = this.#operations.queueError(this.#parts.everAnyDevice());
    if (error === undefined) return false;
    this.#errors += 1;
    this.#deal(error);
    return true;
  }

  /** A wait was reported that can be believed: what failed before has been made good. */
  onReported(): void {
    this.#refusals = 0;
    // An empty map that is cleared is allocated anew.
    if (this.#silences.size > 0) this.#silences.clear();
  }

  #deal(error: QueueError): void {
    const queue = this.#queue;
    const silent = error.kind === 'timed-out' ? error.requesterId : undefined;
    if (error.kind === 'refused') this.#refusals += 1;
    queue.takeBack(error.kind === 'refused', silent);
    if (this.#refusals > REFUSAL_LIMIT) return;
    this.#operations.resumeQueue(error);
    const stop = silent !== undefined && this.#countSilence(silent) >= SILENCE_LIMIT;
    if (silent !== undefined && !stop) this.#askAgain(silent);
    if (error.kind === 'unknown') for (const device of this.#parts.devices()) this.#askAgain(device);
    for (const command of this.#operations.invalidateEverything())
      queue.submit(command, this.#parts.globalNs);
    queue.waitAgain();
    if (!stop) return;
    // Its DMA stops and its entry is cleared now, before the unit comes to what was submitted and anything is released.
    this.#silences.delete(silent);
    this.#stopped += 1;
    this.#parts.giveUp(silent);
  }

  #countSilence(device: RequesterId): number {
    const silences = countOf(this.#silences, device) + 1;
    this.#silences.set(device, silences);
    return silences;
  }

  #askAgain(device: RequesterId): void {
    this.#queue.submit(
      this.#operations.invalidateDeviceTlb(device, ioVirtualAddress(0), undefined),
      this.#parts.deviceNs,
    );
  }
}
