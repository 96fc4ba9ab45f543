import type { GuestPort } from '../../host/protection/guest-port.js';
import { PADDED_FRAME_BYTES } from '../../nic/descriptor.js';
import type { NicInstruments, WirePort } from '../../nic/host-port.js';
import { NO_CONTEXT } from '../../scheduler/branded.js';
import { InvariantViolation } from '../../scheduler/errors.js';
import { present } from '../../scheduler/present.js';
import { captureResultOf } from '../machine/capture-result.js';
import { guestFigures, windowFigures } from '../machine/counted-figures.js';
import { expandGuests, type NamedSpec } from '../machine/expand-guests.js';
import type { WireShare } from '../machine/fair-shares.js';
import { FairnessMeter } from '../machine/fairness-meter.js';
import { guestsOfClass } from '../machine/flow-control.js';
import { fluidChange, fluidLinkOf } from '../machine/fluid-due.js';
import { LatencyRecorder } from '../machine/latency.js';
import { LatencyPartsRecorder } from '../machine/latency-parts.js';
import { GUEST_MAC } from '../machine/machine.js';
import { countsOf, type GuestCounts, type RunCounts } from '../machine/run-counts.js';
import { checkLaws } from '../machine/run-laws.js';
import type { GuestResult, RunResult } from '../machine/run-result.js';
import { SentOverTime } from '../machine/sent-over-time.js';
import { TimeSpan } from '../machine/time-span.js';
import type { ChangeSpec } from '../scenario/schema.js';
import type { LiveMachine, LiveObserver } from './live-machine.js';
import type { SessionSubject } from './live-plan.js';
import { SessionDue } from './session-due.js';

/** Points of the session at which pinned pages are looked at. */
const SAMPLES = 200;

/** Whether its CPU or its ring held a guest back is known of none: a real one's core and ring are its own. */
const NONE_LIMITED = { cpuLimited: [], ringLimited: [] } as const;

/** Where a guest's frames spent their time. */
interface GuestTimes {
  readonly latency: LatencyRecorder;
  readonly parts: LatencyPartsRecorder;
}

/**
 * Measures a session as a run is measured, guest by guest whatever contexts a guest has had, from its first nanosecond to
 * its last. What a real guest's frame waits for begins when its driver hands it over.
 */
export class SessionRun {
  readonly observer: LiveObserver;
  readonly #subject: SessionSubject;
  readonly #durationNs: number;
  readonly #specs: readonly NamedSpec[];
  /** Number of the guest, in the scenario's order, that has a context now. */
  readonly #numberOf: (number | undefined)[] = [];
  /** The context that each guest had last. */
  readonly #contextOf: number[];
  readonly #times: readonly GuestTimes[];
  readonly #transmitLatency = new LatencyRecorder();
  readonly #receiveLatency = new LatencyRecorder();
  readonly #transmitted = new TimeSpan();
  readonly #received = new TimeSpan();
  readonly #sentOverTime: SentOverTime;
  readonly #due: SessionDue;
  /** What was changed of real guests' shares while the session went on. */
  readonly #turned: ChangeSpec[] = [];
  readonly #pinned: { readonly atNs: number; readonly pages: number }[] = [];
  #transmitMeter: FairnessMeter | undefined;
  #receiveMeter: FairnessMeter | undefined;
  #machine: LiveMachine | undefined;

  /** @param durationNs how long the session is */
  constructor(subject: SessionSubject, durationNs: number) {
    const { scenario } = subject;
    this.#subject = subject;
    this.#durationNs = Math.max(1, durationNs);
    this.#specs = expandGuests(scenario.guests);
    this.#contextOf = this.#specs.map(() => NO_CONTEXT);
    this.#times = this.#specs.map(({ spec }) => ({
      latency: new LatencyRecorder(),
      parts: new LatencyPartsRecorder(spec.transmitSlots),
    }));
    this.#sentOverTime = new SentOverTime(this.#durationNs);
    for (const number of this.#specs.keys()) this.#sentOverTime.open(number);
    const stations = this.#specs.length;
    this.#due = new SessionDue(
      this.#specs.map(({ spec }) => spec.transmitSlots),
      (mac) => this.#staysInside && mac >= GUEST_MAC && mac < GUEST_MAC + stations,
    );
    this.observer = this.#observe();
  }

  /** The machine that is measured; before it does anything. */
  begin(machine: LiveMachine): void {
    this.#machine = machine;
    const { host, guests } = machine.machine;
    for (const { name, port } of guests) this.#opened(this.#number(name), port);
    // As in a run: where frames stay inside, what is posted says nothing about the wire.
    if (this.#staysInside) return;
    const { overheadBytes, transmitFifoBytes } = host.nic.parameters;
    const fifoBytes = (transmitFifoBytes * (PADDED_FRAME_BYTES + overheadBytes)) / PADDED_FRAME_BYTES;
    this.#transmitMeter?.judge({
      wireBytes: (fromNs, toNs) => host.nic.line.capacityBytes(fromNs, toNs),
      fifoBytes,
      hasPosted: (context) => host.nic.hasPosted(context),
      isPaused: (context) => host.nic.isPaused(context),
    });
  }

  /** To be called now and then while the session goes on. */
  sample(): void {
    const { host, kernel } = this.#measured;
    const lastNs = this.#pinned.at(-1)?.atNs ?? Number.NEGATIVE_INFINITY;
    if (kernel.nowNs - lastNs < this.#durationNs / SAMPLES) return;
    this.#pinned.push({ atNs: kernel.nowNs, pages: host.pages.pinnedPages });
  }

  /** What the session came to; call at its end. @param cutOff whether the machine was stopped in the middle of its work */
  result(cutOff = false): RunResult {
    const { host, kernel, fingerprint, backlog, machine } = this.#measured;
    const counts = countsOf(machine);
    const durationNs = Math.max(1, kernel.nowNs);
    const shares = this.#shares(durationNs);
    const transmit = this.#meter('transmit').report();
    const receive = this.#meter('receive').report();
    this.#pinned.push({ atNs: kernel.nowNs, pages: host.pages.pinnedPages });
    const common = { durationNs, transmitted: this.#transmitted, received: this.#received };
    return {
      ...windowFigures({
        machine,
        protection: host.protection.name,
        discipline: backlog.name,
        fingerprint: fingerprint.toString(),
        seed: this.#subject.seed,
        durationNs,
        warmUpNs: 0,
        counts,
        shares,
        transmit,
        receive,
        transmitLatency: this.#transmitLatency,
        receiveLatency: this.#receiveLatency,
        pinnedPages: this.#pinned,
        balloon: undefined,
        faultLog: host.hypervisor.faultLog,
      }),
      guests: this.#specs.map(({ name, spec }, number) =>
        guestFigures(common, {
          name,
          context: present(this.#contextOf[number]) as GuestResult['context'],
          weight: spec.weight,
          number,
          counts: this.#traffic(name, counts),
          share: present(shares[number]),
          sentOverTime: this.#sentOverTime.of(number),
          ...present(this.#times[number]),
          capture: captureResultOf(machine.guests.find((one) => one.name === name)?.replayed),
        }),
      ),
      laws: cutOff ? [] : this.#laws(transmit, receive),
    };
  }

  get #measured(): LiveMachine {
    if (this.#machine === undefined) throw new InvariantViolation('the session has no machine');
    return this.#machine;
  }

  get #staysInside(): boolean {
    return (
      this.#subject.scenario.nic?.switching === true ||
      this.#machine?.host.protection.intermediary !== undefined
    );
  }

  #meter(direction: 'transmit' | 'receive'): FairnessMeter {
    const meter = direction === 'transmit' ? this.#transmitMeter : this.#receiveMeter;
    if (meter === undefined) throw new InvariantViolation(`no discipline was measured for ${direction}`);
    return meter;
  }

  #number(name: string): number {
    return this.#specs.findIndex((one) => one.name === name);
  }

  #opened(number: number, port: GuestPort): void {
    this.#numberOf[port.context] = number;
    this.#contextOf[number] = port.context;
  }

  #observe(): LiveObserver {
    return {
      measured: (discipline, direction) => {
        const meter = new FairnessMeter(discipline);
        if (direction === 'transmit') this.#transmitMeter = meter;
        else this.#receiveMeter = meter;
        return meter;
      },
      demandOf: (guest, kernel, target) => this.#due.demandOf(this.#emulated(guest), kernel, target),
      onChange: (atNs, context, _detail, change) => {
        const number = this.#numberOf[context];
        if (number !== undefined && change.guest !== undefined)
          this.#due.changed(number, fluidChange(change), atNs);
      },
      wireTap: this.#wireTap(),
      instruments: this.#instruments(),
      portChanged: ({ name }, port) => {
        const number = this.#number(name);
        for (const [context, owner] of this.#numberOf.entries())
          if (owner === number) this.#numberOf[context] = undefined;
        if (port !== undefined) this.#opened(number, port);
      },
      shareChanged: ({ name }, change) => {
        const atNs = this.#measured.kernel.nowNs;
        this.#turned.push({ atNs, guest: name, ...change });
        this.#due.changed(this.#number(name), fluidChange(change), atNs);
      },
    };
  }

  /** The number of an emulated guest among all. Asked while the machine is being made. */
  #emulated(index: number): number {
    const emulated = this.#specs.filter(({ spec }) => spec.attached !== true);
    return this.#number(present(emulated[index]).name);
  }

  #wireTap(): WirePort {
    return {
      transmitted: (_bytes, _offset, length, context, index, { endNs }) => {
        const number = this.#numberOf[context];
        if (number === undefined) return;
        const real = this.#measured.guestOf(context)?.device.postedNs(index);
        const createdNs = real ?? this.#createdNs(number, index);
        this.#transmitted.add(number, endNs);
        this.#sentOverTime.add(number, length, endNs);
        this.#due.sent(number, length, real);
        const { latency, parts } = present(this.#times[number]);
        latency.record(endNs - createdNs);
        parts.left(index, createdNs, endNs);
        this.#transmitLatency.record(endNs - createdNs);
      },
      rateChanged: (rateBps) => this.#due.rateChanged(rateBps, this.#measured.kernel.nowNs),
    };
  }

  #createdNs(number: number, index: number): number {
    const { name } = present(this.#specs[number]);
    const guest = this.#measured.machine.guests.find((one) => one.name === name);
    if (guest === undefined) throw new InvariantViolation(`a frame of ${name}, which is not there, has left`);
    return guest.driver.createdNs(index);
  }

  #instruments(): NicInstruments {
    const partsOf = (context: number) => this.#times[this.#numberOf[context] ?? NO_CONTEXT]?.parts;
    return {
      received: (context, _index, _length, arrivedNs, nowNs) => {
        const number = this.#numberOf[context];
        if (number !== undefined) this.#received.add(number, nowNs);
        this.#receiveLatency.record(nowNs - arrivedNs);
      },
      posted: (context, first, count, nowNs) => {
        this.#transmitMeter?.posted(context, nowNs);
        partsOf(context)?.posted(first, count, nowNs);
      },
      fetched: (context, first, count, nowNs) => {
        this.#transmitMeter?.fetched(context);
        partsOf(context)?.fetched(first, count, nowNs);
      },
      paused: (trafficClass, nowNs) => {
        for (const number of guestsOfClass(this.#specs, trafficClass)) this.#due.paused(number, nowNs);
      },
      resumed: (trafficClass, nowNs) => {
        for (const number of guestsOfClass(this.#specs, trafficClass)) this.#due.resumed(number, nowNs);
      },
    };
  }

  #shares(endNs: number): WireShare[] {
    const { scenario, discipline } = this.#subject;
    const specs = this.#specs.map(({ spec }) => spec);
    // A fluid link is as plain as what was changed allows.
    const changes = [...(scenario.changes ?? []), ...this.#turned];
    return this.#due.shares(fluidLinkOf({ ...scenario, changes }, specs, discipline), endNs);
  }

  #laws(...[transmit, receive]: [RunResult['receiveFairness'], RunResult['receiveFairness']]) {
    const { machine, guests } = this.#measured;
    const posted = guests.reduce((sum, { device }) => sum + device.counters.framesPosted, 0);
    const reported = guests.reduce((sum, { device }) => sum + device.counters.framesSent, 0);
    const verdict = this.#meter('transmit').postedVerdict();
    const real = { posted, held: posted - reported };
    return checkLaws(machine, transmit, receive, verdict, NONE_LIMITED, machine.partner.framesFromNic, real);
  }

  /** What a guest has been counted, over all the contexts that it has had. */
  #traffic(name: string, counts: RunCounts): GuestCounts {
    const { machine, guests, tallies, host, kernel } = this.#measured;
    const emulated = machine.guests.findIndex((one) => one.name === name);
    if (emulated >= 0) return present(counts.guests[emulated]);
    const index = guests.findIndex((one) => one.name === name);
    const { device, domain } = present(guests[index]);
    const tally = present(tallies[index]).counts(kernel.nowNs);
    return {
      framesOffered: device.counters.framesPosted + device.counters.framesRefused,
      framesTransmitted: tally.framesSent,
      bytesTransmitted: tally.bytesSent,
      framesReceived: tally.framesReceived,
      bytesReceived: tally.bytesReceived,
      cpuNs: host.processor.nsOf(domain.account),
      drops: tally.drops,
      requests: undefined,
    };
  }
}
