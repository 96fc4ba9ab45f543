import { BufferBatch, type PortQueue, type SetupRefusal } from '../../host/protection/guest-port.js';
import { guestPhysicalAddress, PAGE_BYTES } from '../../nic/addresses.js';
import {
  DESCRIPTOR_BYTES,
  DESCRIPTOR_FIELDS,
  FLAG_END_OF_PACKET,
  FLAG_INTERRUPT,
  readU16,
  readU32,
  writeU32,
} from '../../nic/descriptor.js';
import { present } from '../../scheduler/present.js';
import type { GuestMemory } from '../virtio/guest-memory.js';
import { REQUEST_ENTRIES } from './call-registers.js';

const [ADDRESS, LENGTH, FLAGS] = DESCRIPTOR_FIELDS;
/** Flags that a driver sets; the others are the card's. */
const DRIVER_FLAGS = FLAG_END_OF_PACKET | FLAG_INTERRUPT;

/** How the requests of one call ended; undefined in its place when they could not be read. */
export interface HandedOver {
  readonly accepted: number;
  readonly refusal: SetupRefusal | undefined;
}

/**
 * The requests that a driver leaves in a page of its own memory: descriptors without a sequence number. The page is read
 * once, so that what was checked is what goes to the card, whatever the guest does to it meanwhile.
 */
export class RequestPage {
  readonly #memory: GuestMemory;
  readonly #bytes = new Uint8Array(PAGE_BYTES);
  readonly #batch = new BufferBatch(REQUEST_ENTRIES);

  constructor(memory: GuestMemory) {
    this.#memory = memory;
  }

  /**
   * Hands the first `count` requests to a queue.
   * @param tellAddresses write into each accepted request where the card finds the buffer.
   */
  handOver(queue: PortQueue, address: number, count: number, tellAddresses: boolean): HandedOver | undefined {
    const bytes = this.#bytes;
    if (count < 1 || count > REQUEST_ENTRIES || address % PAGE_BYTES !== 0) return undefined;
    if (!this.#memory.read(address, count * DESCRIPTOR_BYTES, bytes, 0)) return undefined;
    const batch = this.#batch;
    batch.clear();
    for (let entry = 0; entry < count; entry += 1) {
      const at = entry * DESCRIPTOR_BYTES;
      const named = readU32(bytes, at + ADDRESS.offset + 4) * 2 ** 32 + readU32(bytes, at + ADDRESS.offset);
      const flags = readU16(bytes, at + FLAGS.offset) & DRIVER_FLAGS;
      batch.add(guestPhysicalAddress(named), readU16(bytes, at + LENGTH.offset), flags);
    }
    const accepted = queue.post(batch);
    if (tellAddresses && accepted > 0) this.#tell(address, accepted);
    return { accepted, refusal: queue.refusal?.refusal };
  }

  #tell(address: number, accepted: number): void {
    for (let entry = 0; entry < accepted; entry += 1) {
      const at = entry * DESCRIPTOR_BYTES + ADDRESS.offset;
      const bus = present(this.#batch.admitted[entry]);
      const high = Math.floor(bus / 2 ** 32);
      writeU32(this.#bytes, at, bus - high * 2 ** 32);
      writeU32(this.#bytes, at + 4, high);
    }
    // The page was read a moment ago, so it is the guest's.
    this.#memory.write(address, accepted * DESCRIPTOR_BYTES, this.#bytes, 0);
  }
}
