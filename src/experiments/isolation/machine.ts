import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import { makeDiscipline } from '../../../scheduler/disciplines/index.js';
import { InvariantViolation } from '../../../scheduler/errors.js';
import { tallyIn } from '../../../scheduler/tally.js';
import { FairnessMeter } from '../../machine/fairness-meter.js';
import type { GuestRun } from '../../machine/guest-run.js';
import { LatencyRecorder } from '../../machine/latency.js';
import { Machine } from '../../machine/machine.js';
import { checkScenario } from '../../scenario/load.js';
import type { ScenarioInput } from '../../scenario/schema.js';
import { protectionWith } from '../mapping-approaches.js';
import { WireWaits } from '../wire-waits.js';
import { HOSTILITIES } from './hostilities.js';

export const LINE_BPS = 1e9;
export const CORES = 4;
/** Frames of the steady victim and of the neighbour while it is good, bytes, and the wire that they take. */
export const STEADY_BYTES = 1000;
export const STEADY_BPS = 200e6;
const REQUEST_BYTES = 128;
const RESPONSE_BYTES = 1024;
const THINK_NS = 50_000;

/** Warm-up; window before the turn; settling, since the neighbour has just turned; window after it. ns */
export const TIMES = {
  warmUpNs: 2_000_000,
  beforeNs: 12_000_000,
  settleNs: 2_000_000,
  afterNs: 12_000_000,
} as const;
const TURN_NS = TIMES.warmUpNs + TIMES.beforeNs;
const AFTER_NS = TURN_NS + TIMES.settleNs;
export const END_NS = AFTER_NS + TIMES.afterNs;
/** Shares over time are counted in steps of this, ns. */
export const STEP_NS = 1_000_000;
/** Guests begin at random within this time, ns: a few periods of the steady stream. */
const START_SPREAD_NS = 200_000;

/** What each is entitled to, for disciplines that ask for more than a weight; all weights are 1. */
const ENTITLED = {
  steady: { priority: 0, deadlineNs: 200_000, tenant: 0, minimumBps: 220_000_000 },
  asking: { priority: 0, deadlineNs: 200_000, tenant: 0, minimumBps: 60_000_000 },
  neighbour: { priority: 1, deadlineNs: 2_000_000, tenant: 1, limitBps: 400_000_000 },
} as const;

/** One run. */
export interface IsolationRun {
  readonly approach: string;
  readonly discipline: string;
  readonly hostility: string;
  readonly seed: number;
}

/** What the victims had in one of the two times. */
export interface VictimSample {
  /** Frames of the steady stream on the wire, of those offered. */
  readonly served: number;
  /** From the driver's store to the last bit on the wire, us; undefined when none left. */
  readonly sendP50Us: number | undefined;
  readonly sendP99Us: number | undefined;
  /** Answers per second, and from request to answer, us. */
  readonly answersPerS: number;
  readonly askP50Us: number | undefined;
  readonly askP99Us: number | undefined;
  readonly neighbourMbps: number;
}

export interface IsolationSample {
  readonly before: VictimSample;
  readonly after: VictimSample;
  /** Largest gap between two contexts, and whether some pair broke the discipline's bound. */
  readonly gapBytes: number;
  readonly boundBytes: number | undefined;
  readonly boundBroken: boolean;
  /** Why the card stopped the neighbour's context; undefined when it did not, or has none for it. */
  readonly stoppedFor: string | undefined;
  /** Megabits per second on the wire, per step: steady, asking, neighbour. */
  readonly overTime: readonly (readonly number[])[];
}

/** Three guests, of which one turns half-way. */
export function sampleIsolation({ approach, discipline, hostility, seed }: IsolationRun): IsolationSample {
  const chosen = HOSTILITIES.find(({ name }) => name === hostility);
  if (chosen === undefined) throw new InvariantViolation(`hostility ${hostility} does not exist`);
  const make = () => makeDiscipline(discipline, { linkBps: LINE_BPS, linkVaries: true });
  const meter = new FairnessMeter(make());
  const record = new VictimRecord();
  const machine = new Machine({
    scenario: checkScenario(scenarioOf(seed, chosen.switching === true)),
    directory: '.',
    captures: new Map(),
    seed,
    protection: protectionWith(approach, seed),
    transmitDiscipline: meter,
    receiveDiscipline: make(),
    wireTap: record.waits,
  });
  const [steady, asking, neighbour] = machine.guests;
  if (steady === undefined || asking === undefined || neighbour === undefined)
    throw new InvariantViolation('a guest is missing');
  record.attach(machine, [steady, asking, neighbour]);
  machine.run(TIMES.warmUpNs);
  record.begin();
  machine.run(TURN_NS);
  const before = record.end(TIMES.beforeNs);
  chosen.begin({ machine, neighbour, victim: steady });
  machine.run(AFTER_NS);
  record.begin();
  machine.run(END_NS);
  const after = record.end(TIMES.afterNs);
  checkInvariants(machine, neighbour);
  const { largestGapBytes, boundBytes, broken } = meter.report();
  return {
    before,
    after,
    gapBytes: largestGapBytes,
    boundBytes,
    boundBroken: broken > 0,
    stoppedFor: stoppedFor(machine, neighbour),
    overTime: record.overTime,
  };
}

function scenarioOf(seed: number, switching: boolean): ScenarioInput {
  const random = xoroshiro128plus(seed);
  const startNs = () => uniformInt(random, 0, START_SPREAD_NS);
  const stream = () => ({
    kind: 'constant' as const,
    wireRateBps: STEADY_BPS,
    frameBytes: STEADY_BYTES,
    startNs: startNs(),
  });
  const memoryMegabytes = 16;
  return {
    guests: [
      { name: 'steady', traffic: stream(), share: ENTITLED.steady, core: 0, memoryMegabytes },
      {
        name: 'asking',
        traffic: {
          kind: 'request',
          requestBytes: REQUEST_BYTES,
          responseBytes: RESPONSE_BYTES,
          thinkNs: THINK_NS,
          startNs: startNs(),
        },
        share: ENTITLED.asking,
        core: 1,
        memoryMegabytes,
      },
      { name: 'neighbour', traffic: stream(), share: ENTITLED.neighbour, core: 2, memoryMegabytes },
    ],
    nic: { rateBps: LINE_BPS, switching },
    host: { cores: CORES },
  };
}

/** What leaves on the wire, and how long it took, of the three guests. */
class VictimRecord {
  readonly waits = new WireWaits((guest, waitNs, bytes) => this.#sent(guest, waitNs, bytes));
  /** A row per guest. */
  readonly overTime: number[][] = [0, 1, 2].map(() => new Array<number>(Math.ceil(END_NS / STEP_NS)).fill(0));
  #guests: readonly GuestRun[] = [];
  #nowNs: () => number = () => 0;
  #send = new LatencyRecorder();
  #ask = new LatencyRecorder();
  #framesSent = 0;
  #offeredBefore = 0;
  #answeredBefore = 0;
  #neighbourBytes = 0;

  attach(machine: Machine, guests: readonly GuestRun[]): void {
    this.#guests = guests;
    this.waits.attach(guests);
    this.#nowNs = () => machine.kernel.nowNs;
    guests[1]?.client?.roundTrips$.subscribe((ns) => this.#ask.record(ns));
  }

  /** Frames offered and requests answered since the start; 0 before the guests are there. */
  #totals(): { readonly offered: number; readonly answered: number } {
    const [steady, asking] = this.#guests;
    return { offered: steady?.driver.framesOffered ?? 0, answered: asking?.client?.answered ?? 0 };
  }

  begin(): void {
    this.#send = new LatencyRecorder();
    this.#ask = new LatencyRecorder();
    this.#framesSent = 0;
    this.#neighbourBytes = 0;
    const { offered, answered } = this.#totals();
    this.#offeredBefore = offered;
    this.#answeredBefore = answered;
  }

  end(lastedNs: number): VictimSample {
    const totals = this.#totals();
    const offered = totals.offered - this.#offeredBefore;
    const answered = totals.answered - this.#answeredBefore;
    const send = this.#send.summary();
    const ask = this.#ask.summary();
    return {
      // Of the last frames before the time began, some left in it.
      served: Math.min(1, this.#framesSent / offered),
      sendP50Us: micro(send?.p50Ns),
      sendP99Us: micro(send?.p99Ns),
      answersPerS: (answered * 1e9) / lastedNs,
      askP50Us: micro(ask?.p50Ns),
      askP99Us: micro(ask?.p99Ns),
      neighbourMbps: (this.#neighbourBytes * 8e3) / lastedNs,
    };
  }

  #sent(sender: GuestRun, waitNs: number, bytes: number): void {
    const guest = this.#guests.indexOf(sender);
    const row = this.overTime[guest];
    if (row === undefined) return;
    const step = Math.min(row.length - 1, Math.floor(this.#nowNs() / STEP_NS));
    tallyIn(row, step, (bytes * 8e3) / STEP_NS);
    if (guest === 2) this.#neighbourBytes += bytes;
    if (guest !== 0) return;
    this.#framesSent += 1;
    this.#send.record(waitNs);
  }
}

function stoppedFor({ host }: Machine, { port }: GuestRun): string | undefined {
  const reason = host.nic.contexts[port.context]?.faultReason;
  return reason === 'none' ? undefined : reason;
}

/** Everything but the accounts of the neighbour's driver: it is gone, and its port was used past it. */
function checkInvariants({ kernel, host, partner, guests }: Machine, neighbour: GuestRun): void {
  kernel.checkInvariants();
  host.checkInvariants();
  partner.checkInvariants();
  for (const guest of guests) if (guest !== neighbour) guest.driver.checkInvariants();
}

function micro(ns: number | undefined): number | undefined {
  return ns === undefined ? undefined : ns / 1000;
}
