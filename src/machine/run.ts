import type { ProtectionPlan } from '../../host/protection/protection.js';
import { PADDED_FRAME_BYTES } from '../../nic/descriptor.js';
import type { NicInstruments, WirePort } from '../../nic/host-port.js';
import { type ContextId, NO_CONTEXT } from '../../scheduler/branded.js';
import type { Discipline } from '../../scheduler/discipline.js';
import { InvariantViolation, ParameterError } from '../../scheduler/errors.js';
import { present } from '../../scheduler/present.js';
import { ScenarioError } from '../scenario/scenario-error.js';
import type { Scenario } from '../scenario/schema.js';
import { captureResultOf } from './capture-result.js';
import { guestFigures, windowFigures } from './counted-figures.js';
import { type DisciplineMaker, disciplineOf } from './entitlements.js';
import { expandGuests } from './expand-guests.js';
import { FairShares, gotOfDue, type WireShare } from './fair-shares.js';
import { FairnessMeter } from './fairness-meter.js';
import { Fingerprint, TRACE_EVENTS } from './fingerprint.js';
import { guestsOfClass } from './flow-control.js';
import { fluidChange, fluidLinkOf } from './fluid-due.js';
import type { GuestRun } from './guest-run.js';
import { LatencyRecorder } from './latency.js';
import { LatencyPartsRecorder } from './latency-parts.js';
import { GUEST_MAC, Machine } from './machine.js';
import { rehearseChanges } from './rehearse-changes.js';
import { balloonResult } from './run-balloon.js';
import { countsBetween, countsOf, type RunCounts } from './run-counts.js';
import { checkLaws } from './run-laws.js';
import type { RunResult } from './run-result.js';
import { SentOverTime } from './sent-over-time.js';
import { TimeSpan } from './time-span.js';
import type { CaptureStore } from './traffic.js';

export type { DisciplineMaker } from './entitlements.js';
export type { GuestResult, LawResult, RunResult } from './run-result.js';

/** One run of a scenario. */
export interface RunSettings {
  readonly scenario: Scenario;
  readonly directory: string;
  readonly captures: CaptureStore;
  readonly protection: ProtectionPlan;
  /** A name of the catalogue, or whatever makes a discipline: one for transmit and one for receive. */
  readonly discipline: string | DisciplineMaker;
  readonly seed: number;
  /** Virtual time that is measured, ns. */
  readonly durationNs: number;
  /** Virtual time that runs before, and is not measured, ns. @defaultValue 0 */
  readonly warmUpNs?: number;
  /** Looks at the machine before it runs: writers of captures and traces subscribe here. */
  readonly prepare?: (machine: Machine) => void;
  /** Told of every transmitted frame, from the instant at which its driver got it to its last bit on the wire. */
  readonly onLatency?: (context: ContextId, latencyNs: number) => void;
  /** Told how far the run is, from 0 to 1. */
  readonly progress?: (fraction: number) => void;
}

/** A run has at least so many steps. */
const LEAST_STEPS = 50;
/** Longest step of a run, ns: short enough that a key press is answered between two of them. */
const LONGEST_STEP_NS = 2_000_000;

/** A guest that got less than this part of its due is asked for the reason. */
const BELOW_DUE = 0.98;
/** The reason is the CPU where at least this part of its core's time was spent. */
const NEARLY_ALL = 0.98;

/** A frame's head goes into the fingerprint; its middle would cost more than it would tell. */
const FINGERPRINT_BYTES = 64;

/**
 * Runs a scenario from its first nanosecond to its last. Same settings, same result, on every machine.
 * @throws ScenarioError when the scenario asks for what cannot be.
 */
export function runScenario(settings: RunSettings): RunResult {
  const run = new Run(settings);
  while (!run.done) {
    const fraction = run.advance();
    settings.progress?.(fraction);
  }
  return run.result();
}

/**
 * A run that is taken a step at a time, so that its caller can draw progress, answer a key, or stop it. With the last
 * step, or with `close`, every stream of its machine completes.
 */
export class Run {
  readonly machine: Machine;
  /** Of the card's two schedulers. */
  readonly disciplines: { readonly transmit: Discipline; readonly receive: Discipline };
  readonly #settings: RunSettings;
  readonly #fingerprint = new Fingerprint();
  #transmitLatency = new LatencyRecorder();
  #receiveLatency = new LatencyRecorder();
  readonly #transmitMeter: FairnessMeter;
  readonly #receiveMeter: FairnessMeter;
  readonly #guestOf: GuestRun[] = [];
  /** Number of each guest, by its context. */
  readonly #numberOf: number[] = [];
  readonly #guestLatency: LatencyRecorder[] = [];
  readonly #guestParts: LatencyPartsRecorder[] = [];
  readonly #fairShares: FairShares;
  #sentOverTime: SentOverTime;
  #transmitted = new TimeSpan();
  #received = new TimeSpan();
  #pinned: { readonly atNs: number; readonly pages: number }[] = [];
  readonly #warmUpNs: number;
  readonly #endNs: number;
  /** What had been counted, and which fairness laws were broken, when the warm-up was over. */
  #before:
    | { readonly counts: RunCounts; readonly transmitBroken: number; readonly receiveBroken: number }
    | undefined;
  readonly #steps: number;
  #step = 0;
  #result: RunResult | undefined;

  /** Puts the machine together. @throws ScenarioError when the scenario asks for what cannot be. */
  constructor(settings: RunSettings) {
    this.#settings = settings;
    this.#warmUpNs = settings.warmUpNs ?? 0;
    this.#endNs = this.#warmUpNs + settings.durationNs;
    this.#sentOverTime = new SentOverTime(settings.durationNs, this.#warmUpNs);
    this.#steps = Math.max(LEAST_STEPS, Math.ceil(this.#endNs / LONGEST_STEP_NS));
    const { discipline, scenario, directory, captures, seed, protection } = settings;
    const specs = expandGuests(scenario.guests).map(({ spec }) => spec);
    const isKept = scenario.nic?.switching === true || 'interpose' in protection;
    this.#fairShares = new FairShares(
      specs.map(({ transmitSlots }) => ({ slots: transmitSlots })),
      refusable(() => fluidLinkOf(scenario, specs, discipline)),
      (mac) => isKept && mac >= GUEST_MAC && mac < GUEST_MAC + specs.length,
    );
    [this.disciplines, this.#transmitMeter, this.#receiveMeter, this.machine] = refusable(() => {
      const make = disciplineOf(scenario, discipline);
      rehearseChanges(scenario, make);
      const disciplines = { transmit: make(), receive: make() };
      const transmit = new FairnessMeter(disciplines.transmit);
      const receive = new FairnessMeter(disciplines.receive);
      const machine = new Machine({
        scenario,
        directory,
        captures,
        seed,
        protection,
        transmitDiscipline: transmit,
        receiveDiscipline: receive,
        wireTap: this.#wireTap(),
        instruments: this.#instruments(),
        onChange: (atNs, context, detail, change) => {
          this.#fingerprint.add(TRACE_EVENTS.changed, atNs, context, detail);
          if (change.guest !== undefined)
            this.#fairShares.changed(present(this.#numberOf[context]), fluidChange(change), atNs);
        },
        demandOf: (guest, kernel, target) => this.#fairShares.demandOf(guest, kernel, target),
      });
      return [disciplines, transmit, receive, machine];
    });
    // Of what a context posts beside frames that stay inside, the wire knows only when their destinations are read; a driver
    // domain posts for all guests to one context.
    const { nic, protection: built } = this.machine.host;
    if (scenario.nic?.switching !== true && built.intermediary === undefined) {
      const { overheadBytes, transmitFifoBytes } = nic.parameters;
      // The FIFO holds most bytes of the wire when its frames are the shortest.
      const fifoBytes = (transmitFifoBytes * (PADDED_FRAME_BYTES + overheadBytes)) / PADDED_FRAME_BYTES;
      this.#transmitMeter.judge({
        wireBytes: (fromNs, toNs) => nic.line.capacityBytes(fromNs, toNs),
        fifoBytes,
        hasPosted: (context) => nic.hasPosted(context),
        isPaused: (context) => nic.isPaused(context),
        isRingFull: (context) => this.#guestOf[context]?.driver.waitsForSlots === true,
      });
    }
    for (const [number, guest] of this.machine.guests.entries()) {
      this.#guestOf[guest.port.context] = guest;
      this.#numberOf[guest.port.context] = number;
      this.#guestParts[guest.port.context] = new LatencyPartsRecorder(guest.spec.transmitSlots);
      this.#guestLatency[guest.port.context] = new LatencyRecorder();
      this.#sentOverTime.open(guest.port.context);
    }
    this.#trace();
    settings.prepare?.(this.machine);
  }

  get done(): boolean {
    return this.#step === this.#steps;
  }

  /** Virtual time at which the next `advance` ends, ns. Until then the machine may be run by its own kernel. */
  get nextStopNs(): number {
    return Math.floor((this.#endNs * (this.#step + 1)) / this.#steps);
  }

  /** The fingerprint of what has happened so far: that of a run that ends now. */
  get fingerprint(): string {
    return this.#fingerprint.toString();
  }

  /** Runs a part of the way. Returns how far the run is, from 0 to 1. */
  advance(): number {
    if (this.done) throw new InvariantViolation('the run has ended');
    this.#step += 1;
    const untilNs = Math.floor((this.#endNs * this.#step) / this.#steps);
    if (this.#before === undefined && this.#warmUpNs > 0 && this.#warmUpNs <= untilNs) {
      this.machine.run(this.#warmUpNs);
      this.#beginWindow();
    }
    this.#samplePinned();
    this.machine.run(untilNs);
    if (this.done) {
      this.#samplePinned();
      // Before the streams end: sources stop with their streams, and what they counted is asked here.
      this.#result = this.#conclude();
      this.close();
    }
    return this.#step / this.#steps;
  }

  /** What the run found; call when it is done. */
  result(): RunResult {
    if (this.#result === undefined) throw new InvariantViolation('the run has not ended');
    return this.#result;
  }

  /** Ends the run where it stands: every stream of its machine completes. Nothing happens the second time. */
  close(): void {
    this.machine.kernel.end();
  }

  #conclude(): RunResult {
    const { machine } = this;
    const { host, guests } = machine;
    const { durationNs, seed, protection } = this.#settings;
    const now = countsOf(machine);
    const counts = this.#before === undefined ? now : countsBetween(this.#before.counts, now);
    const shares = this.#fairShares.shares(this.#endNs);
    const transmit = this.#transmitMeter.report();
    const receive = this.#receiveMeter.report();
    const cpuLimited = guests
      .filter((guest, index) => this.#isCpuLimited(guest, atIndex(shares, index), counts.coreNs))
      .map(({ name }) => name);
    const ringLimited = guests
      .filter((guest, index) => this.#isRingLimited(guest, atIndex(shares, index)))
      .map(({ name }) => name)
      .filter((name) => !cpuLimited.includes(name));
    const common = { durationNs, transmitted: this.#transmitted, received: this.#received };
    return {
      ...windowFigures({
        machine,
        protection: protection.name,
        discipline: this.#transmitMeter.name,
        fingerprint: this.#fingerprint.toString(),
        seed,
        durationNs,
        warmUpNs: this.#warmUpNs,
        counts,
        shares,
        transmit,
        receive,
        transmitLatency: this.#transmitLatency,
        receiveLatency: this.#receiveLatency,
        pinnedPages: this.#pinned,
        balloon: balloonResult(machine.balloon),
        faultLog: host.hypervisor.faultLog.slice(this.#before?.counts.faults),
      }),
      guests: guests.map(({ name, port: { context }, spec, replayed }, index) =>
        guestFigures(common, {
          name,
          context,
          weight: spec.weight,
          number: context,
          counts: atIndex(counts.guests, index),
          share: atIndex(shares, index),
          sentOverTime: this.#sentOverTime.of(context),
          latency: this.#guestLatency[context],
          parts: this.#guestParts[context],
          capture: captureResultOf(replayed),
        }),
      ),
      ...(cpuLimited.length === 0 ? {} : { cpuLimited }),
      ...(ringLimited.length === 0 ? {} : { ringLimited }),
      laws: checkLaws(
        machine,
        { ...transmit, broken: transmit.broken + (this.#before?.transmitBroken ?? 0) },
        { ...receive, broken: receive.broken + (this.#before?.receiveBroken ?? 0) },
        this.#transmitMeter.postedVerdict(),
        { cpuLimited, ringLimited },
        machine.partner.framesFromNic,
      ),
    };
  }

  /** The warm-up is over: what was recorded is forgotten, what was counted is the start of the window. */
  #beginWindow(): void {
    const { durationNs } = this.#settings;
    this.#before = {
      counts: countsOf(this.machine),
      transmitBroken: this.#transmitMeter.report().broken,
      receiveBroken: this.#receiveMeter.report().broken,
    };
    this.#fairShares.begin(this.#warmUpNs);
    this.#transmitMeter.restart();
    this.#receiveMeter.restart();
    this.#transmitLatency = new LatencyRecorder();
    this.#receiveLatency = new LatencyRecorder();
    this.#transmitted = new TimeSpan();
    this.#received = new TimeSpan();
    this.#pinned = [];
    this.#sentOverTime = new SentOverTime(durationNs, this.#warmUpNs);
    for (const { port } of this.machine.guests) {
      this.#guestLatency[port.context] = new LatencyRecorder();
      this.#guestParts[port.context]?.restart();
      this.#sentOverTime.open(port.context);
    }
  }

  #samplePinned(): void {
    const { host, kernel } = this.machine;
    this.#pinned.push({ atNs: kernel.nowNs, pages: host.pages.pinnedPages });
  }

  /** Whether a guest is known to be below its due because all slots of its ring were taken whenever it ran dry. */
  #isRingLimited({ port }: GuestRun, share: WireShare): boolean {
    return gotOfDue(share) < BELOW_DUE && this.#transmitMeter.ranDryWithFullRing(port.context);
  }

  /** Whether a guest is known to be below its due because its core had no time left and its ring ran dry. */
  #isCpuLimited({ domain, port }: GuestRun, share: WireShare, coreNs: readonly number[]): boolean {
    const ranDry = this.#transmitMeter.hadFramesAlways(port.context) === false;
    if (!(gotOfDue(share) < BELOW_DUE) || !ranDry) return false;
    const { core } = present(this.machine.host.processor.accounts[domain.account]);
    const busyNs = present(coreNs[core]);
    return busyNs >= NEARLY_ALL * this.#settings.durationNs;
  }

  #wireTap(): WirePort {
    return {
      transmitted: (bytes, offset, length, context, index, { endNs }) => {
        this.#fingerprint.add(TRACE_EVENTS.transmitted, endNs, context, length);
        this.#fingerprint.addBytes(bytes, offset, Math.min(length, FINGERPRINT_BYTES));
        this.#transmitted.add(context, endNs);
        this.#sentOverTime.add(context, length, endNs);
        const guest = this.#guestOf[context];
        if (guest === undefined) return;
        const createdNs = guest.driver.createdNs(index);
        const latencyNs = endNs - createdNs;
        this.#fairShares.sent(present(this.#numberOf[context]), length);
        this.#guestParts[context]?.left(index, createdNs, endNs);
        this.#transmitLatency.record(latencyNs);
        this.#guestLatency[context]?.record(latencyNs);
        this.#settings.onLatency?.(context, latencyNs);
      },
      controlSent: (bytes, offset, length, _startNs, endNs) => {
        this.#fingerprint.add(TRACE_EVENTS.control, endNs, NO_CONTEXT, length);
        this.#fingerprint.addBytes(bytes, offset, length);
      },
      rateChanged: (rateBps) => this.#fairShares.rateChanged(rateBps, this.machine.kernel.nowNs),
    };
  }

  #instruments(): NicInstruments {
    return {
      received: (context, _index, length, arrivedNs, nowNs) => {
        this.#fingerprint.add(TRACE_EVENTS.received, nowNs, context, length);
        this.#received.add(context, nowNs);
        this.#receiveLatency.record(nowNs - arrivedNs);
      },
      posted: (context, first, count, nowNs) => {
        this.#transmitMeter.posted(context, nowNs);
        this.#guestParts[context]?.posted(first, count, nowNs);
      },
      fetched: (context, first, count, nowNs) => {
        this.#transmitMeter.fetched(context);
        this.#guestParts[context]?.fetched(first, count, nowNs);
      },
      paused: (trafficClass, nowNs) => {
        for (const number of guestsOfClass(this.machine.guests, trafficClass))
          this.#fairShares.paused(number, nowNs);
      },
      resumed: (trafficClass, nowNs) => {
        for (const number of guestsOfClass(this.machine.guests, trafficClass))
          this.#fairShares.resumed(number, nowNs);
      },
    };
  }

  /** What is rare enough for a stream goes into the fingerprint from there. */
  #trace(): void {
    const { nic, bus } = this.machine.host;
    const print = this.#fingerprint;
    nic.streams.drops$.subscribe(({ atNs, context, bytes }) =>
      print.add(TRACE_EVENTS.dropped, atNs, context, bytes),
    );
    nic.streams.faults$.subscribe(({ atNs, context, detail }) => {
      print.add(TRACE_EVENTS.fault, atNs, context, detail);
      const number = this.#numberOf[context];
      if (number !== undefined) this.#fairShares.stopped(number, atNs);
    });
    nic.streams.interrupts$.subscribe(({ atNs, contexts }) =>
      // 0: one that only reports faults is for no context.
      print.add(TRACE_EVENTS.interrupt, atNs, contexts.length, contexts[0] ?? 0),
    );
    bus.denied$.subscribe(({ atNs, requesterId, address }) =>
      print.add(TRACE_EVENTS.denied, atNs, requesterId, address),
    );
  }
}

function atIndex<T>(list: readonly T[], index: number): T {
  const ofGuest = list[index];
  if (ofGuest === undefined) throw new InvariantViolation(`guest ${index} was not counted`);
  return ofGuest;
}

/** What a part refuses to be built with was written in the scenario: the user's mistake, not ours. */
function refusable<T>(build: () => T): T {
  try {
    return build();
  } catch (error) {
    if (error instanceof ParameterError) throw new ScenarioError(error.message);
    throw error;
  }
}
