import { readU16, writeU32 } from '../../nic/descriptor.js';
import { InvariantViolation } from '../../scheduler/errors.js';
import { present } from '../../scheduler/present.js';
import type { MemoryPiece } from '../pci/attached-device.js';
import { DescriptorChain } from './descriptor-chain.js';
import type { GuestMemory } from './guest-memory.js';
import type { QueueFault } from './queue-faults.js';
import {
  AVAILABLE_NO_INTERRUPT,
  NO_VECTOR,
  USED_ENTRY_BYTES,
  VIRTQ_DESCRIPTOR_BYTES,
} from './virtio-registers.js';
import { writeU16 } from './words.js';

/** Entries of a virtqueue, at most, and what a reset leaves in queue_size. */
export const MAX_QUEUE_SIZE = 256;
/** Ring headers: flags and index. */
const RING_HEADER_BYTES = 4;
/** A span of the table is fetched at once when no more than this many of its entries are wanted for nothing. */
const WASTED_DESCRIPTORS = 64;

/**
 * The device's side of a split virtqueue (VIRTIO 1.2, 2.7). Indices run freely modulo 2^16. Guest memory may change
 * while it is read: every index, ring entry and descriptor is read once, checked, and used as it was read. A driver
 * that breaks a rule leaves a `fault`, after which the queue takes and gives nothing until it is reset.
 */
export class Virtqueue {
  /** What the driver has set. */
  size = MAX_QUEUE_SIZE;
  vector = NO_VECTOR;
  enabled = false;
  descriptorArea = 0;
  driverArea = 0;
  deviceArea = 0;
  /** The chain that `take` has read last. */
  readonly chain: DescriptorChain;
  readonly #memory: GuestMemory;
  readonly #word = new Uint8Array(2);
  readonly #ring = new Uint8Array(2 * MAX_QUEUE_SIZE);
  readonly #heads = new Uint16Array(MAX_QUEUE_SIZE);
  readonly #finished = new Uint8Array(USED_ENTRY_BYTES * MAX_QUEUE_SIZE);
  #headCount = 0;
  #headAt = 0;
  // Chains taken and given back, modulo 2^16; those given back are published by the used index.
  #taken = 0;
  #used = 0;
  #published = 0;
  // Taken and not given back.
  #outstanding = 0;
  #eventIndex = false;
  #indirect = false;
  #fault: QueueFault | undefined;

  /** @param writable whether the device writes its buffers (a receive queue). */
  constructor(memory: GuestMemory, writable: boolean) {
    this.#memory = memory;
    this.chain = new DescriptorChain(memory, writable);
  }

  /** What the driver has done wrong; undefined while nothing. */
  get fault(): QueueFault | undefined {
    return this.#fault;
  }

  /** Chains that the device has taken and not given back. */
  get outstanding(): number {
    return this.#outstanding;
  }

  /** The driver has finished its set-up. */
  start(features: { readonly eventIndex: boolean; readonly indirect: boolean }): void {
    this.#eventIndex = features.eventIndex;
    this.#indirect = features.indirect;
  }

  /** Back to what it was before any driver. */
  reset(): void {
    this.size = MAX_QUEUE_SIZE;
    this.vector = NO_VECTOR;
    this.enabled = false;
    this.descriptorArea = 0;
    this.driverArea = 0;
    this.deviceArea = 0;
    this.#headCount = 0;
    this.#headAt = 0;
    this.#taken = 0;
    this.#used = 0;
    this.#published = 0;
    this.#outstanding = 0;
    this.#eventIndex = false;
    this.#indirect = false;
    this.#fault = undefined;
  }

  /** Chains that wait to be taken, as far as the driver's index was read. Reads it when none is left. */
  waiting(): number {
    if (this.#fault !== undefined || !this.enabled) return 0;
    if (this.#headAt === this.#headCount) this.#readHeads();
    return this.#headCount - this.#headAt;
  }

  /** Reads the next chain into `chain`. False when it breaks a rule; `waiting` must have said that there is one. */
  take(): boolean {
    if (this.#headAt === this.#headCount) throw new InvariantViolation('no chain waits in the virtqueue');
    const head = present(this.#heads[this.#headAt]);
    const fault = this.chain.follow(head, this.descriptorArea, this.size, this.#indirect);
    if (fault !== undefined) return this.fail(fault);
    this.#headAt += 1;
    this.#taken = (this.#taken + 1) & 0xffff;
    this.#outstanding += 1;
    return true;
  }

  /** Reads a chain that was taken before once more: it is out, and stays so. */
  takeAgain(head: number): boolean {
    const fault = this.chain.follow(head, this.descriptorArea, this.size, this.#indirect);
    return fault === undefined || this.fail(fault);
  }

  /** Its areas: each entry is read or written at any time. */
  areas(): MemoryPiece[] {
    if (!this.enabled) return [];
    return [
      { address: this.descriptorArea, bytes: this.size * VIRTQ_DESCRIPTOR_BYTES },
      { address: this.driverArea, bytes: RING_HEADER_BYTES + 2 * this.size + 2 },
      { address: this.deviceArea, bytes: RING_HEADER_BYTES + USED_ENTRY_BYTES * this.size + 2 },
    ];
  }

  /** Gives a chain back with `length` bytes written to it. The driver sees it when `publish` is called. */
  giveBack(head: number, length: number): void {
    const pending = (this.#used - this.#published) & 0xffff;
    if (pending === this.size || this.#outstanding === 0)
      throw new InvariantViolation('more chains were given back than were taken');
    const at = pending * USED_ENTRY_BYTES;
    writeU32(this.#finished, at, head);
    writeU32(this.#finished, at + 4, length);
    this.#used = (this.#used + 1) & 0xffff;
    this.#outstanding -= 1;
  }

  /** Writes what was given back to the used ring, then its index. True when the driver wants an interrupt for it. */
  publish(): boolean {
    const before = this.#published;
    const count = (this.#used - before) & 0xffff;
    if (count === 0 || this.#fault !== undefined) return false;
    for (let done = 0; done < count; ) {
      const slot = (before + done) & (this.size - 1);
      const run = Math.min(count - done, this.size - slot);
      const at = this.deviceArea + RING_HEADER_BYTES + slot * USED_ENTRY_BYTES;
      if (!this.#memory.write(at, run * USED_ENTRY_BYTES, this.#finished, done * USED_ENTRY_BYTES))
        return this.fail('ring-not-in-memory');
      done += run;
    }
    this.#published = this.#used;
    writeU16(this.#word, 0, this.#used);
    if (!this.#memory.write(this.deviceArea + 2, 2, this.#word, 0)) return this.fail('ring-not-in-memory');
    this.#memory.barrier();
    return this.#wantsInterrupt(before);
  }

  /**
   * Asks the driver for a notification of the next chain (2.7.10). True when one has come meanwhile, which it may not
   * tell of any more. Without the event index it tells of each.
   */
  askForNotification(): boolean {
    if (!this.#eventIndex || this.#fault !== undefined || !this.enabled) return false;
    writeU16(this.#word, 0, this.#taken);
    const at = this.deviceArea + RING_HEADER_BYTES + this.size * USED_ENTRY_BYTES;
    if (!this.#memory.write(at, 2, this.#word, 0)) return this.fail('ring-not-in-memory');
    this.#memory.barrier();
    return this.waiting() > 0;
  }

  /** The driver has broken a rule. Returns false, for callers that pass it on. */
  fail(fault: QueueFault): false {
    this.#fault ??= fault;
    return false;
  }

  checkInvariants(): void {
    if (this.#outstanding < 0 || this.#outstanding > this.size)
      throw new InvariantViolation(`${this.#outstanding} chains are out of a virtqueue of ${this.size}`);
    if (this.#headAt > this.#headCount || this.#headCount > this.size)
      throw new InvariantViolation(
        `chain ${this.#headAt} of ${this.#headCount} in a virtqueue of ${this.size}`,
      );
    const pending = (this.#used - this.#published) & 0xffff;
    if (pending > this.size)
      throw new InvariantViolation(`${pending} chains were given back and not published`);
  }

  #readHeads(): void {
    // Descriptors that were fetched for earlier chains may have been written anew.
    this.#memory.barrier();
    const index = this.#readWord(this.driverArea + 2);
    if (index < 0) return;
    const count = (index - this.#taken) & 0xffff;
    // Chains that are out still occupy their entries of the ring: a correct driver never has more in all.
    if (count + this.#outstanding > this.size) {
      this.fail('available-index-ahead');
      return;
    }
    if (count === 0) return;
    const slot = this.#taken & (this.size - 1);
    const first = Math.min(count, this.size - slot);
    const ring = this.driverArea + RING_HEADER_BYTES;
    const read =
      this.#memory.read(ring + 2 * slot, 2 * first, this.#ring, 0) &&
      (first === count || this.#memory.read(ring, 2 * (count - first), this.#ring, 2 * first));
    if (!read) {
      this.fail('ring-not-in-memory');
      return;
    }
    let lowest = this.size;
    let highest = 0;
    for (let at = 0; at < count; at += 1) {
      const head = readU16(this.#ring, 2 * at);
      this.#heads[at] = head;
      if (head < lowest) lowest = head;
      if (head > highest) highest = head;
    }
    this.#headAt = 0;
    this.#headCount = count;
    const span = highest - lowest + 1;
    if (highest < this.size && count > 1 && span - count <= WASTED_DESCRIPTORS) {
      this.#memory.prefetch(
        this.descriptorArea + lowest * VIRTQ_DESCRIPTOR_BYTES,
        span * VIRTQ_DESCRIPTOR_BYTES,
      );
    }
  }

  #wantsInterrupt(before: number): boolean {
    if (!this.#eventIndex) {
      const flags = this.#readWord(this.driverArea);
      return flags >= 0 && (flags & AVAILABLE_NO_INTERRUPT) === 0;
    }
    const event = this.#readWord(this.driverArea + RING_HEADER_BYTES + 2 * this.size);
    if (event < 0) return false;
    // vring_need_event of VIRTIO 1.2, 2.7.10.1: the index that was asked for is among those just passed.
    return ((this.#used - event - 1) & 0xffff) < ((this.#used - before) & 0xffff);
  }

  #readWord(address: number): number {
    if (this.#memory.read(address, 2, this.#word, 0)) return readU16(this.#word, 0);
    this.fail('ring-not-in-memory');
    return -1;
  }
}
