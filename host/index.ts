export { type AccessGate, CLOSED_GATE, DENIED, OpenGate } from './bus/access-gate.js';
export {
  type AccessWitness,
  DEFAULT_MEMORY_TIMINGS,
  type DeniedAccess,
  MemoryBus,
  type MemoryTimings,
} from './bus/memory-bus.js';
export { RegisterWindow, type WindowOutcome } from './bus/register-window.js';
export {
  type Certainty,
  COST,
  COSTS,
  type CostName,
  type CostNumber,
  type CostParameter,
  costTable,
} from './cpu/costs.js';
export { Processor, type ProcessorOptions, type Work, type Worker } from './cpu/processor.js';
export { DEFAULT_HOST, Host, type HostAssembly, type HostParameters } from './host.js';
export type { HostParts } from './host-parts.js';
export { AttachedRam } from './hypervisor/attached-ram.js';
export { type CpuAccess, Domain, type DomainKind, type DomainState } from './hypervisor/domain.js';
export type { Interrupted, InterruptHandler } from './hypervisor/event-channel.js';
export {
  type ContextSettings,
  type FaultPolicy,
  type FaultRecord,
  HYPERVISOR,
  Hypervisor,
} from './hypervisor/hypervisor.js';
export { ArrayBank, type MemoryBank } from './memory/memory-bank.js';
export {
  type DomainId,
  NO_OWNER,
  PAGE_KINDS,
  type PageKind,
  type PageOutcome,
  PageOwnership,
  type PageRefusal,
} from './memory/page-ownership.js';
export { BANK_ALIGNMENT, PAGE_BYTES, PhysicalMemory } from './memory/physical-memory.js';
export {
  APPROACHES,
  type Approach,
  type ApproachOptions,
  type Claims,
  FURTHER_APPROACHES,
  makeProtection,
  NAMED_APPROACHES,
} from './protection/approaches.js';
export { Cdna, type CdnaOptions, CdnaProtection } from './protection/cdna/cdna.js';
export { CdnaIommu } from './protection/cdna-iommu/cdna-iommu.js';
export {
  DeviceExclusion,
  type DeviceExclusionOptions,
  ExclusionProtection,
} from './protection/dev/device-exclusion.js';
export {
  DriverDomain,
  type DriverDomainOptions,
  DriverDomainProtection,
} from './protection/driver-domain/driver-domain.js';
export {
  BufferBatch,
  type GuestPort,
  type PortOptions,
  type PortQueue,
  type SetupFault,
  type SetupRefusal,
} from './protection/guest-port.js';
export type { Intermediary, PortTraffic } from './protection/intermediary.js';
export { FAULT_PAUSE_NS, XEN_FAULT_LIMIT } from './protection/iommu/fault-limit.js';
export { GuestSpace, READ_WRITE, type SpaceCounters } from './protection/iommu/guest-space.js';
export { Iommu, type IommuOptions, type OwnStrategy } from './protection/iommu/iommu.js';
export {
  IOMMU_VENDORS,
  type IommuDriver,
  type IommuFault,
  type IommuVendor,
} from './protection/iommu/iommu-driver.js';
export { type IommuPort, IommuProtection } from './protection/iommu/iommu-protection.js';
export type { MappingStrategy, StrategyMaker } from './protection/iommu/mapping-strategy.js';
export { Contiguous } from './protection/iommu/strategies/contiguous.js';
export { Deferred, type DeferredOptions } from './protection/iommu/strategies/deferred.js';
export { DirectMap } from './protection/iommu/strategies/direct-map.js';
export { FlushOnWrap, type FlushOnWrapOptions } from './protection/iommu/strategies/flush-on-wrap.js';
export {
  FURTHER_STRATEGIES,
  STRATEGIES,
  type StrategyEntry,
  type StrategyOptions,
  strategyEntry,
} from './protection/iommu/strategies/index.js';
export { Persistent, type PersistentOptions } from './protection/iommu/strategies/persistent.js';
export { ShadowCopy } from './protection/iommu/strategies/shadow-copy.js';
export { Shared } from './protection/iommu/strategies/shared.js';
export { SingleUse } from './protection/iommu/strategies/single-use.js';
export { Swiotlb } from './protection/iommu/strategies/swiotlb.js';
export { type MeasuredMemory, NoDma, type NoDmaOptions, NoDmaProtection } from './protection/nodma/no-dma.js';
export { PlainDma, PlainDmaProtection } from './protection/none/plain-dma.js';
export type {
  DirectPlan,
  InterposedPlan,
  Interposition,
  Protection,
  ProtectionCounters,
  ProtectionPlan,
} from './protection/protection.js';
