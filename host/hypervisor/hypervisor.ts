import type { Observable } from 'rxjs';
import type { FaultReason } from '../../nic/counters.js';
import { FAULT_REASONS } from '../../nic/counters.js';
import { VECTOR_RING_HEADER_BYTES } from '../../nic/interrupt-vectors.js';
import type { Nic } from '../../nic/nic.js';
import { ALL_ONES, COMMAND_STATUSES, COMMANDS, type CommandStatus, MANAGEMENT } from '../../nic/registers.js';
import type { EventKernel } from '../../scheduler/event-kernel.js';
import { Outlet } from '../../scheduler/outlet.js';
import type { RegisterWindow } from '../bus/register-window.js';
import type { Processor } from '../cpu/processor.js';
import type { DomainId, FrameKind, FrameTable } from '../memory/frame-table.js';
import { FRAME_BYTES, type PhysicalMemory } from '../memory/physical-memory.js';
import type { SetupFault } from '../protection/guest-port.js';
import { Domain, type DomainKind } from './domain.js';

/** The hypervisor's own domain number: its frames are nobody's guest memory. */
export const HYPERVISOR: DomainId = 0;

/** What happens to a guest whose context faulted or whose request was refused. */
export type FaultPolicy = 'log' | 'revoke' | 'kill';

/** What the hypervisor remembers of a fault. */
export interface FaultRecord {
  readonly atNs: number;
  readonly domain: string;
  readonly context: number;
  /** Which gate or part caught it. */
  readonly caughtBy: 'set-up' | 'nic';
  readonly reason: FaultReason | SetupFault['refusal'];
  readonly action: FaultPolicy;
}

/** What a context is opened with; addresses are bus addresses, as the device must use them. */
export interface ContextSettings {
  readonly mac: number;
  readonly weight: number;
  readonly transmitRing: number;
  readonly transmitSlots: number;
  readonly receiveRing: number;
  readonly receiveSlots: number;
  readonly statusBlock: number;
  readonly sequenceChecking: boolean;
  readonly antiSpoofing: boolean;
  readonly promiscuous: boolean;
}

const VECTOR_RING_LOG2 = 6;

/**
 * The hypervisor: owns what no guest may touch (the management page, the vector ring), hands out contexts,
 * takes the one physical interrupt and turns it into virtual ones, and deals with whoever breaks the rules.
 */
export class Hypervisor {
  readonly party: number;
  readonly faults$: Observable<FaultRecord>;
  readonly #kernel: EventKernel;
  readonly #memory: PhysicalMemory;
  readonly #frames: FrameTable;
  readonly #processor: Processor;
  readonly #window: RegisterWindow;
  readonly #nic: Nic;
  readonly #policy: FaultPolicy;
  readonly #faults: Outlet<FaultRecord>;
  readonly #faultLog: FaultRecord[] = [];
  readonly #domains: Domain[] = [];
  readonly #self: Domain;
  readonly #contextDomain: (Domain | undefined)[];
  readonly #contextHandler: (() => void)[];
  readonly #isr = () => this.#onInterrupt();
  readonly #revoked: ((context: number) => void)[] = [];
  #interruptPosted = false;
  #vectorRing = 0;
  #vectorConsumer = 0;
  #hypercalls = 0;
  #virtualInterrupts = 0;
  #faultCount = 0;

  constructor(parts: {
    readonly kernel: EventKernel;
    readonly memory: PhysicalMemory;
    readonly frames: FrameTable;
    readonly processor: Processor;
    readonly window: RegisterWindow;
    readonly nic: Nic;
    readonly policy: FaultPolicy;
  }) {
    this.#kernel = parts.kernel;
    this.#memory = parts.memory;
    this.#frames = parts.frames;
    this.#processor = parts.processor;
    this.#window = parts.window;
    this.#nic = parts.nic;
    this.#policy = parts.policy;
    this.#faults = new Outlet('host.hypervisor.faults$', parts.kernel);
    this.faults$ = this.#faults.stream$;
    this.party = parts.processor.addParty('hypervisor', 0, true);
    this.#self = new Domain(HYPERVISOR, 'hypervisor', 'hypervisor', this.party, parts.memory, parts.frames);
    this.#domains.push(this.#self);
    this.#contextDomain = new Array<Domain | undefined>(parts.nic.contexts.length).fill(undefined);
    this.#contextHandler = parts.nic.contexts.map(() => () => {});
    this.#window.map(this.#window.managementPage, HYPERVISOR);
  }

  get domains(): readonly Domain[] {
    return this.#domains;
  }

  get hypercalls(): number {
    return this.#hypercalls;
  }

  get virtualInterrupts(): number {
    return this.#virtualInterrupts;
  }

  /** Faults since the start; the log keeps the first of them. */
  get faultCount(): number {
    return this.#faultCount;
  }

  get faultLog(): readonly FaultRecord[] {
    return this.#faultLog;
  }

  /** A new domain on a core, without memory yet. */
  createDomain(name: string, kind: DomainKind, core: number): Domain {
    const party = this.#processor.addParty(name, core);
    const domain = new Domain(this.#domains.length, name, kind, party, this.#memory, this.#frames);
    this.#domains.push(domain);
    return domain;
  }

  /** Frames in one piece for the hypervisor's own use; returns the physical address of the first. */
  allocateOwn(kind: FrameKind, bytes: number): number {
    const outcome = this.#frames.allocate(
      HYPERVISOR,
      kind,
      Math.max(1, Math.ceil(bytes / FRAME_BYTES)),
      true,
    );
    if (!outcome.ok)
      throw new RangeError('no memory left for the hypervisor; expected a larger memory.megabytes');
    return (outcome.value[0] ?? 0) * FRAME_BYTES;
  }

  /** Gives the NIC its vector ring. `busAddressOf` says how the device must address it. */
  attachVectorRing(busAddressOf: (physical: number, bytes: number) => number): void {
    const entryBytes = this.#window.readNow(this.#window.managementPage, MANAGEMENT.VECTOR_BYTES);
    const bytes = VECTOR_RING_HEADER_BYTES + entryBytes * 2 ** VECTOR_RING_LOG2;
    this.#vectorRing = this.allocateOwn('hypervisor', bytes);
    this.#writeAddress('VECTOR_RING_LOW', 'VECTOR_RING_HIGH', busAddressOf(this.#vectorRing, bytes));
    this.#manage('VECTOR_RING_SIZE', VECTOR_RING_LOG2);
  }

  /** Counts and charges one hypercall of whoever runs. */
  enterHypercall(): void {
    this.#hypercalls += 1;
    this.#processor.chargeParty(this.party, 'hypercall');
  }

  /**
   * Opens a free context for a domain and maps its page. Returns its number.
   * @throws RangeError when the card has no context left or refuses the settings.
   */
  openContext(domain: Domain, settings: ContextSettings, onVirtualInterrupt: () => void): number {
    const context = this.#nic.contexts.findIndex((candidate) => candidate.state === 'free');
    if (context < 0) {
      throw new RangeError(
        `${domain.name}: all ${this.#nic.contexts.length} contexts are taken; expected a larger nic.contexts`,
      );
    }
    this.#manage('SELECT', context);
    this.#command('allocate', domain);
    this.#manage('MAC_LOW', settings.mac % 0x100000000);
    this.#manage('MAC_HIGH', Math.floor(settings.mac / 0x100000000));
    this.#manage('WEIGHT', settings.weight);
    this.#manage('SEQUENCE', settings.sequenceChecking ? 1 : 0);
    const slotsLog2 = Math.log2(Math.max(settings.transmitSlots, settings.receiveSlots));
    // N is at least twice the slots, so that no entry of the last lap fits in this one (CDNA, section 3.3).
    this.#manage('SEQUENCE_MODULUS', Math.max(16, slotsLog2 + 1));
    this.#writeAddress('TX_RING_LOW', 'TX_RING_HIGH', settings.transmitRing);
    this.#manage('TX_RING_SIZE', Math.log2(settings.transmitSlots));
    this.#writeAddress('RX_RING_LOW', 'RX_RING_HIGH', settings.receiveRing);
    this.#manage('RX_RING_SIZE', Math.log2(settings.receiveSlots));
    this.#writeAddress('STATUS_LOW', 'STATUS_HIGH', settings.statusBlock);
    this.#manage('PERMISSIONS', (settings.promiscuous ? 1 : 0) | (settings.antiSpoofing ? 2 : 0));
    try {
      this.#command('open', domain);
    } catch (error) {
      this.#command('revoke', domain);
      throw error;
    }
    this.#contextDomain[context] = domain;
    this.#contextHandler[context] = onVirtualInterrupt;
    this.#window.map(context, domain.id);
    return context;
  }

  /** Takes a context away: the page is unmapped, the NIC stops everything of it. Harmless when it has gone before. */
  revokeContext(context: number): void {
    if (this.#contextDomain[context] === undefined) return;
    this.#contextDomain[context] = undefined;
    this.#window.unmap(context);
    this.#manage('SELECT', context);
    this.#manage('COMMAND', COMMANDS.indexOf('revoke'));
    for (const listener of this.#revoked) listener(context);
  }

  /** Protection rooms that must give up what they hold for a context hear of its revocation here. */
  onRevoked(listener: (context: number) => void): void {
    this.#revoked.push(listener);
  }

  /** The domain that a context belongs to. */
  domainOf(context: number): Domain | undefined {
    return this.#contextDomain[context];
  }

  /** A set-up gate turned a request away. */
  reportSetupFault(domain: Domain, context: number, fault: SetupFault): void {
    this.#deal(domain, context, 'set-up', fault.refusal);
  }

  /** The physical interrupt line. */
  interrupt(): void {
    if (this.#interruptPosted) return;
    this.#interruptPosted = true;
    this.#processor.post(this.party, this.#isr);
  }

  /** Posts a virtual interrupt: `handler` runs on the domain's CPU time. */
  postVirtualInterrupt(domain: Domain, handler: () => void): void {
    if (domain.state === 'killed') return;
    this.#virtualInterrupts += 1;
    this.#processor.chargeParty(this.party, 'virtualInterrupt');
    this.#processor.post(domain.party, handler);
  }

  #manage(name: keyof typeof MANAGEMENT, value: number): void {
    this.#window.writeNow(this.#window.managementPage, MANAGEMENT[name], value);
  }

  #writeAddress(low: keyof typeof MANAGEMENT, high: keyof typeof MANAGEMENT, address: number): void {
    this.#manage(low, address % 0x100000000);
    this.#manage(high, Math.floor(address / 0x100000000));
  }

  #command(command: (typeof COMMANDS)[number], domain: Domain): void {
    this.#manage('COMMAND', COMMANDS.indexOf(command));
    const code = this.#window.readNow(this.#window.managementPage, MANAGEMENT.COMMAND_STATUS);
    const status: CommandStatus = COMMAND_STATUSES[code] ?? 'unknown-command';
    if (status !== 'done')
      throw new RangeError(`${domain.name}: the card refused to ${command} a context: ${status}`);
  }

  /** The interrupt service routine: drains every vector that is there. */
  #onInterrupt(): void {
    this.#interruptPosted = false;
    this.#processor.charge('interrupt');
    const words = this.#window.readNow(this.#window.managementPage, MANAGEMENT.VECTOR_BYTES) / 4;
    const producer = this.#memory.readU32(this.#vectorRing);
    const contexts = this.#nic.contexts.length;
    while (this.#vectorConsumer !== producer) {
      const slot = this.#vectorConsumer & (2 ** VECTOR_RING_LOG2 - 1);
      const address = this.#vectorRing + VECTOR_RING_HEADER_BYTES + slot * words * 4;
      this.#processor.charge('vectorWord', words);
      for (let word = 0; word < words; word += 1) {
        let bits = this.#memory.readU32(address + word * 4);
        while (bits !== 0) {
          const bit = 31 - Math.clz32(bits & -bits);
          bits &= bits - 1;
          const context = word * 32 + bit;
          if (context < contexts) this.#onContextBit(context);
          else if (context === contexts) this.#onNicFaults();
        }
      }
      this.#vectorConsumer = (this.#vectorConsumer + 1) >>> 0;
    }
    this.#window.write(
      HYPERVISOR,
      this.#window.managementPage,
      MANAGEMENT.VECTOR_CONSUMER,
      this.#vectorConsumer,
    );
  }

  #onContextBit(context: number): void {
    const domain = this.#contextDomain[context];
    const handler = this.#contextHandler[context];
    if (domain !== undefined && handler !== undefined) this.postVirtualInterrupt(domain, handler);
  }

  #onNicFaults(): void {
    const page = this.#window.managementPage;
    for (;;) {
      const context = this.#window.read(HYPERVISOR, page, MANAGEMENT.FAULT_CONTEXT) ?? ALL_ONES;
      if (context === ALL_ONES) return;
      const reason =
        FAULT_REASONS[this.#window.read(HYPERVISOR, page, MANAGEMENT.FAULT_REASON) ?? 0] ?? 'none';
      this.#manage('FAULT_POP', 1);
      const domain = this.#contextDomain[context];
      if (domain !== undefined) this.#deal(domain, context, 'nic', reason);
    }
  }

  #deal(
    domain: Domain,
    context: number,
    caughtBy: FaultRecord['caughtBy'],
    reason: FaultRecord['reason'],
  ): void {
    this.#faultCount += 1;
    const record: FaultRecord = {
      atNs: this.#kernel.nowNs,
      domain: domain.name,
      context,
      caughtBy,
      reason,
      action: this.#policy,
    };
    // A storm of refusals must not become a storm of memory.
    if (this.#faultLog.length < MAX_FAULT_RECORDS) this.#faultLog.push(record);
    this.#faults.next(record);
    if (this.#policy === 'log') return;
    this.revokeContext(context);
    if (this.#policy === 'kill') domain.state = 'killed';
  }
}

const MAX_FAULT_RECORDS = 1000;
