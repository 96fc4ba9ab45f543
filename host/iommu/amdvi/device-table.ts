import {
  addressAfter,
  type HostPhysicalAddress,
  type RequesterId,
  requesterId,
} from '../../../nic/addresses.js';
import { absent } from '../../../scheduler/present.js';
import type { TableMemory } from '../table-walker.js';
import {
  DENY_ALL,
  type DeviceTableEntry,
  DTE_BYTES,
  readDeviceTableEntry,
  writeDeviceTableEntry,
} from './entries.js';

/**
 * The device table of an AMD-Vi unit, kept in memory by host software. Every entry starts as "deny all", since an
 * entry of zeroes would let its device reach everything. Software must invalidate the entry after each change.
 */
export class DeviceTable {
  /** Physical address, for the device table base register. */
  readonly address: HostPhysicalAddress;
  readonly bytes: number;
  readonly #memory: TableMemory;

  /**
   * @param address first byte of consecutive pages, 4 KB aligned
   * @param bytes a multiple of 4096, up to 2 MB
   */
  constructor(memory: TableMemory, address: HostPhysicalAddress, bytes: number) {
    if (!(bytes > 0 && bytes <= 2 ** 21) || bytes % 4096 !== 0 || address % 4096 !== 0) {
      throw new RangeError(`device table of ${bytes} bytes at ${address}, expected whole pages up to 2 MB`);
    }
    this.#memory = memory;
    this.address = address;
    this.bytes = bytes;
    this.set(requesterId(0), DENY_ALL);
    const words = new Uint32Array(DTE_BYTES / 4).map((_, word) =>
      memory.readU32(addressAfter(address, 4 * word)),
    );
    // The table has 65,536 entries as a rule, all of them alike.
    for (let at = DTE_BYTES; at < bytes; at += 4)
      memory.writeU32(addressAfter(address, at), words[(at >>> 2) % words.length] ?? absent());
  }

  set(deviceId: RequesterId, entry: DeviceTableEntry): void {
    this.#assertDevice(deviceId);
    writeDeviceTableEntry(this.#memory, this.address, deviceId, entry);
  }

  /** Sets IV and IntCtl 0 in every entry: no device's interrupt messages pass any more. */
  blockInterrupts(): void {
    for (let deviceId = 0; deviceId < this.bytes / DTE_BYTES; deviceId += 1)
      this.set(requesterId(deviceId), { ...this.get(requesterId(deviceId)), blocksInterrupts: true });
  }

  get(deviceId: RequesterId): DeviceTableEntry {
    this.#assertDevice(deviceId);
    return readDeviceTableEntry(this.#memory, this.address, deviceId);
  }

  #assertDevice(deviceId: RequesterId): void {
    const entries = this.bytes / DTE_BYTES;
    if (!(deviceId >= 0 && deviceId < entries)) {
      throw new RangeError(`device ID is ${deviceId}, expected 0 to ${entries - 1}`);
    }
  }
}
