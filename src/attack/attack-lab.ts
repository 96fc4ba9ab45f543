import {
  type Attack,
  AttackScenario,
  type StageOptions,
  VICTIM_FRAME_BYTES,
} from '../../guests/hostile/index.js';
import { LinkPartner } from '../../guests/link-partner.js';
import { NicDriver } from '../../guests/nic-driver.js';
import { constantRate } from '../../guests/traffic/generated-sources.js';
import { fixedSize } from '../../guests/traffic/index.js';
import { Host } from '../../host/host.js';
import type { Domain } from '../../host/hypervisor/domain.js';
import type { GuestPort } from '../../host/protection/guest-port.js';
import type { ProtectionPlan } from '../../host/protection/protection.js';
import { MANAGEMENT } from '../../nic/registers.js';
import { makeDiscipline } from '../../scheduler/disciplines/index.js';
import { InvariantViolation } from '../../scheduler/errors.js';
import { EventKernel } from '../../scheduler/event-kernel.js';
import { MEMORY_BYTES, RATE_BPS } from './attack-machine.js';
import { AttackWitness } from './attack-witness.js';
import type { Observation } from './observation.js';

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
  readonly #witness: AttackWitness;

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
          this.#witness.onWire(bytes, offset, length, context);
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
    driver.onReceive((bytes, offset, length) => this.#witness.onReceived(bytes, offset, length));
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
    this.#witness = new AttackWitness(host, this.scene, {
      mac: VICTIM_MAC,
      sends: (sourceId) => sourceId === OUTBOUND,
      receives: (sourceId) => sourceId === INBOUND,
      correspondent: FAR_MAC,
      isPatterned: true,
    });
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
    return this.#witness.observe();
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
}
