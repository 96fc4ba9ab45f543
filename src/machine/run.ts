import { DRIVER_DROPS } from '../../guests/nic-driver.js';
import type { FaultRecord } from '../../host/hypervisor/hypervisor.js';
import type { Protection, ProtectionCounters } from '../../host/protection/protection.js';
import { DROP_REASONS } from '../../nic/counters.js';
import type { NicInstruments, WirePort } from '../../nic/host-port.js';
import { makeDiscipline } from '../../scheduler/disciplines/index.js';
import type { Scenario } from '../scenario/schema.js';
import { FairnessMeter, type FairnessReport, jainIndex } from './fairness-meter.js';
import { Fingerprint, TRACE_EVENTS } from './fingerprint.js';
import { LatencyRecorder, type LatencySummary } from './latency.js';
import { Machine } from './machine.js';
import { maxMinFair } from './max-min-fair.js';
import type { CaptureShelf } from './traffic.js';

/** One run of a scenario. */
export interface RunSettings {
  readonly scenario: Scenario;
  readonly directory: string;
  readonly captures: CaptureShelf;
  readonly protection: Protection;
  readonly discipline: string;
  readonly seed: number;
  readonly durationNs: number;
  /** Looks at the machine before it runs: writers of captures and traces subscribe here. */
  readonly prepare?: (machine: Machine) => void;
  /** Told how far the run is, from 0 to 1. */
  readonly progress?: (fraction: number) => void;
}

/** What one guest had of it. */
export interface GuestResult {
  readonly name: string;
  readonly context: number;
  readonly weight: number;
  readonly framesOffered: number;
  readonly framesTransmitted: number;
  readonly bytesTransmitted: number;
  readonly framesReceived: number;
  readonly bytesReceived: number;
  readonly transmitGoodputBps: number;
  readonly receiveGoodputBps: number;
  readonly latencyNs: LatencySummary | undefined;
  /** Weighted max-min fair share that it got: 1 is all that was its due. */
  readonly fairShareGot: number;
  readonly cpuNs: number;
  readonly drops: Readonly<Record<string, number>>;
  readonly requests: { readonly sent: number; readonly answered: number; readonly lost: number } | undefined;
}

/** A law of the house, and whether the run kept it. */
export interface LawResult {
  readonly law: string;
  readonly held: boolean;
  readonly detail: string;
}

/** Everything that a run found. Units are in the names; docs/scenarios.md explains each key. */
export interface RunResult {
  readonly protection: string;
  readonly discipline: string;
  readonly fingerprint: string;
  readonly seed: number;
  readonly durationNs: number;
  readonly goodputBps: number;
  readonly receiveGoodputBps: number;
  readonly framesTransmitted: number;
  readonly bytesTransmitted: number;
  readonly framesReceived: number;
  readonly bytesReceived: number;
  readonly wireBusyFraction: number;
  readonly latencyNs: {
    readonly transmit: LatencySummary | undefined;
    readonly receive: LatencySummary | undefined;
  };
  readonly cpu: {
    readonly cores: number;
    readonly idleFraction: number;
    readonly domains: readonly {
      readonly name: string;
      readonly busyNs: number;
      readonly fraction: number;
    }[];
  };
  readonly fairness: FairnessReport & { readonly jainIndex: number };
  readonly receiveFairness: FairnessReport;
  readonly hypercalls: number;
  readonly pins: { readonly taken: number; readonly released: number; readonly held: number };
  readonly interrupts: { readonly physical: number; readonly virtual: number };
  readonly drops: Readonly<Record<string, number>>;
  readonly faults: Readonly<Record<string, number>>;
  readonly faultLog: readonly FaultRecord[];
  readonly setUpGate: { readonly accepted: number; readonly refused: number };
  readonly accessGate: {
    readonly checked: number;
    readonly denied: number;
    readonly meanDelayNs: number;
  };
  readonly protectionDetails: Readonly<Record<string, number>>;
  readonly dma: { readonly transfers: number; readonly backpressured: number };
  readonly events: number;
  readonly guests: readonly GuestResult[];
  readonly laws: readonly LawResult[];
}

const PROGRESS_STEPS = 50;

/** Runs a scenario from its first nanosecond to its last. Same settings, same result, on every machine. */
export function runScenario(settings: RunSettings): RunResult {
  const fingerprint = new Fingerprint();
  const transmitLatency = new LatencyRecorder();
  const receiveLatency = new LatencyRecorder();
  const guestLatency: LatencyRecorder[] = [];
  const quantum =
    settings.scenario.quantumBytes === undefined ? {} : { quantumBytes: settings.scenario.quantumBytes };
  const transmitMeter = new FairnessMeter(makeDiscipline(settings.discipline, quantum));
  const receiveMeter = new FairnessMeter(makeDiscipline(settings.discipline, quantum));

  const wireTap: WirePort = {
    transmitted(bytes, offset, length, context, index, _startNs, endNs) {
      fingerprint.add(TRACE_EVENTS.transmitted, endNs, context, length);
      fingerprint.addBytes(bytes, offset, Math.min(length, FINGERPRINT_BYTES));
      const guest = guestOf[context];
      if (guest === undefined) return;
      const latencyNs = endNs - guest.driver.createdNs(index);
      transmitLatency.record(latencyNs);
      guestLatency[context]?.record(latencyNs);
    },
  };
  const instruments: NicInstruments = {
    received(context, _index, length, arrivedNs, nowNs) {
      fingerprint.add(TRACE_EVENTS.received, nowNs, context, length);
      receiveLatency.record(nowNs - arrivedNs);
    },
  };
  const machine = new Machine({
    scenario: settings.scenario,
    directory: settings.directory,
    captures: settings.captures,
    seed: settings.seed,
    protection: settings.protection,
    transmitDiscipline: transmitMeter,
    receiveDiscipline: receiveMeter,
    wireTap,
    instruments,
  });
  const { host, partner, guests } = machine;
  const guestOf: (typeof guests)[number][] = [];
  for (const guest of guests) {
    guestOf[guest.port.context] = guest;
    guestLatency[guest.port.context] = new LatencyRecorder();
  }
  host.nic.streams.drops$.subscribe(({ atNs, context, bytes }) =>
    fingerprint.add(TRACE_EVENTS.dropped, atNs, context, bytes),
  );
  host.nic.streams.faults$.subscribe(({ atNs, context, detail }) =>
    fingerprint.add(TRACE_EVENTS.fault, atNs, context, detail),
  );
  host.nic.streams.interrupts$.subscribe(({ atNs, contexts }) =>
    fingerprint.add(TRACE_EVENTS.interrupt, atNs, contexts.length, contexts[0] ?? 0),
  );
  host.bus.denied$.subscribe(({ atNs, requesterId, address }) =>
    fingerprint.add(TRACE_EVENTS.denied, atNs, requesterId, address),
  );
  settings.prepare?.(machine);

  const { durationNs } = settings;
  for (let step = 1; step <= PROGRESS_STEPS; step += 1) {
    machine.run(Math.floor((durationNs * step) / PROGRESS_STEPS));
    settings.progress?.(step / PROGRESS_STEPS);
  }

  const counters = host.nic.counters;
  const seconds = durationNs / 1e9;
  const bytesTransmitted = counters.total('bytesTransmitted');
  const bytesReceived = counters.total('bytesReceived');
  const due = fairDue(machine);
  const cpuNsOf = (party: number) => host.processor.nsOf(party);
  const busyNs = host.processor.parties.reduce((sum, _, party) => sum + cpuNsOf(party), 0);
  const wallNs = durationNs * host.processor.cores;
  const gates: ProtectionCounters = host.protection.counters();
  const bps = (bytes: number) => (bytes * 8) / seconds;

  return {
    protection: host.protection.name,
    discipline: settings.discipline,
    fingerprint: fingerprint.toString(),
    seed: settings.seed,
    durationNs,
    goodputBps: bps(bytesTransmitted),
    receiveGoodputBps: bps(bytesReceived),
    framesTransmitted: counters.total('framesTransmitted'),
    bytesTransmitted,
    framesReceived: counters.total('framesReceived'),
    bytesReceived,
    wireBusyFraction: Math.min(1, host.nic.line.busyNs / durationNs),
    latencyNs: { transmit: transmitLatency.summary(), receive: receiveLatency.summary() },
    cpu: {
      cores: host.processor.cores,
      idleFraction: Math.max(0, 1 - busyNs / wallNs),
      domains: host.processor.parties.map(({ name }, party) => ({
        name,
        busyNs: Math.round(cpuNsOf(party)),
        fraction: cpuNsOf(party) / wallNs,
      })),
    },
    fairness: { ...transmitMeter.report(), jainIndex: jainIndex(due.filter((got) => !Number.isNaN(got))) },
    receiveFairness: receiveMeter.report(),
    hypercalls: host.hypervisor.hypercalls,
    pins: {
      taken: host.frames.pinsTaken,
      released: host.frames.pinsReleased,
      held: host.frames.pinnedFrames,
    },
    interrupts: { physical: host.nic.interruptsRaised, virtual: host.hypervisor.virtualInterrupts },
    drops: dropsOf(machine),
    faults: faultsOf(host.hypervisor.faultLog),
    faultLog: host.hypervisor.faultLog,
    setUpGate: { accepted: gates.accepted, refused: gates.refused },
    accessGate: {
      checked: gates.checked,
      denied: host.bus.denied,
      meanDelayNs: host.bus.gateNs / Math.max(1, host.bus.reads + host.bus.writes),
    },
    protectionDetails: gates.details,
    dma: { transfers: host.nic.dma.transfers, backpressured: host.nic.dma.backpressured },
    events: machine.kernel.executed,
    guests: guests.map((guest, index) => {
      const context = guest.port.context;
      const transmitted = counters.get('bytesTransmitted', context);
      const received = counters.get('bytesReceived', context);
      return {
        name: guest.name,
        context,
        weight: guest.spec.weight,
        framesOffered: guest.driver.framesOffered,
        framesTransmitted: counters.get('framesTransmitted', context),
        bytesTransmitted: transmitted,
        framesReceived: counters.get('framesReceived', context),
        bytesReceived: received,
        transmitGoodputBps: bps(transmitted),
        receiveGoodputBps: bps(received),
        latencyNs: guestLatency[context]?.summary(),
        fairShareGot: due[index] ?? Number.NaN,
        cpuNs: Math.round(cpuNsOf(guest.domain.party)),
        drops: { ...counters.dropsOf(context), ...nonZero(guest.driver.drops) },
        requests:
          guest.client === undefined
            ? undefined
            : { sent: guest.client.sent, answered: guest.client.answered, lost: guest.client.lost },
      };
    }),
    laws: checkLaws(machine, transmitMeter.report(), receiveMeter.report(), partner.framesFromNic),
  };
}

/** A frame's head goes into the fingerprint; its middle would cost more than it would tell. */
const FINGERPRINT_BYTES = 64;

/** How much of its weighted max-min fair due each guest got; NaN for one that asked for nothing. */
function fairDue(machine: Machine): number[] {
  const { counters } = machine.host.nic;
  const got = machine.guests.map((guest) => counters.get('bytesTransmitted', guest.port.context));
  // Whoever still has frames waiting, or lost some, wanted more than it got.
  const demands = machine.guests.map((guest, index) => {
    const unmet = guest.driver.framesQueued > 0 || guest.driver.drops['ring-full'] > 0;
    const frames = counters.get('framesTransmitted', guest.port.context);
    if (!unmet || frames === 0) return got[index] ?? 0;
    if (guest.spec.traffic.kind === 'greedy') return Number.POSITIVE_INFINITY;
    return ((got[index] ?? 0) * guest.driver.framesOffered) / frames;
  });
  const due = maxMinFair(
    demands,
    machine.guests.map((guest) => guest.spec.weight),
    got.reduce((sum, bytes) => sum + bytes, 0),
  );
  return got.map((bytes, index) => ((due[index] ?? 0) > 0 ? bytes / (due[index] ?? 1) : Number.NaN));
}

function dropsOf(machine: Machine): Record<string, number> {
  const drops: Record<string, number> = {};
  const contexts = machine.host.nic.contexts.length;
  for (const reason of DROP_REASONS) {
    let count = 0;
    for (let cell = 0; cell <= contexts; cell += 1) count += machine.host.nic.counters.drops(reason, cell);
    if (count > 0) drops[reason] = count;
  }
  for (const reason of DRIVER_DROPS) {
    const count = machine.guests.reduce((sum, guest) => sum + guest.driver.drops[reason], 0);
    if (count > 0) drops[`driver-${reason}`] = count;
  }
  if (machine.partner.droppedFull > 0) drops['far-end-queue-full'] = machine.partner.droppedFull;
  return drops;
}

function faultsOf(log: readonly FaultRecord[]): Record<string, number> {
  const faults: Record<string, number> = {};
  for (const { reason } of log) faults[reason] = (faults[reason] ?? 0) + 1;
  return faults;
}

function nonZero(counts: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0));
}

function checkLaws(
  machine: Machine,
  transmit: FairnessReport,
  receive: FairnessReport,
  framesFromNic: number,
): LawResult[] {
  const { host, partner } = machine;
  const counters = host.nic.counters;
  const laws: LawResult[] = [];
  const law = (name: string, held: boolean, detail: string) => laws.push({ law: name, held, detail });

  const posted = machine.guests.reduce((sum, guest) => sum + guest.driver.framesPosted, 0);
  const sent = counters.total('framesTransmitted');
  law(
    'wire-conservation',
    framesFromNic + counters.total('framesSwitched') >= sent && framesFromNic <= sent,
    `${sent} frames transmitted, ${framesFromNic} seen at the far end, ${counters.total('framesSwitched')} switched inside`,
  );
  law('transmit-conservation', sent <= posted, `${posted} frames handed to the card, ${sent} transmitted`);
  const offered = partner.framesOffered;
  const accounted = partner.framesToNic + partner.droppedFull + partner.framesWaiting;
  law(
    'far-end-conservation',
    offered === accounted,
    `${offered} frames offered by the far end, ${accounted} accounted for`,
  );
  const pinsBalance = host.frames.pinsTaken - host.frames.pinsReleased;
  law(
    'pins',
    pinsBalance >= host.frames.pinnedFrames,
    `${pinsBalance} references held on ${host.frames.pinnedFrames} frames`,
  );
  law('transmit-fairness', transmit.broken === 0, describeBound(transmit));
  law('receive-fairness', receive.broken === 0, describeBound(receive));
  try {
    machine.checkInvariants();
    law('invariants', true, 'every part is in the state that it should be in');
  } catch (error) {
    law('invariants', false, error instanceof Error ? error.message : String(error));
  }
  return laws;
}

function describeBound(report: FairnessReport): string {
  if (report.pair === undefined) return 'no two contexts were backlogged together';
  const bound =
    report.boundBytes === undefined ? 'no bound promised' : `bound ${Math.round(report.boundBytes)}`;
  return `largest gap ${Math.round(report.largestGapBytes)} bytes a unit of weight, ${bound}`;
}
