import {
  addressAfter,
  type BusAddress,
  type HostPhysicalAddress,
  hostPhysicalAddress,
} from '../../nic/addresses.js';
import { VECTOR_RING_HEADER_BYTES } from '../../nic/interrupt-vectors.js';
import { type ContextId, storedContextId } from '../../scheduler/branded.js';
import { COST } from '../cpu/costs.js';
import type { Processor } from '../cpu/processor.js';
import type { PhysicalMemory } from '../memory/physical-memory.js';
import type { CardControl } from './card-control.js';

const RING_LOG2 = 6;
const RING_ENTRIES = 2 ** RING_LOG2;

/**
 * The ring in the hypervisor's memory into which the card writes an interrupt vector before each interrupt: a bit per
 * context that has news, and one more for the card itself (CDNA, HPCA 2007, section 3.2).
 */
export class VectorRing {
  /** Bytes of the ring with its header. */
  readonly bytes: number;
  readonly #memory: PhysicalMemory;
  readonly #processor: Processor;
  readonly #card: CardControl;
  readonly #contexts: number;
  readonly #words: number;
  #base = hostPhysicalAddress(0);
  #consumer = 0;

  /** @param contexts number of contexts of the card */
  constructor(memory: PhysicalMemory, processor: Processor, card: CardControl, contexts: number) {
    this.#memory = memory;
    this.#processor = processor;
    this.#card = card;
    this.#contexts = contexts;
    this.#words = card.vectorBytes / 4;
    this.bytes = VECTOR_RING_HEADER_BYTES + card.vectorBytes * RING_ENTRIES;
  }

  /** Where the ring lies from now on, and how the card must address it. */
  attach(physical: HostPhysicalAddress, bus: BusAddress): void {
    this.#base = physical;
    this.#card.attachVectorRing(bus, RING_LOG2);
  }

  /** Takes every vector that is there, on the CPU time of the account that runs; returns the consumer index. */
  drain(onContext: (context: ContextId) => void, onCard: () => void): number {
    const producer = this.#memory.readU32(this.#base);
    // Where a device reaches this ring that should not, its index may say anything; no more than the slots are there.
    if ((producer - this.#consumer) >>> 0 > RING_ENTRIES) this.#consumer = (producer - RING_ENTRIES) >>> 0;
    for (; this.#consumer !== producer; this.#consumer = (this.#consumer + 1) >>> 0) {
      const slot = this.#consumer & (RING_ENTRIES - 1);
      const vector = addressAfter(this.#base, VECTOR_RING_HEADER_BYTES + slot * this.#words * 4);
      this.#processor.charge(COST.vectorWord, this.#words);
      for (let word = 0; word < this.#words; word += 1) {
        let bits = this.#memory.readU32(addressAfter(vector, word * 4));
        while (bits !== 0) {
          const number = word * 32 + 31 - Math.clz32(bits & -bits);
          bits &= bits - 1;
          if (number < this.#contexts) onContext(storedContextId(number));
          else if (number === this.#contexts) onCard();
        }
      }
    }
    return this.#consumer;
  }
}
