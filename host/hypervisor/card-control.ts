import type { BusAddress } from '../../nic/addresses.js';
import { FAULT_REASONS, type FaultReason } from '../../nic/counters.js';
import type { Nic } from '../../nic/nic.js';
import { ALL_ONES, COMMAND_STATUSES, COMMANDS, type CommandStatus, MANAGEMENT } from '../../nic/registers.js';
import { type ContextId, contextId } from '../../scheduler/branded.js';
import type { Share } from '../../scheduler/discipline.js';
import { InvariantViolation, ParameterError } from '../../scheduler/errors.js';
import { floorLog2 } from '../../scheduler/whole-logarithm.js';
import type { RegisterWindow } from '../bus/register-window.js';
import { COST } from '../cpu/costs.js';
import type { Processor } from '../cpu/processor.js';

/** Settings with which a context is opened; addresses are bus addresses, as the device must use them. */
export interface ContextSettings {
  readonly mac: number;
  /** Its share, as its schedulers get it. */
  readonly share: Share;
  readonly transmitRing: BusAddress;
  readonly transmitSlots: number;
  readonly receiveRing: BusAddress;
  readonly receiveSlots: number;
  readonly statusBlock: BusAddress;
  readonly sequenceChecking: boolean;
  readonly antiSpoofing: boolean;
  readonly promiscuous: boolean;
  /** Traffic class for priority flow control, 0 to 7. @defaultValue 0 */
  readonly trafficClass?: number;
  /** Which contexts will do, where it matters (a gate that tells only some of them apart). */
  readonly eligible?: (context: ContextId) => boolean;
}

/**
 * The hypervisor's driver for the card's management page, which it alone maps. Its accesses take effect at once
 * (the hypervisor waits for each), and each is charged to the hypervisor: `doorbell` for a write, `registerRead`
 * for a read.
 */
export class CardControl {
  /** Bytes of one interrupt vector; read from the card once. */
  readonly vectorBytes: number;
  readonly #nic: Pick<Nic, 'entitle'>;
  readonly #window: RegisterWindow;
  readonly #processor: Processor;
  readonly #account: number;
  /** What the register of that name holds. */
  #trafficClass = 0;

  /** @param account the hypervisor's number on the processor */
  constructor(nic: Pick<Nic, 'entitle'>, window: RegisterWindow, processor: Processor, account: number) {
    this.#nic = nic;
    this.#window = window;
    this.#processor = processor;
    this.#account = account;
    this.vectorBytes = this.#get('VECTOR_BYTES');
  }

  attachVectorRing(busAddress: BusAddress, entriesLog2: number): void {
    this.#setAddress('VECTOR_RING_LOW', 'VECTOR_RING_HIGH', busAddress);
    this.#set('VECTOR_RING_SIZE', entriesLog2);
  }

  /** Allocates a context, sets it up and opens it. @throws ParameterError, with the card's reason, when it refuses. */
  open(context: ContextId, settings: ContextSettings, who: string): void {
    this.#set('SELECT', context);
    this.#demand('allocate', who);
    try {
      this.#set('MAC_LOW', settings.mac % 0x100000000);
      this.#set('MAC_HIGH', Math.floor(settings.mac / 0x100000000));
      this.#nic.entitle(context, settings.share);
      this.#set('WEIGHT', settings.share.weight);
      this.#set('SEQUENCE', settings.sequenceChecking ? 1 : 0);
      const slotsLog2 = floorLog2(Math.max(settings.transmitSlots, settings.receiveSlots));
      // N is at least twice the slots, so that no entry of the last lap fits in this one (CDNA, section 3.3).
      this.#set('SEQUENCE_MODULUS', Math.max(16, slotsLog2 + 1));
      this.#setAddress('TX_RING_LOW', 'TX_RING_HIGH', settings.transmitRing);
      this.#set('TX_RING_SIZE', floorLog2(settings.transmitSlots));
      this.#setAddress('RX_RING_LOW', 'RX_RING_HIGH', settings.receiveRing);
      this.#set('RX_RING_SIZE', floorLog2(settings.receiveSlots));
      this.#setAddress('STATUS_LOW', 'STATUS_HIGH', settings.statusBlock);
      this.#set('PERMISSIONS', (settings.promiscuous ? 1 : 0) | (settings.antiSpoofing ? 2 : 0));
      const { trafficClass = 0 } = settings;
      // The register keeps its value: it is written only where classes are in use.
      if (trafficClass !== this.#trafficClass) this.#set('TRAFFIC_CLASS', trafficClass);
      this.#trafficClass = trafficClass;
      this.#demand('open', who);
    } catch (error) {
      this.revoke(context);
      throw error;
    }
  }

  /**
   * Stops a context: what of it has not touched memory never will.
   * @throws Error when the card refuses: then the hypervisor took it for one that was handed out.
   */
  revoke(context: ContextId): void {
    this.#set('SELECT', context);
    const status = this.#command('revoke');
    if (status !== 'done')
      throw new InvariantViolation(`the card refused to revoke context ${context}: ${status}`);
  }

  /** Gives an open context another weight. @throws ParameterError when the card refuses it. */
  reweigh(context: ContextId, weight: number, who: string): void {
    this.#set('SELECT', context);
    this.#set('WEIGHT', weight);
    this.#demand('reweigh', who);
  }

  /** Gives an open context another rate limit, or none. @throws ParameterError when the card refuses it. */
  limit(context: ContextId, limitBps: number | undefined, who: string): void {
    this.#set('SELECT', context);
    // 0: the register's way to say that there is no limit.
    const register = limitBps ?? 0;
    this.#set('LIMIT_LOW', register % 0x100000000);
    this.#set('LIMIT_HIGH', Math.floor(register / 0x100000000));
    this.#demand('limit', who);
  }

  /** Gives an open context another priority. @throws ParameterError when the card refuses it. */
  prioritise(context: ContextId, priority: number, who: string): void {
    this.#set('SELECT', context);
    this.#set('PRIORITY', priority);
    this.#demand('prioritise', who);
  }

  /** Takes the oldest unread fault, or undefined. */
  nextFault(): { readonly context: ContextId; readonly reason: FaultReason } | undefined {
    const context = this.#get('FAULT_CONTEXT');
    if (context === ALL_ONES) return undefined;
    const reason = FAULT_REASONS[this.#get('FAULT_REASON')] ?? 'none';
    this.#set('FAULT_POP', 1);
    return { context: contextId(context), reason };
  }

  #get(name: keyof typeof MANAGEMENT): number {
    this.#processor.chargeAccount(this.#account, COST.registerRead);
    return this.#window.readNow(this.#window.managementPage, MANAGEMENT[name]);
  }

  /** The valid ranges of the registers are known here, so a refusal is our own mistake. */
  #set(name: keyof typeof MANAGEMENT, value: number): void {
    this.#processor.chargeAccount(this.#account, COST.doorbell);
    if (!this.#window.writeNow(this.#window.managementPage, MANAGEMENT[name], value))
      throw new InvariantViolation(`the card refused ${value} for its register ${name}`);
  }

  #setAddress(low: keyof typeof MANAGEMENT, high: keyof typeof MANAGEMENT, address: BusAddress): void {
    this.#set(low, address % 0x100000000);
    this.#set(high, Math.floor(address / 0x100000000));
  }

  #command(command: (typeof COMMANDS)[number]): CommandStatus {
    this.#set('COMMAND', COMMANDS.indexOf(command));
    return COMMAND_STATUSES[this.#get('COMMAND_STATUS')] ?? 'unknown-command';
  }

  /** A command that the card may refuse because of the context's settings. */
  #demand(command: (typeof COMMANDS)[number], who: string): void {
    const status = this.#command(command);
    if (status !== 'done')
      throw new ParameterError(`${who}: the card refused to ${command} a context: ${status}`);
  }
}
