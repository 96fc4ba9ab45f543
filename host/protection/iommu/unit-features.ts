/** What a driver has read of a unit's capabilities, for either vendor: how it may be used. */
export interface UnitFeatures {
  /** Levels of the page tables that the driver builds. */
  readonly levels: number;
  /** Width of the addresses that those tables, and the unit, can translate. */
  readonly addressBits: number;
  /** Pages of 2 MB. */
  readonly largePages: boolean;
  /** Log2 of the most pages that one invalidation may name; -1 if it can name a domain only. */
  readonly maxOrder: number;
  /** One past the highest domain number. */
  readonly domainLimit: number;
  /** Absent entries may be cached, so mapping needs an invalidation too. */
  readonly cachingMode: boolean;
  /** A page may be mapped for writing alone. Without it receive buffers are readable as well. */
  readonly writeOnlyPages: boolean;
  /** Devices may hold translations themselves. */
  readonly deviceTlbs: boolean;
  readonly interruptRemapping: boolean;
}
