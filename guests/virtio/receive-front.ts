import type { GuestPort, PortQueue } from '../../host/protection/guest-port.js';
import type { GuestPhysicalAddress } from '../../nic/addresses.js';
import { FLAG_END_OF_PACKET, MAX_BUFFER_BYTES, MAX_FRAME_BYTES } from '../../nic/descriptor.js';
import { present } from '../../scheduler/present.js';
import type { FrontCounters } from './front-counters.js';
import type { GuestMemory } from './guest-memory.js';
import { QueueFront } from './queue-front.js';
import { NET_HEADER_BYTES, NUM_BUFFERS_OFFSET } from './virtio-registers.js';
import type { Virtqueue } from './virtqueue.js';
import { writeU16 } from './words.js';

/**
 * From a port to a receive virtqueue. The card writes a frame behind the space for its header; the header follows when
 * the frame is complete. A frame that takes more than one buffer is put together anew, since the later buffers of a frame
 * have no header (VIRTIO 1.2, 5.1.6.4), which the card could not know when it filled them.
 */
export class ReceiveFront extends QueueFront {
  protected readonly direction = 'receive';
  readonly #memory: GuestMemory;
  readonly #header = new Uint8Array(NET_HEADER_BYTES);
  #scratch = new Uint8Array(0);
  // Per slot of the port: the chain. Where its buffer lies is kept as the driver made it, header included.
  #heads = new Uint16Array(0);
  // The same per head, from the time that a chain is taken.
  readonly #addressOfHead: Float64Array;
  readonly #lengthOfHead: Uint32Array;
  // Buffers that a spread frame did not need after all: handed over again before any other.
  readonly #spare: number[] = [];

  readonly #accepted = (index: number, head: number) => {
    const slot = index & (this.#heads.length - 1);
    this.#heads[slot] = head;
    this.origins[slot] = present(this.#addressOfHead[head]);
    this.lengths[slot] = present(this.#lengthOfHead[head]);
    this.counters.buffersPosted += 1;
  };
  readonly #refused = (head: number) => {
    this.counters.buffersRefused += 1;
    this.queue.giveBack(head, 0);
  };

  constructor(
    queue: Virtqueue,
    memory: GuestMemory,
    counters: FrontCounters,
    addressOf: (address: number, bytes: number) => GuestPhysicalAddress,
  ) {
    super(queue, counters, addressOf);
    this.#memory = memory;
    this.#addressOfHead = new Float64Array(queue.size);
    this.#lengthOfHead = new Uint32Array(queue.size);
  }

  open(port: GuestPort): void {
    this.#spare.length = 0;
    this.resume(port);
  }

  /** Another port, after a pause. */
  resume(port: GuestPort): void {
    this.attach(port.receive);
    this.#heads = new Uint16Array(port.receive.slots);
  }

  override close(): void {
    super.close();
    this.#spare.length = 0;
  }

  /** The port is about to be given back, and another one will be opened: what is out is handed over anew there. */
  pause(): void {
    const { port } = this;
    if (port === undefined) return;
    const out: number[] = [];
    for (let index = this.finished; index !== port.producer; index = (index + 1) >>> 0)
      out.push(present(this.#heads[index & (port.slots - 1)]));
    this.#spare.unshift(...out);
    super.close();
  }

  /** Hands over the buffers that the driver has made available, as far as the port has space. */
  post(): void {
    const port = this.port;
    if (port === undefined) return;
    const before = port.producer;
    do {
      let space = port.slots - this.outstanding;
      while (space > 0) {
        const head = this.#spare.length > 0 ? this.#spare.shift() : this.#takeBuffer();
        if (head === undefined) break;
        if (this.pending.freeSlots === 0 && !this.#handOver(port)) break;
        const address = present(this.#addressOfHead[head]);
        const length = Math.min(present(this.#lengthOfHead[head]) - NET_HEADER_BYTES, MAX_BUFFER_BYTES);
        const origin = address + NET_HEADER_BYTES;
        this.pending.add(this.addressOf(origin, length), length, 0, head, origin);
        space -= 1;
      }
      if (this.pending.count > 0 && !this.#handOver(port)) break;
      if (space === 0) break;
    } while (this.queue.askForNotification());
    if (port.producer !== before) port.ring();
  }

  /** Gives received frames to the driver. */
  reap(): void {
    const port = this.port;
    if (port === undefined) return;
    const consumer = this.newlyDone(port);
    if (consumer === undefined) return;
    let end = this.finished;
    for (let index = end; index !== consumer; index = (index + 1) >>> 0) {
      if ((port.completedFlags(index) & FLAG_END_OF_PACKET) !== 0) end = (index + 1) >>> 0;
    }
    if (end === this.finished) return;
    // The device gives buffers up before the CPU looks at them (unmapped, copied out), as in any DMA interface.
    port.finish(end);
    for (let index = this.finished; index !== end && this.queue.fault === undefined; ) {
      index = this.#deliver(port, index);
    }
    this.finished = end;
  }

  /** The next buffer of the virtqueue by its head; undefined when there is none, or a fault. */
  #takeBuffer(): number | undefined {
    const queue = this.queue;
    if (queue.waiting() === 0 || !queue.take()) return undefined;
    const { chain } = queue;
    const address = present(chain.addresses[0]);
    let length = present(chain.lengths[0]);
    for (let at = 1; at < chain.count; at += 1) {
      // A card's descriptor is one piece; where the pieces follow each other they are one.
      if (chain.addresses[at] !== address + length) {
        queue.fail('scattered-receive-buffer');
        return undefined;
      }
      length += present(chain.lengths[at]);
    }
    if (length <= NET_HEADER_BYTES) {
      queue.fail('no-room-for-header');
      return undefined;
    }
    this.#addressOfHead[chain.head] = address;
    this.#lengthOfHead[chain.head] = length;
    return chain.head;
  }

  #handOver(port: PortQueue): boolean {
    const outcome = this.pending.handOver(port, false, this.#accepted, this.#refused);
    return outcome === 'done' || this.queue.fail('context-stopped');
  }

  /** Gives the frame that begins at `first` to the driver. Returns the index behind it. */
  #deliver(port: PortQueue, first: number): number {
    const mask = port.slots - 1;
    let end = first;
    while ((port.completedFlags(end) & FLAG_END_OF_PACKET) === 0) end = (end + 1) >>> 0;
    end = (end + 1) >>> 0;
    const buffers = (end - first) >>> 0;
    if (buffers > 1) this.#deliverSpread(port, first, buffers);
    else {
      const slot = first & mask;
      writeU16(this.#header, NUM_BUFFERS_OFFSET, 1);
      if (this.#memory.write(present(this.origins[slot]), NET_HEADER_BYTES, this.#header, 0))
        this.queue.giveBack(present(this.#heads[slot]), port.completedLength(first) + NET_HEADER_BYTES);
      else this.queue.fail('ring-not-in-memory');
    }
    this.counters.framesReceived += 1;
    return end;
  }

  /** A frame of several buffers: read out, and written so that each but the last is full to its end. */
  #deliverSpread(port: PortQueue, first: number, buffers: number): void {
    const mask = port.slots - 1;
    if (this.#scratch.length === 0)
      this.#scratch = new Uint8Array(NET_HEADER_BYTES + MAX_FRAME_BYTES + MAX_BUFFER_BYTES);
    const scratch = this.#scratch;
    let bytes = NET_HEADER_BYTES;
    for (let step = 0; step < buffers; step += 1) {
      const index = (first + step) >>> 0;
      const length = port.completedLength(index);
      const address = present(this.origins[index & mask]) + NET_HEADER_BYTES;
      if (bytes + length > scratch.length || !this.#memory.read(address, length, scratch, bytes)) {
        this.queue.fail('ring-not-in-memory');
        return;
      }
      bytes += length;
    }
    let used = 0;
    for (let at = 0; at < bytes; used += 1) at += present(this.lengths[(first + used) & mask]);
    scratch.fill(0, 0, NET_HEADER_BYTES);
    writeU16(scratch, NUM_BUFFERS_OFFSET, used);
    for (let step = 0, at = 0; step < buffers; step += 1) {
      const slot = (first + step) & mask;
      const head = present(this.#heads[slot]);
      if (step >= used) {
        this.#spare.push(head);
        continue;
      }
      const piece = Math.min(present(this.lengths[slot]), bytes - at);
      if (!this.#memory.write(present(this.origins[slot]), piece, scratch, at)) {
        this.queue.fail('ring-not-in-memory');
        return;
      }
      this.queue.giveBack(head, piece);
      at += piece;
    }
    this.counters.framesSpread += 1;
  }
}
