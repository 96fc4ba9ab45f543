import type { Observable } from 'rxjs';
import { untranslated } from '../../../nic/addresses.js';
import { requireWhole } from '../../../scheduler/checked-values.js';
import { InvariantViolation, ParameterError } from '../../../scheduler/errors.js';
import type { EventKernel } from '../../../scheduler/event-kernel.js';
import { refuseUnknownOptions } from '../../../scheduler/known-options.js';
import { OpenGate } from '../../bus/access-gate.js';
import type { Processor } from '../../cpu/processor.js';
import type { HostParts } from '../../host-parts.js';
import type { Domain } from '../../hypervisor/domain.js';
import type { EventChannel } from '../../hypervisor/event-channel.js';
import type { ContextPort } from '../context-port.js';
import type { GuestPort, PortOptions } from '../guest-port.js';
import type { InterposedPlan, Interposition, ProtectionCounters } from '../protection.js';
import { ReferenceApproach } from '../reference-approach.js';
import { BackEnd } from './back-end.js';
import { BRIDGE_DROPS, type BridgeDrop } from './bridge-drops.js';
import type { TimedMove } from './bridge-moves.js';
import { BridgeService } from './bridge-service.js';
import { FrontEnd } from './front-end.js';
import { GrantOperations } from './grant-operations.js';
import { PhysicalPort } from './physical-port.js';
import { TrafficLedger } from './traffic-ledger.js';

export interface DriverDomainOptions {
  /**
   * `copy`: the hypervisor copies every frame in and out of guests. `flip`: sent frames are mapped where they
   * lie, received pages change hands where the guest posted whole pages. @defaultValue 'copy'
   */
  readonly transfer?: 'copy' | 'flip';
  /** Core that the driver domain runs on. @defaultValue 0 */
  readonly core?: number;
  /** Slots of its own rings, a power of two, 128 to 4,096. @defaultValue 256 */
  readonly slots?: number;
  /** Frames each way that one unit of work handles. @defaultValue 64 */
  readonly budget?: number;
  /** Station address of the driver domain itself. @defaultValue 02:ff:00:00:00:01 */
  readonly mac?: number;
}

const DEFAULTS: Required<DriverDomainOptions> = {
  transfer: 'copy',
  core: 0,
  slots: 256,
  budget: 64,
  mac: 0x02_ff_00_00_00_01,
};

/** A driver domain with its options. */
export class DriverDomain implements InterposedPlan<DriverDomainProtection> {
  readonly name = 'driver-domain';
  readonly #options: Required<DriverDomainOptions>;

  /** @throws ParameterError for options that no driver domain can have. */
  constructor(options: DriverDomainOptions = {}) {
    refuseUnknownOptions('driver-domain', options, DEFAULTS);
    this.#options = { ...DEFAULTS, ...options };
    const { transfer, core, slots, budget, mac } = this.#options;
    if (transfer !== 'copy' && transfer !== 'flip')
      throw new ParameterError(`driver-domain.transfer is ${transfer}, expected copy or flip`);
    requireRange('core', core, 0, 1023);
    requireRange('slots', slots, 128, 4096);
    if ((slots & (slots - 1)) !== 0)
      throw new ParameterError(`driver-domain.slots is ${slots}, expected a power of two`);
    requireRange('budget', budget, 1, 4096);
    requireRange('mac', mac, 0, 2 ** 48 - 1);
  }

  interpose(kernel: EventKernel, processor: Processor): Interposition<DriverDomainProtection> {
    const ledger = new TrafficLedger(kernel, processor, this.#options.slots);
    return {
      intermediary: ledger,
      build: (parts) => new DriverDomainProtection(parts, this.#options, ledger),
    };
  }
}

/**
 * The fake device: guests see a paravirtual front end, and a driver domain has the NIC's only context, bridges
 * by station address, and moves the frames between its memory and the guests' by grants that the hypervisor
 * checks (Xen's split drivers; the baseline of the CDNA paper).
 *
 * Guests share no part of the card, so there is nothing to protect at either gate; the price is the driver
 * domain's time, and trust in it. Guests are served round-robin, one frame at a time, whatever their weights. A page
 * that is mapped for sending when its port closes stays pinned until the NIC has read it.
 */
export class DriverDomainProtection extends ReferenceApproach {
  readonly name = 'driver-domain';
  readonly gate = new OpenGate();
  readonly intermediary: TrafficLedger;
  /** The driver domain itself. */
  readonly domain: Domain;
  readonly #mac: number;
  readonly #grants: GrantOperations;
  readonly #device: PhysicalPort;
  readonly #service: BridgeService;
  #closedAccepted = 0;
  #closedRefused = 0;

  constructor(parts: HostParts, options: Required<DriverDomainOptions>, ledger: TrafficLedger) {
    const { transfer, core, slots, budget, mac } = options;
    super(parts);
    this.#mac = mac;
    this.intermediary = ledger;
    parts.hypervisor.attachVectorRing(untranslated);
    const domain = parts.hypervisor.createDomain('driver domain', 'driver-domain', core);
    const grants = new GrantOperations(parts, domain, ledger.moves);
    const device = new PhysicalPort(parts, domain, mac, slots, transfer === 'copy');
    const service = new BridgeService({ host: parts, domain, grants, device, transfer, budget, ledger });
    this.domain = domain;
    this.#grants = grants;
    this.#device = device;
    this.#service = service;
    parts.hypervisor.onRevoked((context) => {
      if (context !== device.port.context) return;
      device.port.markClosed();
      device.port.freeRings();
      service.wake();
    });
  }

  /** What happens to frames between guests and card: a tap. */
  get moves$(): Observable<TimedMove> {
    return this.intermediary.moves.moves$;
  }

  /** The driver domain's own port: a context of the card. */
  get device(): ContextPort {
    return this.#device.port;
  }

  /** Frames that the bridge dropped, by reason. */
  get drops(): Readonly<Record<BridgeDrop, number>> {
    return this.intermediary.drops;
  }

  openPort(domain: Domain, options: PortOptions): GuestPort {
    const parts = this.parts;
    const service = this.#service;
    if (service.bridge.has(options.mac) || options.mac === this.#mac)
      throw new ParameterError(
        `${domain.name}: port.mac ${macText(options.mac)} is taken, expected one of its own`,
      );
    const line: { events?: EventChannel } = {};
    const front: FrontEnd = new FrontEnd(parts, domain, options, {
      grantee: this.domain.id,
      notify: () => {
        const { moves } = this.intermediary;
        if (moves.observed) moves.tell({ kind: 'rang', port: front.context });
        parts.hypervisor.enterHypercall();
        if (line.events !== undefined) parts.hypervisor.notify(line.events);
      },
      posted: (first, count) => this.intermediary.posted(front.context, first, count),
      onRevoked: () => {
        line.events?.close();
        this.#forget(backEnd);
      },
    });
    const backEnd: BackEnd = new BackEnd(parts, front, this.#grants, this.intermediary.moves);
    line.events = parts.hypervisor.openChannel(this.domain, () => service.onGuestEvent(backEnd));
    service.connect(backEnd);
    return front;
  }

  counters(): ProtectionCounters {
    let accepted = this.#closedAccepted;
    let refused = this.#closedRefused;
    for (const { front, refused: atBackEnd } of this.#service.backEnds) {
      accepted += front.transmit.accepted + front.receive.accepted;
      refused += front.transmit.refused + front.receive.refused + atBackEnd;
    }
    const drops = Object.fromEntries(
      BRIDGE_DROPS.map((reason) => [`drop:${reason}`, this.intermediary.drops[reason]]),
    );
    return {
      accepted,
      refused,
      checked: 0,
      denied: 0,
      details: {
        ...this.#service.counters,
        ...this.#grants.counters,
        ...drops,
        ...(this.#device.malformed > 0 ? { 'drop:malformed-completion': this.#device.malformed } : {}),
      },
    };
  }

  checkInvariants(): void {
    this.#service.checkInvariants();
    this.#device.checkInvariants();
    let pinned = this.#device.mappedInFlight;
    for (const backEnd of this.#service.backEnds) {
      pinned += backEnd.pinnedPages;
      backEnd.front.checkInvariants();
    }
    const { pinsTaken, pinsReleased } = this.parts.pages;
    if (pinsTaken - pinsReleased !== pinned)
      throw new InvariantViolation(`${pinsTaken - pinsReleased} references, ${pinned} of them accounted for`);
  }

  #forget(backEnd: BackEnd): void {
    const { front, refused } = backEnd;
    this.#service.disconnect(backEnd);
    this.#closedAccepted += front.transmit.accepted + front.receive.accepted;
    this.#closedRefused += front.transmit.refused + front.receive.refused + refused;
    front.close();
    backEnd.close();
  }
}

function requireRange(field: string, value: number, least: number, most: number): void {
  requireWhole(`driver-domain.${field}`, value, least, most);
}

function macText(mac: number): string {
  const digits = mac.toString(16).padStart(12, '0');
  return [0, 2, 4, 6, 8, 10].map((at) => digits.slice(at, at + 2)).join(':');
}
