/** One field of a configuration structure, as Virtual I/O Device (VIRTIO) Version 1.2 lists it. */
export interface ConfigurationField {
  readonly name: string;
  readonly offset: number;
  readonly bytes: 1 | 2 | 4 | 6 | 8;
  /** rw: the driver writes it; ro: writes are ignored. */
  readonly access: 'rw' | 'ro';
  readonly meaning: string;
}

const field = <Name extends string>(
  name: Name,
  offset: number,
  bytes: ConfigurationField['bytes'],
  access: ConfigurationField['access'],
  meaning: string,
) => ({ name, offset, bytes, access, meaning }) as const;

/** Common configuration structure (VIRTIO 1.2, 4.1.4.3). Little-endian; each field is accessed by its own width. */
export const COMMON_CONFIGURATION = [
  field('device_feature_select', 0x00, 4, 'rw', 'Which 32 feature bits device_feature shows'),
  field('device_feature', 0x04, 4, 'ro', 'Feature bits that the device offers'),
  field('driver_feature_select', 0x08, 4, 'rw', 'Which 32 feature bits driver_feature holds'),
  field('driver_feature', 0x0c, 4, 'rw', 'Feature bits that the driver accepts'),
  field('config_msix_vector', 0x10, 2, 'rw', 'MSI-X vector of configuration changes; FFFFh for none'),
  field('num_queues', 0x12, 2, 'ro', 'Virtqueues: 0 receives, 1 transmits'),
  field('device_status', 0x14, 1, 'rw', 'Status bits; a write of 0 resets the device'),
  field('config_generation', 0x15, 1, 'ro', 'Changes with the device configuration'),
  field('queue_select', 0x16, 2, 'rw', 'Virtqueue that the fields from here on are about'),
  field('queue_size', 0x18, 2, 'rw', 'Entries: a power of two, at most what a reset leaves here'),
  field('queue_msix_vector', 0x1a, 2, 'rw', 'MSI-X vector of the virtqueue; FFFFh for none'),
  field('queue_enable', 0x1c, 2, 'rw', '1 once the virtqueue may be used'),
  field('queue_notify_off', 0x1e, 2, 'ro', 'Number of its notification register'),
  field('queue_desc', 0x20, 8, 'rw', 'Address of the descriptor table'),
  field('queue_driver', 0x28, 8, 'rw', 'Address of the available ring'),
  field('queue_device', 0x30, 8, 'rw', 'Address of the used ring'),
] as const;

/** Bytes of the common configuration structure. */
export const COMMON_CONFIGURATION_BYTES = 0x38;

/** Offsets in the configuration of a network device (VIRTIO 1.2, 5.1.4), as far as the offered features define it. */
export const NET_CONFIGURATION = {
  /** Station address, 6 bytes. */
  MAC: 0x00,
  /** Bit 0: the link is up. */
  STATUS: 0x06,
  /** Virtqueues each way, 2 bytes. */
  QUEUE_PAIRS: 0x08,
  /** Largest payload of a frame, 2 bytes. */
  MTU: 0x0a,
} as const;

/** Bytes of the network device's configuration. */
export const NET_CONFIGURATION_BYTES = 0x0c;

/** Bits of device_status (VIRTIO 1.2, 2.1). */
export const DEVICE_STATUS = {
  ACKNOWLEDGE: 1,
  DRIVER: 2,
  DRIVER_OK: 4,
  FEATURES_OK: 8,
  DEVICE_NEEDS_RESET: 64,
  FAILED: 128,
} as const;

/** A feature bit that this front end offers. */
export interface VirtioFeature {
  readonly name: string;
  readonly bit: number;
  /** Without it the driver's FEATURES_OK is not taken. */
  readonly required: boolean;
  readonly meaning: string;
}

const feature = (name: string, bit: number, required: boolean, meaning: string): VirtioFeature => ({
  name,
  bit,
  required,
  meaning,
});

/**
 * What is offered. Checksum and segmentation offloads are not: the card has none, and a front end that did the work
 * would measure itself.
 */
export const VIRTIO_FEATURES: readonly VirtioFeature[] = [
  feature('VIRTIO_NET_F_MTU', 3, false, 'The device says how long a payload may be'),
  feature('VIRTIO_NET_F_MAC', 5, false, 'The device has a station address'),
  feature('VIRTIO_NET_F_MRG_RXBUF', 15, true, 'A received frame may be spread over several buffers'),
  feature('VIRTIO_NET_F_STATUS', 16, false, 'The link status is in the configuration'),
  feature('VIRTIO_F_INDIRECT_DESC', 28, false, 'A descriptor may name a table of descriptors'),
  feature('VIRTIO_F_EVENT_IDX', 29, false, 'Each side names the index from which on it wants a notification'),
  feature('VIRTIO_F_VERSION_1', 32, true, 'VIRTIO 1.0 or later; there is no legacy interface'),
];

/** Offered besides where the guest's own IOMMU drives the translation; required there. */
export const ACCESS_PLATFORM = feature(
  'VIRTIO_F_ACCESS_PLATFORM',
  33,
  true,
  "The device's addresses are I/O virtual addresses",
);

/** The bit of an offered feature. */
export function featureBit(name: string): bigint {
  const found = [...VIRTIO_FEATURES, ACCESS_PLATFORM].find((candidate) => candidate.name === name);
  if (found === undefined) throw new RangeError(`${name} is no feature of this front end`);
  return 1n << BigInt(found.bit);
}

/** Flags of a split virtqueue's descriptor (VIRTIO 1.2, 2.7.5). */
export const DESCRIPTOR_NEXT = 1;
export const DESCRIPTOR_WRITE = 2;
export const DESCRIPTOR_INDIRECT = 4;
/** Flag of the available ring: the driver wants no interrupts (VIRTIO 1.2, 2.7.6). */
export const AVAILABLE_NO_INTERRUPT = 1;
/** A virtqueue or configuration without a vector. */
export const NO_VECTOR = 0xffff;
/** Bytes of a descriptor, of a used ring's entry, and of the header in front of each frame (5.1.6). */
export const VIRTQ_DESCRIPTOR_BYTES = 16;
export const USED_ENTRY_BYTES = 8;
export const NET_HEADER_BYTES = 12;
/** Where num_buffers lies in that header. */
export const NUM_BUFFERS_OFFSET = 10;
