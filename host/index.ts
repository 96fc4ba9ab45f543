export { type AccessGate, DENIED, OpenGate } from './bus/access-gate.js';
export {
  type AccessWitness,
  DEFAULT_MEMORY_TIMINGS,
  type DeniedAccess,
  MemoryBus,
  type MemoryTimings,
} from './bus/memory-bus.js';
export { RegisterWindow, type WindowOutcome } from './bus/register-window.js';
export { type Certainty, COSTS, type CostName, type CostParameter, costTable } from './cpu/costs.js';
export { Processor, type ProcessorOptions, type Work } from './cpu/processor.js';
export { DEFAULT_HOST, Host, type HostAssembly, type HostParameters } from './host.js';
export type { HostParts } from './host-parts.js';
export { type CpuAccess, Domain, type DomainKind, type DomainState } from './hypervisor/domain.js';
export {
  type ContextSettings,
  type FaultPolicy,
  type FaultRecord,
  HYPERVISOR,
  Hypervisor,
} from './hypervisor/hypervisor.js';
export {
  type DomainId,
  NO_OWNER,
  PAGE_KINDS,
  type PageKind,
  type PageOutcome,
  PageOwnership,
  type PageRefusal,
} from './memory/page-ownership.js';
export { PAGE_BYTES, PhysicalMemory } from './memory/physical-memory.js';
export {
  APPROACHES,
  type Approach,
  type ApproachOptions,
  type Claims,
  makeProtection,
} from './protection/approaches.js';
export { Cdna, type CdnaOptions } from './protection/cdna/cdna.js';
export { DeviceExclusion, type DeviceExclusionOptions } from './protection/dev/device-exclusion.js';
export { DriverDomain, type DriverDomainOptions } from './protection/driver-domain/driver-domain.js';
export {
  BufferBatch,
  type GuestPort,
  type PortOptions,
  type PortQueue,
  type SetupFault,
  type SetupRefusal,
} from './protection/guest-port.js';
export type { Intermediary, PortTraffic } from './protection/intermediary.js';
export { NoDma, type NoDmaOptions } from './protection/nodma/no-dma.js';
export { PlainDma } from './protection/none/plain-dma.js';
export type { Protection, ProtectionCounters } from './protection/protection.js';
