import { ConfigurationSpace } from '../pci/configuration-space.js';
import { CONFIGURATION_REGION, type PciFunction, REGION_COUNT } from '../pci/pci-function.js';
import { VIRTIO_NET_VECTORS, VirtioNet, type VirtioNetPlan } from './virtio-net.js';
import { COMMON_CONFIGURATION_BYTES, NET_CONFIGURATION_BYTES } from './virtio-registers.js';

/** Where the structures lie in BAR 0 (VIRTIO 1.2, 4.1.4). */
const VIRTIO_BAR = [
  { name: 'common', type: 1, offset: 0x0000, bytes: COMMON_CONFIGURATION_BYTES },
  { name: 'isr', type: 3, offset: 0x1000, bytes: 4 },
  { name: 'device', type: 4, offset: 0x2000, bytes: NET_CONFIGURATION_BYTES },
  { name: 'notify', type: 2, offset: 0x3000, bytes: 8 },
] as const;
const BAR0_BYTES = 0x4000;
/** Bytes between the notification registers of two queues. */
const NOTIFY_MULTIPLIER = 4;
/** BAR 1 holds the MSI-X table and, in its second half, the pending bits. */
const BAR1_BYTES = 0x1000;
const PENDING_OFFSET = 0x800;

const CAPABILITY_VENDOR = 0x09;
const CAPABILITY_MSIX = 0x11;
const MSIX_ENABLE_AND_MASK = 0xc0;

/** A modern virtio network card: vendor 1AF4h, device 1040h and the device type (4.1.2). */
const IDENTITY = {
  vendor: 0x1af4,
  device: 0x1041,
  revision: 1,
  classCode: 0x020000,
  subsystemVendor: 0x1af4,
  subsystem: 0x1100,
};

/** The PCI function in front of a virtio network device. */
export class VirtioNetFunction implements PciFunction {
  readonly regionBytes: readonly number[];
  readonly interrupts = [0, 0, VIRTIO_NET_VECTORS, 0, 0];
  readonly device: VirtioNet;
  readonly #space: ConfigurationSpace;

  constructor(plan: VirtioNetPlan) {
    this.device = new VirtioNet(plan);
    this.#space = new ConfigurationSpace(IDENTITY, [BAR0_BYTES, BAR1_BYTES], addCapabilities);
    const regions = new Array<number>(REGION_COUNT).fill(0);
    regions[0] = BAR0_BYTES;
    regions[1] = BAR1_BYTES;
    regions[CONFIGURATION_REGION] = 4096;
    this.regionBytes = regions;
  }

  read(region: number, offset: number, target: Uint8Array): void {
    target.fill(0);
    if (region === CONFIGURATION_REGION) this.#space.read(offset, target);
    if (region !== 0) return;
    // A client may read several structures at once, and what lies between them.
    for (const part of VIRTIO_BAR) {
      const from = Math.max(offset, part.offset);
      const to = Math.min(offset + target.length, part.offset + part.bytes);
      if (from >= to) continue;
      const bytes = target.subarray(from - offset, to - offset);
      if (part.name === 'common') this.device.configuration.read(from - part.offset, bytes);
      else if (part.name === 'device') this.device.readDeviceConfiguration(from - part.offset, bytes);
    }
  }

  write(region: number, offset: number, source: Uint8Array): void {
    if (region === CONFIGURATION_REGION) this.#space.write(offset, source);
    else if (region === 0) {
      const part = partAt(offset);
      if (part?.name === 'common') this.device.configuration.write(offset - part.offset, source);
      else if (part?.name === 'notify') {
        const within = offset - part.offset;
        if (within % NOTIFY_MULTIPLIER === 0) this.device.notify(within / NOTIFY_MULTIPLIER);
      }
    }
  }

  reset(): void {
    this.device.reset();
    this.#space.reset();
  }

  msixTableAddress(): number | undefined {
    const address = this.#space.barAddress(1);
    return address === 0 ? undefined : address;
  }

  msiMessage(): undefined {
    return undefined;
  }

  checkInvariants(): void {
    this.device.checkInvariants();
  }
}

function partAt(offset: number): (typeof VIRTIO_BAR)[number] | undefined {
  return VIRTIO_BAR.find((part) => offset >= part.offset && offset < part.offset + part.bytes);
}

function addCapabilities(space: ConfigurationSpace): void {
  for (const { type, offset, bytes } of VIRTIO_BAR) {
    const body = new Uint8Array(type === 2 ? 18 : 14);
    const view = new DataView(body.buffer);
    body[0] = body.length + 2;
    body[1] = type;
    view.setUint32(6, offset, true);
    view.setUint32(10, bytes, true);
    if (type === 2) view.setUint32(14, NOTIFY_MULTIPLIER, true);
    space.addCapability(CAPABILITY_VENDOR, body);
  }
  // Message control (table size less one), table and pending bits in BAR 1.
  const body = new Uint8Array(10);
  const view = new DataView(body.buffer);
  view.setUint16(0, VIRTIO_NET_VECTORS - 1, true);
  view.setUint32(2, 1, true);
  view.setUint32(6, PENDING_OFFSET | 1, true);
  const mask = new Uint8Array(10);
  mask[1] = MSIX_ENABLE_AND_MASK;
  space.addCapability(CAPABILITY_MSIX, body, mask);
}
