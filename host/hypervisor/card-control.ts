import { FAULT_REASONS, type FaultReason } from '../../nic/counters.js';
import { ALL_ONES, COMMAND_STATUSES, COMMANDS, type CommandStatus, MANAGEMENT } from '../../nic/registers.js';
import type { RegisterWindow } from '../bus/register-window.js';

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
  /** Which contexts will do, where it matters (a gate that tells only some of them apart). */
  readonly eligible?: (context: number) => boolean;
}

/** The hypervisor's driver for the card's management page, which it alone maps. */
export class CardControl {
  readonly #window: RegisterWindow;

  constructor(window: RegisterWindow) {
    this.#window = window;
  }

  /** Bytes of one interrupt vector. */
  get vectorBytes(): number {
    return this.#window.readNow(this.#window.managementPage, MANAGEMENT.VECTOR_BYTES);
  }

  attachVectorRing(busAddress: number, entriesLog2: number): void {
    this.#setAddress('VECTOR_RING_LOW', 'VECTOR_RING_HIGH', busAddress);
    this.#set('VECTOR_RING_SIZE', entriesLog2);
  }

  /** Allocates a context, sets it up and opens it. @throws RangeError, with the card's reason, when it refuses. */
  open(context: number, settings: ContextSettings, who: string): void {
    this.#set('SELECT', context);
    this.#command('allocate', who);
    this.#set('MAC_LOW', settings.mac % 0x100000000);
    this.#set('MAC_HIGH', Math.floor(settings.mac / 0x100000000));
    this.#set('WEIGHT', settings.weight);
    this.#set('SEQUENCE', settings.sequenceChecking ? 1 : 0);
    const slotsLog2 = Math.log2(Math.max(settings.transmitSlots, settings.receiveSlots));
    // N is at least twice the slots, so that no entry of the last lap fits in this one (CDNA, section 3.3).
    this.#set('SEQUENCE_MODULUS', Math.max(16, slotsLog2 + 1));
    this.#setAddress('TX_RING_LOW', 'TX_RING_HIGH', settings.transmitRing);
    this.#set('TX_RING_SIZE', Math.log2(settings.transmitSlots));
    this.#setAddress('RX_RING_LOW', 'RX_RING_HIGH', settings.receiveRing);
    this.#set('RX_RING_SIZE', Math.log2(settings.receiveSlots));
    this.#setAddress('STATUS_LOW', 'STATUS_HIGH', settings.statusBlock);
    this.#set('PERMISSIONS', (settings.promiscuous ? 1 : 0) | (settings.antiSpoofing ? 2 : 0));
    try {
      this.#command('open', who);
    } catch (error) {
      this.#command('revoke', who);
      throw error;
    }
  }

  /** Stops a context: what of it has not touched memory never will. */
  revoke(context: number): void {
    this.#set('SELECT', context);
    this.#set('COMMAND', COMMANDS.indexOf('revoke'));
  }

  /** Takes the oldest unread fault, or undefined. */
  nextFault(): { readonly context: number; readonly reason: FaultReason } | undefined {
    const page = this.#window.managementPage;
    const context = this.#window.readNow(page, MANAGEMENT.FAULT_CONTEXT);
    if (context === ALL_ONES) return undefined;
    const reason = FAULT_REASONS[this.#window.readNow(page, MANAGEMENT.FAULT_REASON)] ?? 'none';
    this.#set('FAULT_POP', 1);
    return { context, reason };
  }

  #set(name: keyof typeof MANAGEMENT, value: number): void {
    this.#window.writeNow(this.#window.managementPage, MANAGEMENT[name], value);
  }

  #setAddress(low: keyof typeof MANAGEMENT, high: keyof typeof MANAGEMENT, address: number): void {
    this.#set(low, address % 0x100000000);
    this.#set(high, Math.floor(address / 0x100000000));
  }

  #command(command: (typeof COMMANDS)[number], who: string): void {
    this.#set('COMMAND', COMMANDS.indexOf(command));
    const code = this.#window.readNow(this.#window.managementPage, MANAGEMENT.COMMAND_STATUS);
    const status: CommandStatus = COMMAND_STATUSES[code] ?? 'unknown-command';
    if (status !== 'done')
      throw new RangeError(`${who}: the card refused to ${command} a context: ${status}`);
  }
}
