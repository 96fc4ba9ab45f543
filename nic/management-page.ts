import { PRIORITY_LEVELS } from '../scheduler/disciplines/strict-priority.js';
import { present } from '../scheduler/present.js';
import { type BusAddress, busAddress, offsetInPage, WIDE_ADDRESS_HIGH } from './addresses.js';
import type { Context } from './context.js';
import { CONTEXT_STATES } from './context.js';
import { FAULT_REASONS } from './counters.js';
import { MAX_FRAME_BYTES } from './descriptor.js';
import type { FaultQueue } from './fault-queue.js';
import type { InterruptVectors } from './interrupt-vectors.js';
import { TRAFFIC_CLASSES } from './pfc-frame.js';
import {
  ALL_ONES,
  COMMAND_STATUSES,
  COMMANDS,
  type CommandStatus,
  DEVICE_ID,
  DEVICE_VERSION,
  MANAGEMENT,
  MANAGEMENT_BY_OFFSET,
  type ManagementName,
} from './registers.js';

/** Opens and revokes contexts. */
export interface ContextControl {
  open(context: Context): CommandStatus;
  revoke(context: Context): void;
  reweigh(context: Context): void;
}

/** Frames between contexts stay inside the card while `switching` is on. */
export interface SwitchControl {
  switching: boolean;
}

/** What priority flow control has done. */
export interface FlowControlCounts {
  /** Classes that are paused: here, and at the far end. A bit each. */
  readonly pausedHere: number;
  readonly pausedThere: number;
  received(trafficClass: number): number;
  sent(trafficClass: number): number;
}

/** The components that the management page controls. */
export interface ManagedParts {
  readonly contexts: readonly Context[];
  /** Traffic classes with flow control, a bit each. */
  readonly pfcClasses: number;
  readonly vectors: InterruptVectors;
  readonly faults: FaultQueue;
  readonly lifecycle: ContextControl;
  readonly forwarding: SwitchControl;
  /** Absent where no class has flow control. */
  readonly flowControl: FlowControlCounts | undefined;
}

type FlowControlName = 'PFC_CLASSES' | 'PFC_PAUSED' | 'PFC_RECEIVED' | 'PFC_SENT';

const LOG2_SLOTS_LIMIT = 15;
/** Largest weight of a context: the register has 16 bits. */
export const MOST_WEIGHT = 65_535;
/** Largest upper limit of a context, bits per second. */
export const MOST_LIMIT_BPS = 1e13;

/**
 * The page that only the hypervisor maps. It selects a context, sets what the guest must not set itself
 * (addresses, rings, weight, sequence checking), and allocates, opens and revokes it.
 */
export class ManagementPage {
  readonly #parts: ManagedParts;
  readonly #values = new Map<number, number>();
  #status: CommandStatus = 'done';

  constructor(parts: ManagedParts) {
    this.#parts = parts;
    for (const [offset, { reset }] of MANAGEMENT_BY_OFFSET) {
      this.#values.set(offset, reset === 'as-built' ? 0 : reset);
    }
  }

  /** Reads the 32-bit register at an offset of the page. */
  read(offset: number): number {
    const definition = MANAGEMENT_BY_OFFSET.get(offset);
    if (definition === undefined) return ALL_ONES;
    if (definition.access === 'wo') return 0;
    switch (definition.name as ManagementName) {
      case 'ID':
        return DEVICE_ID;
      case 'VERSION':
        return DEVICE_VERSION;
      case 'CONTEXTS':
        return this.#parts.contexts.length;
      case 'MAX_FRAME':
        return MAX_FRAME_BYTES;
      case 'COMMAND_STATUS':
        return COMMAND_STATUSES.indexOf(this.#status);
      case 'STATE':
        return this.#selected === undefined ? ALL_ONES : CONTEXT_STATES.indexOf(this.#selected.state);
      case 'VECTOR_CONSUMER':
        return this.#parts.vectors.consumer;
      case 'VECTOR_PRODUCER':
        return this.#parts.vectors.producer;
      case 'VECTOR_BYTES':
        return this.#parts.vectors.entryBytes;
      case 'FAULT_CONTEXT':
        return this.#parts.faults.oldest?.context ?? ALL_ONES;
      case 'FAULT_REASON':
        return FAULT_REASONS.indexOf(this.#parts.faults.oldest?.reason ?? 'none');
      case 'SWITCHING':
        return this.#parts.forwarding.switching ? 1 : 0;
      case 'PFC_CLASSES':
      case 'PFC_PAUSED':
      case 'PFC_RECEIVED':
      case 'PFC_SENT':
        return this.#readFlowControl(definition.name as FlowControlName);
      default:
        return present(this.#values.get(offset));
    }
  }

  /** Writes the 32-bit register at an offset of the page; false if nothing there can be written. */
  write(offset: number, value: number): boolean {
    const definition = MANAGEMENT_BY_OFFSET.get(offset);
    if (definition === undefined || definition.access === 'ro') return false;
    if (!this.#apply(definition.name as ManagementName, value)) return false;
    this.#values.set(offset, value);
    return true;
  }

  checkInvariants(): void {
    this.#parts.faults.checkInvariants(this.#parts.contexts);
  }

  /** The effect of a write; false if the value is refused. */
  #apply(name: ManagementName, value: number): boolean {
    switch (name) {
      case 'COMMAND':
        this.#status = this.#command(value);
        return true;
      case 'VECTOR_RING_SIZE':
        if (value < 1 || value > LOG2_SLOTS_LIMIT) return false;
        this.#parts.vectors.attach(
          this.#address('VECTOR_RING_LOW', 'VECTOR_RING_HIGH'),
          1 << value,
          this.#wideOffset('VECTOR_RING_LOW', 'VECTOR_RING_HIGH'),
        );
        return true;
      case 'VECTOR_CONSUMER':
        return this.#parts.vectors.acknowledge(value);
      case 'FAULT_POP':
        this.#parts.faults.pop();
        return true;
      case 'SWITCHING':
        this.#parts.forwarding.switching = (value & 1) !== 0;
        return true;
      case 'TRAFFIC_CLASS':
      case 'PFC_SELECT':
        return value < TRAFFIC_CLASSES;
      default:
        return true;
    }
  }

  #readFlowControl(name: FlowControlName): number {
    const { flowControl, pfcClasses } = this.#parts;
    if (flowControl === undefined) return 0;
    const trafficClass = this.#value('PFC_SELECT');
    switch (name) {
      case 'PFC_CLASSES':
        return pfcClasses;
      case 'PFC_PAUSED':
        return flowControl.pausedHere + flowControl.pausedThere * 2 ** TRAFFIC_CLASSES;
      case 'PFC_RECEIVED':
        return flowControl.received(trafficClass) % 2 ** 32;
      case 'PFC_SENT':
        return flowControl.sent(trafficClass) % 2 ** 32;
    }
  }

  get #selected(): Context | undefined {
    return this.#parts.contexts[this.#value('SELECT')];
  }

  #value(name: ManagementName): number {
    return present(this.#values.get(MANAGEMENT[name]));
  }

  /** The address in two registers; from 2^53 on, that of its page. */
  #address(low: ManagementName, high: ManagementName): BusAddress {
    return busAddress(this.#value(high) * 0x100000000 + (this.#value(low) - this.#wideOffset(low, high)));
  }

  /** Bytes from that to the address in the registers. */
  #wideOffset(low: ManagementName, high: ManagementName): number {
    return this.#value(high) < WIDE_ADDRESS_HIGH ? 0 : offsetInPage(this.#value(low));
  }

  #command(value: number): CommandStatus {
    const context = this.#selected;
    const command = COMMANDS[value];
    if (command === undefined || command === 'none') return 'unknown-command';
    if (context === undefined) return 'no-such-context';
    switch (command) {
      case 'allocate':
        if (context.state !== 'free') return 'wrong-state';
        context.reset();
        context.state = 'allocated';
        return 'done';
      case 'open':
        if (context.state !== 'allocated') return 'wrong-state';
        return this.#open(context);
      case 'revoke':
        if (context.state === 'free') return 'wrong-state';
        this.#parts.lifecycle.revoke(context);
        this.#parts.faults.forget(context.index);
        return 'done';
      case 'reweigh':
      case 'limit':
      case 'prioritise':
        return context.state === 'open' ? this.#changeShare(context, command) : 'wrong-state';
    }
  }

  /** Changes one field of the share of an open context. */
  #changeShare(context: Context, command: 'reweigh' | 'limit' | 'prioritise'): CommandStatus {
    if (command === 'reweigh') {
      const weight = this.#value('WEIGHT');
      if (weight < 1 || weight > MOST_WEIGHT) return 'bad-weight';
      context.share = { ...context.share, weight };
    } else if (command === 'limit') {
      const limitBps = this.#value('LIMIT_HIGH') * 0x100000000 + this.#value('LIMIT_LOW');
      if (limitBps > MOST_LIMIT_BPS) return 'bad-limit';
      const { limitBps: _, ...others } = context.share;
      context.share = limitBps === 0 ? others : { ...others, limitBps };
    } else {
      const priority = this.#value('PRIORITY');
      if (priority >= PRIORITY_LEVELS) return 'bad-priority';
      context.share = { ...context.share, priority };
    }
    this.#parts.lifecycle.reweigh(context);
    return 'done';
  }

  #open(context: Context): CommandStatus {
    const transmitLog2 = this.#value('TX_RING_SIZE');
    const receiveLog2 = this.#value('RX_RING_SIZE');
    for (const log2 of [transmitLog2, receiveLog2])
      if (log2 < 1 || log2 > LOG2_SLOTS_LIMIT) return 'bad-ring';
    for (const low of ['TX_RING_LOW', 'RX_RING_LOW'] as const)
      if (this.#value(low) % 16 !== 0) return 'bad-ring';
    const checking = (this.#value('SEQUENCE') & 1) !== 0;
    const modulusLog2 = this.#value('SEQUENCE_MODULUS');
    if (checking) {
      // N >= 2 x slots: every entry of the lap before differs from every entry of this one.
      const slotsLog2 = Math.max(transmitLog2, receiveLog2);
      if (modulusLog2 < slotsLog2 + 1 || modulusLog2 > 32) return 'bad-sequence-modulus';
    }
    const weight = this.#value('WEIGHT');
    if (weight < 1 || weight > MOST_WEIGHT) return 'bad-weight';
    const permissions = this.#value('PERMISSIONS');
    context.mac = (this.#value('MAC_HIGH') % 0x10000) * 0x100000000 + this.#value('MAC_LOW');
    context.share = { ...context.share, weight };
    context.sequenceChecking = checking;
    context.sequenceModulusLog2 = modulusLog2;
    context.statusAddress = this.#address('STATUS_LOW', 'STATUS_HIGH');
    context.statusOffset = this.#wideOffset('STATUS_LOW', 'STATUS_HIGH');
    context.promiscuousAllowed = (permissions & 1) !== 0;
    context.trafficClass = this.#value('TRAFFIC_CLASS');
    context.antiSpoofing = (permissions & 2) !== 0;
    context.transmit.attach(
      this.#address('TX_RING_LOW', 'TX_RING_HIGH'),
      1 << transmitLog2,
      this.#wideOffset('TX_RING_LOW', 'TX_RING_HIGH'),
    );
    context.receive.attach(
      this.#address('RX_RING_LOW', 'RX_RING_HIGH'),
      1 << receiveLog2,
      this.#wideOffset('RX_RING_LOW', 'RX_RING_HIGH'),
    );
    const status = this.#parts.lifecycle.open(context);
    if (status !== 'done') {
      context.transmit.detach();
      context.receive.detach();
    }
    return status;
  }
}
