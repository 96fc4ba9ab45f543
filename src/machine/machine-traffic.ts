import type { LinkPartner } from '../../guests/link-partner.js';
import type { DemandObserver, ReceiveHandler } from '../../guests/nic-driver.js';
import { type RequestClient, RequestServer, type TrafficSource } from '../../guests/traffic/index.js';
import type { Host } from '../../host/host.js';
import { InvariantViolation } from '../../scheduler/errors.js';
import type { EventKernel } from '../../scheduler/event-kernel.js';
import { ScenarioError } from '../scenario/scenario-error.js';
import type { Scenario, SentTraffic, TrafficSpec } from '../scenario/schema.js';
import type { AttachedGuest, GuestRun, ServerOfClient } from './guest-run.js';
import { type BuiltTraffic, buildTraffic, type CaptureStore, type ReplayedCapture } from './traffic.js';

/** What traffic is built from. */
export interface TrafficAssembly {
  readonly scenario: Scenario;
  readonly directory: string;
  readonly captures: CaptureStore;
  readonly seed: number;
  /** Makes what is told of the frames that a guest wants to send. `target` is the station that they are for. */
  readonly demandOf?: (guest: number, kernel: EventKernel, target: number) => DemandObserver;
}

/** A machine as its traffic sees it: all guests are there, and the cable. */
interface TrafficMachine {
  readonly kernel: EventKernel;
  readonly host: Pick<Host, 'nic'>;
  readonly partner: LinkPartner;
  readonly guests: readonly GuestRun[];
  readonly attached: readonly AttachedGuest[];
}

/** A guest, and the station that its traffic is for: another guest, or its own far end. */
interface Sender {
  readonly index: number;
  readonly guest: GuestRun;
  readonly target: GuestRun | AttachedGuest | undefined;
  readonly farEnd: number;
  readonly destination: number;
}

/** A source of traffic to be built; `draw` decides its seed. */
interface Wanted {
  readonly spec: TrafficSpec;
  readonly name: string;
  readonly id: number;
  readonly draw: number;
  readonly source: number;
  readonly destination: number;
}

/** Far ends are locally administered addresses from 02:00:00:01:00:01. */
const FAR_END_MAC = 0x020000010001;

/** What a change brings begins with it. */
const AT_ONCE = { startNs: 0 } as const;

/** Sources that a change brings draw from seeds of their own, apart from those of all ids. */
const CHANGE_IDS = 0x20000;

/** Sources of what the far end sends have ids above those of guests and below those of responders. */
export const INBOUND_IDS = 0x8000;

/** What the guests of a machine send and answer, what is sent to them, and what changes of the scenario put in its place. */
export class MachineTraffic {
  readonly #machine: TrafficMachine;
  readonly #assembly: TrafficAssembly;
  readonly #handlers = new Map<GuestRun, ReceiveHandler[]>();
  /** One per guest, however many clients it has: each request is answered by what its client expects. */
  readonly #servers = new Map<GuestRun, RequestServer>();
  /** What guests will send, by the number of the change. */
  readonly #changedSources = new Map<
    number,
    { readonly guest: GuestRun; readonly source: TrafficSource | undefined }
  >();
  readonly #hasChanged = new Set<GuestRun>();

  /** Connects the traffic of a scenario. @throws ScenarioError, TrafficError: the scenario asks for what cannot be. */
  constructor(machine: TrafficMachine, assembly: TrafficAssembly) {
    this.#machine = machine;
    this.#assembly = assembly;
    for (const [index, guest] of machine.guests.entries()) this.#connect(index, guest);
    for (const [guest, list] of this.#handlers) guest.driver.onReceive(firstAnswer(list));
  }

  /** The traffic of the change of this number takes the place of what its guest sends. */
  change(number: number): void {
    const changed = this.#changedSources.get(number);
    if (changed === undefined) throw new InvariantViolation(`change ${number} is none of traffic`);
    const { guest, source } = changed;
    this.#hasChanged.add(guest);
    guest.driver.detachAll();
    if (source !== undefined) guest.driver.attach(source);
  }

  #connect(index: number, guest: GuestRun): void {
    const { kernel, partner } = this.#machine;
    const farEnd = FAR_END_MAC + index;
    const target = this.#targetOf(guest, guest.spec.traffic, `${guest.name}.traffic.to`);
    const sender = { index, guest, target, farEnd, destination: target?.mac ?? farEnd };
    const demand = this.#assembly.demandOf?.(index, kernel, sender.destination);
    if (demand !== undefined) guest.driver.observeDemand(demand);
    const { receive } = this.#connectOwn(sender);
    this.#buildChanges(sender);
    if (receive !== undefined) partner.attach(receive, guest.spec.trafficClass);
    this.#connectInbound(sender);
  }

  /** What a guest sends by itself, and who answers it. */
  #connectOwn({ index, guest, target, farEnd, destination }: Sender): BuiltTraffic {
    const { name, mac, spec } = guest;
    const built = this.#build({ spec: spec.traffic, name, id: index, draw: index, source: mac, destination });
    const { transmit, responder, peer, replayed, client } = built;
    if (replayed !== undefined) (guest as { replayed: ReplayedCapture | undefined }).replayed = replayed;
    if (client !== undefined) (guest as { client: RequestClient | undefined }).client = client;
    if (responder !== undefined)
      this.#listen(guest, (bytes, offset, length) => responder.onReceive(bytes, offset, length));
    if (peer !== undefined) {
      const server = target !== undefined && 'driver' in target ? target : undefined;
      if (server !== undefined) this.#serverOf(server).add(index, peer);
      else if (target === undefined)
        this.#machine.partner.addResponder(farEnd, (bytes, offset, length) =>
          peer.onReceive(bytes, offset, length),
        );
      (guest as { server: ServerOfClient | undefined }).server = { responder: peer, guest: server };
    }
    if (transmit !== undefined)
      this.#startAt(built.startNs, () => {
        if (!this.#hasChanged.has(guest)) guest.driver.attach(transmit);
      });
    return built;
  }

  /** What changes of the scenario make of what a guest sends; it waits for its change. */
  #buildChanges({ index, guest, target, destination }: Sender): void {
    for (const [number, changed] of this.#changesOf(guest)) {
      if (this.#targetOf(guest, changed, `changes[${number}].traffic.to`)?.mac !== target?.mac)
        throw new ScenarioError(
          `changes[${number}].traffic.to is ${'to' in changed && changed.to !== undefined ? `"${changed.to}"` : 'missing'}, expected ${target?.name ?? 'none'}: what ${guest.name} sends stays for the same station`,
        );
      const { transmit } = this.#build({
        spec: { ...changed, ...AT_ONCE },
        name: `${guest.name}.changes${number}`,
        id: index,
        draw: CHANGE_IDS + number,
        source: guest.mac,
        destination,
      });
      this.#changedSources.set(number, { guest, source: transmit });
    }
  }

  /** What the far end sends to a guest by itself. */
  #connectInbound({ index, guest, farEnd }: Sender): void {
    const { name, mac, spec } = guest;
    const { receive: inbound, trafficClass } = spec;
    if (inbound === undefined) return;
    requireInbound(name, inbound);
    const id = index + INBOUND_IDS;
    const { transmit, startNs } = this.#build({
      ...{ spec: inbound, name: `${name}.inbound`, id, draw: id },
      ...{ source: farEnd, destination: mac },
    });
    if (transmit !== undefined)
      this.#startAt(startNs, () => this.#machine.partner.attach(transmit, trafficClass));
  }

  #build({ spec, name, id, draw, source, destination }: Wanted): BuiltTraffic {
    const { seed, captures, directory } = this.#assembly;
    const { kernel, host } = this.#machine;
    return buildTraffic(spec, {
      kernel,
      name,
      id,
      stations: { source, destination },
      // Each source has a seed of its own, so that a guest more or less does not change the others' traffic.
      seed: (seed ^ Math.imul(draw + 1, 0x9e3779b1)) >>> 0,
      captures,
      directory,
      linkBps: host.nic.parameters.rateBps,
    });
  }

  #serverOf(guest: GuestRun): RequestServer {
    const known = this.#servers.get(guest);
    if (known !== undefined) return known;
    const server = new RequestServer(`${guest.name}.server`);
    this.#servers.set(guest, server);
    this.#listen(guest, (bytes, offset, length) => server.onReceive(bytes, offset, length));
    return server;
  }

  #listen(guest: GuestRun, handler: ReceiveHandler): void {
    this.#handlers.set(guest, [...(this.#handlers.get(guest) ?? []), handler]);
  }

  /** Changes of a guest's traffic, with their numbers. @throws ScenarioError */
  #changesOf({ name, spec }: GuestRun): [number, SentTraffic][] {
    const found: [number, SentTraffic][] = [];
    for (const [number, { guest, traffic }] of (this.#assembly.scenario.changes ?? []).entries()) {
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
    const { kernel } = this.#machine;
    if (startNs === undefined || startNs === 0) attach();
    else kernel.scheduleAt(startNs, kernel.register('machine.start', attach));
  }

  /**
   * Whom the traffic is for; a real guest takes what comes, and answers no requests of ours. Nobody is its own target: no
   * bridge or far end sends a frame back to where it came from.
   */
  #targetOf(guest: GuestRun, spec: TrafficSpec, field: string): GuestRun | AttachedGuest | undefined {
    if (!('to' in spec) || spec.to === undefined) return undefined;
    const { guests, attached } = this.#machine;
    const others = () => guests.flatMap(({ name }) => (name === guest.name ? [] : [name])).join(', ');
    const target = guests.find((candidate) => candidate.name === spec.to);
    if (target === guest)
      throw new ScenarioError(
        `${field} is "${spec.to}", expected another guest than ${guest.name} itself: ${others() || 'there is none'}`,
      );
    if (target === undefined) {
      const real = attached.find((candidate) => candidate.name === spec.to);
      if (real !== undefined && spec.kind !== 'request') return real;
      const names = guests.map((candidate) => candidate.name).join(', ');
      throw new ScenarioError(`${field} is "${spec.to}", expected the name of a guest: ${names}`);
    }
    return target;
  }
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
