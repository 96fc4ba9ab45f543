import type { AccessGate } from '../../../host/bus/access-gate.js';
import { STOPPED, type TranslationCache } from '../../../host/iommu/translation/translation-cache.js';
import {
  addressAfter,
  type BusPageNumber,
  busAddress,
  busPageOf,
  ioPageOf,
  ioVirtualAddress,
  offsetInPage,
  pageAddress,
  requesterId,
} from '../../../nic/addresses.js';

/** An address on the bus that a number holds, in the two parts that a bus and a gate are asked with. */
export function placeOf(address: number): readonly [BusPageNumber, number] {
  return [busPageOf(busAddress(address)), offsetInPage(address)];
}

/** Where a gate sends an access, or -1. */
export function reachedThrough(
  gate: AccessGate,
  requester: number,
  address: number,
  length: number,
  write: boolean,
): number {
  const [page, offset] = placeOf(address);
  const reached = gate.check(requesterId(requester), page, offset, length, write);
  return reached < 0 ? reached : addressAfter(pageAddress(reached), offset);
}

/** Where a translation unit says that an address goes, or STOPPED. */
export function translatedBy(
  unit: TranslationCache,
  requester: number,
  iova: number,
  write: boolean,
): number {
  const offset = offsetInPage(iova);
  const page = unit.translate(requesterId(requester), ioPageOf(ioVirtualAddress(iova)), offset, write);
  return page === STOPPED ? page : addressAfter(pageAddress(page), offset);
}
