import {
  type Attack,
  AttackScenario,
  contains,
  DROP_MAC,
  type StageOptions,
  VICTIM_FRAME_BYTES,
} from '../../guests/hostile/index.js';
import { LinkPartner } from '../../guests/link-partner.js';
import { NicDriver } from '../../guests/nic-driver.js';
import { constantRate } from '../../guests/traffic/generated-sources.js';
import { FrameVerifier, fixedSize, readMac } from '../../guests/traffic/index.js';
import { Host } from '../../host/host.js';
import type { Domain } from '../../host/hypervisor/domain.js';
import type { GuestPort } from '../../host/protection/guest-port.js';
import type { ProtectionPlan } from '../../host/protection/protection.js';
import { MANAGEMENT } from '../../nic/registers.js';
import type { ContextId } from '../../scheduler/branded.js';
import { makeDiscipline } from '../../scheduler/disciplines/index.js';
import { InvariantViolation } from '../../scheduler/errors.js';
import { EventKernel } from '../../scheduler/event-kernel.js';
import { tally, tallyIn } from '../../scheduler/tally.js';
import type { Observation, Service } from './observation.js';

export const RATE_BPS = 1e9;
export const MEMORY_BYTES = 64 * 2 ** 20;
const CONTEXTS = 32;
const ATTACKER_MAC = 0x020000000001;
const VICTIM_MAC = 0x020000000002;
const BYSTANDER_MAC = 0x020000000010;
const FAR_MAC = 0x020000010002;
/** Source ids of the victim's traffic, out and in. */
const OUTBOUND = 1;
const INBOUND = 2;
/** The victim's load each way: less than its share of the wire, so that it is owed all of it. */
export const VICTIM_WIRE_RATE_BPS = 200e6;
/** Traffic runs for so long before the script begins, and so long in all, ns. */
export const WARM_UP_NS = 1_000_000;
export const DEFAULT_TOTAL_NS = 8_000_000;
/** Before the names of drop counters of an approach. */
const DROP_PREFIX = 'drop:';

/**
 * A machine of two guests on one port of 1 Gb/s: an attacker, and a victim that sends and receives 200 Mb/s of
 * frames of which every byte is checked, on the wire and in its memory.
 */
export class AttackLab {
  readonly host: Host;
  readonly scene: AttackScenario;
  readonly #kernel = new EventKernel();
  readonly #totalNs: number;
  readonly #attacker: Domain;
  readonly #victim: Domain;
  readonly #verifier = new FrameVerifier();
  readonly #leaks = new Map<string, number>();
  readonly #cardFaults: Record<string, number> = {};
  readonly #cardDrops: Record<string, number> = {};
  readonly #silence = { sent: new Silence(), received: new Silence() };
  #sent = 0;
  #received = 0;
  #damaged = 0;
  #impostors = 0;
  #aborts = 0;

  constructor(protection: ProtectionPlan, stage: StageOptions, seed: number) {
    this.#totalNs = stage.lastsNs ?? DEFAULT_TOTAL_NS;
    const discipline = stage.discipline ?? 'drr';
    const partner = new LinkPartner(this.#kernel, {
      rateBps: RATE_BPS,
      propagationNs: 500,
      queueBytes: 2 ** 20,
      reflect: true,
    });
    this.host = new Host({
      kernel: this.#kernel,
      protection,
      wire: {
        transmitted: (bytes, offset, length, context) => {
          this.#onWire(bytes, offset, length, context);
          partner.transmitted(bytes, offset, length);
        },
      },
      transmitDiscipline: makeDiscipline(discipline),
      receiveDiscipline: makeDiscipline(discipline),
      host: { memoryBytes: MEMORY_BYTES },
      nic: { contexts: CONTEXTS, rateBps: RATE_BPS },
    });
    const { host } = this;
    partner.connect((bytes, offset, length) => host.nic.receive(bytes, offset, length));
    if (stage.switching === true) host.window.writeNow(host.window.managementPage, MANAGEMENT.SWITCHING, 1);
    this.#attacker = host.createGuest('attacker', 1);
    this.#victim = host.createGuest('victim', 0);
    const attackerPort = this.#open(this.#attacker, ATTACKER_MAC, 32);
    for (let bystander = 0; bystander < (stage.bystanders ?? 0); bystander += 1) {
      this.#open(host.createGuest(`bystander${bystander}`, bystander), BYSTANDER_MAC + bystander, 32);
    }
    const victimPort = this.#open(this.#victim, VICTIM_MAC, 64);
    for (const { mac } of [attackerPort, victimPort]) partner.addStation(mac);
    const driver = new NicDriver(host, this.#victim, victimPort);
    driver.onReceive((bytes, offset, length) => this.#onReceived(bytes, offset, length));
    const common = { kernel: this.#kernel, wireRateBps: VICTIM_WIRE_RATE_BPS };
    driver.attach(
      constantRate({
        ...common,
        name: 'victim',
        sourceId: OUTBOUND,
        source: VICTIM_MAC,
        destination: FAR_MAC,
        sizes: fixedSize('victim', VICTIM_FRAME_BYTES),
      }),
    );
    partner.attach(
      constantRate({
        ...common,
        name: 'far end',
        sourceId: INBOUND,
        source: FAR_MAC,
        destination: VICTIM_MAC,
        sizes: fixedSize('far end', VICTIM_FRAME_BYTES),
      }),
    );
    this.scene = new AttackScenario({
      host,
      partner,
      attackerDomain: this.#attacker,
      attackerPort,
      victim: { domain: this.#victim, port: victimPort, driver, sourceId: OUTBOUND },
      seed,
    });
    host.bus.denied$.subscribe(() => {
      this.#aborts += 1;
    });
    host.nic.streams.faults$.subscribe(({ reason }) => count(this.#cardFaults, reason));
    host.nic.streams.drops$.subscribe(({ context, reason }) => {
      if (context === attackerPort.context) count(this.#cardDrops, reason);
    });
  }

  /** Drops that an approach makes itself, in a bridge of its own: by the names under which it counts them. */
  #approachDrops(): Record<string, number> {
    const { details } = this.host.protection.counters();
    const drops = Object.entries(details).filter(
      ([name, frames]) => name.startsWith(DROP_PREFIX) && frames > 0,
    );
    return Object.fromEntries(drops.map(([name, frames]) => [name.slice(DROP_PREFIX.length), frames]));
  }

  /** Plays a script, or nothing, and returns what was observed. */
  play(attack: Attack | undefined): Observation | { readonly notApplicable: string } {
    this.#kernel.run(WARM_UP_NS);
    const outcome = attack?.play(this.scene);
    if (outcome !== undefined) return outcome;
    // Service is compared with that of a run without an attack, so both take the same time.
    this.#kernel.run(Math.max(this.#totalNs, this.#kernel.nowNs));
    if (this.#kernel.nowNs !== this.#totalNs)
      throw new InvariantViolation(`${attack?.name} took ${this.#kernel.nowNs} ns`);
    this.scene.look();
    this.host.checkInvariants();
    this.scene.victim.driver.checkInvariants();
    return this.#observe();
  }

  #open(domain: Domain, mac: number, slots: number): GuestPort {
    return this.host.openPort(domain, {
      mac,
      share: { weight: 1 },
      transmitSlots: slots,
      receiveSlots: slots,
      antiSpoofing: true,
      promiscuous: false,
    });
  }

  #onWire(bytes: Uint8Array, offset: number, length: number, context: ContextId): void {
    const frame = bytes.subarray(offset, offset + length);
    const verdict = this.#verifier.verify(bytes, offset, length);
    const fromVictim = readMac(bytes, offset + 6) === VICTIM_MAC;
    if (fromVictim && verdict === 'good' && this.#verifier.sourceId === OUTBOUND) {
      this.#sent += 1;
      this.#silence.sent.heard(this.#kernel.nowNs);
    } else if (fromVictim && readMac(bytes, offset) === DROP_MAC) {
      this.#impostors += 1;
    } else if (fromVictim || context === this.scene.victim.port.context) {
      this.#damaged += 1;
    }
    for (const { label, tag } of this.scene.stakes) {
      if (tag !== undefined && contains(frame, tag)) tally(this.#leaks, label);
    }
  }

  #onReceived(bytes: Uint8Array, offset: number, length: number): undefined {
    const verdict = this.#verifier.verify(bytes, offset, length);
    if (verdict === 'good' && this.#verifier.sourceId === INBOUND) {
      this.#received += 1;
      this.#silence.received.heard(this.#kernel.nowNs);
    } else if (verdict === 'damaged' || readMac(bytes, offset + 6) === FAR_MAC) {
      this.#damaged += 1;
    }
    return undefined;
  }

  #observe(): Observation {
    const { attacker, stakes, leaked, notes } = this.scene;
    const setUpRefusals: Record<string, number> = { ...attacker.stopped.refusals };
    for (const { domain, caughtBy, reason } of this.host.hypervisor.faultLog) {
      // What the port itself refused has been counted where it was asked.
      if (caughtBy === 'set-up' && domain === this.#attacker.name && setUpRefusals[reason] === undefined)
        setUpRefusals[reason] = 1;
    }
    const service: Service = {
      sent: this.#sent,
      received: this.#received,
      longestSilenceNs: Math.max(
        this.#silence.sent.longest(this.#kernel.nowNs),
        this.#silence.received.longest(this.#kernel.nowNs),
      ),
    };
    return {
      changed: stakes
        .filter(({ changedBytes }) => changedBytes > 0)
        .map(({ label, changedBytes }) => ({ what: label, bytes: changedBytes })),
      leaked: [
        ...[...this.#leaks].map(([what, frames]) => ({ what, to: 'wire' as const, frames })),
        ...leaked.map((what) => ({ what, to: 'card' as const, frames: 1 })),
      ],
      damagedFrames: this.#damaged,
      impostorFrames: this.#impostors,
      strayMessages: this.host.hypervisor.strayMessages,
      setUpRefusals,
      pageFaults: attacker.stopped.pageFaults,
      withheldPages: attacker.stopped.withheldPages,
      deniedAccesses: this.#aborts,
      cardFaults: this.#cardFaults,
      drops: { ...this.#approachDrops(), ...this.#cardDrops },
      service,
      notes,
    };
  }
}

/** The longest time between two events of a kind. */
class Silence {
  #lastNs = 0;
  #longestNs = 0;

  heard(nowNs: number): void {
    this.#longestNs = Math.max(this.#longestNs, nowNs - this.#lastNs);
    this.#lastNs = nowNs;
  }

  longest(nowNs: number): number {
    return Math.max(this.#longestNs, nowNs - this.#lastNs);
  }
}

function count(counts: Record<string, number>, name: string): void {
  tallyIn(counts, name);
}
