import type { ContextPort } from '../../host/protection/context-port.js';
import type { GuestPort, PortQueue } from '../../host/protection/guest-port.js';
import type { HandOverKind } from '../../host/protection/protection.js';
import { ringLayout } from '../../host/protection/ring-layout.js';
import { addressAfter, PAGE_BYTES } from '../../nic/addresses.js';
import { MAILBOX, SHARED_MEMORY_OFFSET } from '../../nic/registers.js';
import type { ContextId } from '../../scheduler/branded.js';
import { InvariantViolation, ParameterError } from '../../scheduler/errors.js';
import { present } from '../../scheduler/present.js';
import { tallyIn } from '../../scheduler/tally.js';
import type { AttachedDevice } from '../pci/attached-device.js';
import { PortShare } from '../pci/port-share.js';
import { type FrontCounters, noFrontCounts } from '../virtio/front-counters.js';
import type { VirtioNetPlan } from '../virtio/virtio-net.js';
import {
  CALL_RESULTS,
  CALL_STATES,
  CALLS,
  type CallName,
  type CallResult,
  FAULT_TAKEN_AWAY,
  faultNumber,
  REFUSALS,
} from './call-registers.js';
import type { CardFault } from './card-faults.js';
import { PageCounters } from './page-counters.js';
import { RequestPage } from './request-page.js';

/** What the device is made for. */
export type CardDevicePlan = Omit<VirtioNetPlan, 'accessPlatform'>;

/** What the registers of the hypercall page show of the device. */
export interface CallOutcome {
  readonly result: number;
  readonly accepted: number;
  readonly refusal: number;
  readonly state: number;
  readonly fault: number;
}

/** What a call works on. */
export interface CallOperands {
  readonly rings: number;
  readonly requests: number;
  readonly argument: number;
}

/** Calls that work on requests or indices, and the approaches that have them. */
const CALLS_OF: Readonly<Record<HandOverKind, readonly CallName[]>> = {
  write: [],
  'map-then-write': ['transmit', 'receive', 'transmit-finished', 'receive-finished'],
  'hypervisor-writes': ['transmit', 'receive'],
};

/**
 * The card as a driver of its own registers has it: the page of its context, and a hypervisor to ask. The driver's store to
 * a register takes effect at once; a call that the hypervisor spends time on is work of the guest's account, and
 * its result is there when that work has run.
 *
 * Whatever the driver does wrong is counted as its fault and changes nothing for others. A context that the card stops is
 * taken back at once, so that nothing reaches its memory; the hypercall page says why.
 */
export class CardDevice implements AttachedDevice {
  readonly handOver: HandOverKind;
  readonly share: PortShare;
  readonly #plan: CardDevicePlan;
  readonly #counts: FrontCounters = noFrontCounts();
  readonly #faults: Partial<Record<CardFault, number>> = {};
  readonly #requests: RequestPage;
  readonly #pageCounters: PageCounters;
  readonly #postedNs: Float64Array;
  readonly #callWork = () => this.#runCall();
  #port: GuestPort | undefined;
  #lastFault: CardFault | undefined;
  #pending: { readonly call: CallName; readonly operands: CallOperands } | undefined;
  #result: CallResult = 'done';
  #accepted = 0;
  #refusal: (typeof REFUSALS)[number] = 'none';
  #state: (typeof CALL_STATES)[number] = 'closed';
  #fault = 0;
  // One past the last transmit descriptor that the driver has rung for.
  #announced = 0;

  /** @throws ParameterError when the approach gives guests no context of the card. */
  constructor(plan: CardDevicePlan) {
    const { handOver, name } = plan.host.protection;
    if (handOver === undefined)
      throw new ParameterError(
        `${plan.domain.name}.card is "cdna", expected "virtio" under ${name}: guests have no context of the card there`,
      );
    this.handOver = handOver;
    this.#plan = plan;
    this.share = new PortShare(plan.host.hypervisor, plan.port.share, () => this.#port);
    this.#requests = new RequestPage(plan.memory);
    this.#pageCounters = new PageCounters(plan.host.nic.counters);
    this.#postedNs = new Float64Array(plan.port.transmitSlots);
  }

  get port(): GuestPort | undefined {
    return this.#port;
  }

  get mac(): number {
    return this.#plan.port.mac;
  }

  /** Slots of each ring, which the scenario gives. */
  get slots(): { readonly transmit: number; readonly receive: number } {
    return { transmit: this.#plan.port.transmitSlots, receive: this.#plan.port.receiveSlots };
  }

  /** Where the guest's address 0 lies in the machine. */
  get ramAddress(): number {
    return this.#plan.addressOf(0, 1);
  }

  get faults(): Readonly<Partial<Record<CardFault, number>>> {
    return this.#faults;
  }

  get lastFault(): CardFault | undefined {
    return this.#lastFault;
  }

  get outcome(): CallOutcome {
    return {
      result: CALL_RESULTS.indexOf(this.#result),
      accepted: this.#accepted,
      refusal: REFUSALS.indexOf(this.#refusal),
      state: CALL_STATES.indexOf(this.#state),
      fault: this.#fault,
    };
  }

  /** `framesPosted` counts the transmit descriptors that the driver has rung for: what is in them is the card's to read. */
  get counters(): FrontCounters {
    this.#counts.framesSent = this.#pageCounters.named('frames_transmitted');
    this.#counts.framesReceived = this.#pageCounters.named('frames_received');
    return this.#counts;
  }

  /** A counter of the hypercall page by its place. */
  pageCounter(index: number): number {
    return this.#pageCounters.value(index);
  }

  postedNs(index: number): number {
    return present(this.#postedNs[index & (this.#postedNs.length - 1)]);
  }

  /** Reads the context's page: ones while the guest has none. */
  readContext(offset: number, width: number): number {
    const context = this.#context();
    if (context === undefined) return 256 ** width - 1;
    return this.#plan.host.window.readNow(context, offset, width);
  }

  /** Writes the context's page; lost while the guest has none. */
  writeContext(offset: number, width: number, value: number): void {
    const context = this.#context();
    if (context === undefined) return;
    if (offset < SHARED_MEMORY_OFFSET) this.#counts.notifications += 1;
    if (!this.#plan.host.window.writeNow(context, offset, value, width)) return;
    if (offset === MAILBOX.TX_PRODUCER * 4) this.#notePosted(value);
  }

  /** Reads rings and status block where they are the hypervisor's; ones elsewhere. */
  readRings(offset: number, target: Uint8Array): void {
    target.fill(0xff);
    const port = this.#port;
    if (this.handOver !== 'hypervisor-writes' || port === undefined) return;
    const { address, bytes } = present(contextPort(port).ringMemory);
    const length = Math.min(target.length, bytes - offset);
    if (length > 0) this.#plan.host.memory.read(addressAfter(address, offset), length, target, 0);
  }

  /** The guest has stored to rings that it may only read. */
  refuseRingWrite(): void {
    this.#count('ring-write');
  }

  /** A write to CALL. */
  call(number: number, operands: CallOperands): void {
    if (this.#pending !== undefined) {
      this.#count('call-while-busy');
      return;
    }
    this.#accepted = 0;
    this.#refusal = 'none';
    const call = CALLS[number];
    if (call === 'open') this.#finishCall(this.#open(operands));
    else if (call === 'close') this.#finishCall(this.#closeCall());
    else if (call === undefined || !CALLS_OF[this.handOver].includes(call))
      this.#finishCall(this.#failed('no-such-call'));
    else if (this.#port === undefined) this.#finishCall(this.#failed('wrong-state'));
    else {
      this.#result = 'busy';
      this.#pending = { call, operands };
      this.#plan.host.processor.post(this.#plan.domain.account, this.#callWork);
    }
  }

  contextStopped(context: ContextId): void {
    if (this.#port?.context !== context) return;
    const reason = this.#plan.host.nic.contexts[context]?.faultReason ?? 'none';
    this.#fault = reason === 'none' ? FAULT_TAKEN_AWAY : faultNumber(reason);
    this.#count('context-stopped');
    this.#lastFault = 'context-stopped';
    this.#close();
    this.#state = 'stopped';
    this.#interrupt();
  }

  /** As a function-level reset. Nothing reaches memory afterwards. */
  reset(): void {
    this.#counts.resets += 1;
    this.#close();
    this.#lastFault = undefined;
    this.#state = 'closed';
    this.#fault = 0;
    this.#result = 'done';
    this.#accepted = 0;
    this.#refusal = 'none';
  }

  checkInvariants(): void {
    if ((this.#state === 'open') !== (this.#port !== undefined))
      throw new InvariantViolation(`${this.#plan.domain.name}: the context is ${this.#state}`);
    if (this.#pending !== undefined && this.#port === undefined)
      throw new InvariantViolation(`${this.#plan.domain.name}: a hypercall waits without a context`);
  }

  #open({ rings }: CallOperands): CallResult {
    const { host, domain, port, addressOf } = this.#plan;
    if (this.#port !== undefined) return this.#failed('wrong-state');
    const own = this.handOver !== 'hypervisor-writes';
    if (own && !this.#ringsAreOwn(rings)) return this.#failed('bad-rings');
    if (domain.state === 'killed') return this.#failed('no-context');
    try {
      this.#port = host.openPort(domain, {
        ...port,
        share: this.share.now,
        ...(own ? { ownRings: addressOf(rings, PAGE_BYTES) } : {}),
      });
    } catch (error) {
      if (!(error instanceof ParameterError)) throw error;
      return this.#failed('no-context');
    }
    this.#state = 'open';
    this.#fault = 0;
    this.#lastFault = undefined;
    this.#announced = 0;
    this.#pageCounters.opened(this.#port.context);
    this.#port.onInterrupt(() => this.#interrupt());
    this.#plan.portChanged?.(this.#port);
    return 'done';
  }

  #closeCall(): CallResult {
    if (this.#state === 'closed') return this.#failed('wrong-state');
    this.#close();
    this.#state = 'closed';
    this.#lastFault = undefined;
    return 'done';
  }

  #close(): void {
    if (this.#pending !== undefined) {
      this.#pending = undefined;
      this.#result = 'wrong-state';
    }
    const port = this.#port;
    if (port === undefined) return;
    this.#port = undefined;
    this.#plan.host.protection.closePort(port);
    this.#pageCounters.closed();
    this.#plan.portChanged?.(undefined);
  }

  /** Runs the call that waits, on the guest's CPU time; what the hypervisor does for it is the hypervisor's. */
  #runCall(): void {
    const pending = this.#pending;
    const port = this.#port;
    this.#pending = undefined;
    if (pending === undefined || port === undefined) return;
    const { call, operands } = pending;
    const queue = call.startsWith('transmit') ? port.transmit : port.receive;
    if (call.endsWith('-finished')) {
      queue.finish(operands.argument);
      this.#finishCall('done');
    } else this.#finishCall(this.#handOver(queue, queue === port.transmit, operands));
  }

  #handOver(queue: PortQueue, frames: boolean, { requests, argument }: CallOperands): CallResult {
    const writes = this.handOver === 'hypervisor-writes';
    // The hypervisor looks by itself how far the card has come.
    if (writes) queue.finish(queue.consumer());
    const outcome = this.#requests.handOver(queue, requests, argument, !writes);
    if (outcome === undefined) return this.#failed('bad-requests');
    const { accepted, refusal } = outcome;
    this.#accepted = accepted;
    if (!frames) this.#counts.buffersPosted += accepted;
    if (refusal === undefined) return accepted < argument ? 'no-space' : 'done';
    this.#refusal = refusal;
    if (frames) this.#counts.framesRefused += 1;
    else this.#counts.buffersRefused += 1;
    return 'refused';
  }

  #ringsAreOwn(rings: number): boolean {
    const { memory, port } = this.#plan;
    const { bytes } = ringLayout(port.transmitSlots, port.receiveSlots);
    const probe = new Uint8Array(1);
    // A guest's RAM is one piece: what has both ends in it lies in it.
    return (
      rings % PAGE_BYTES === 0 &&
      memory.read(rings, 1, probe, 0) &&
      memory.read(rings + bytes - 1, 1, probe, 0)
    );
  }

  /** The context that the guest has, as the hypervisor sees it. */
  #context(): ContextId | undefined {
    const context = this.#port?.context;
    if (context === undefined) return undefined;
    return this.#plan.host.hypervisor.domainOf(context) === this.#plan.domain ? context : undefined;
  }

  #notePosted(producer: number): void {
    const slots = this.#postedNs.length;
    const count = (producer - this.#announced) >>> 0;
    // An index that went back or too far: the card stops the context for it.
    if (count > slots) return;
    const { nowNs } = this.#plan.host.kernel;
    for (let index = this.#announced; index !== producer; index = (index + 1) >>> 0)
      this.#postedNs[index & (slots - 1)] = nowNs;
    this.#announced = producer;
    this.#counts.framesPosted += count;
  }

  #failed(fault: CardFault & CallResult): CallResult {
    this.#count(fault);
    return fault;
  }

  #count(fault: CardFault): void {
    this.#counts.faults += 1;
    tallyIn(this.#faults, fault);
  }

  #finishCall(result: CallResult): void {
    this.#result = result;
  }

  #interrupt(): void {
    this.#counts.interrupts += 1;
    this.#plan.interrupt(0);
  }
}

/** The port as a context of the card: where drivers have registers of the card there is no other kind. */
function contextPort(port: GuestPort): ContextPort {
  if (!('ringMemory' in port)) throw new InvariantViolation('a driver of the card has a port without rings');
  return port as ContextPort;
}
