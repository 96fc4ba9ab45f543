import type { Host } from '../../host/host.js';
import type { FaultPolicy } from '../../host/hypervisor/fault-log.js';
import type { GuestPort } from '../../host/protection/guest-port.js';
import type { ProtectionPlan } from '../../host/protection/protection.js';
import { WIRE_OVERHEAD_BYTES } from '../../nic/descriptor.js';
import type { NicInstruments, WirePort } from '../../nic/host-port.js';
import { DEFAULT_NIC } from '../../nic/parameters.js';
import { isGroup, readMac } from '../../nic/station-address.js';
import { type ContextId, NO_CONTEXT, storedContextId } from '../../scheduler/branded.js';
import type { Discipline } from '../../scheduler/discipline.js';
import { InvariantViolation } from '../../scheduler/errors.js';
import type { EventKernel, HandlerId } from '../../scheduler/event-kernel.js';
import { Fingerprint, TRACE_EVENTS } from '../machine/fingerprint.js';
import type { ShareChange } from '../machine/fluid-due.js';
import { Machine, type MachineAssembly } from '../machine/machine.js';
import type { CaptureStore } from '../machine/traffic.js';
import type { Scenario } from '../scenario/schema.js';
import { BacklogMeter } from './backlog-meter.js';
import { GuestRam } from './guest-ram.js';
import { GuestTally } from './guest-tally.js';
import { LiveGuest } from './live-guest.js';
import { type LiveRam, ObservedRam } from './ram/live-ram.js';
import type { DescriptorPort, ReceivedDescriptor } from './vfio-user/interrupt-descriptors.js';
import type { ClientConnection } from './vfio-user/session.js';

/** Outputs that the fingerprint of a session tells apart, beside those of a run. */
const LIVE_EVENTS = { message: 16, uplink: 17, memory: 18, signal: 19 } as const;

/** Looks at a session from inside. Nothing that it does changes what happens. */
export interface LiveObserver extends Pick<MachineAssembly, 'demandOf' | 'onChange' | 'wireTap'> {
  readonly instruments: Partial<NicInstruments>;
  /** Puts something that measures around a discipline. */
  readonly measured: (discipline: Discipline, direction: 'transmit' | 'receive') => Discipline;
  /** A real guest has this port now, or none. */
  readonly portChanged: (guest: LiveGuest, port: GuestPort | undefined) => void;
  /** A real guest has another share from now on: one field of it. */
  readonly shareChanged: (guest: LiveGuest, change: ShareChange) => void;
}

/** What a live machine is made from. */
export interface LiveMachinePlan {
  readonly scenario: Scenario;
  readonly directory: string;
  readonly captures: CaptureStore;
  readonly seed: number;
  readonly protection: ProtectionPlan;
  readonly makeDiscipline: () => Discipline;
  /** Makes the RAM of a guest: called once for each, before any attaches. */
  readonly makeRam: (index: number, name: string, bytes: number) => LiveRam;
  /** Told of bytes that were read from a guest's RAM: with what is handed to the machine, all that it depends on. */
  readonly readMemory?: (
    guest: number,
    offset: number,
    bytes: Uint8Array,
    at: number,
    length: number,
  ) => void;
  /** Told of each frame of a real guest that has left: when its driver's notification handed it over, and when its last bit left. */
  readonly sent?: (
    guest: number,
    bytes: Uint8Array,
    offset: number,
    length: number,
    postedNs: number,
    endNs: number,
  ) => void;
  readonly observer?: LiveObserver;
  /** Where frames go that are for no guest; `bytes` is borrowed. */
  readonly uplink?: (bytes: Uint8Array, offset: number, length: number) => void;
}

/**
 * A machine that real guests are plugged into. It knows neither clock nor sockets: what comes in is handed to it at a
 * moment of virtual time, and what goes out is handed on. The same inputs at the same moments give the same outputs to the
 * bit, which is what a recorded session is played again with.
 */
export class LiveMachine {
  readonly machine: Machine;
  readonly guests: readonly LiveGuest[];
  /** What each guest has had of the card, in the order of `guests`. */
  readonly tallies: readonly GuestTally[];
  readonly backlog: BacklogMeter;
  readonly fingerprint = new Fingerprint();
  readonly #plan: LiveMachinePlan;
  readonly #bySession = new Map<number, LiveGuest>();
  readonly #byContext: (LiveGuest | undefined)[] = [];
  readonly #patience: HandlerId;
  readonly #readTable: HandlerId;
  readonly #reflect: HandlerId;
  readonly #stop: HandlerId;
  readonly #memoryIsLate: HandlerId;
  // Frames on their way to the far end that it sends back to everyone.
  readonly #reflected: Uint8Array[] = [];
  #sessions = 0;
  #wireBytesSent = 0;

  /** @throws ScenarioError, ParameterError: the scenario asks for what cannot be. */
  constructor(plan: LiveMachinePlan) {
    this.#plan = plan;
    const rams: GuestRam[] = [];
    this.backlog = new BacklogMeter(this.#discipline('transmit'), contextsOf(plan.scenario));
    this.machine = new Machine(this.#assembly(rams));
    const { kernel, host } = this.machine;
    this.#patience = kernel.register('live.patience', (number) =>
      this.#bySession.get(number)?.session?.onPatience(),
    );
    this.#readTable = kernel.register('live.msix-table', (number) =>
      this.#bySession.get(number)?.session?.onReadTable(),
    );
    this.#reflect = kernel.register('live.reflect', () => this.#onReflect());
    this.#stop = kernel.register('live.context-stopped', (index, context) =>
      this.guests[index]?.device.contextStopped(storedContextId(context)),
    );
    this.#memoryIsLate = kernel.register('live.memory-late', (index) => this.guests[index]?.memoryIsLate());
    this.guests = this.machine.attached.map((guest, index) => {
      const ram = rams[index];
      if (ram === undefined) throw new InvariantViolation(`${guest.name} has no RAM`);
      const live: LiveGuest = new LiveGuest({
        host,
        guest,
        ram,
        portChanged: (port) => this.#portChanged(live, port),
        waitForMemory: (ns) => kernel.schedule(ns, this.#memoryIsLate, index),
      });
      return live;
    });
    this.tallies = this.guests.map(() => new GuestTally(this.backlog));
    host.nic.streams.drops$.subscribe(({ context, reason }) => this.#tallyOf(context)?.dropped(reason));
    host.hypervisor.faults$.subscribe(({ domain, context, caughtBy, action }) => {
      const index = this.guests.findIndex(({ name }) => name === domain);
      if (index >= 0 && (caughtBy === 'nic' || action !== 'log')) kernel.post(0, this.#stop, index, context);
    });
  }

  /** What the machine is built from; each guest's RAM is added to `rams` as the machine asks for it. */
  #assembly(rams: GuestRam[]): MachineAssembly {
    const plan = this.#plan;
    const { scenario, directory, captures, seed, protection, observer } = plan;
    const { demandOf, onChange } = observer ?? {};
    return {
      scenario,
      directory,
      captures,
      seed,
      protection,
      transmitDiscipline: this.backlog,
      receiveDiscipline: this.#discipline('receive'),
      ...(demandOf === undefined ? {} : { demandOf }),
      ...(onChange === undefined ? {} : { onChange }),
      wireTap: this.#wireTap(),
      instruments: {
        ...observer?.instruments,
        received: (context, index, length, arrivedNs, nowNs) => {
          observer?.instruments.received?.(context, index, length, arrivedNs, nowNs);
          this.#tallyOf(context)?.received(length);
        },
      },
      attachRam: (_host, domain, spec) => {
        const index = rams.length;
        const made = plan.makeRam(index, domain.name, spec.memoryMegabytes * 2 ** 20);
        const bank = new ObservedRam(made, {
          read: (offset, bytes, at, length) => plan.readMemory?.(index, offset, bytes, at, length),
          wrote: (offset, bytes, at, length) => this.#wroteMemory(index, offset, bytes, at, length),
        });
        rams.push(new GuestRam(domain, domain.attachRam(bank), bank));
      },
    };
  }

  #discipline(direction: 'transmit' | 'receive'): Discipline {
    const made = this.#plan.makeDiscipline();
    return this.#plan.observer?.measured(made, direction) ?? made;
  }

  /** Told of what leaves the card: the observer first, then the books of guests, then who the frame is for. */
  #wireTap(): WirePort {
    const plan = this.#plan;
    const { observer } = plan;
    return {
      transmitted: (bytes, offset, length, context, index, times) => {
        observer?.wireTap?.transmitted(bytes, offset, length, context, index, times);
        this.#wireBytesSent += length + WIRE_OVERHEAD_BYTES;
        const guest = this.#byContext[context];
        if (guest !== undefined) {
          const number = this.guests.indexOf(guest);
          this.tallies[number]?.sent(length);
          plan.sent?.(number, bytes, offset, length, guest.device.postedNs(index), times.endNs);
        }
        this.#transmitted(bytes, offset, length, context, times.endNs);
      },
      controlSent: (bytes, offset, length, startNs, endNs) => {
        observer?.wireTap?.controlSent?.(bytes, offset, length, startNs, endNs);
        this.#wireBytesSent += length + WIRE_OVERHEAD_BYTES;
        this.fingerprint.add(TRACE_EVENTS.control, endNs, NO_CONTEXT, length);
        this.fingerprint.addBytes(bytes, offset, length);
      },
      rateChanged: (rateBps) => observer?.wireTap?.rateChanged?.(rateBps),
    };
  }

  get kernel(): EventKernel {
    return this.machine.kernel;
  }

  /** Bytes that the card has put on the wire, for real guests, for emulated ones and for itself; with preamble, FCS and gap. */
  get wireBytesSent(): number {
    return this.#wireBytesSent;
  }

  get host(): Host {
    return this.machine.host;
  }

  /** The guest whose context this is now. */
  guestOf(context: ContextId): LiveGuest | undefined {
    return this.#byContext[context];
  }

  /** A virtual machine has connected to a guest's socket. False when it was turned away. */
  attach(index: number, connection: ClientConnection): boolean {
    const guest = this.#guest(index);
    this.#sessions += 1;
    const number = this.#sessions;
    const timers = { patience: this.#patience, readTable: this.#readTable, number };
    const fingerprinted: ClientConnection = {
      send: (bytes) => {
        // What an interrupt or an answer tells of is in memory before it.
        guest.ram.barrier();
        this.#output(LIVE_EVENTS.message, index, bytes, 0, bytes.length);
        connection.send(bytes);
      },
      close: (reason) => connection.close(reason),
      ...(connection.descriptors === undefined
        ? {}
        : { descriptors: this.#descriptorsOf(index, connection.descriptors) }),
    };
    const refusal = guest.attach(fingerprinted, timers);
    if (refusal !== undefined) {
      connection.close(refusal);
      return false;
    }
    for (const [old, owner] of this.#bySession) if (owner === guest) this.#bySession.delete(old);
    this.#bySession.set(number, guest);
    return true;
  }

  /** Bytes have come from a guest's virtual machine, and descriptors with the last message that begins in them. */
  receive(index: number, bytes: Uint8Array, descriptors: readonly ReceivedDescriptor[] = []): void {
    this.#guest(index).session?.receive(bytes, descriptors);
  }

  /** The connection of a guest is gone. */
  detach(index: number): void {
    this.#guest(index).detach();
  }

  /** More than it may have waits for a guest's virtual machine to be read. */
  slowReader(index: number): void {
    this.#guest(index).session?.fail('slow-reader');
  }

  /** A frame has come from the uplink. */
  uplinkFrame(bytes: Uint8Array): void {
    this.machine.partner.send(bytes, 0, bytes.length);
  }

  /** A guest has another weight from now on. */
  setWeight(index: number, weight: number): void {
    const guest = this.#guest(index);
    guest.setWeight(weight);
    this.#plan.observer?.shareChanged(guest, { weight });
  }

  /** A guest has another upper limit from now on, bits per second, or none. */
  setLimit(index: number, limitBps: number | undefined): void {
    const guest = this.#guest(index);
    guest.setLimit(limitBps);
    this.#plan.observer?.shareChanged(guest, { limitBps: limitBps ?? null });
  }

  /** A guest has another priority from now on. */
  setPriority(index: number, priority: number): void {
    const guest = this.#guest(index);
    guest.setPriority(priority);
    this.#plan.observer?.shareChanged(guest, { priority });
  }

  /** What becomes of a guest that faults, from now on. */
  setPolicy(policy: FaultPolicy): void {
    this.host.hypervisor.setFaultPolicy(policy);
  }

  /** Whether a guest waits for the answer to its unmap, which our unit's report is the sign for. */
  get awaitsInvalidation(): boolean {
    return this.guests.some((guest) => guest.awaitsInvalidation);
  }

  /** Runs to a moment of virtual time, ns. What was written to guests' RAM is there when it returns. */
  run(untilNs: number): void {
    this.kernel.run(untilNs);
    for (const { ram } of this.guests) ram.barrier();
  }

  checkInvariants(): void {
    this.machine.checkInvariants();
    for (const guest of this.guests) guest.checkInvariants();
  }

  /** Descriptors of a connection; what is signalled is an output of the session. */
  #descriptorsOf(index: number, port: DescriptorPort): DescriptorPort {
    return {
      signal: (descriptor) => {
        this.#guest(index).ram.barrier();
        this.fingerprint.add(LIVE_EVENTS.signal, this.kernel.nowNs, index, descriptor);
        port.signal(descriptor);
      },
      release: (descriptor) => port.release(descriptor),
    };
  }

  #tallyOf(context: ContextId): GuestTally | undefined {
    const guest = this.#byContext[context];
    return guest === undefined ? undefined : this.tallies[this.guests.indexOf(guest)];
  }

  #guest(index: number): LiveGuest {
    const guest = this.guests[index];
    if (guest === undefined) throw new InvariantViolation(`there is no attached guest ${index}`);
    return guest;
  }

  #portChanged(guest: LiveGuest, port: GuestPort | undefined): void {
    for (const [context, owner] of this.#byContext.entries())
      if (owner === guest) this.#byContext[context] = undefined;
    if (port !== undefined) this.#byContext[port.context] = guest;
    this.tallies[this.guests.indexOf(guest)]?.portChanged(port, this.kernel.nowNs);
    this.#plan.observer?.portChanged(guest, port);
  }

  /** The far end is a switch: frames for all come back to the others, frames for strangers go to the uplink. */
  #transmitted(bytes: Uint8Array, offset: number, length: number, context: ContextId, endNs: number): void {
    this.fingerprint.add(TRACE_EVENTS.transmitted, endNs, context, length);
    this.fingerprint.addBytes(bytes, offset, length);
    const destination = readMac(bytes, offset);
    const group = isGroup(destination);
    if (group) {
      this.#reflected.push(bytes.slice(offset, offset + length));
      this.kernel.post(this.#plan.scenario.link?.propagationNs ?? 500, this.#reflect);
    }
    if (group || !this.#isStation(destination)) this.#plan.uplink?.(bytes, offset, length);
  }

  #isStation(mac: number): boolean {
    const { guests, attached } = this.machine;
    return attached.some((guest) => guest.mac === mac) || guests.some((guest) => guest.mac === mac);
  }

  #onReflect(): void {
    const frame = this.#reflected.shift();
    if (frame !== undefined) this.machine.partner.send(frame, 0, frame.length);
  }

  #wroteMemory(index: number, offset: number, bytes: Uint8Array, at: number, length: number): void {
    this.fingerprint.add(LIVE_EVENTS.memory, this.kernel.nowNs, index, offset);
    this.fingerprint.addBytes(bytes, at, length);
  }

  #output(kind: number, index: number, bytes: Uint8Array, offset: number, length: number): void {
    this.fingerprint.add(kind, this.kernel.nowNs, index, length);
    this.fingerprint.addBytes(bytes, offset, length);
  }
}

function contextsOf(scenario: Scenario): number {
  const guests = scenario.guests.reduce((sum, { count }) => sum + count, 0);
  return Math.max(scenario.nic?.contexts ?? DEFAULT_NIC.contexts, guests);
}
