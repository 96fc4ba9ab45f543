import { hostPhysicalAddress, PAGE_BYTES, pageOf } from '../nic/addresses.js';
import type { NicInstruments, WirePort } from '../nic/host-port.js';
import { Nic } from '../nic/nic.js';
import { DEFAULT_NIC, type NicParameters } from '../nic/parameters.js';
import { refuseValue } from '../scheduler/checked-values.js';
import type { Discipline } from '../scheduler/discipline.js';
import type { EventKernel } from '../scheduler/event-kernel.js';
import { refuseUnknownOptions } from '../scheduler/known-options.js';
import { DEFAULT_MEMORY_TIMINGS, MemoryBus, type MemoryTimings } from './bus/memory-bus.js';
import { RegisterWindow } from './bus/register-window.js';
import { type CostName, costTable } from './cpu/costs.js';
import { Processor } from './cpu/processor.js';
import type { HostParts } from './host-parts.js';
import type { Domain } from './hypervisor/domain.js';
import { FAULT_POLICIES, type FaultPolicy, Hypervisor } from './hypervisor/hypervisor.js';
import { INTERRUPT_WINDOW_END, INTERRUPT_WINDOW_START } from './iommu/table-walker.js';
import { PageOwnership } from './memory/page-ownership.js';
import { PhysicalMemory } from './memory/physical-memory.js';
import type { GuestPort, PortOptions } from './protection/guest-port.js';
import type { PortTraffic } from './protection/intermediary.js';
import type { Protection, ProtectionPlan } from './protection/protection.js';

/** The machine around the card. */
export interface HostParameters {
  /** RAM, bytes; only what is touched costs memory. */
  readonly memoryBytes: number;
  readonly cores: number;
  /** CPU clock, Hz. */
  readonly hertz: number;
  /** Costs that differ from the table of host/cpu/costs.ts, cycles. */
  readonly costs: Partial<Record<CostName, number>>;
  readonly memory: MemoryTimings;
  readonly faultPolicy: FaultPolicy;
}

/** The CDNA paper's processor, with a core more so that the default scenario is bound by the wire. */
export const DEFAULT_HOST: HostParameters = {
  memoryBytes: 4 * 2 ** 30,
  cores: 2,
  hertz: 2.4e9,
  costs: {},
  memory: DEFAULT_MEMORY_TIMINGS,
  faultPolicy: 'log',
};

/** Everything that a host is built from. */
export interface HostAssembly<P extends Protection = Protection> {
  readonly kernel: EventKernel;
  readonly protection: ProtectionPlan<P>;
  readonly wire: WirePort;
  readonly transmitDiscipline: Discipline;
  readonly receiveDiscipline: Discipline;
  readonly instruments?: NicInstruments;
  readonly host?: Partial<HostParameters>;
  readonly nic?: Partial<NicParameters>;
}

/** A machine with one NIC and one way to keep the NIC from touching what it must not. */
export class Host<P extends Protection = Protection> implements HostParts {
  readonly kernel: EventKernel;
  readonly memory: PhysicalMemory;
  readonly pages: PageOwnership;
  readonly processor: Processor;
  readonly bus: MemoryBus;
  readonly nic: Nic;
  readonly window: RegisterWindow;
  readonly hypervisor: Hypervisor;
  readonly protection: P;

  /** @throws ParameterError for parameters that no machine can have. */
  constructor(assembly: HostAssembly<P>) {
    refuseUnknownOptions('host', assembly.host ?? {}, DEFAULT_HOST);
    refuseUnknownOptions('nic', assembly.nic ?? {}, DEFAULT_NIC);
    const parameters: HostParameters = { ...DEFAULT_HOST, ...assembly.host };
    assertHostParameters(parameters);
    const { kernel, protection: plan } = assembly;
    this.kernel = kernel;
    this.memory = new PhysicalMemory(parameters.memoryBytes / PAGE_BYTES);
    this.pages = new PageOwnership(this.memory);
    // As on a PC there is no RAM under the addresses that mean interrupts: no IOMMU lets a device write there.
    this.pages.withhold(
      pageOf(hostPhysicalAddress(INTERRUPT_WINDOW_START)),
      pageOf(hostPhysicalAddress(INTERRUPT_WINDOW_END)),
    );
    // No guest gets page 0: a zero address in a descriptor is a mistake, and should look like one.
    this.pages.allocate(0, 'hypervisor', 1);
    this.processor = new Processor(kernel, {
      cores: parameters.cores,
      hertz: parameters.hertz,
      costs: costTable(parameters.costs),
    });
    this.bus = new MemoryBus(kernel, this.memory, parameters.memory, () => this.hypervisor.interrupt());
    const building = 'interpose' in plan ? plan.interpose(kernel, this.processor) : plan;
    const intermediary = 'intermediary' in building ? building.intermediary : undefined;
    const instruments =
      intermediary === undefined ? assembly.instruments : intermediary.instruments(assembly.instruments);
    this.nic = new Nic(
      kernel,
      { ...DEFAULT_NIC, ...assembly.nic },
      {
        port: this.bus,
        wire: intermediary?.wire(assembly.wire) ?? assembly.wire,
        transmitDiscipline: assembly.transmitDiscipline,
        receiveDiscipline: assembly.receiveDiscipline,
        ...(instruments === undefined ? {} : { instruments }),
      },
    );
    this.window = new RegisterWindow(kernel, this.processor, this.nic);
    this.hypervisor = new Hypervisor({
      kernel,
      memory: this.memory,
      pages: this.pages,
      processor: this.processor,
      window: this.window,
      nic: this.nic,
      policy: parameters.faultPolicy,
    });
    this.bus.deliverMessages((message) => this.hypervisor.receiveMessage(message));
    this.protection = building.build(this);
    this.bus.attachGate(this.protection.gate);
  }

  /** Creates a guest on a core; pages are allocated on demand. */
  createGuest(name: string, core: number): Domain {
    return this.hypervisor.createDomain(name, 'guest', core);
  }

  openPort(domain: Domain, options: PortOptions): GuestPort {
    return this.protection.openPort(domain, options);
  }

  /** Frames and bytes that a port has sent and received: as the card counts them, or the intermediary in front of the card. */
  trafficOf(port: GuestPort): PortTraffic {
    const { intermediary } = this.protection;
    if (intermediary !== undefined) return intermediary.traffic(port);
    const { counters } = this.nic;
    return {
      framesTransmitted: counters.get('framesTransmitted', port.context),
      bytesTransmitted: counters.get('bytesTransmitted', port.context),
      framesReceived: counters.get('framesReceived', port.context),
      bytesReceived: counters.get('bytesReceived', port.context),
      drops: counters.dropsOf(port.context),
    };
  }

  checkInvariants(): void {
    this.memory.checkInvariants();
    this.pages.checkInvariants();
    this.processor.checkInvariants();
    this.nic.checkInvariants();
    this.protection.checkInvariants();
  }
}

/** What no part of the machine looks at, or knows by another name. @throws ParameterError */
function assertHostParameters({ memoryBytes, memory, faultPolicy }: HostParameters): void {
  const isWholePages = Number.isSafeInteger(memoryBytes) && memoryBytes > 0 && memoryBytes % PAGE_BYTES === 0;
  if (!isWholePages) refuseValue('host.memoryBytes', memoryBytes, `a multiple of ${PAGE_BYTES}`);
  if (typeof memory !== 'object' || memory === null)
    refuseValue('host.memory', memory, `an object with ${Object.keys(DEFAULT_MEMORY_TIMINGS).join(' and ')}`);
  if (!FAULT_POLICIES.includes(faultPolicy))
    refuseValue('host.faultPolicy', faultPolicy, `one of: ${FAULT_POLICIES.join(', ')}`);
}
