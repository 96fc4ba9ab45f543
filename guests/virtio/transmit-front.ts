import type { GuestPort, PortQueue } from '../../host/protection/guest-port.js';
import type { GuestPhysicalAddress } from '../../nic/addresses.js';
import { FLAG_END_OF_PACKET, MAX_BUFFER_BYTES } from '../../nic/descriptor.js';
import { present } from '../../scheduler/present.js';
import type { FrontCounters } from './front-counters.js';
import { QueueFront } from './queue-front.js';
import { NET_HEADER_BYTES } from './virtio-registers.js';
import type { Virtqueue } from './virtqueue.js';

/** Frames of one round, at most; then others get the core. */
const ROUND_FRAMES = 256;
/** The slot holds a buffer that is not the last of its frame. */
const NOT_LAST = -1;

/**
 * From a transmit virtqueue to a port: each chain is a frame behind a header that the card has no use for. The chain's
 * addresses go to the port as the driver wrote them; whether the guest may use them is the port's question.
 */
export class TransmitFront extends QueueFront {
  protected readonly direction = 'transmit';
  readonly #nowNs: () => number;
  // Slot of the port: the head of the chain whose last buffer is there.
  #heads = new Int32Array(0);
  // and when the frame was handed over, ns.
  #postedNs = new Float64Array(0);
  // Chains that were out when the device was paused: handed over again before any other.
  readonly #again: number[] = [];
  // The chain in `queue.chain` was taken and is not handed over: the port had no space.
  #held = false;

  readonly #accepted = (index: number, head: number, flags: number, origin: number, length: number) => {
    const last = (flags & FLAG_END_OF_PACKET) !== 0;
    const slot = index & (this.#heads.length - 1);
    this.#heads[slot] = last ? head : NOT_LAST;
    this.origins[slot] = origin;
    this.lengths[slot] = length;
    if (!last) return;
    this.#postedNs[slot] = this.#nowNs();
    this.counters.framesPosted += 1;
  };
  readonly #refused = (head: number) => {
    this.counters.framesRefused += 1;
    this.queue.giveBack(head, 0);
  };

  constructor(
    queue: Virtqueue,
    counters: FrontCounters,
    addressOf: (address: number, bytes: number) => GuestPhysicalAddress,
    nowNs: () => number,
  ) {
    super(queue, counters, addressOf);
    this.#nowNs = nowNs;
  }

  open(port: GuestPort): void {
    this.#held = false;
    this.#again.length = 0;
    this.resume(port);
  }

  /** Another port, after a pause. */
  resume(port: GuestPort): void {
    this.attach(port.transmit);
    this.#heads = new Int32Array(port.transmit.slots).fill(NOT_LAST);
    this.#postedNs = new Float64Array(port.transmit.slots);
  }

  override close(): void {
    super.close();
    this.#held = false;
    this.#again.length = 0;
  }

  /**
   * The port is about to be given back, and another one will be opened: frames that are not reported as sent are sent anew
   * there. One that has left already, and was not reported yet, leaves twice.
   */
  pause(): void {
    const { port } = this;
    if (port === undefined) return;
    const out: number[] = [];
    for (let index = this.finished; index !== port.producer; index = (index + 1) >>> 0) {
      const head = this.#heads[index & (port.slots - 1)] ?? NOT_LAST;
      if (head !== NOT_LAST) out.push(head);
    }
    if (this.#held) out.push(this.queue.chain.head);
    this.#held = false;
    this.#again.unshift(...out);
    super.close();
  }

  /** When the frame whose last buffer has this index of the port was handed over, ns. */
  postedNs(index: number): number {
    return present(this.#postedNs[index & (this.#postedNs.length - 1)]);
  }

  /** Hands over what the driver has made available. True when more waits than one round takes. */
  post(): boolean {
    const port = this.port;
    const queue = this.queue;
    if (port === undefined) return false;
    let frames = 0;
    do {
      frames += this.#takeFrames(port, ROUND_FRAMES - frames);
      if (this.pending.count > 0 && !this.#handOver(port)) break;
      // A chain that is held for want of space goes on when the card reports what it has sent: no notification is needed.
    } while (!this.#held && frames < ROUND_FRAMES && queue.askForNotification());
    if (frames > 0) port.ring();
    return frames === ROUND_FRAMES && queue.fault === undefined;
  }

  /** Gives back the chains of frames that the card has sent. */
  reap(): void {
    const port = this.port;
    if (port === undefined) return;
    const consumer = this.newlyDone(port);
    if (consumer === undefined) return;
    port.finish(consumer);
    for (let index = this.finished; index !== consumer; index = (index + 1) >>> 0) {
      const head = this.#heads[index & (port.slots - 1)] ?? NOT_LAST;
      if (head === NOT_LAST) continue;
      this.queue.giveBack(head, 0);
      this.counters.framesSent += 1;
    }
    this.finished = consumer;
  }

  /** Takes up to `most` frames from the virtqueue; returns how many. Stops at the first that the port has no space for. */
  #takeFrames(port: PortQueue, most: number): number {
    const queue = this.queue;
    for (let frames = 0; frames < most; frames += 1) {
      if (!this.#held) {
        if (!this.#takeNext()) return frames;
        this.#held = true;
      }
      const buffers = this.#buffersOfChain();
      // A frame that no ring holds would wait for ever.
      if (buffers > Math.min(port.slots, this.pending.capacity)) queue.fail('chain-too-long');
      if (queue.fault !== undefined) return frames;
      if (buffers > port.slots - this.outstanding - this.pending.count) return frames;
      if (buffers > this.pending.freeSlots && !this.#handOver(port)) return frames;
      this.#addChain();
      this.#held = false;
    }
    return most;
  }

  /** Reads the next chain: of those that were out before a pause, else of the virtqueue. */
  #takeNext(): boolean {
    const head = this.#again.shift();
    if (head !== undefined) return this.queue.takeAgain(head);
    return this.queue.waiting() > 0 && this.queue.take();
  }

  /** Port buffers that the chain needs; leaves a fault when it is no frame. */
  #buffersOfChain(): number {
    const { chain } = this.queue;
    if (chain.bytes <= NET_HEADER_BYTES) {
      this.queue.fail('no-room-for-header');
      return 0;
    }
    let buffers = 0;
    let header = NET_HEADER_BYTES;
    for (let at = 0; at < chain.count; at += 1) {
      const length = present(chain.lengths[at]);
      const skipped = Math.min(header, length);
      header -= skipped;
      buffers += Math.ceil((length - skipped) / MAX_BUFFER_BYTES);
    }
    return buffers;
  }

  #addChain(): void {
    const { chain } = this.queue;
    let header = NET_HEADER_BYTES;
    let left = chain.bytes - NET_HEADER_BYTES;
    for (let at = 0; at < chain.count; at += 1) {
      const skipped = Math.min(header, present(chain.lengths[at]));
      header -= skipped;
      let address = present(chain.addresses[at]) + skipped;
      for (let rest = present(chain.lengths[at]) - skipped; rest > 0; ) {
        const piece = Math.min(rest, MAX_BUFFER_BYTES);
        rest -= piece;
        left -= piece;
        const flags = left === 0 ? FLAG_END_OF_PACKET : 0;
        this.pending.add(this.addressOf(address, piece), piece, flags, chain.head, address);
        address += piece;
      }
    }
  }

  #handOver(port: PortQueue): boolean {
    const outcome = this.pending.handOver(port, true, this.#accepted, this.#refused);
    if (outcome === 'lost') return this.queue.fail('context-stopped');
    if (outcome === 'cut') return this.queue.fail('frame-cut-by-refusal');
    return true;
  }
}
