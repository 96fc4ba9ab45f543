import { addressAfter, type HostPhysicalAddress } from '../../nic/addresses.js';
import { InvariantViolation } from '../../scheduler/errors.js';
import type { EventKernel, HandlerId } from '../../scheduler/event-kernel.js';
import type { InvalidationSink } from './invalidation-sink.js';
import { pageStart } from './page-arithmetic.js';
import type { QueueTiming } from './queue-timing.js';
import type { Reachable, TableMemory } from './table-walker.js';

/** Bytes of a VT-d invalidation descriptor and of an AMD-Vi command. */
export const RING_ENTRY_BYTES = 16;

/** Returned by `perform` for an entry that cannot be carried out. */
export const ILLEGAL = -1;

/** Why a ring stopped: a pointer beyond it, an entry that cannot be read, or one that cannot be carried out. */
export type RingError = 'pointer' | 'unreadable' | 'illegal';

/** The interface through which a ring uses its unit, for either vendor. */
export interface RingParts {
  readonly memory: TableMemory;
  readonly reachable: Reachable;
  readonly sink: InvalidationSink;
  readonly kernel: EventKernel;
  readonly timing: QueueTiming;
}

/**
 * The hardware side of a ring of 16-byte entries in memory, taken one after another: the part that VT-d's
 * invalidation queue and AMD-Vi's command buffer have in common. An entry is fetched, carried out and given the time
 * that it takes; then the head moves past it. Where head and tail are kept, what an entry means and how an error is
 * reported is the vendor's.
 */
export abstract class CommandRing {
  protected readonly memory: TableMemory;
  protected readonly reachable: Reachable;
  protected readonly sink: InvalidationSink;
  protected readonly timing: QueueTiming;
  readonly #kernel: EventKernel;
  readonly #onFetched: HandlerId;
  readonly #onDone: HandlerId;
  #busy = false;
  /** Incremented when an entry is abandoned: a pending event that carries an older number is ignored. */
  #epoch = 0;
  #processed = 0;

  /** @param name of the ring's events in the kernel */
  constructor(parts: RingParts, name: string) {
    const { memory, reachable, sink, kernel, timing } = parts;
    this.memory = memory;
    this.reachable = reachable;
    this.sink = sink;
    this.timing = timing;
    this.#kernel = kernel;
    this.#onFetched = kernel.register(name, (epoch) => {
      if (epoch === this.#epoch) this.#carryOut();
    });
    this.#onDone = kernel.register(name, (epoch) => {
      if (epoch === this.#epoch) this.#complete();
    });
  }

  /** Entries that have been carried out. */
  get processed(): number {
    return this.#processed;
  }

  /** True while an entry is under way. */
  get busy(): boolean {
    return this.#busy;
  }

  /** Whether the unit takes entries: it is switched on and no error has stopped it. */
  abstract get running(): boolean;

  /** Goes on if there is something to do. Called when software has moved the tail or cleared an error. */
  kick(): void {
    if (!this.running || this.#busy || this.head === this.tail) return;
    // Pointers beyond the ring would never meet.
    if (Math.max(this.head, this.tail) >= this.bytes) {
      this.#stop('pointer', addressAfter(this.base, this.tail));
      return;
    }
    this.#busy = true;
    this.#kernel.post(this.timing.descriptorFetchNs, this.#onFetched, this.#epoch);
  }

  checkInvariants(): void {
    if (this.head % RING_ENTRY_BYTES !== 0) throw new InvariantViolation(`ring head is ${this.head}`);
    if (this.#busy && !this.running)
      throw new InvariantViolation('an entry is carried out although the ring has stopped');
  }

  /** Physical address and size of the ring, bytes. */
  protected abstract get base(): HostPhysicalAddress;
  protected abstract get bytes(): number;
  /** Offsets of the next entry to take and of the one after the last, bytes. */
  protected abstract get head(): number;
  protected abstract set head(offset: number);
  protected abstract get tail(): number;
  /** Carries out one entry. Returns the ns that it takes, Infinity if it never ends, or ILLEGAL. */
  protected abstract perform(word0: number, word1: number, word2: number, word3: number): number;
  /** Completes an entry when its time has passed. False if the ring stops at it. */
  protected abstract finish(): boolean;
  /** Reports an error, after which `running` is false. */
  protected abstract report(error: RingError, at: HostPhysicalAddress): void;

  /** The entry under way is abandoned. */
  protected abandon(): void {
    if (!this.#busy) return;
    this.#epoch += 1;
    this.#busy = false;
  }

  #carryOut(): void {
    // AMD-Vi's head and length are software's to write, at any time.
    if (this.head >= this.bytes) {
      this.#stop('pointer', addressAfter(this.base, this.head));
      return;
    }
    const at = addressAfter(this.base, this.head);
    if (!this.reachable(pageStart(at, 12))) {
      this.#stop('unreadable', at);
      return;
    }
    const { memory } = this;
    const costNs = this.perform(
      memory.readU32(at),
      memory.readU32(addressAfter(at, 4)),
      memory.readU32(addressAfter(at, 8)),
      memory.readU32(addressAfter(at, 12)),
    );
    if (costNs < 0) this.#stop('illegal', at);
    else if (Number.isFinite(costNs)) this.#kernel.post(costNs, this.#onDone, this.#epoch);
  }

  #complete(): void {
    if (!this.finish()) {
      this.#busy = false;
      return;
    }
    const next = this.head + RING_ENTRY_BYTES;
    this.head = next === this.bytes ? 0 : next;
    this.#processed += 1;
    this.#busy = false;
    this.kick();
  }

  #stop(error: RingError, at: HostPhysicalAddress): void {
    this.#busy = false;
    this.report(error, at);
  }
}
