import type { Host } from '../../host/host.js';
import type { Domain } from '../../host/hypervisor/domain.js';
import type { GuestPort, PortOptions } from '../../host/protection/guest-port.js';
import type { GuestPhysicalAddress } from '../../nic/addresses.js';
import type { ContextId } from '../../scheduler/branded.js';
import { InvariantViolation, ParameterError } from '../../scheduler/errors.js';
import { tallyIn } from '../../scheduler/tally.js';
import type { AttachedDevice, MemoryPiece, PausableDevice } from '../pci/attached-device.js';
import { PortShare } from '../pci/port-share.js';
import { readImage } from '../pci/read-image.js';
import { CommonConfiguration } from './common-configuration.js';
import { type FrontCounters, noFrontCounts } from './front-counters.js';
import type { GuestMemory } from './guest-memory.js';
import type { QueueFault } from './queue-faults.js';
import { ReceiveFront } from './receive-front.js';
import { TransmitFront } from './transmit-front.js';
import {
  DEVICE_STATUS,
  featureBit,
  NET_CONFIGURATION,
  NET_CONFIGURATION_BYTES,
  NO_VECTOR,
} from './virtio-registers.js';
import { Virtqueue } from './virtqueue.js';

/** MSI-X vectors: one for the configuration and one per virtqueue. */
export const VIRTIO_NET_VECTORS = 3;
/** MTU that is reported to the driver, bytes: Ethernet's. */
const MTU = 1500;

const RECEIVE = 0;
const TRANSMIT = 1;

/** What a front end is made for. */
export interface VirtioNetPlan {
  readonly host: Host;
  readonly domain: Domain;
  /** The guest's RAM by the addresses that its driver writes into rings. */
  readonly memory: GuestMemory;
  /** The address that the port is given for an address of the driver's; nothing is checked on the way. */
  readonly addressOf: (address: number, bytes: number) => GuestPhysicalAddress;
  readonly port: PortOptions;
  /** The guest's own IOMMU translates the device's addresses. */
  readonly accessPlatform: boolean;
  /** Sends an interrupt to the driver. */
  readonly interrupt: (vector: number) => void;
  /** Told of a port that was opened or closed. */
  readonly portChanged?: (port: GuestPort | undefined) => void;
}

/**
 * A virtio network device whose frames go through a port: the front end of a context for drivers that know nothing of
 * contexts. A notification is the hypercall, and what the driver has made available since the last one is the batch.
 *
 * A driver that breaks a rule stops its device: the port is closed, and `DEVICE_NEEDS_RESET` and a configuration interrupt
 * tell of it. Buffers that the approach refuses come back unused, with the refusal in the hypervisor's log.
 */
export class VirtioNet implements AttachedDevice, PausableDevice {
  readonly counters: FrontCounters = noFrontCounts();
  readonly share: PortShare;
  readonly configuration: CommonConfiguration;
  readonly receiveQueue: Virtqueue;
  readonly transmitQueue: Virtqueue;
  readonly #plan: VirtioNetPlan;
  readonly #receive: ReceiveFront;
  readonly #transmit: TransmitFront;
  readonly #faults: Partial<Record<QueueFault, number>> = {};
  readonly #image = new Uint8Array(NET_CONFIGURATION_BYTES);
  readonly #receiveWork = () => {
    this.#receivePending = false;
    this.#postReceive();
  };
  readonly #transmitWork = () => {
    this.#transmitPending = false;
    this.#postTransmit();
  };
  #port: GuestPort | undefined;
  #paused = false;
  #receivePending = false;
  #transmitPending = false;
  #linkUp = true;
  #lastFault: QueueFault | undefined;

  constructor(plan: VirtioNetPlan) {
    this.#plan = plan;
    this.share = new PortShare(plan.host.hypervisor, plan.port.share, () => this.#port);
    this.receiveQueue = new Virtqueue(plan.memory, true);
    this.transmitQueue = new Virtqueue(plan.memory, false);
    this.configuration = new CommonConfiguration(
      [this.receiveQueue, this.transmitQueue],
      { driverReady: () => this.#start(), reset: () => this.reset() },
      { accessPlatform: plan.accessPlatform, vectors: VIRTIO_NET_VECTORS },
    );
    this.#receive = new ReceiveFront(this.receiveQueue, plan.memory, this.counters, plan.addressOf);
    const nowNs = () => plan.host.kernel.nowNs;
    this.#transmit = new TransmitFront(this.transmitQueue, this.counters, plan.addressOf, nowNs);
    const image = new DataView(this.#image.buffer);
    image.setUint16(NET_CONFIGURATION.MAC, Math.floor(plan.port.mac / 2 ** 32));
    image.setUint32(NET_CONFIGURATION.MAC + 2, plan.port.mac % 2 ** 32);
    image.setUint16(NET_CONFIGURATION.QUEUE_PAIRS, 1, true);
    image.setUint16(NET_CONFIGURATION.MTU, MTU, true);
  }

  /** The open port; undefined while the driver is not ready, or was stopped. */
  get port(): GuestPort | undefined {
    return this.#port;
  }

  /** Faults of the driver, by name. */
  get faults(): Readonly<Partial<Record<QueueFault, number>>> {
    return this.#faults;
  }

  /** What the device was stopped for; undefined since the last reset. */
  get lastFault(): QueueFault | undefined {
    return this.#lastFault;
  }

  get pausable(): this {
    return this;
  }

  get paused(): boolean {
    return this.#paused;
  }

  inUse(): MemoryPiece[] {
    if (this.#port === undefined) return [];
    return [
      ...this.receiveQueue.areas(),
      ...this.transmitQueue.areas(),
      ...this.#receive.inUse(),
      ...this.#transmit.inUse(),
    ];
  }

  /** What the card has reported is given to the driver first. A driver that has broken a rule is stopped instead. */
  pause(): void {
    if (this.#port === undefined) return;
    this.#receive.reap();
    this.#transmit.reap();
    this.#publish();
    const port = this.#port;
    if (port === undefined) return;
    this.#receive.pause();
    this.#transmit.pause();
    this.#port = undefined;
    this.#paused = true;
    this.#plan.host.protection.closePort(port);
    this.#plan.portChanged?.(undefined);
  }

  resume(): boolean {
    if (!this.#paused) return false;
    const port = this.#openPort();
    if (port === undefined) return false;
    this.#paused = false;
    this.#receive.resume(port);
    this.#transmit.resume(port);
    this.#begin(port);
    return true;
  }

  giveUp(): void {
    if (this.#paused) this.#stop('context-stopped');
  }

  /** The driver has rung: queue 0 has buffers to receive into, queue 1 has frames. */
  notify(queue: number): void {
    this.counters.notifications += 1;
    if (this.#port === undefined) return;
    if (queue === RECEIVE) this.#wantReceive();
    else if (queue === TRANSMIT) this.#wantTransmit();
  }

  readDeviceConfiguration(offset: number, target: Uint8Array): void {
    this.#image[NET_CONFIGURATION.STATUS] = this.#linkUp ? 1 : 0;
    readImage(this.#image, offset, target);
  }

  /** The driver, or what ends it, wants the device as it was before any driver. Nothing reaches memory afterwards. */
  reset(): void {
    this.counters.resets += 1;
    this.#lastFault = undefined;
    this.#close();
    this.configuration.reset();
  }

  /** When the frame whose last buffer has this index of the open port was handed over, ns. */
  postedNs(index: number): number {
    return this.#transmit.postedNs(index);
  }

  /** The context is gone: the card has stopped it, or the hypervisor has taken it away. */
  contextStopped(context: ContextId): void {
    if (this.#port?.context === context) this.#stop('context-stopped');
  }

  checkInvariants(): void {
    for (const part of [this.receiveQueue, this.transmitQueue, this.#receive, this.#transmit])
      part.checkInvariants();
    const ready = (this.configuration.status & DEVICE_STATUS.DRIVER_OK) !== 0;
    if (this.#port !== undefined && !ready)
      throw new InvariantViolation(`${this.#plan.domain.name}: a port is open and no driver is ready`);
  }

  #start(): void {
    const { agreed, status } = this.configuration;
    if ((status & DEVICE_STATUS.FEATURES_OK) === 0) {
      this.#stop('features-not-agreed');
      return;
    }
    const features = {
      eventIndex: (agreed & featureBit('VIRTIO_F_EVENT_IDX')) !== 0n,
      indirect: (agreed & featureBit('VIRTIO_F_INDIRECT_DESC')) !== 0n,
    };
    const port = this.#openPort();
    if (port === undefined) {
      this.#stop('no-context');
      return;
    }
    for (const queue of [this.receiveQueue, this.transmitQueue]) queue.start(features);
    this.#receive.open(port);
    this.#transmit.open(port);
    this.#begin(port);
  }

  /** Undefined when the card has no context left, the approach can use none, or the guest was killed. */
  #openPort(): GuestPort | undefined {
    const { host, domain, port } = this.#plan;
    if (domain.state === 'killed') return undefined;
    try {
      return host.openPort(domain, { ...port, share: this.share.now });
    } catch (error) {
      if (!(error instanceof ParameterError)) throw error;
      return undefined;
    }
  }

  #begin(port: GuestPort): void {
    this.#port = port;
    port.onInterrupt(() => this.#onInterrupt());
    this.#plan.portChanged?.(port);
    this.#wantReceive();
    this.#wantTransmit();
  }

  #close(): void {
    const port = this.#port;
    this.#paused = false;
    this.#receive.close();
    this.#transmit.close();
    if (port === undefined) return;
    this.#port = undefined;
    this.#plan.host.protection.closePort(port);
    this.#plan.portChanged?.(undefined);
  }

  #stop(fault: QueueFault): void {
    this.counters.faults += 1;
    tallyIn(this.#faults, fault);
    this.#lastFault = fault;
    const { configVector } = this.configuration;
    this.#close();
    this.configuration.needsReset();
    this.#interrupt(configVector);
  }

  #wantReceive(): void {
    if (this.#receivePending) return;
    this.#receivePending = true;
    this.#plan.host.processor.post(this.#plan.domain.account, this.#receiveWork);
  }

  #wantTransmit(): void {
    if (this.#transmitPending) return;
    this.#transmitPending = true;
    this.#plan.host.processor.post(this.#plan.domain.account, this.#transmitWork);
  }

  #postReceive(): void {
    if (this.#port === undefined) return;
    this.#receive.post();
    this.#publish();
  }

  #postTransmit(): void {
    if (this.#port === undefined) return;
    const more = this.#transmit.post();
    this.#publish();
    if (more) this.#wantTransmit();
  }

  #onInterrupt(): void {
    if (this.#port === undefined) return;
    this.#receive.reap();
    this.#transmit.reap();
    this.#receive.post();
    const more = this.#transmit.post();
    this.#publish();
    if (more) this.#wantTransmit();
  }

  /** Shows the driver what was given back, and stops the device when it has broken a rule. */
  #publish(): void {
    for (const queue of [this.receiveQueue, this.transmitQueue]) {
      if (queue.publish()) this.#interrupt(queue.vector);
    }
    const fault = this.receiveQueue.fault ?? this.transmitQueue.fault;
    if (fault !== undefined) this.#stop(fault);
  }

  #interrupt(vector: number): void {
    if (vector === NO_VECTOR) return;
    this.counters.interrupts += 1;
    this.#plan.interrupt(vector);
  }
}
