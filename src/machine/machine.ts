import { DEFAULT_LINK, LinkPartner } from '../../guests/link-partner.js';
import { NicDriver } from '../../guests/nic-driver.js';
import { Balloon } from '../../host/balloon/balloon.js';
import { DEFAULT_HOST, Host } from '../../host/host.js';
import type { Domain } from '../../host/hypervisor/domain.js';
import type { ProtectionPlan } from '../../host/protection/protection.js';
import type { WirePort } from '../../nic/host-port.js';
import { validateNicParameters } from '../../nic/parameters.js';
import { MANAGEMENT } from '../../nic/registers.js';
import type { Discipline } from '../../scheduler/discipline.js';
import { EventKernel } from '../../scheduler/event-kernel.js';
import { ScenarioError } from '../scenario/scenario-error.js';
import { balloonSchema, type GuestSpec } from '../scenario/schema.js';
import { type ChangeListener, scheduleChanges } from './changes.js';
import { shareOf } from './entitlements.js';
import { expandGuests, type NamedSpec } from './expand-guests.js';
import { schedulePauses } from './flow-control.js';
import type { AttachedGuest, GuestRun } from './guest-run.js';
import { cardFor, changedRates, memoryBytesFor, wireTo } from './machine-parts.js';
import { MachineTraffic, type TrafficAssembly } from './machine-traffic.js';
import { portOptions } from './port-options.js';
import { withoutUndefined } from './without-undefined.js';

/** What a machine is built from. */
export interface MachineAssembly extends TrafficAssembly {
  readonly protection: ProtectionPlan;
  readonly transmitDiscipline: Discipline;
  readonly receiveDiscipline: Discipline;
  /** Told of every frame that leaves, before the far end is. */
  readonly wireTap?: WirePort;
  readonly instruments?: ConstructorParameters<typeof Host>[0]['instruments'];
  /** Told of each change of the scenario as it takes effect. */
  readonly onChange?: ChangeListener;
  /** Gives a guest with `attached` its RAM. Without it such a guest is refused. */
  readonly attachRam?: (host: Host, domain: Domain, spec: GuestSpec, index: number) => void;
}

/** Guests have locally administered addresses from 02:00:00:00:00:01. */
export const GUEST_MAC = 0x020000000001;

/** A whole machine with its guests and the far end of its cable, ready to run. */
export class Machine {
  readonly kernel = new EventKernel();
  readonly host: Host;
  readonly partner: LinkPartner;
  readonly guests: readonly GuestRun[];
  readonly attached: readonly AttachedGuest[];
  /** Takes memory back, if the scenario asks for it. */
  readonly balloon: Balloon | undefined;
  readonly #traffic: MachineTraffic;

  /** @throws ScenarioError, RangeError, TrafficError: the scenario asks for what cannot be. */
  constructor(assembly: MachineAssembly) {
    const { scenario, protection } = assembly;
    const specs = expandGuests(scenario.guests);
    const { memoryMegabytes, costs, ...hostOptions } = withoutUndefined(scenario.host ?? {});
    const memoryBytes = memoryBytesFor(specs, memoryMegabytes);
    const card = cardFor(scenario, specs.length);
    // Before the cable is built, which would refuse the same rate under a name of its own.
    validateNicParameters(card);
    const { pauses: _pauses, ...link } = withoutUndefined(scenario.link ?? {});
    this.partner = new LinkPartner(this.kernel, {
      ...DEFAULT_LINK,
      ...link,
      rateBps: card.rateBps,
      mostRateBps: Math.max(card.rateBps, ...changedRates(scenario)),
      pfcClasses: card.pfcClasses,
    });
    this.host = new Host({
      kernel: this.kernel,
      protection,
      wire: wireTo(this.partner, assembly.wireTap),
      transmitDiscipline: assembly.transmitDiscipline,
      receiveDiscipline: assembly.receiveDiscipline,
      ...(assembly.instruments === undefined ? {} : { instruments: assembly.instruments }),
      nic: card,
      host: { ...DEFAULT_HOST, ...hostOptions, costs: withoutUndefined(costs ?? {}), memoryBytes },
    });
    this.partner.connect((bytes, offset, length) => this.host.nic.receive(bytes, offset, length));
    if (scenario.nic?.switching === true) {
      this.host.window.writeNow(this.host.window.managementPage, MANAGEMENT.SWITCHING, 1);
    }
    // All guests get their RAM before any has a ring, so that their pieces lie one behind the other.
    const domains = specs.map((one, index) => this.#createDomain(one, index, assembly));
    this.attached = domains.filter(({ spec }) => spec.attached === true);
    for (const { mac, spec } of this.attached) this.partner.addStation(mac, spec.trafficClass);
    this.guests = domains
      .filter(({ spec }) => spec.attached !== true)
      .map((guest) => this.#createGuest(guest));
    this.#traffic = new MachineTraffic(this, assembly);
    this.balloon = this.#createBalloon(assembly);
    scheduleChanges(this, scenario.changes ?? [], assembly.onChange);
    schedulePauses(this, scenario);
    // What it took to start is not what it costs to run.
    this.host.processor.startAccounts();
  }

  /** The traffic of the change of this number takes the place of what its guest sends. */
  changeTraffic(change: number): void {
    this.#traffic.change(change);
  }

  /** The wire has another rate from now on; the far end follows the card. */
  changeRate(rateBps: number): void {
    this.host.nic.changeRate(rateBps);
  }

  /** Runs to a moment of virtual time, ns. */
  run(untilNs: number): void {
    this.kernel.run(untilNs);
  }

  /** Throws when any part is not in the state that it should be in. */
  checkInvariants(): void {
    this.kernel.checkInvariants();
    this.host.checkInvariants();
    this.partner.checkInvariants();
    for (const { client, driver } of this.guests) {
      driver.checkInvariants();
      client?.checkInvariants();
    }
    this.balloon?.checkInvariants();
  }

  #createBalloon({ scenario, seed }: MachineAssembly): Balloon | undefined {
    const isAsked = scenario.changes?.some(({ balloon }) => balloon !== undefined) === true;
    if (scenario.balloon === undefined && !isAsked) return undefined;
    const guests = this.guests.map(({ domain, driver }) => ({
      domain,
      bufferPages: () => driver.bufferPages,
    }));
    // One that only changes ask for pages of has no number of them to reach.
    const parameters = scenario.balloon ?? { ...balloonSchema.parse({ pages: 1 }), isPeriodic: false };
    return new Balloon(this.host, this.host.protection, guests, { ...parameters, seed });
  }

  /** The domain of a guest, with its RAM. */
  #createDomain({ name, spec }: NamedSpec, index: number, assembly: MachineAssembly): AttachedGuest {
    if (spec.core !== undefined && spec.core >= this.host.processor.cores) {
      throw new ScenarioError(
        `${name}.core is ${spec.core}, expected a core from 0 to ${this.host.processor.cores - 1} (host.cores)`,
      );
    }
    const domain = this.host.createGuest(name, spec.core ?? index);
    if (spec.attached !== true) domain.reserve(spec.memoryMegabytes * FRAMES_PER_MEGABYTE);
    else if (assembly.attachRam !== undefined) assembly.attachRam(this.host, domain, spec, index);
    else {
      throw new ScenarioError(
        `${name}.attached is true, expected false: real guests attach to \`serve\`, and only there`,
      );
    }
    return { name, spec, mac: GUEST_MAC + index, share: shareOf(assembly.scenario, spec), domain };
  }

  #createGuest({ name, spec, mac, share, domain }: AttachedGuest): GuestRun {
    const port = this.host.openPort(domain, portOptions({ mac, spec, share }));
    const driver = new NicDriver(this.host, domain, port, {
      budget: spec.budget,
      bufferBytes: spec.bufferBytes,
      refillBatch: Math.min(16, spec.receiveSlots),
    });
    this.partner.addStation(mac, spec.trafficClass);
    const traffic = { client: undefined, server: undefined, replayed: undefined };
    return { name, spec, mac, share, domain, port, driver, ...traffic };
  }
}

/** Frames of 4 KB in a megabyte. */
const FRAMES_PER_MEGABYTE = 256;
