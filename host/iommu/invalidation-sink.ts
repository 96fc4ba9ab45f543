import {
  type IoPageNumber,
  type IoVirtualAddress,
  ioPageNumber,
  type RequesterId,
  requesterId,
} from '../../nic/addresses.js';
/** How much of the context (or device-table) cache an invalidation covers. */
export type ContextGranularity = 'global' | 'domain' | 'device';

/** How much of the IOTLB an invalidation covers. */
export type IotlbGranularity = 'global' | 'domain' | 'page';

/**
 * The caches of an IOMMU, as its queue sees them. Each call drops what it names at once and returns the time that
 * this takes in hardware, in whole nanoseconds; the queue moves on when that time has passed.
 */
export interface InvalidationSink {
  /**
   * Drops cached context (VT-d) or device-table (AMD-Vi) entries. As in hardware, what the caches hold under a
   * dropped entry is dropped by a separate IOTLB command.
   *
   * @param domainId meant for granularity `domain` and `device`
   * @param requesterId meant for granularity `device`
   * @param functionMask how many low function bits of the requester to ignore (VT-d FM, 0..3); 0 for AMD-Vi
   */
  invalidateContexts(
    granularity: ContextGranularity,
    domainId: number,
    requesterId: RequesterId,
    functionMask: number,
  ): number;
  /**
   * Drops cached translations.
   *
   * @param domainId meant for granularity `domain` and `page`
   * @param first number of the first 4 KB page, for granularity `page`; a multiple of `pages`
   * @param pages number of 4 KB pages, a power of two, for granularity `page`
   * @param leafOnly true if the paging-structure caches may be kept (VT-d IH = 1, AMD-Vi PDE = 0)
   */
  invalidateIotlb(
    granularity: IotlbGranularity,
    domainId: number,
    first: IoPageNumber,
    pages: number,
    leafOnly: boolean,
  ): number;
  /**
   * Asks a device to drop the translations that it holds itself.
   *
   * @param pages Infinity for all of them
   * @returns ns until the device has answered, or a negative number if it does not answer
   */
  invalidateDeviceTlb(requesterId: RequesterId, address: IoVirtualAddress, pages: number): number;
}

/** Drops everything that the caches hold, at once: translation was switched on or off, or the unit was reset. */
export function dropAll(sink: InvalidationSink): void {
  sink.invalidateContexts('global', 0, requesterId(0), 0);
  sink.invalidateIotlb('global', 0, ioPageNumber(0), 0, false);
}

/** Where a unit sends its interrupts: a message, as software programmed it into the unit's address and data registers. */
export interface UnitInterrupts {
  /** @param source the event that the unit reports; @param address message address; @param data message data */
  raise(source: 'fault' | 'invalidation', address: number, data: number): void;
}
