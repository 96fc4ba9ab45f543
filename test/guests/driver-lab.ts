import { LinkPartner, type LinkPartnerOptions } from '../../guests/link-partner.js';
import { type DriverOptions, NicDriver } from '../../guests/nic-driver.js';
import { Host, type HostParameters } from '../../host/host.js';
import type { Domain } from '../../host/hypervisor/domain.js';
import { Cdna } from '../../host/protection/cdna/cdna.js';
import type { GuestPort, PortOptions } from '../../host/protection/guest-port.js';
import { PlainDma } from '../../host/protection/none/plain-dma.js';
import type { ProtectionPlan } from '../../host/protection/protection.js';
import type { NicParameters } from '../../nic/parameters.js';
import { makeDiscipline } from '../../scheduler/disciplines/index.js';
import { EventKernel } from '../../scheduler/event-kernel.js';

export const GUEST_MAC = 0x02_00_00_00_00_01;
export const FAR_MAC = 0x02_00_00_00_99_01;

/** The two approaches that differ most in who writes descriptors. */
export const PROTECTIONS: readonly [string, () => ProtectionPlan][] = [
  ['none', () => new PlainDma()],
  ['cdna', () => new Cdna()],
];

export interface LabOptions {
  readonly protection?: ProtectionPlan;
  readonly host?: Partial<HostParameters>;
  readonly nic?: Partial<NicParameters>;
  readonly link?: Partial<LinkPartnerOptions>;
}

export interface GuestOptions extends Partial<PortOptions> {
  readonly driver?: Partial<DriverOptions>;
}

/** A machine with a cable to a far end, guests by hand, and everything that leaves the port kept. */
export class DriverLab {
  readonly kernel = new EventKernel();
  readonly host: Host;
  readonly partner: LinkPartner;
  readonly sent: { readonly context: number; readonly bytes: Uint8Array; readonly endNs: number }[] = [];
  readonly #drivers: NicDriver[] = [];

  constructor(options: LabOptions = {}) {
    const rateBps = options.nic?.rateBps ?? 1e9;
    this.partner = new LinkPartner(this.kernel, {
      rateBps,
      propagationNs: 500,
      queueBytes: 2 ** 20,
      reflect: true,
      ...options.link,
    });
    const partner = this.partner;
    const sent = this.sent;
    this.host = new Host({
      kernel: this.kernel,
      protection: options.protection ?? new PlainDma(),
      wire: {
        transmitted(bytes, offset, length, context, _index, { endNs }) {
          sent.push({ context, bytes: bytes.slice(offset, offset + length), endNs });
          partner.transmitted(bytes, offset, length);
        },
      },
      transmitDiscipline: makeDiscipline('drr'),
      receiveDiscipline: makeDiscipline('drr'),
      host: { memoryBytes: 64 * 2 ** 20, ...options.host },
      ...(options.nic === undefined ? {} : { nic: options.nic }),
    });
    this.partner.connect((bytes, offset, length) => this.host.nic.receive(bytes, offset, length));
  }

  /** A guest with its own core, an open port, and the driver under test. */
  guest(options: GuestOptions = {}): { domain: Domain; port: GuestPort; driver: NicDriver } {
    const { driver: driverOptions, ...portOptions } = options;
    const number = this.#drivers.length;
    const domain = this.host.createGuest(`guest${number}`, number);
    const port = this.host.openPort(domain, {
      mac: GUEST_MAC + number,
      share: { weight: 1 },
      transmitSlots: 32,
      receiveSlots: 32,
      antiSpoofing: false,
      promiscuous: false,
      coalesceFrames: 8,
      coalesceNs: 20_000,
      ...portOptions,
    });
    const driver = new NicDriver(this.host, domain, port, {
      refillBatch: Math.min(16, port.receive.slots),
      ...driverOptions,
    });
    this.#drivers.push(driver);
    this.partner.addStation(port.mac);
    return { domain, port, driver };
  }

  /** Lets time pass, then looks at every invariant. */
  run(ns: number): void {
    this.kernel.run(this.kernel.nowNs + ns);
    this.check();
  }

  /** Lets time pass event by event, and looks at the books of drivers and far end after each. */
  walk(ns: number): void {
    const untilNs = this.kernel.nowNs + ns;
    for (;;) {
      const nextNs = this.kernel.nextTimeNs();
      if (nextNs === undefined || nextNs > untilNs) break;
      this.kernel.step();
      for (const driver of this.#drivers) driver.checkInvariants();
      this.partner.checkInvariants();
    }
    this.kernel.run(untilNs);
    this.check();
  }

  check(): void {
    this.host.checkInvariants();
    for (const driver of this.#drivers) driver.checkInvariants();
    this.partner.checkInvariants();
  }
}

/** The bytes that a NIC puts on the wire for a frame: short ones padded to 60 with zeros (IEEE 802.3). */
export function onTheWire(frame: Uint8Array): Uint8Array {
  const padded = new Uint8Array(Math.max(60, frame.length));
  padded.set(frame);
  return padded;
}
