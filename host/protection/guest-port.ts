import { type GuestPhysicalAddress, guestPhysicalAddress } from '../../nic/addresses.js';
import type { ContextId } from '../../scheduler/branded.js';
import type { Share } from '../../scheduler/discipline.js';
import { absent } from '../../scheduler/present.js';
import type { InterruptHandler } from '../hypervisor/event-channel.js';
import type { PageRefusal } from '../memory/page-ownership.js';

/** Buffers that a driver hands over together. Reused from call to call. */
export class BufferBatch {
  /** Guest-physical addresses. */
  readonly addresses: Float64Array;
  readonly lengths: Uint32Array;
  readonly flags: Uint16Array;
  /** Where the device is to find each buffer, as the set-up gate says while the batch is being posted. */
  readonly admitted: Float64Array;
  count = 0;
  #limit: number;

  /** @param capacity most buffers in one call. */
  constructor(capacity: number) {
    this.addresses = new Float64Array(capacity);
    this.lengths = new Uint32Array(capacity);
    this.flags = new Uint16Array(capacity);
    this.admitted = new Float64Array(capacity);
    this.#limit = capacity;
  }

  get capacity(): number {
    return this.addresses.length;
  }

  /** Empties it. @param limit most buffers that it takes now, for one of several users: its capacity or less. */
  clear(limit = this.capacity): void {
    this.count = 0;
    this.#limit = limit;
  }

  /** Where the buffer at a place of the batch lies, as its guest says. */
  address(index: number): GuestPhysicalAddress {
    return guestPhysicalAddress(this.addresses[index] ?? absent());
  }

  /** Adds a buffer; false when the batch is full. */
  add(address: GuestPhysicalAddress, length: number, flags: number): boolean {
    if (this.count === this.#limit) return false;
    this.addresses[this.count] = address;
    this.lengths[this.count] = length;
    this.flags[this.count] = flags;
    this.count += 1;
    return true;
  }
}

/** Why the set-up gate refused a buffer. */
export type SetupRefusal =
  | PageRefusal
  | 'bad-length'
  | 'no-mapping-left'
  | 'bad-grant'
  | 'bad-ring'
  | 'port-closed';

/** A buffer that the set-up gate refused: a guest's mistake, as a value. */
export interface SetupFault {
  readonly domain: number;
  readonly direction: 'transmit' | 'receive';
  readonly refusal: SetupRefusal;
  readonly address: GuestPhysicalAddress;
  readonly length: number;
  readonly atNs: number;
}

/** One direction of a port: how a driver hands buffers to its device and is notified when they are done. */
export interface PortQueue {
  /** Buffers that can be outstanding. */
  readonly slots: number;
  /** One past the last buffer accepted; runs freely modulo 2^32. */
  readonly producer: number;
  /** Why the last `post` was refused; undefined when all of it was accepted or there was no space. */
  readonly refusal: SetupFault | undefined;

  /**
   * Hands over buffers, in order, through the set-up gate. Returns how many were accepted: fewer than given
   * when the ring is full (`refusal` undefined) or when one was refused (`refusal` gives the reason; none behind
   * it was looked at).
   */
  post(batch: BufferBatch): number;

  /** Tells the device of what was posted: the doorbell. */
  ring(): void;

  /** One past the last buffer that is finished, as the driver sees it in memory. */
  consumer(): number;

  /** Receive: bytes that the device put into the buffer of this index, and its flags. */
  completedLength(index: number): number;
  completedFlags(index: number): number;
  /** Where that buffer's bytes are now: the posted address, unless the approach flipped the page. */
  completedAddress(index: number): GuestPhysicalAddress;

  /** The driver has seen that buffers up to `consumer` are finished and releases what they were set up with. */
  finish(consumer: number): void;
}

/** A guest's network card, whatever is behind it. One driver works on all of them. */
export interface GuestPort {
  /** Number that instruments know the port by: its NIC context, or the front end's number. */
  readonly context: ContextId;
  readonly mac: number;
  readonly transmit: PortQueue;
  readonly receive: PortQueue;

  /** The handler that runs, on the guest's CPU time, when the device raises an event. */
  onInterrupt(handler: InterruptHandler): void;

  /** Holds interrupts back while the driver polls. */
  maskInterrupts(masked: boolean): void;
}

/** Options with which a guest opens a port. */
export interface PortOptions {
  /** Station address, 48 bits. */
  readonly mac: number;
  /** What the guest is entitled to on the card. */
  readonly share: Share;
  /** Powers of two. */
  readonly transmitSlots: number;
  readonly receiveSlots: number;
  /** Frames must carry the port's own source address. */
  readonly antiSpoofing: boolean;
  readonly promiscuous: boolean;
  /** Traffic class for priority flow control, 0 to 7. @defaultValue 0 */
  readonly trafficClass?: number;
  readonly coalesceFrames?: number;
  readonly coalesceNs?: number;
  /**
   * Where the guest keeps rings and status block in memory of its own, page-aligned and laid out as `ringLayout` says. Its
   * driver writes the descriptors itself; a post then only maps, and says at which address the card finds each buffer.
   * Where the hypervisor keeps the rings there must be none.
   */
  readonly ownRings?: GuestPhysicalAddress;
}
