import type { QueueTiming } from '../../iommu/queue-timing.js';
import type { TimingParameters } from '../../iommu/translation/parameters.js';
import type { VtdCapabilities } from '../../iommu/vtd/capabilities.js';
import type { HandOverKind } from '../protection.js';
import type { IommuVendor } from './iommu-driver.js';
import type { StrategyMaker } from './mapping-strategy.js';
import type { QueueLockOptions } from './queue-lock.js';
import type { StrategyOptions } from './strategies/index.js';

/** A strategy that is not in the list: an approach of its own that is built on this one. */
export interface OwnStrategy {
  readonly name: string;
  /** The hypervisor owns and writes the rings, and the card checks sequence numbers (CDNA). */
  readonly hypervisorRings: boolean;
  /**
   * How drivers of the card's own registers hand buffers over, where it does not follow from the rings' owner. One that
   * only writes names everything, its rings too, by addresses of an IOMMU of its own, and we map nothing for it.
   */
  readonly handOver?: HandOverKind;
  readonly make: StrategyMaker;
}

export interface IommuOptions {
  /** Name of the mapping strategy, or one of one's own. */
  readonly strategy: string | OwnStrategy;
  readonly strategyOptions?: StrategyOptions;
  /** Whose unit: tables, registers, queue and log of Intel VT-d or AMD-Vi. @defaultValue 'vtd' */
  readonly vendor?: IommuVendor;
  readonly timing?: Partial<TimingParameters>;
  readonly queueTiming?: Partial<QueueTiming>;
  /** A lock around the unit's queue that cores contend for. @defaultValue none */
  readonly queueLock?: Partial<QueueLockOptions>;
  /** Seed of the replacement in the unit's caches. @defaultValue 1 */
  readonly seed?: number;
  /** The whole card has one requester ID, as cards without one per context have. @defaultValue false */
  readonly oneRequesterId?: boolean;
  /**
   * The fault at which a function is stopped: bus mastering off, context revoked. Faults more than 10 ms apart halve the
   * count. Xen stops a function at its tenth fault (`XEN_FAULT_LIMIT`); KVM with VFIO sets no limit. @defaultValue none
   */
  readonly faultLimit?: number;
  /** VT-d only: the unit may remember that there is no mapping, as virtual units do (CAP.CM). @defaultValue false */
  readonly cachingMode?: boolean;
  /** VT-d only: what the unit can do, where it differs from a server part's. */
  readonly capabilities?: Partial<VtdCapabilities>;
  /** AMD-Vi only: most levels that the unit can walk, 4 to 6. @defaultValue 6 */
  readonly maxMode?: number;
}
