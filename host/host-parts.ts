import type { Nic } from '../nic/nic.js';
import type { EventKernel } from '../scheduler/event-kernel.js';
import type { MemoryBus } from './bus/memory-bus.js';
import type { RegisterWindow } from './bus/register-window.js';
import type { Processor } from './cpu/processor.js';
import type { Hypervisor } from './hypervisor/hypervisor.js';
import type { PageOwnership } from './memory/page-ownership.js';
import type { PhysicalMemory } from './memory/physical-memory.js';

/** The parts of the machine, as its components know each other. */
export interface HostParts {
  readonly kernel: EventKernel;
  readonly memory: PhysicalMemory;
  readonly pages: PageOwnership;
  readonly processor: Processor;
  readonly bus: MemoryBus;
  readonly nic: Nic;
  readonly window: RegisterWindow;
  readonly hypervisor: Hypervisor;
}
