export * from './addresses.js';
export { STATUS_BLOCK_BYTES } from './completions.js';
export { CONTEXT_STATES, Context, type ContextState, type Direction } from './context.js';
export {
  COUNTERS,
  type CounterName,
  Counters,
  DROP_REASONS,
  type DropReason,
  FAULT_REASONS,
  type FaultReason,
} from './counters.js';
export { datasheet } from './datasheet.js';
export { GROUPS_PER_CONTEXT } from './demultiplexer.js';
export * from './descriptor.js';
export { DescriptorCache, DescriptorRing } from './descriptor-ring.js';
export {
  DMA_ABORTED,
  DMA_CANCELLED,
  DMA_OK,
  DmaChannel,
  type DmaClient,
  DmaEngine,
  type DmaOwner,
  type DmaStatus,
} from './dma-engine.js';
export { EventVector, MAILBOXES } from './event-vector.js';
export {
  ABORT,
  abortAfter,
  abortedAfterNs,
  type HostPort,
  type NicInstruments,
  type WirePort,
  type WireTimes,
} from './host-port.js';
export { VECTOR_RING_HEADER_BYTES } from './interrupt-vectors.js';
export { Nic, type NicAttachments } from './nic.js';
export { DEFAULT_NIC, NIC_PARAMETERS, type NicParameters, validateNicParameters } from './parameters.js';
export { DEFAULT_PCIE, PCIE_PARAMETERS, PcieLink, type PcieParameters } from './pcie-link.js';
export * from './registers.js';
export { isGroup, readMac } from './station-address.js';
export type * from './streams.js';
