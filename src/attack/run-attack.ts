import { type Attack, AttackScenario, NotPlayable } from '../../guests/hostile/index.js';
import type { Host } from '../../host/host.js';
import type { GuestPort } from '../../host/protection/guest-port.js';
import type { ProtectionPlan } from '../../host/protection/protection.js';
import { WIRE_OVERHEAD_BYTES } from '../../nic/descriptor.js';
import { UserError } from '../../scheduler/errors.js';
import { disciplineOf } from '../machine/entitlements.js';
import type { GuestRun } from '../machine/guest-run.js';
import { Machine } from '../machine/machine.js';
import { INBOUND_IDS } from '../machine/machine-traffic.js';
import { portOptions } from '../machine/port-options.js';
import type { CaptureStore } from '../machine/traffic.js';
import type { Scenario } from '../scenario/schema.js';
import { DEFAULT_TOTAL_NS, WARM_UP_NS } from './attack-lab.js';
import { AttackWitness } from './attack-witness.js';
import type { Observation, Service } from './observation.js';
import { type Judgement, judge, notApplicable } from './verdict.js';

/** A run, the moment at which one of its guests turns hostile, and whom it turns on. */
export interface RunAttackPlan {
  readonly scenario: Scenario;
  readonly captures: CaptureStore;
  readonly seed: number;
  readonly makeProtection: () => ProtectionPlan;
  readonly discipline: string;
  /** Virtual time at which the guest's driver is taken out, ns. */
  readonly atNs: number;
  readonly attacker: string;
  readonly victim: string;
}

/** From the moment at which the driver is taken out to the script, ns: what it had under way comes to an end. */
export const TURN_NS = 40_000;

/** A machine whose attacker has turned. */
export interface TurnedMachine {
  readonly machine: Machine;
  readonly host: Host;
  readonly attacker: { readonly guest: GuestRun; readonly port: GuestPort };
  readonly victim: GuestRun;
  /** When what was played is judged, ns. */
  readonly untilNs: number;
}

/**
 * Plays an attack in a run: the machine is run to the moment as it always is; then the driver of one guest is taken out, the
 * guest gets its port anew, and the script has it. What the victim had is held against the same machine in which the
 * script does nothing.
 *
 * @param watch looks at the machine before the script begins
 * @throws UserError where the run has no such guests, ScenarioError where the scenario asks for what cannot be
 */
export function playInRun(
  attack: Attack,
  plan: RunAttackPlan,
  watch: (turned: TurnedMachine) => void,
): Judgement {
  if (attack.stage?.switching === true && plan.scenario.nic?.switching !== true)
    return notApplicable('no frame stays inside this card: nic.switching is off');
  const lastsNs = (attack.stage?.lastsNs ?? DEFAULT_TOTAL_NS) - WARM_UP_NS;
  const stage = new Stage(plan, lastsNs);
  watch(stage.turned);
  const outcome = stage.play(attack);
  if ('notApplicable' in outcome) return notApplicable(outcome.notApplicable);
  const quiet = new Stage(plan, lastsNs);
  quiet.rest(stage.turned.host.kernel.nowNs);
  return judge({ ...outcome, service: atLeastOne(outcome.service, quiet.service()) }, quiet.owed());
}

/** The run as the attack finds it. */
class Stage {
  readonly turned: TurnedMachine;
  readonly #scene: AttackScenario;
  readonly #witness: AttackWitness;
  readonly #startNs: number;

  constructor(plan: RunAttackPlan, lastsNs: number) {
    const { scenario, captures, seed, discipline, atNs } = plan;
    const make = disciplineOf(scenario, discipline);
    const machine: Machine = new Machine({
      scenario,
      directory: '',
      captures,
      seed,
      protection: plan.makeProtection(),
      transmitDiscipline: make(),
      receiveDiscipline: make(),
      wireTap: {
        transmitted: (bytes, offset, length, context) => witness?.onWire(bytes, offset, length, context),
      },
    });
    let witness: AttackWitness | undefined;
    machine.run(atNs);
    const [attacker, victim] = castOf(machine, plan);
    const port = takeOut(machine.host, attacker);
    machine.run(atNs + TURN_NS);
    const number = machine.guests.indexOf(victim);
    const scene = new AttackScenario({
      host: machine.host,
      partner: machine.partner,
      attackerDomain: attacker.domain,
      attackerPort: port,
      victim: { domain: victim.domain, port: victim.port, driver: victim.driver, sourceId: number },
      seed,
    });
    witness = new AttackWitness(machine.host, scene, {
      mac: victim.mac,
      sends: (sourceId) => sourceId === number,
      receives: (sourceId) => sourceId === number + INBOUND_IDS,
      correspondent: undefined,
      isPatterned: victim.spec.traffic.kind !== 'replay' && victim.spec.traffic.kind !== 'request',
    });
    victim.driver.alsoReceive((bytes, offset, length) => witness?.onReceived(bytes, offset, length));
    this.#scene = scene;
    this.#witness = witness;
    this.#startNs = machine.kernel.nowNs;
    const untilNs = this.#startNs + lastsNs;
    this.turned = { machine, host: machine.host, attacker: { guest: attacker, port }, victim, untilNs };
  }

  /** Plays the script, and lets what it has begun come to its end. */
  play(attack: Attack): Observation | { readonly notApplicable: string } {
    const outcome = scripted(attack, this.#scene);
    const { host, untilNs } = this.turned;
    if (outcome !== undefined) {
      this.rest(host.kernel.nowNs + TURN_NS);
      return outcome;
    }
    this.rest(Math.max(untilNs, host.kernel.nowNs));
    this.#scene.look();
    host.checkInvariants();
    return this.#witness.observe();
  }

  /** Lets time pass without a script. */
  rest(untilNs: number): void {
    this.turned.machine.run(untilNs);
  }

  service(): Service {
    return this.#witness.observe().service;
  }

  /** What the victim was owed: what it has when left alone, but no more of the wire than its weight gives it. */
  owed(): Service {
    const { machine, victim, host } = this.turned;
    const { sent, received, longestSilenceNs } = this.service();
    const bytes = this.#witness.sentBytes + sent * WIRE_OVERHEAD_BYTES;
    const weights = machine.guests.reduce((sum, { spec }) => sum + spec.weight, 0);
    const wireBytes = host.nic.line.capacityBytes(this.#startNs, host.kernel.nowNs);
    const part = Math.min(1, (wireBytes * victim.spec.weight) / weights / Math.max(1, bytes));
    return { sent: Math.max(1, sent * part), received: Math.max(1, received), longestSilenceNs };
  }
}

/** Plays a script; one that finds out on its way that the run has not what it needs is not applicable. */
function scripted(attack: Attack, scene: AttackScenario): ReturnType<Attack['play']> {
  try {
    return attack.play(scene);
  } catch (error) {
    if (error instanceof NotPlayable) return { notApplicable: error.message };
    throw error;
  }
}

/** A victim that sends nothing, or receives nothing, cannot be starved of it. */
function atLeastOne(service: Service, quiet: Service): Service {
  return {
    ...service,
    sent: quiet.sent === 0 ? 1 : service.sent,
    received: quiet.received === 0 ? 1 : service.received,
  };
}

/** Attacker and victim. @throws UserError */
function castOf({ guests }: Machine, plan: RunAttackPlan): [attacker: GuestRun, victim: GuestRun] {
  const found = (['attacker', 'victim'] as const).map((role) => {
    const guest = guests.find(({ name }) => name === plan[role]);
    if (guest !== undefined) return guest;
    const names = guests.map(({ name }) => name).join(', ');
    throw new UserError(`${role} is ${JSON.stringify(plan[role])}, expected a guest of the run: ${names}`);
  });
  const [attacker, victim] = found;
  if (attacker === undefined || victim === undefined || attacker === victim)
    throw new UserError(`attacker and victim are both ${plan.attacker}, expected two guests`);
  return [attacker, victim];
}

/** Takes the driver out of a guest, and opens its port anew for whoever comes. */
function takeOut(host: Host, { driver, port, domain, mac, spec, share }: GuestRun): GuestPort {
  driver.close();
  host.protection.closePort(port);
  return host.openPort(domain, portOptions({ mac, spec, share }));
}
