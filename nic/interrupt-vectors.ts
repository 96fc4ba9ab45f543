import { type ContextId, contextAfter, FIRST_CONTEXT, NO_CONTEXT } from '../scheduler/branded.js';
import { InvariantViolation } from '../scheduler/errors.js';
import type { EventKernel, HandlerId } from '../scheduler/event-kernel.js';
import { present } from '../scheduler/present.js';
import { powerOfTwoFrom } from '../scheduler/whole-logarithm.js';
import { type BusAddress, busAddress, requesterId } from './addresses.js';
import type { CardCore } from './card-core.js';
import { writeU32 } from './descriptor.js';
import { DMA_OK, type DmaChannel, type DmaStatus } from './dma-engine.js';
import type { HostPort } from './host-port.js';
import type { NicSubjects } from './streams.js';

/** Bytes before the first entry of a vector ring: the producer index, then nothing. */
export const VECTOR_RING_HEADER_BYTES = 64;

/** Posted writes of one vector: itself, the producer index, and the interrupt's message, in this order. */
const WRITES = 3;

/**
 * Interrupts as CDNA has them: the contexts that were updated since the last physical interrupt gather as
 * bits of a vector; the vector goes by DMA into a ring in hypervisor memory, then its index, then one physical
 * interrupt is raised (Willmann et al., HPCA 2007). A full ring holds the vector back, and bits gather on.
 *
 * The bit after the last context is the NIC's own: faults wait in the management page.
 */
export class InterruptVectors {
  /** Bytes of one vector: one bit per context and one for the NIC, rounded up to a power of two of words. */
  readonly entryBytes: number;
  readonly #kernel: EventKernel;
  readonly #channel: DmaChannel;
  readonly #port: HostPort;
  readonly #subjects: NicSubjects;
  readonly #contexts: number;
  readonly #gapNs: number;
  readonly #wake: HandlerId;
  readonly #bits: Uint8Array;
  readonly #staged: Uint8Array;
  readonly #index = new Uint8Array(4);
  #anyBit = false;
  // Writes of the staged vector that are not over yet.
  #writing = 0;
  #notBeforeNs = 0;
  #base = busAddress(0);
  /** Bytes from `#base` to the ring: 0, but for a base from 2^53 on, of which `#base` is the page. */
  #baseOffset = 0;
  #entries = 0;
  #producer = 0;
  #consumer = 0;
  #raised = 0;
  #waiting = false;

  constructor(core: CardCore, port: HostPort) {
    const { kernel, parameters } = core;
    const { contexts } = parameters;
    this.#kernel = kernel;
    this.#port = port;
    this.#subjects = core.subjects;
    this.#contexts = contexts;
    this.#gapNs = parameters.interruptGapNs;
    this.#wake = kernel.register('nic.interrupts', () => {
      this.#waiting = false;
      this.#send();
    });
    this.#channel = core.dma.open((_, status) => this.#onWritten(status));
    this.#channel.owner = { index: NO_CONTEXT, requesterId: requesterId(parameters.managementRequesterId) };
    this.entryBytes = powerOfTwoFrom(Math.ceil((contexts + 1) / 32) * 4);
    this.#bits = new Uint8Array(this.entryBytes);
    this.#staged = new Uint8Array(this.entryBytes);
  }

  /** Physical interrupts raised since the start. */
  get raised(): number {
    return this.#raised;
  }

  /** Vectors written since the ring was attached; runs freely. */
  get producer(): number {
    return this.#producer;
  }

  get consumer(): number {
    return this.#consumer;
  }

  /**
   * The hypervisor gives a ring of `entries` (a power of two) at `base`; from 2^53 on, `baseOffset` bytes into the page
   * at `base`.
   */
  attach(base: BusAddress, entries: number, baseOffset = 0): void {
    if (this.#writing > 0) {
      // It is on its way to the previous ring, which may not be read any more: tell it again.
      for (let at = 0; at < this.entryBytes; at += 1) {
        this.#bits[at] = present(this.#bits[at]) | present(this.#staged[at]);
      }
      this.#anyBit = true;
    }
    this.#base = base;
    this.#baseOffset = baseOffset;
    this.#entries = entries;
    this.#producer = 0;
    this.#consumer = 0;
    this.#send();
  }

  /** The hypervisor has read vectors up to `consumer`. False if it cannot have. */
  acknowledge(consumer: number): boolean {
    if ((this.#producer - consumer) >>> 0 > (this.#producer - this.#consumer) >>> 0) return false;
    this.#consumer = consumer;
    this.#send();
    return true;
  }

  /** The card itself has something to tell: a fault waits in the management page. */
  requestManagement(): void {
    this.request(this.#contexts);
  }

  /** A context (or, as the bit after the last, the card itself) has something to tell. */
  request(bit: number): void {
    const at = bit >>> 3;
    this.#bits[at] = present(this.#bits[at]) | (1 << (bit & 7));
    this.#anyBit = true;
    this.#send();
  }

  checkInvariants(): void {
    if ((this.#producer - this.#consumer) >>> 0 > this.#entries)
      throw new InvariantViolation('more interrupt vectors than their ring holds');
    if (this.#bits.some((byte) => byte !== 0) !== this.#anyBit)
      throw new InvariantViolation('the gathering interrupt vector is not marked as what it is');
    const full = (this.#producer - this.#consumer) >>> 0 >= this.#entries;
    if (this.#anyBit && this.#writing === 0 && !full && !this.#waiting)
      throw new InvariantViolation('an interrupt vector is ready and is not being sent');
  }

  #send(): void {
    if (this.#writing > 0 || !this.#anyBit) return;
    if ((this.#producer - this.#consumer) >>> 0 >= this.#entries) return;
    if (this.#kernel.nowNs < this.#notBeforeNs) {
      this.#waitForGap();
      return;
    }
    this.#writing = WRITES;
    this.#anyBit = false;
    this.#staged.set(this.#bits);
    this.#bits.fill(0);
    const slot = this.#producer & (this.#entries - 1);
    this.#producer = (this.#producer + 1) >>> 0;
    writeU32(this.#index, 0, this.#producer);
    const channel = this.#channel;
    channel.aim(this.#base, this.#baseOffset + VECTOR_RING_HEADER_BYTES + slot * this.entryBytes);
    channel.length = this.entryBytes;
    channel.buffer = this.#staged;
    channel.write();
    channel.aim(this.#base, this.#baseOffset);
    channel.length = 4;
    channel.buffer = this.#index;
    channel.write();
    channel.message();
  }

  #waitForGap(): void {
    if (this.#waiting) return;
    this.#waiting = true;
    this.#kernel.post(this.#notBeforeNs - this.#kernel.nowNs, this.#wake);
  }

  #onWritten(status: DmaStatus): void {
    if (status !== DMA_OK)
      throw new InvariantViolation('the hypervisor gave the NIC a vector ring that the NIC may not write');
    this.#writing -= 1;
    if (this.#writing > 0) return;
    this.#raised += 1;
    this.#notBeforeNs = this.#kernel.nowNs + this.#gapNs;
    if (this.#subjects.interrupts.observed) this.#tell();
    this.#port.raise();
    this.#send();
  }

  #tell(): void {
    const contexts: ContextId[] = [];
    for (let bit = FIRST_CONTEXT; bit < this.#contexts; bit = contextAfter(bit))
      if (this.#isStaged(bit)) contexts.push(bit);
    const management = this.#isStaged(this.#contexts);
    this.#subjects.interrupts.next({ contexts, management, atNs: this.#kernel.nowNs });
  }

  #isStaged(bit: number): boolean {
    return (present(this.#staged[bit >>> 3]) & (1 << (bit & 7))) !== 0;
  }
}
