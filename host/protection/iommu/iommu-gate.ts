import { type AccessGate, DENIED } from '../../bus/access-gate.js';
import type { WalkResult } from '../../iommu/table-walker.js';
import { STOPPED, type TranslationTiming } from '../../iommu/timing/translation-timing.js';

/** Told of every access that was stopped, to log it as the vendor's unit does. */
export type FaultSink = (requesterId: number, address: number, write: boolean, walk: WalkResult) => void;

/**
 * The IOMMU as the access gate: every access of the device is looked up by its requester ID and translated.
 * With `sharedRequester` all contexts are one device to it, as those of a card without requester IDs of its
 * own for each are: then nothing can tell the guests apart.
 */
export class IommuGate implements AccessGate {
  readonly #timing: TranslationTiming;
  readonly #onFault: FaultSink;
  readonly #sharedRequester: number | undefined;
  readonly #managementRequester: number;
  #checked = 0;
  #denied = 0;

  constructor(
    timing: TranslationTiming,
    onFault: FaultSink,
    managementRequester: number,
    sharedRequester: number | undefined,
  ) {
    this.#timing = timing;
    this.#onFault = onFault;
    this.#managementRequester = managementRequester;
    this.#sharedRequester = sharedRequester;
  }

  get delayNs(): number {
    return this.#timing.delayNs;
  }

  get checked(): number {
    return this.#checked;
  }

  get denied(): number {
    return this.#denied;
  }

  check(requesterId: number, address: number, _length: number, write: boolean, nowNs: number): number {
    this.#checked += 1;
    const id =
      this.#sharedRequester === undefined || requesterId === this.#managementRequester
        ? requesterId
        : this.#sharedRequester;
    const physical = this.#timing.translate(id, address, write, nowNs);
    if (physical !== STOPPED) return physical;
    this.#denied += 1;
    this.#onFault(id, address, write, this.#timing.fault);
    return DENIED;
  }
}
