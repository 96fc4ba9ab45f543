import type { ProtectionPlan } from '../../host/protection/protection.js';
import type { NicInstruments, WirePort } from '../../nic/host-port.js';
import type { Discipline } from '../../scheduler/discipline.js';
import { makeDiscipline } from '../../scheduler/disciplines/index.js';
import { Machine } from '../machine/machine.js';
import { dropsOf } from '../machine/run-books.js';
import type { CaptureStore } from '../machine/traffic.js';
import { checkScenario } from '../scenario/load.js';
import type { ScenarioInput } from '../scenario/schema.js';

/** An observer of every frame of a steady run. */
export interface SteadyWatch {
  readonly wireTap: WirePort;
  readonly instruments: NicInstruments;
  /** The machine is assembled, nothing has run. */
  attach(machine: Machine): void;
  /** The warm-up is over: what is observed from now on counts. */
  begin(): void;
}

/** A machine that runs through a warm-up and is then measured over a window. */
export interface SteadySettings {
  readonly scenario: ScenarioInput;
  readonly protection: ProtectionPlan;
  readonly seed: number;
  /** Length of the warm-up, virtual ns. */
  readonly warmUpNs: number;
  /** Length of the window, virtual ns. */
  readonly windowNs: number;
  /** Captures that the scenario names, and where their relative paths start. */
  readonly captures?: { readonly shelf: CaptureStore; readonly directory: string };
  readonly watch?: SteadyWatch;
  /** @defaultValue deficit round robin */
  readonly transmitDiscipline?: Discipline;
}

/** What a machine had counted at one moment. Differences of two of them are what happened in between. */
export interface MachineCounts {
  readonly framesTransmitted: number;
  readonly framesReceived: number;
  /** Frames dropped, wherever. */
  readonly framesDropped: number;
  /** Descriptors that the set-up gate let through: each a DMA. */
  readonly descriptors: number;
  readonly physicalInterrupts: number;
  readonly virtualInterrupts: number;
  readonly hypercalls: number;
  /** CPU time by kind of domain, ns. */
  readonly hypervisorNs: number;
  readonly driverDomainNs: number;
  readonly guestsNs: number;
  /** What the protection counts, by its own names. */
  readonly details: Readonly<Record<string, number>>;
}

/** What happened between the end of the warm-up and the end of the run. */
export interface SteadyWindow extends MachineCounts {
  readonly machine: Machine;
  readonly windowNs: number;
}

/** Runs the warm-up and the window, with the default discipline (deficit round robin) both ways where no other is given. */
export function steadyRun(settings: SteadySettings): SteadyWindow {
  const { seed, protection, warmUpNs, windowNs, captures, watch } = settings;
  const scenario = checkScenario(settings.scenario);
  const options = scenario.nic?.rateBps === undefined ? {} : { linkBps: scenario.nic.rateBps };
  const machine = new Machine({
    scenario,
    directory: captures?.directory ?? '.',
    captures: captures?.shelf ?? new Map(),
    seed,
    protection,
    transmitDiscipline: settings.transmitDiscipline ?? makeDiscipline('drr', options),
    receiveDiscipline: makeDiscipline('drr', options),
    ...(watch === undefined ? {} : { wireTap: watch.wireTap, instruments: watch.instruments }),
  });
  watch?.attach(machine);
  machine.run(warmUpNs);
  watch?.begin();
  const before = countsOf(machine);
  machine.run(warmUpNs + windowNs);
  machine.checkInvariants();
  const after = countsOf(machine);
  const details = Object.fromEntries(
    // 0: a counter that appears during the window started then.
    Object.entries(after.details).map(([name, count]) => [name, count - (before.details[name] ?? 0)]),
  );
  return {
    machine,
    windowNs,
    framesTransmitted: after.framesTransmitted - before.framesTransmitted,
    framesReceived: after.framesReceived - before.framesReceived,
    framesDropped: after.framesDropped - before.framesDropped,
    descriptors: after.descriptors - before.descriptors,
    physicalInterrupts: after.physicalInterrupts - before.physicalInterrupts,
    virtualInterrupts: after.virtualInterrupts - before.virtualInterrupts,
    hypercalls: after.hypercalls - before.hypercalls,
    hypervisorNs: after.hypervisorNs - before.hypervisorNs,
    driverDomainNs: after.driverDomainNs - before.driverDomainNs,
    guestsNs: after.guestsNs - before.guestsNs,
    details,
  };
}

function countsOf(machine: Machine): MachineCounts {
  const { host, guests } = machine;
  const { accepted, details } = host.protection.counters();
  const traffic = guests.map(({ port }) => host.trafficOf(port));
  const cpuNs = (kind: string) =>
    host.hypervisor.domains
      .filter((domain) => domain.kind === kind)
      .reduce((sum, { account }) => sum + host.processor.nsOf(account), 0);
  return {
    framesTransmitted: traffic.reduce((sum, { framesTransmitted }) => sum + framesTransmitted, 0),
    framesReceived: traffic.reduce((sum, { framesReceived }) => sum + framesReceived, 0),
    framesDropped: Object.values(dropsOf(machine)).reduce((sum, frames) => sum + frames, 0),
    descriptors: accepted,
    physicalInterrupts: host.nic.interruptsRaised,
    virtualInterrupts: host.hypervisor.virtualInterrupts,
    hypercalls: host.hypervisor.hypercalls,
    hypervisorNs: cpuNs('hypervisor'),
    driverDomainNs: cpuNs('driver-domain'),
    guestsNs: cpuNs('guest'),
    details,
  };
}
