import { CardFunction } from '../../guests/card/card-function.js';
import type { AttachedDevice } from '../../guests/pci/attached-device.js';
import type { PciFunction } from '../../guests/pci/pci-function.js';
import { VirtioNetFunction } from '../../guests/virtio/virtio-net-function.js';
import type { Host } from '../../host/host.js';
import type { GuestPort } from '../../host/protection/guest-port.js';
import { GuestDrivenProtection } from '../../host/protection/iommu/guest-driven/guest-driven.js';
import { guestPhysicalAddress } from '../../nic/addresses.js';
import type { EventHandle } from '../../scheduler/event-kernel.js';
import { tallyIn } from '../../scheduler/tally.js';
import type { AttachedGuest } from '../machine/guest-run.js';
import { portOptions } from '../machine/port-options.js';
import { GuestIommu } from './guest-iommu.js';
import type { GuestRam } from './guest-ram.js';
import { RearrangedMemory } from './rearranged-memory.js';
import { TranslatedRam } from './translated-ram.js';
import { type ClientConnection, type SessionTimers, VfioUserSession } from './vfio-user/session.js';
import type { SessionFault } from './vfio-user/session-faults.js';

/** Ranges that a machine of QEMU maps for its RAM, ROMs and holes; it has a dozen. */
const MOST_RANGES = 1024;
/** Pages that a guest's own IOMMU has mapped, one range each: both rings full take some 800. */
const MOST_GUEST_RANGES = 16_384;

/** What a live guest is made of. */
export interface LiveGuestPlan {
  readonly host: Host;
  readonly guest: AttachedGuest;
  readonly ram: GuestRam;
  /** Told of a port that was opened, or of the one that is gone. */
  readonly portChanged: (port: GuestPort | undefined) => void;
  /** Calls `memoryIsLate` after a time. */
  readonly waitForMemory: (ns: number) => EventHandle;
}

/** A real guest: its RAM, the PCI function that it sees, and while it is attached, its session. */
export class LiveGuest {
  readonly name: string;
  readonly mac: number;
  readonly ram: GuestRam;
  readonly function: PciFunction;
  readonly device: AttachedDevice;
  readonly #plan: LiveGuestPlan;
  readonly #iommu: GuestIommu | undefined;
  readonly #memory: RearrangedMemory;
  readonly #sessionFaults: Partial<Record<SessionFault, number>> = {};
  #session: VfioUserSession | undefined;
  #attachments = 0;
  #messagesBefore = 0;

  constructor(plan: LiveGuestPlan) {
    const { host, guest, ram } = plan;
    this.#plan = plan;
    this.name = guest.name;
    this.mac = guest.mac;
    this.ram = ram;
    const { protection } = host;
    const maps = protection instanceof GuestDrivenProtection ? protection.mapsOf(guest.domain) : undefined;
    this.#iommu = maps === undefined ? undefined : new GuestIommu(ram, maps);
    const devicePlan = {
      host,
      domain: guest.domain,
      memory: maps === undefined ? ram : new TranslatedRam(ram, () => this.#session?.ranges),
      addressOf:
        maps === undefined
          ? (address: number, bytes: number) => ram.deviceAddressOf(address, bytes)
          : guestPhysicalAddress,
      port: portOptions(guest),
      interrupt: (vector: number) => this.#session?.interrupt(vector),
      portChanged: plan.portChanged,
    };
    const made =
      guest.spec.card === 'cdna'
        ? new CardFunction({
            ...devicePlan,
            addressOf: maps === undefined ? (address) => ram.addressOf(address) : guestPhysicalAddress,
          })
        : new VirtioNetFunction({ ...devicePlan, accessPlatform: maps !== undefined });
    this.function = made;
    this.device = made.device;
    this.#memory = new RearrangedMemory({
      ram,
      device: this.device,
      kernel: host.kernel,
      wait: plan.waitForMemory,
      takenAway: () => this.#session?.fail('memory-taken-away'),
    });
  }

  get session(): VfioUserSession | undefined {
    return this.#session;
  }

  get domain(): AttachedGuest['domain'] {
    return this.#plan.guest.domain;
  }

  /** Times that a virtual machine has attached. */
  get attachments(): number {
    return this.#attachments;
  }

  /** Messages of all its sessions. */
  get messages(): number {
    return this.#messagesBefore + (this.#session?.messages ?? 0);
  }

  /** Whether an unmap of its own IOMMU is not answered yet. */
  get awaitsInvalidation(): boolean {
    return this.#iommu?.unanswered === true;
  }

  /** What its clients have done wrong, by name. */
  get sessionFaults(): Readonly<Partial<Record<SessionFault, number>>> {
    return this.#sessionFaults;
  }

  /** A virtual machine has connected. Returns why it is turned away, or undefined. */
  attach(connection: ClientConnection, timers: SessionTimers): 'busy' | 'killed' | undefined {
    if (this.#session !== undefined) return 'busy';
    if (this.domain.state === 'killed') return 'killed';
    this.#attachments += 1;
    this.#session = new VfioUserSession({
      kernel: this.#plan.host.kernel,
      timers,
      function: this.function,
      memory: this.#iommu ?? this.#memory,
      connection,
      mostRanges: this.#iommu === undefined ? MOST_RANGES : MOST_GUEST_RANGES,
      signalsDescriptors: this.#iommu !== undefined,
      fault: (fault) => {
        tallyIn(this.#sessionFaults, fault);
      },
      closed: () => this.#end(),
    });
    return undefined;
  }

  /** Memory that was taken away has been waited for. */
  memoryIsLate(): void {
    this.#memory.onTimer();
  }

  /** Another weight: for the context that is open, and for those that will be. */
  setWeight(weight: number): void {
    this.device.share.setWeight(weight);
  }

  /** Another upper limit, bits per second, or none; likewise. */
  setLimit(limitBps: number | undefined): void {
    this.device.share.setLimit(limitBps);
  }

  /** Another priority; likewise. */
  setPriority(priority: number): void {
    this.device.share.setPriority(priority);
  }

  /** The connection is gone: nothing of the guest reaches its memory any more, and its context is free. */
  detach(): void {
    if (this.#session === undefined) return;
    this.#session.close();
    this.#end();
  }

  checkInvariants(): void {
    this.function.checkInvariants();
    this.#session?.checkInvariants();
  }

  #end(): void {
    this.#messagesBefore = this.messages;
    this.#session = undefined;
    this.function.reset();
    this.#iommu?.ended();
    this.#memory.ended();
  }
}
