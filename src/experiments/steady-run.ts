import type { Protection } from '../../host/protection/protection.js';
import { makeDiscipline } from '../../scheduler/disciplines/index.js';
import { Machine } from '../machine/machine.js';
import { checkScenario } from '../scenario/load.js';
import type { ScenarioInput } from '../scenario/schema.js';

/** A machine that runs long enough to be steady, and is then looked at for a while. */
export interface SteadySettings {
  readonly scenario: ScenarioInput;
  readonly protection: Protection;
  readonly seed: number;
  /** Virtual time that is not looked at, ns. */
  readonly warmUpNs: number;
  /** Virtual time that is, ns. */
  readonly windowNs: number;
}

/** What a machine had counted at one moment. Differences of two of them are what happened in between. */
export interface MachineCounts {
  readonly framesTransmitted: number;
  readonly framesReceived: number;
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

/** Runs the warm-up and the window, with the default discipline (deficit round robin) both ways. */
export function steadyRun(settings: SteadySettings): SteadyWindow {
  const { seed, protection, warmUpNs, windowNs } = settings;
  const scenario = checkScenario(settings.scenario);
  const options = scenario.nic?.rateBps === undefined ? {} : { linkBps: scenario.nic.rateBps };
  const machine = new Machine({
    scenario,
    directory: '.',
    captures: new Map(),
    seed,
    protection,
    transmitDiscipline: makeDiscipline('drr', options),
    receiveDiscipline: makeDiscipline('drr', options),
  });
  machine.run(warmUpNs);
  const before = countsOf(machine);
  machine.run(warmUpNs + windowNs);
  machine.checkInvariants();
  const after = countsOf(machine);
  const details = Object.fromEntries(
    Object.entries(after.details).map(([name, count]) => [name, count - (before.details[name] ?? 0)]),
  );
  return {
    machine,
    windowNs,
    framesTransmitted: after.framesTransmitted - before.framesTransmitted,
    framesReceived: after.framesReceived - before.framesReceived,
    physicalInterrupts: after.physicalInterrupts - before.physicalInterrupts,
    virtualInterrupts: after.virtualInterrupts - before.virtualInterrupts,
    hypercalls: after.hypercalls - before.hypercalls,
    hypervisorNs: after.hypervisorNs - before.hypervisorNs,
    driverDomainNs: after.driverDomainNs - before.driverDomainNs,
    guestsNs: after.guestsNs - before.guestsNs,
    details,
  };
}

function countsOf({ host, guests }: Machine): MachineCounts {
  const traffic = guests.map(({ port }) => host.trafficOf(port));
  const cpuNs = (kind: string) =>
    host.hypervisor.domains
      .filter((domain) => domain.kind === kind)
      .reduce((sum, { party }) => sum + host.processor.nsOf(party), 0);
  return {
    framesTransmitted: traffic.reduce((sum, { framesTransmitted }) => sum + framesTransmitted, 0),
    framesReceived: traffic.reduce((sum, { framesReceived }) => sum + framesReceived, 0),
    physicalInterrupts: host.nic.interruptsRaised,
    virtualInterrupts: host.hypervisor.virtualInterrupts,
    hypercalls: host.hypervisor.hypercalls,
    hypervisorNs: cpuNs('hypervisor'),
    driverDomainNs: cpuNs('driver-domain'),
    guestsNs: cpuNs('guest'),
    details: host.protection.counters().details,
  };
}
