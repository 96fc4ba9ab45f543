import { present } from '../../scheduler/present.js';
import { readImage } from './read-image.js';
/** Bytes of a PCI Express function's configuration space. */
export const CONFIGURATION_BYTES = 4096;

/** Registers of a type 0 header that functions here set (PCI Local Bus 3.0, 6.1). */
const HEADER = {
  VENDOR_ID: 0x00,
  DEVICE_ID: 0x02,
  COMMAND: 0x04,
  STATUS: 0x06,
  REVISION: 0x08,
  CLASS: 0x09,
  BAR0: 0x10,
  SUBSYSTEM_VENDOR: 0x2c,
  SUBSYSTEM: 0x2e,
  CAPABILITIES: 0x34,
} as const;
const STATUS_CAPABILITIES = 0x10;
/** Memory, bus master, interrupts off: the bits of COMMAND that a driver uses. */
const COMMAND_MASK = 0x0406;
const FIRST_CAPABILITY = 0x40;

/** The identity of a function. */
export interface FunctionIdentity {
  readonly vendor: number;
  readonly device: number;
  readonly revision: number;
  /** Class, subclass and interface: 24 bits. */
  readonly classCode: number;
  readonly subsystemVendor: number;
  readonly subsystem: number;
}

/** Configuration space as bytes, and which bits of them a guest can change. */
export class ConfigurationSpace {
  readonly #bytes = new Uint8Array(CONFIGURATION_BYTES);
  readonly #mask = new Uint8Array(CONFIGURATION_BYTES);
  readonly #initial: Uint8Array;
  #end = FIRST_CAPABILITY;
  #last = 0;

  /**
   * @param barBytes bytes of each BAR, a power of two; 0 for none. All are 32-bit memory BARs.
   * @param build adds capabilities.
   */
  constructor(
    identity: FunctionIdentity,
    barBytes: readonly number[],
    build: (space: ConfigurationSpace) => void,
  ) {
    this.#put(HEADER.VENDOR_ID, 2, identity.vendor);
    this.#put(HEADER.DEVICE_ID, 2, identity.device);
    this.#put(HEADER.COMMAND, 2, 0, COMMAND_MASK);
    this.#put(HEADER.STATUS, 2, STATUS_CAPABILITIES);
    this.#put(HEADER.REVISION, 1, identity.revision);
    this.#put(HEADER.CLASS, 3, identity.classCode);
    this.#put(HEADER.SUBSYSTEM_VENDOR, 2, identity.subsystemVendor);
    this.#put(HEADER.SUBSYSTEM, 2, identity.subsystem);
    for (const [index, bytes] of barBytes.entries()) {
      if (bytes > 0) this.#put(HEADER.BAR0 + 4 * index, 4, 0, -bytes >>> 0);
    }
    build(this);
    this.#initial = this.#bytes.slice();
  }

  /**
   * Adds a capability behind those that are there. `body` follows its ID and the pointer to the next one.
   * @param mask bits of `body` that the guest can change.
   * @returns the offset of the capability.
   */
  addCapability(id: number, body: Uint8Array, mask = new Uint8Array(body.length)): number {
    const at = this.#end;
    this.#bytes[at] = id;
    this.#bytes.set(body, at + 2);
    this.#mask.set(mask, at + 2);
    this.#bytes[this.#last === 0 ? HEADER.CAPABILITIES : this.#last + 1] = at;
    this.#last = at;
    this.#end = (at + 2 + body.length + 3) & ~3;
    return at;
  }

  /** The address in a BAR; 0 while it has none. */
  barAddress(bar: number): number {
    return (this.word(HEADER.BAR0 + 4 * bar) & ~15) >>> 0;
  }

  /** The 32 bits at an offset. */
  word(offset: number): number {
    return new DataView(this.#bytes.buffer).getUint32(offset, true);
  }

  read(offset: number, target: Uint8Array): void {
    readImage(this.#bytes, offset, target);
  }

  write(offset: number, source: Uint8Array): void {
    for (const [index, value] of source.entries()) {
      const at = offset + index;
      const mask = this.#mask[at];
      // Bytes past the end are nothing that a guest could change.
      if (mask === undefined) return;
      this.#bytes[at] = (present(this.#bytes[at]) & ~mask) | (value & mask);
    }
  }

  /** Resets what the guest has changed, except for the addresses of the BARs, which its firmware has assigned. */
  reset(): void {
    const bars = this.#bytes.slice(HEADER.BAR0, HEADER.BAR0 + 24);
    this.#bytes.set(this.#initial);
    this.#bytes.set(bars, HEADER.BAR0);
  }

  #put(offset: number, bytes: number, value: number, mask = 0): void {
    for (let index = 0; index < bytes; index += 1) {
      this.#bytes[offset + index] = Math.floor(value / 256 ** index) % 256;
      this.#mask[offset + index] = Math.floor(mask / 256 ** index) % 256;
    }
  }
}
