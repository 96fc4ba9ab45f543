import type { RequesterId } from '../../../nic/addresses.js';
import { refuseValue } from '../../../scheduler/checked-values.js';

/** Faults at which Xen stops a function (`PT_FAULT_THRESHOLD`, xen/include/xen/pci.h). */
export const XEN_FAULT_LIMIT = 10;

/** A pause between two faults after which Xen halves the count, ns (`pci_check_disable_device`). */
export const FAULT_PAUSE_NS = 10_000_000;

/** @throws ParameterError for a limit that no function can reach. */
export function assertFaultLimit(limit: number): void {
  if (!Number.isInteger(limit) || limit < 1) refuseValue('iommu.faultLimit', limit, 'a whole number from 1');
}

/** A function that has faulted. */
interface Faulty {
  count: number;
  lastNs: number;
}

/**
 * Counts the faults of functions as Xen does (xen/drivers/passthrough/pci.c, pci_check_disable_device): a fault that
 * comes more than 10 ms after the one before halves the count first, so that rare faults never add up.
 */
export class FaultLimit {
  readonly #limit: number;
  readonly #functions = new Map<RequesterId, Faulty>();

  /** @param limit the fault at which a function is to be stopped, from 1 */
  constructor(limit: number) {
    assertFaultLimit(limit);
    this.#limit = limit;
  }

  /** A fault of a function was read from the log. True if the function is to be stopped. */
  reached(requesterId: RequesterId, nowNs: number): boolean {
    const faulty = this.#functions.get(requesterId) ?? { count: 0, lastNs: nowNs };
    this.#functions.set(requesterId, faulty);
    if (nowNs - faulty.lastNs > FAULT_PAUSE_NS) faulty.count >>= 1;
    faulty.lastNs = nowNs;
    faulty.count += 1;
    return faulty.count >= this.#limit;
  }

  /** The function has another user: it begins at 0. */
  forget(requesterId: RequesterId): void {
    this.#functions.delete(requesterId);
  }
}
