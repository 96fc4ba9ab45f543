import { merge, type Subscription } from 'rxjs';
import type { Host } from '../../host/host.js';
import { HYPERVISOR } from '../../host/hypervisor/hypervisor.js';
import { PAGE_BYTES } from '../../host/memory/physical-memory.js';
import type { ContextQueue } from '../../host/protection/context-queue.js';
import { pageNumber } from '../../nic/addresses.js';
import { DESCRIPTOR_BYTES, FLAG_END_OF_PACKET, LENGTH_AND_FLAGS_OFFSET } from '../../nic/descriptor.js';
import { MAILBOX } from '../../nic/registers.js';
import type { ContextId } from '../../scheduler/branded.js';
import { type AccessWalk, accessSteps } from './access-steps.js';
import type { ShownGuest } from './columns.js';
import { hex, requester } from './notation.js';
import { driverOf, isContextQueue, slotAddress } from './probes.js';
import { wordsOf } from './words.js';

/** Where on the machine a step of a frame happens: the part of the picture that is lit. */
export type Station =
  | 'guest'
  | 'set-up-gate'
  | 'memory'
  | 'access-gate'
  | 'context'
  | 'scheduler'
  | 'wire'
  | 'hypervisor';

/** One step in the life of a frame. */
export interface FrameStep {
  readonly atNs: number;
  readonly station: Station;
  readonly title: string;
  /** Facts, one a line. */
  readonly facts: readonly string[];
  /** Page that is touched, or -1. */
  readonly page: number;
  /** How the access gate came to its answer, where it was asked. */
  readonly walk?: AccessWalk;
}

/** A frame that is followed, from the buffer to the interrupt. */
export interface FrameStory {
  readonly guest: string;
  readonly column: number;
  readonly context: ContextId;
  readonly index: number;
  readonly bytes: number;
  readonly finished: boolean;
  readonly steps: readonly FrameStep[];
}

/** Accesses that are told one by one: a frame in many buffers makes many, and the end of its story is told all the same. */
const MOST_ACCESSES = 60;

/** Whether index `one` is `other` or comes after it: indices run freely modulo 2^32. */
function isAtOrAfter(one: number, other: number): boolean {
  return (one - other) >>> 0 < 2 ** 31;
}

/**
 * Follows the next frame that a guest sends: its descriptor, the parts that read it, what is read from where, how the access
 * gate answers, the grant, the wire, the completion and the interrupt. It subscribes to taps and reads memory; the run is the same
 * with and without it.
 */
export class FrameFollower {
  readonly #host: Host;
  readonly #guest: ShownGuest;
  readonly #name: string;
  readonly #steps: FrameStep[] = [];
  readonly #subscriptions: Subscription[] = [];
  #index = -1;
  #last = -1;
  #bytes = 0;
  #walks: number;
  #finished = false;
  #accesses = 0;
  #rung = false;
  #fetched = false;
  #granted = false;
  #left = false;
  /** The last write of the status block, told once it is known to carry our completion. */
  #statusWrite:
    | { readonly facts: readonly string[]; readonly page: number; readonly walk: AccessWalk }
    | undefined;
  #writtenBack = false;

  constructor(host: Host, guest: ShownGuest) {
    this.#host = host;
    this.#guest = guest;
    this.#name = guest.domain.name;
    this.#walks = this.#walkCount();
    const { hypervisor, nic, bus } = host;
    const { context } = guest.port;
    this.#subscriptions.push(
      hypervisor.setUps$.subscribe((event) => {
        if (event.context === context && event.direction === 'transmit') this.#onSetUp(event.count);
      }),
      nic.streams.doorbells$.subscribe(({ context: rung, mailbox, value }) => {
        if (rung === context && mailbox === MAILBOX.TX_PRODUCER && this.#waits()) this.#onDoorbell(value);
      }),
      bus.accesses$.subscribe(({ requesterId, address, physical, length, write, gateNs }) => {
        if (requesterId === nic.contexts[context]?.requesterId)
          this.#onAccess(requesterId, address, physical, length, write, gateNs);
      }),
      bus.denied$.subscribe(({ requesterId, address, length, write }) => {
        if (requesterId === nic.contexts[context]?.requesterId && this.#waits())
          this.#onDenied(requesterId, address, length, write);
      }),
      nic.streams.descriptors$.subscribe(({ context: of, direction, index, count, state }) => {
        if (of === context && direction === 'transmit' && this.#covers(index, count)) this.#onState(state);
      }),
      merge(nic.grants$, nic.innerGrants$).subscribe(({ context: granted, bytes, reason, creditBytes }) => {
        if (granted === context && this.#isNext()) this.#onGrant(bytes, reason, creditBytes);
      }),
      nic.streams.lentFrames$.subscribe(({ direction, context: of, startNs, endNs, length, switched }) => {
        if (of === context && direction === 'transmit' && this.#isLeaving())
          this.#onSent(startNs, endNs, length, switched);
      }),
      nic.streams.drops$.subscribe(({ direction, context: of, reason }) => {
        if (of === context && direction === 'transmit' && this.#isLeaving()) this.#onDropped(reason);
      }),
      nic.streams.completions$.subscribe(({ context: of, transmitConsumer }) => {
        if (of === context && this.#left && !this.#writtenBack) this.#onWrittenBack(transmitConsumer);
      }),
      nic.streams.interrupts$.subscribe(({ contexts }) => {
        if (this.#writtenBack && contexts.includes(context)) this.#onInterrupt(contexts);
      }),
      nic.streams.faults$.subscribe(({ context: stopped, reason, detail }) => {
        if (stopped !== context || !this.#waits()) return;
        this.#add('context', `The card stops the context: ${reason}`, [`value ${hex(detail)}`]);
        this.#end();
      }),
    );
  }

  get story(): FrameStory {
    return {
      guest: this.#name,
      column: this.#guest.domain.id,
      context: this.#guest.port.context,
      index: this.#index,
      bytes: this.#bytes,
      finished: this.#finished,
      steps: this.#steps,
    };
  }

  close(): void {
    for (const subscription of this.#subscriptions.splice(0)) subscription.unsubscribe();
  }

  #end(): void {
    this.#finished = true;
    this.close();
  }

  /** A frame has been chosen and is not at its end. */
  #waits(): boolean {
    return this.#index >= 0 && !this.#finished;
  }

  #covers(index: number, count: number): boolean {
    return this.#waits() && (this.#index - index) >>> 0 < count;
  }

  /** The scheduler takes frames of a context in order: ours is next when the ring has taken all before it. */
  #isNext(): boolean {
    return (
      this.#waits() &&
      !this.#granted &&
      this.#host.nic.contexts[this.#guest.port.context]?.transmit.taken === this.#index
    );
  }

  /**
   * Frames of a context leave in the order of their grants, and the card's consumer index moves on behind each: ours
   * leaves when the index has reached it. Those that were in the FIFO before the frame was chosen are counted as well.
   */
  #isLeaving(): boolean {
    return (
      this.#granted &&
      !this.#left &&
      this.#host.nic.contexts[this.#guest.port.context]?.transmit.consumer === this.#index
    );
  }

  #queue(): ContextQueue | undefined {
    const { transmit } = this.#guest.port;
    return isContextQueue(transmit) ? transmit : undefined;
  }

  #walkCount(): number {
    return driverOf(this.#host)?.counters().walks ?? 0;
  }

  #add(
    station: Station,
    title: string,
    facts: readonly string[],
    more: { page?: number; walk?: AccessWalk } = {},
  ): void {
    const { page = -1, walk } = more;
    const atNs = this.#host.kernel.nowNs;
    this.#steps.push({ atNs, station, title, facts, page, ...(walk === undefined ? {} : { walk }) });
  }

  /** An access that the gate was asked about: those beyond the first ones are counted and told together. */
  #addAccess(title: string, facts: readonly string[], page: number, walk: AccessWalk): void {
    this.#accesses += 1;
    if (this.#accesses <= MOST_ACCESSES) {
      this.#add('access-gate', title, facts, { page, walk });
      return;
    }
    const more = this.#accesses - MOST_ACCESSES;
    const index = this.#steps.findLastIndex(({ station }) => station === 'access-gate');
    if (more > 1) this.#steps.splice(index, 1);
    this.#add(
      'access-gate',
      `${more} more ${more === 1 ? 'access' : 'accesses'} of the card`,
      [`the last: ${title}`, ...facts],
      {
        page,
        walk,
      },
    );
  }

  #onSetUp(count: number): void {
    const queue = this.#queue();
    if (this.#index >= 0 || queue === undefined) return;
    // The event comes when the descriptors are in the ring: the first of the batch begins a frame.
    this.#index = (queue.producer - count) >>> 0;
    const { pages, hypervisor } = this.#host;
    const memory = wordsOf(this.#host);
    let last = this.#index;
    for (let step = 0; step < count; step += 1) {
      last = (this.#index + step) >>> 0;
      this.#bytes += queue.postedLength(last);
      const flags = memory.readU32(slotAddress(queue, last) + LENGTH_AND_FLAGS_OFFSET) >>> 16;
      if ((flags & FLAG_END_OF_PACKET) !== 0) break;
    }
    this.#last = last;
    const address: number = queue.postedAddress(this.#index);
    const bus: number = queue.postedBusAddress(this.#index);
    const length = queue.postedLength(this.#index);
    const page = Math.floor(address / PAGE_BYTES);
    this.#add(
      'guest',
      `${this.#name} has a frame of ${this.#bytes} bytes to send`,
      [
        `its driver wrote the bytes to ${hex(address)}, ${length} bytes in the first buffer`,
        `page ${page} belongs to ${hypervisor.domains[pages.owner(pageNumber(page))]?.name ?? 'no domain'}`,
      ],
      { page },
    );
    const pins = pages.count(pageNumber(page));
    const byHypervisor = pages.owner(pageNumber(Math.floor(queue.ringAddress / PAGE_BYTES))) === HYPERVISOR;
    this.#add(
      'set-up-gate',
      'The set-up gate lets the buffer pass',
      [
        byHypervisor
          ? 'the hypervisor looked up the owner of every page of the buffer, and writes the descriptor itself'
          : 'the guest writes the descriptor itself',
        pins > 0
          ? `page ${page} is pinned ${pins} ${pins === 1 ? 'time' : 'times'}: it has no next owner while the card may use it`
          : `page ${page} is not pinned`,
        bus === address
          ? 'the card will use the physical address'
          : `the card will use the I/O virtual address ${hex(bus)}`,
      ],
      { page },
    );
    const at = slotAddress(queue, this.#index);
    this.#add(
      'memory',
      `Descriptor ${this.#index} is in the ring`,
      [
        `slot ${this.#index & (queue.slots - 1)} at ${hex(at)}: address ${hex(bus)}, length ${length}, sequence ${memory.readU32(at + 12)}`,
      ],
      { page: Math.floor(at / PAGE_BYTES) },
    );
  }

  /** The doorbell that hands our descriptors over; those before and after it are about others. */
  #onDoorbell(value: number): void {
    if (this.#rung || !isAtOrAfter((value - 1) >>> 0, this.#last)) return;
    this.#rung = true;
    this.#add('context', 'The doorbell rings', [
      `TX_PRODUCER = ${value}: descriptors up to ${(value - 1) >>> 0} are the card's`,
      'the page of the context is mapped by this guest alone, so the MMU is all that is asked',
    ]);
  }

  #onAccess(
    id: number,
    address: number,
    physical: number,
    length: number,
    write: boolean,
    gateNs: number,
  ): void {
    const walks = this.#walkCount();
    const walked = walks > this.#walks;
    this.#walks = walks;
    const queue = this.#queue();
    if (!this.#waits() || queue === undefined) return;
    const slot = slotAddress(queue, this.#index);
    const page = Math.floor(physical / PAGE_BYTES);
    const via = this.#viaGate(address, physical, walked, gateNs);
    const walk = accessSteps(this.#host, id, address, write);
    if (!write && !this.#fetched && physical <= slot && physical + length > slot) {
      const count = length / DESCRIPTOR_BYTES;
      const title = `The card reads ${count} ${count === 1 ? 'descriptor, ours' : 'descriptors, ours among them'}`;
      this.#addAccess(title, via, page, walk);
      return;
    }
    // After our frame has left, its slots and its buffers belong to frames that come later.
    if (!write && !this.#left && this.#bufferWith(queue, address, length) >= 0) {
      this.#addAccess(`The card reads ${length} bytes of the frame`, via, page, walk);
      return;
    }
    if (write && address === this.#host.nic.contexts[this.#guest.port.context]?.statusAddress)
      this.#statusWrite = { facts: [`${length} bytes at ${hex(physical)}`, ...via], page, walk };
  }

  /** The card writes one status block per context at a time, so the last one written is the one that is complete. */
  #onWrittenBack(transmitConsumer: number): void {
    if (!isAtOrAfter((transmitConsumer - 1) >>> 0, this.#last)) return;
    this.#writtenBack = true;
    const { facts = [], page = -1, walk } = this.#statusWrite ?? {};
    this.#add(
      'memory',
      'The consumer index is written back',
      [`transmit consumer ${transmitConsumer}: the descriptors before it are finished`, ...facts],
      { page, ...(walk === undefined ? {} : { walk }) },
    );
  }

  #viaGate(address: number, physical: number, walked: boolean, gateNs: number): string[] {
    const where =
      address === physical ? `at ${hex(physical)}` : `at ${hex(address)}, translated to ${hex(physical)}`;
    if (driverOf(this.#host) === undefined)
      return [where, gateNs > 0 ? `the gate took ${gateNs} ns` : 'the gate takes no time'];
    return [
      where,
      walked ? `not in the IOTLB: the walk took ${gateNs} ns` : `found in the IOTLB, ${gateNs} ns`,
    ];
  }

  /** Index of our buffer that an access lies in, or -1. */
  #bufferWith(queue: ContextQueue, address: number, length: number): number {
    for (let index = this.#index; ; index = (index + 1) >>> 0) {
      const start = queue.postedBusAddress(index);
      if (address >= start && address + length <= start + queue.postedLength(index)) return index;
      if (index === this.#last) return -1;
    }
  }

  #onDenied(id: number, address: number, length: number, write: boolean): void {
    const what = `${write ? 'write' : 'read'} of ${length} bytes at ${hex(address)} by ${requester(id)}`;
    this.#addAccess(
      'The access gate denies the access',
      [`${what}; no byte moves`],
      Math.floor(address / PAGE_BYTES),
      accessSteps(this.#host, id, address, write),
    );
  }

  #onState(state: string): void {
    const context = this.#host.nic.contexts[this.#guest.port.context];
    if (state === 'fetched') {
      this.#fetched = true;
      const sequence = context?.transmit.sequence(this.#index) ?? 0;
      this.#add('context', 'The descriptor is on the card', [
        context?.sequenceChecking === true
          ? `sequence ${sequence} is the one that comes next, so the hypervisor wrote it for this slot now`
          : 'the card does not check sequence numbers under this approach',
      ]);
    }
    if (state === 'buffered')
      this.#add('context', 'The frame is whole in the FIFO', [
        'it goes to the wire in the order of the grants',
      ]);
    if (state === 'faulted' || state === 'discarded') {
      this.#add('context', `The descriptor is ${state}`, ['its frame will not be sent']);
      this.#end();
    }
  }

  #onGrant(bytes: number, reason: string, creditBytes: number): void {
    this.#granted = true;
    const waiting = this.#host.nic.transmitScheduler.backlogged;
    this.#add('scheduler', `${reason} chooses this context`, [
      `${bytes} bytes are granted, ${creditBytes} bytes of the FIFO remain`,
      `${waiting} ${waiting === 1 ? 'context has' : 'contexts have'} frames waiting`,
    ]);
  }

  #onSent(startNs: number, endNs: number, length: number, switched: boolean): void {
    this.#left = true;
    this.#add('wire', switched ? 'The frame goes to another context' : 'The frame is on the wire', [
      `${length} bytes, first bit at ${startNs} ns, last at ${endNs} ns`,
    ]);
  }

  #onDropped(reason: string): void {
    this.#left = true;
    this.#add('wire', `The frame is dropped: ${reason}`, ['no bit of it leaves the card']);
  }

  #onInterrupt(contexts: readonly number[]): void {
    this.#add('hypervisor', 'The card interrupts the hypervisor', [
      `one interrupt, one vector, with the bits of ${contexts.length === 1 ? 'context' : 'contexts'} ${contexts.join(', ')}`,
      `the hypervisor sends ${this.#name} a virtual interrupt, and its driver takes the buffer back`,
    ]);
    this.#end();
  }
}
