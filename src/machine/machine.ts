import { DEFAULT_LINK, LinkPartner } from '../../guests/link-partner.js';
import { type DemandObserver, NicDriver, type ReceiveHandler } from '../../guests/nic-driver.js';
import {
  type EchoResponder,
  type RequestClient,
  RequestServer,
  type TrafficSource,
} from '../../guests/traffic/index.js';
import { Balloon } from '../../host/balloon/balloon.js';
import { DEFAULT_HOST, Host } from '../../host/host.js';
import type { Domain } from '../../host/hypervisor/domain.js';
import type { GuestPort } from '../../host/protection/guest-port.js';
import type { ProtectionPlan } from '../../host/protection/protection.js';
import type { WirePort } from '../../nic/host-port.js';
import { validateNicParameters } from '../../nic/parameters.js';
import { MANAGEMENT } from '../../nic/registers.js';
import type { Discipline, Share } from '../../scheduler/discipline.js';
import { InvariantViolation } from '../../scheduler/errors.js';
import { EventKernel } from '../../scheduler/event-kernel.js';
import { ScenarioError } from '../scenario/scenario-error.js';
import {
  balloonSchema,
  type GuestSpec,
  type Scenario,
  type SentTraffic,
  type TrafficSpec,
} from '../scenario/schema.js';
import { type ChangeListener, scheduleChanges } from './changes.js';
import { shareOf } from './entitlements.js';
import { schedulePauses } from './flow-control.js';
import { cardFor, memoryBytesFor, type NamedSpec, wireTo } from './machine-parts.js';
import { portOptions } from './port-options.js';
import { type BuiltTraffic, buildTraffic, type CaptureStore, type ReplayedCapture } from './traffic.js';
import { withoutUndefined } from './without-undefined.js';

/** A guest as it runs. */
export interface GuestRun {
  readonly name: string;
  readonly spec: GuestSpec;
  readonly mac: number;
  /** Its share when the run began. */
  readonly share: Share;
  readonly domain: Domain;
  readonly port: GuestPort;
  readonly driver: NicDriver;
  readonly client: RequestClient | undefined;
  /** Who answers its requests, if it sends any. */
  readonly server: ServerOfClient | undefined;
  /** The capture that it replays, if it does. */
  readonly replayed: ReplayedCapture | undefined;
}

/** The other side of a client. */
export interface ServerOfClient {
  readonly responder: EchoResponder;
  /** The guest that it is part of; none where it is the far end. */
  readonly guest: GuestRun | undefined;
}

/** A guest that is a real virtual machine: a domain and an address; its driver is its own. */
export interface AttachedGuest {
  readonly name: string;
  readonly spec: GuestSpec;
  readonly mac: number;
  readonly share: Share;
  readonly domain: Domain;
}

/** What a machine is built from besides its scenario. */
export interface MachineAssembly {
  readonly scenario: Scenario;
  readonly directory: string;
  readonly captures: CaptureStore;
  readonly seed: number;
  readonly protection: ProtectionPlan;
  readonly transmitDiscipline: Discipline;
  readonly receiveDiscipline: Discipline;
  /** Told of every frame that leaves, before the far end is. */
  readonly wireTap?: WirePort;
  readonly instruments?: ConstructorParameters<typeof Host>[0]['instruments'];
  /** Told of each change of the scenario as it takes effect. */
  readonly onChange?: ChangeListener;
  /** Makes what is told of the frames that a guest wants to send. `target` is the station that they are for. */
  readonly demandOf?: (guest: number, kernel: EventKernel, target: number) => DemandObserver;
  /** Gives a guest with `attached` its RAM. Without it such a guest is refused. */
  readonly attachRam?: (host: Host, domain: Domain, spec: GuestSpec, index: number) => void;
}

/** Locally administered addresses: guests from 02:00:00:00:00:01, far ends from 02:00:00:01:00:01. */
export const GUEST_MAC = 0x020000000001;
const FAR_END_MAC = 0x020000010001;

/** A whole machine with its guests and the far end of its cable, ready to run. */
export class Machine {
  readonly kernel = new EventKernel();
  readonly host: Host;
  readonly partner: LinkPartner;
  readonly guests: readonly GuestRun[];
  readonly attached: readonly AttachedGuest[];
  /** Takes memory back, if the scenario asks for it. */
  readonly balloon: Balloon | undefined;
  /** What guests will send, by the number of the change. */
  readonly #changedSources = new Map<
    number,
    { readonly guest: GuestRun; readonly source: TrafficSource | undefined }
  >();
  readonly #hasChangedTraffic = new Set<GuestRun>();

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
    this.#connectTraffic(assembly);
    this.balloon = this.#createBalloon(assembly);
    scheduleChanges(this, scenario.changes ?? [], assembly.onChange);
    schedulePauses(this, scenario);
    // What it took to start is not what it costs to run.
    this.host.processor.startAccounts();
  }

  /** The traffic of the change of this number takes the place of what its guest sends. */
  changeTraffic(change: number): void {
    const changed = this.#changedSources.get(change);
    if (changed === undefined) throw new InvariantViolation(`change ${change} is none of traffic`);
    const { guest, source } = changed;
    this.#hasChangedTraffic.add(guest);
    guest.driver.detachAll();
    if (source !== undefined) guest.driver.attach(source);
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
    const asked = (scenario.changes ?? []).reduce((sum, { balloon = 0 }) => sum + balloon, 0);
    if (scenario.balloon === undefined && asked === 0) return undefined;
    const guests = this.guests.map(({ domain, driver }) => ({
      domain,
      bufferPages: () => driver.bufferPages,
    }));
    const parameters = scenario.balloon ?? { ...balloonSchema.parse({ pages: asked }), isPeriodic: false };
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

  #connectTraffic(assembly: MachineAssembly): void {
    const handlers = new Map<GuestRun, ReceiveHandler[]>();
    const build = (
      spec: TrafficSpec,
      name: string,
      id: number,
      source: number,
      destination: number,
      draw = id,
    ): BuiltTraffic =>
      buildTraffic(spec, {
        kernel: this.kernel,
        name,
        id,
        stations: { source, destination },
        // Each source has a seed of its own, so that a guest more or less does not change the others' traffic.
        seed: (assembly.seed ^ Math.imul(draw + 1, 0x9e3779b1)) >>> 0,
        captures: assembly.captures,
        directory: assembly.directory,
        linkBps: this.host.nic.parameters.rateBps,
      });
    // One server per guest, however many clients it has: each request is answered by what its client expects.
    const servers = new Map<GuestRun, RequestServer>();
    const serverOf = (guest: GuestRun): RequestServer => {
      const known = servers.get(guest);
      if (known !== undefined) return known;
      const server = new RequestServer(`${guest.name}.server`);
      servers.set(guest, server);
      listen(guest, (bytes, offset, length) => server.onReceive(bytes, offset, length));
      return server;
    };
    const listen = (guest: GuestRun, handler: ReceiveHandler) => {
      handlers.set(guest, [...(handlers.get(guest) ?? []), handler]);
    };
    for (const [index, guest] of this.guests.entries()) {
      const farEnd = FAR_END_MAC + index;
      const target = this.#targetOf(guest, guest.spec.traffic);
      const destination = target?.mac ?? farEnd;
      const demand = assembly.demandOf?.(index, this.kernel, destination);
      if (demand !== undefined) guest.driver.observeDemand(demand);
      const built = build(guest.spec.traffic, guest.name, index, guest.mac, destination);
      const { transmit, receive, responder, peer } = built;
      if (built.replayed !== undefined)
        (guest as { replayed: ReplayedCapture | undefined }).replayed = built.replayed;
      if (built.client !== undefined) (guest as { client: RequestClient | undefined }).client = built.client;
      if (responder !== undefined)
        listen(guest, (bytes, offset, length) => responder.onReceive(bytes, offset, length));
      if (peer !== undefined) {
        const server = target !== undefined && 'driver' in target ? target : undefined;
        if (server !== undefined) serverOf(server).add(index, peer);
        else if (target === undefined)
          this.partner.addResponder(farEnd, (bytes, offset, length) => peer.onReceive(bytes, offset, length));
        (guest as { server: ServerOfClient | undefined }).server = { responder: peer, guest: server };
      }
      if (transmit !== undefined)
        this.#startAt(built.startNs, () => {
          if (!this.#hasChangedTraffic.has(guest)) guest.driver.attach(transmit);
        });
      for (const [number, changed] of this.#changesOf(assembly.scenario, guest)) {
        if (this.#targetOf(guest, changed)?.mac !== target?.mac)
          throw new ScenarioError(
            `changes[${number}].traffic.to: expected ${target?.name ?? 'none'}: what ${guest.name} sends stays for the same station`,
          );
        const name = `${guest.name}.changes${number}`;
        const draw = CHANGE_IDS + number;
        const next = build({ ...changed, ...AT_ONCE }, name, index, guest.mac, destination, draw);
        this.#changedSources.set(number, { guest, source: next.transmit });
      }
      if (receive !== undefined) this.partner.attach(receive, guest.spec.trafficClass);
      const inbound = guest.spec.receive;
      if (inbound === undefined) continue;
      requireInbound(guest.name, inbound);
      const inboundId = index + INBOUND_IDS;
      const { transmit: source, startNs } = build(
        inbound,
        `${guest.name}.inbound`,
        inboundId,
        farEnd,
        guest.mac,
      );
      if (source !== undefined)
        this.#startAt(startNs, () => this.partner.attach(source, guest.spec.trafficClass));
    }
    for (const [guest, list] of handlers) guest.driver.onReceive(firstAnswer(list));
  }

  /** Changes of a guest's traffic, with their numbers. @throws ScenarioError */
  #changesOf({ changes = [] }: Scenario, { name, spec }: GuestRun): [number, SentTraffic][] {
    const found: [number, SentTraffic][] = [];
    for (const [number, { guest, traffic }] of changes.entries()) {
      if (traffic === undefined || guest !== name) continue;
      const { kind } = spec.traffic;
      if (kind === 'replay' || kind === 'request')
        throw new ScenarioError(
          `changes[${number}].traffic: what ${name} sends is of kind "${kind}", expected one that only sends`,
        );
      if (traffic.kind !== 'none' && traffic.startNs !== undefined)
        throw new ScenarioError(
          `changes[${number}].traffic.startNs is ${traffic.startNs}, expected none: it begins with the change`,
        );
      found.push([number, traffic]);
    }
    return found;
  }

  /** Attaches a source now, or later if it cannot wait by itself. */
  #startAt(startNs: number | undefined, attach: () => void): void {
    if (startNs === undefined || startNs === 0) attach();
    else this.kernel.scheduleAt(startNs, this.kernel.register('machine.start', attach));
  }

  /** Whom the traffic is for; a real guest takes what comes, and answers no requests of ours. */
  #targetOf(guest: GuestRun, spec: TrafficSpec): GuestRun | AttachedGuest | undefined {
    if (!('to' in spec) || spec.to === undefined) return undefined;
    const target = this.guests.find((candidate) => candidate.name === spec.to);
    if (target === undefined) {
      const real = this.attached.find((candidate) => candidate.name === spec.to);
      if (real !== undefined && spec.kind !== 'request') return real;
      const names = this.guests.map((candidate) => candidate.name).join(', ');
      throw new ScenarioError(
        `${guest.name}.traffic.to is "${spec.to}", expected the name of a guest: ${names}`,
      );
    }
    return target;
  }
}

/** What a change brings begins with it. */
const AT_ONCE = { startNs: 0 } as const;

/** Sources that a change brings draw from seeds of their own, apart from those of all ids. */
const CHANGE_IDS = 0x20000;

/** Frames of 4 KB in a megabyte. */
const FRAMES_PER_MEGABYTE = 256;

/** Sources of what the far end sends have ids above those of guests and below those of responders. */
export const INBOUND_IDS = 0x8000;

/** Guests one by one, with their names. @throws ScenarioError when two have the same. */
export function expandGuests(specs: readonly GuestSpec[]): NamedSpec[] {
  const expanded: { name: string; spec: GuestSpec }[] = [];
  for (const spec of specs) {
    for (let copy = 0; copy < spec.count; copy += 1) {
      const base = spec.name ?? `guest${expanded.length}`;
      expanded.push({ name: spec.count > 1 && spec.name !== undefined ? `${base}${copy}` : base, spec });
    }
  }
  const names = new Set<string>();
  for (const { name } of expanded) {
    if (names.has(name)) throw new ScenarioError(`guests: two are named "${name}", expected a name for each`);
    names.add(name);
  }
  return expanded;
}

/** Refuses what the far end cannot send to a guest by itself. @throws ScenarioError */
function requireInbound(name: string, inbound: TrafficSpec): void {
  if (inbound.kind === 'request' || inbound.kind === 'replay') {
    throw new ScenarioError(
      `${name}.receive.kind is "${inbound.kind}", expected a kind that only sends (greedy, constant, poisson, on-off, pareto)`,
    );
  }
  if ('to' in inbound && inbound.to !== undefined) {
    throw new ScenarioError(
      `${name}.receive.to is "${inbound.to}", expected none: what is received is for ${name}`,
    );
  }
}

/** Asks handlers in their order until one answers. */
function firstAnswer(handlers: readonly ReceiveHandler[]): ReceiveHandler {
  return (bytes, offset, length) => {
    for (const handler of handlers) {
      const answer = handler(bytes, offset, length);
      if (answer !== undefined) return answer;
    }
    return undefined;
  };
}
