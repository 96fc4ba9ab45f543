import { readImage } from '../pci/read-image.js';
import {
  ACCESS_PLATFORM,
  COMMON_CONFIGURATION,
  COMMON_CONFIGURATION_BYTES,
  DEVICE_STATUS,
  NO_VECTOR,
  VIRTIO_FEATURES,
} from './virtio-registers.js';
import { MAX_QUEUE_SIZE, type Virtqueue } from './virtqueue.js';

type FieldName = (typeof COMMON_CONFIGURATION)[number]['name'];

/** Callbacks of the configuration to its device. */
export interface ConfigurationClient {
  /** The driver has finished its set-up. */
  driverReady(): void;
  /** The driver resets the device. */
  reset(): void;
}

/**
 * The common configuration structure: features, status and the set-up of the virtqueues. A driver may read any bytes of
 * it; a write takes effect when it has the offset and width of a field, or of half a 64-bit field (VIRTIO 1.2, 4.1.3.1).
 */
export class CommonConfiguration {
  readonly offered: bigint;
  readonly #required: bigint;
  readonly #queues: readonly Virtqueue[];
  readonly #client: ConfigurationClient;
  readonly #vectors: number;
  readonly #image = new Uint8Array(COMMON_CONFIGURATION_BYTES);
  #deviceSelect = 0;
  #driverSelect = 0;
  #driverFeatures = 0n;
  #configVector = NO_VECTOR;
  #status = 0;
  #generation = 0;
  #queueSelect = 0;

  /**
   * @param accessPlatform whether the device's addresses go through the guest's own IOMMU.
   * @param vectors MSI-X vectors of the function.
   */
  constructor(
    queues: readonly Virtqueue[],
    client: ConfigurationClient,
    options: { readonly accessPlatform: boolean; readonly vectors: number },
  ) {
    this.#queues = queues;
    this.#client = client;
    this.#vectors = options.vectors;
    const features = options.accessPlatform ? [...VIRTIO_FEATURES, ACCESS_PLATFORM] : VIRTIO_FEATURES;
    const bits = (list: typeof features) => list.reduce((sum, { bit }) => sum | (1n << BigInt(bit)), 0n);
    this.offered = bits(features);
    this.#required = bits(features.filter(({ required }) => required));
  }

  get status(): number {
    return this.#status;
  }

  /** Features that both sides have agreed on; none before FEATURES_OK. */
  get agreed(): bigint {
    return (this.#status & DEVICE_STATUS.FEATURES_OK) === 0 ? 0n : this.#driverFeatures;
  }

  get configVector(): number {
    return this.#configVector;
  }

  /** The device has stopped because of a fault and waits for a reset. */
  needsReset(): void {
    this.#status |= DEVICE_STATUS.DEVICE_NEEDS_RESET;
    this.#generation = (this.#generation + 1) & 0xff;
  }

  /** Back to what it was before any driver; the virtqueues with it. */
  reset(): void {
    this.#deviceSelect = 0;
    this.#driverSelect = 0;
    this.#driverFeatures = 0n;
    this.#configVector = NO_VECTOR;
    this.#status = 0;
    this.#queueSelect = 0;
    for (const queue of this.#queues) queue.reset();
  }

  read(offset: number, target: Uint8Array): void {
    const view = new DataView(this.#image.buffer);
    for (const { name, offset: at, bytes } of COMMON_CONFIGURATION) {
      const value = this.#value(name);
      if (bytes === 1) view.setUint8(at, value);
      else if (bytes === 2) view.setUint16(at, value, true);
      else if (bytes === 4) view.setUint32(at, value, true);
      else view.setBigUint64(at, BigInt(value), true);
    }
    readImage(this.#image, offset, target);
  }

  write(offset: number, source: Uint8Array): void {
    const field = COMMON_CONFIGURATION.find(({ offset: at, bytes }) => offset >= at && offset < at + bytes);
    if (field === undefined || field.access === 'ro') return;
    const within = offset - field.offset;
    const half = field.bytes === 8 && source.length === 4 && (within === 0 || within === 4);
    if (!half && !(within === 0 && source.length === field.bytes)) return;
    let value = 0;
    for (const byte of source.toReversed()) value = value * 256 + byte;
    if (half) {
      const before = this.#value(field.name);
      const low = before % 0x100000000;
      value = within === 0 ? before - low + value : value * 0x100000000 + low;
    }
    this.#apply(field.name, value);
  }

  #value(name: FieldName): number {
    const queue = this.#queues[this.#queueSelect];
    switch (name) {
      case 'device_feature_select':
        return this.#deviceSelect;
      case 'device_feature':
        return wordOf(this.offered, this.#deviceSelect);
      case 'driver_feature_select':
        return this.#driverSelect;
      case 'driver_feature':
        return wordOf(this.#driverFeatures, this.#driverSelect);
      case 'config_msix_vector':
        return this.#configVector;
      case 'num_queues':
        return this.#queues.length;
      case 'device_status':
        return this.#status;
      case 'config_generation':
        return this.#generation;
      case 'queue_select':
        return this.#queueSelect;
      case 'queue_size':
        // A queue that does not exist has size 0 (4.1.4.3).
        return queue?.size ?? 0;
      case 'queue_msix_vector':
        return queue?.vector ?? NO_VECTOR;
      case 'queue_enable':
        return queue?.enabled === true ? 1 : 0;
      case 'queue_notify_off':
        return queue === undefined ? 0 : this.#queueSelect;
      // A queue that does not exist has no areas either.
      case 'queue_desc':
        return queue?.descriptorArea ?? 0;
      case 'queue_driver':
        return queue?.driverArea ?? 0;
      case 'queue_device':
        return queue?.deviceArea ?? 0;
    }
  }

  #apply(name: FieldName, value: number): void {
    if (name === 'device_feature_select') this.#deviceSelect = value;
    else if (name === 'driver_feature_select') this.#driverSelect = value;
    else if (name === 'driver_feature') this.#setFeatures(value);
    else if (name === 'config_msix_vector') this.#configVector = this.#vector(value);
    else if (name === 'device_status') this.#setStatus(value);
    else if (name === 'queue_select') this.#queueSelect = value;
    else this.#setQueue(name, value);
  }

  /** Fields of the selected queue; what a driver may not change once the queue is enabled stays (4.1.4.3.2). */
  #setQueue(name: FieldName, value: number): void {
    const queue = this.#queues[this.#queueSelect];
    if (queue === undefined) return;
    if (name === 'queue_msix_vector') queue.vector = this.#vector(value);
    if (queue.enabled) return;
    if (name === 'queue_size') {
      if (value > 0 && value <= MAX_QUEUE_SIZE && (value & (value - 1)) === 0) queue.size = value;
    } else if (name === 'queue_enable') queue.enabled = value === 1;
    else if (name === 'queue_desc') queue.descriptorArea = value;
    else if (name === 'queue_driver') queue.driverArea = value;
    else if (name === 'queue_device') queue.deviceArea = value;
  }

  /** A vector that the function does not have reads back as none, so that the driver notices (4.1.5.1.2.1). */
  #vector(value: number): number {
    return value < this.#vectors ? value : NO_VECTOR;
  }

  #setFeatures(value: number): void {
    if (this.#driverSelect > 1 || (this.#status & DEVICE_STATUS.FEATURES_OK) !== 0) return;
    const shift = BigInt(32 * this.#driverSelect);
    this.#driverFeatures = (this.#driverFeatures & ~(0xffffffffn << shift)) | (BigInt(value) << shift);
  }

  #setStatus(value: number): void {
    if (value === 0) {
      this.#client.reset();
      return;
    }
    const before = this.#status;
    // Bits are only ever added; those of the device are its own (2.1.1, 2.1.2).
    let status = before | (value & ~DEVICE_STATUS.DEVICE_NEEDS_RESET);
    if ((before & DEVICE_STATUS.FEATURES_OK) === 0 && !this.#featuresWillDo())
      status &= ~DEVICE_STATUS.FEATURES_OK;
    this.#status = status;
    if ((status & ~before & DEVICE_STATUS.DRIVER_OK) !== 0) this.#client.driverReady();
  }

  #featuresWillDo(): boolean {
    const unknown = this.#driverFeatures & ~this.offered;
    return unknown === 0n && (this.#driverFeatures & this.#required) === this.#required;
  }
}

function wordOf(features: bigint, select: number): number {
  return select > 1 ? 0 : Number((features >> BigInt(32 * select)) & 0xffffffffn);
}
