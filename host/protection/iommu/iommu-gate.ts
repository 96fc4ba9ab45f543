import {
  addressAfter,
  type BusAddress,
  type BusPageNumber,
  type HostPhysicalAddress,
  type IoPageNumber,
  type IoVirtualAddress,
  ioPageAddress,
  type PageNumber,
  pageAddress,
  type RequesterId,
  translatedBusPage,
  WIDE_ADDRESS,
} from '../../../nic/addresses.js';
import { type AccessGate, DENIED, type InterruptMessage } from '../../bus/access-gate.js';
import { InterruptResult } from '../../iommu/interrupt-remapping.js';
import type { WalkResult } from '../../iommu/table-walker.js';
import { STOPPED, type TranslationCache } from '../../iommu/translation/translation-cache.js';

/** Told of every access that was stopped, to log it as the vendor's unit does. */
export type FaultSink = (
  requesterId: RequesterId,
  address: IoVirtualAddress,
  write: boolean,
  walk: WalkResult,
  /** Bytes from `address` to the access, for an address from 2^53 on. */
  offset: number,
) => void;

/** Physical memory that no device reaches, whatever the tables say (VT-d's protected regions). */
export interface ClosedRegions {
  blocks(physical: HostPhysicalAddress, length: number): boolean;
}

export interface IommuGateParts {
  readonly timing: TranslationCache;
  readonly onFault: FaultSink;
  /** What becomes of interrupt messages. */
  readonly onMessage: (id: RequesterId, address: number, data: number, out: InterruptResult) => void;
  readonly managementRequester: RequesterId;
  readonly sharedRequester: RequesterId | undefined;
  readonly regions?: ClosedRegions;
}

/**
 * The IOMMU as the access gate: every access of the device is looked up by its requester ID and translated.
 * With `sharedRequester` all contexts are one device to it, as those of a card without requester IDs of its
 * own for each are: then nothing can tell the guests apart.
 */
export class IommuGate implements AccessGate {
  readonly #parts: IommuGateParts;
  readonly #timing: TranslationCache;
  readonly #interrupt = new InterruptResult();
  #checked = 0;
  #denied = 0;

  constructor(parts: IommuGateParts) {
    this.#parts = parts;
    this.#timing = parts.timing;
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

  check(
    requesterId: RequesterId,
    page: BusPageNumber,
    offset: number,
    length: number,
    write: boolean,
  ): PageNumber {
    const { sharedRequester, managementRequester, regions } = this.#parts;
    this.#checked += 1;
    const id =
      sharedRequester === undefined || requesterId === managementRequester ? requesterId : sharedRequester;
    const ioPage = translatedBusPage(page);
    const physical = this.#timing.translate(id, ioPage, offset, write);
    if (physical === STOPPED) {
      this.#denied += 1;
      this.#report(id, ioPage, offset, write);
      return DENIED;
    }
    // The regions are looked at behind the translation, and what they block is in no log.
    if (regions === undefined || !regions.blocks(addressAfter(pageAddress(physical), offset), length))
      return physical;
    this.#denied += 1;
    return DENIED;
  }

  message(requesterId: RequesterId, address: BusAddress, data: number): InterruptMessage | undefined {
    const { sharedRequester, managementRequester, onMessage } = this.#parts;
    const id =
      sharedRequester === undefined || requesterId === managementRequester ? requesterId : sharedRequester;
    this.#checked += 1;
    const outcome = this.#interrupt;
    onMessage(id, address, data, outcome);
    if (outcome.delivered) return outcome;
    this.#denied += 1;
    return undefined;
  }

  #report(id: RequesterId, page: IoPageNumber, offset: number, write: boolean): void {
    const { onFault } = this.#parts;
    const first = ioPageAddress(page);
    const walk = this.#timing.lastWalk;
    if (first < WIDE_ADDRESS) onFault(id, addressAfter(first, offset), write, walk, 0);
    else onFault(id, first, write, walk, offset);
  }
}
