import { InvariantViolation } from '../../../scheduler/errors.js';
import type { EventKernel, HandlerId } from '../../../scheduler/event-kernel.js';
import type { InvalidationSink } from '../invalidation-sink.js';
import { pageSize, pageStart } from '../page-arithmetic.js';
import type { QueueTiming } from '../queue-timing.js';
import type { RegisterFile } from '../register-file.js';
import type { Reachable, TableMemory } from '../table-walker.js';
import type { VtdCapabilities } from './capabilities.js';
import type { EventMessage } from './event-message.js';
import type { FaultRecorder } from './fault-recorder.js';
import {
  CONTEXT_GRANULARITY,
  DESCRIPTOR,
  DESCRIPTOR_BYTES,
  IOTLB_GRANULARITY,
  isWellFormed,
  WAIT,
} from './invalidation-descriptors.js';
import { FSTS, ICS_IWC, type VtdRegisterName } from './registers.js';

const TWO_32 = 2 ** 32;
/** A cost that stands for a descriptor that cannot be carried out. */
const BAD = -1;

/** What a queue needs of the unit that it belongs to. */
export interface QueueParts {
  readonly registers: RegisterFile<VtdRegisterName>;
  readonly memory: TableMemory;
  readonly reachable: Reachable;
  readonly capabilities: VtdCapabilities;
  readonly sink: InvalidationSink;
  readonly faults: FaultRecorder;
  readonly event: EventMessage;
  readonly kernel: EventKernel;
  readonly timing: QueueTiming;
}

/**
 * The invalidation queue: a ring of 16-byte descriptors in memory, taken one after another. Each is fetched, carried
 * out and given the time that the caches say it takes; then IQH moves past it. A descriptor that the unit does not
 * understand sets FSTS.IQE, IQH stays at it, and the queue stands until software has cleared IQE and moved the tail.
 */
export class InvalidationQueue {
  readonly #parts: QueueParts;
  // Where its registers are.
  readonly #iqh: number;
  readonly #iqt: number;
  readonly #iqa: number;
  readonly #fsts: number;
  readonly #ics: number;
  readonly #onFetched: HandlerId;
  readonly #onDone: HandlerId;
  #enabled = false;
  #busy = false;
  /** Moves on when a step is abandoned: an event of an older number finds that it is not wanted any more. */
  #epoch = 0;
  #processed = 0;
  /** False while a device-TLB invalidation runs into its timeout. */
  #answered = true;
  // The wait descriptor that is being carried out: its status write and interrupt come at its end.
  #waitFlags = 0;
  #statusData = 0;
  #statusAddress = 0;

  constructor(parts: QueueParts) {
    this.#parts = parts;
    const { registers } = parts;
    this.#iqh = registers.wordOf('IQH');
    this.#iqt = registers.wordOf('IQT');
    this.#iqa = registers.wordOf('IQA');
    this.#fsts = registers.wordOf('FSTS');
    this.#ics = registers.wordOf('ICS');
    this.#onFetched = parts.kernel.register('host.iommu.queue', (epoch) => {
      if (epoch === this.#epoch) this.#carryOut();
    });
    this.#onDone = parts.kernel.register('host.iommu.queue', (epoch) => {
      if (epoch === this.#epoch) this.#finish();
    });
  }

  /** Descriptors that have been carried out. */
  get processed(): number {
    return this.#processed;
  }

  get enabled(): boolean {
    return this.#enabled;
  }

  /** True while a descriptor is under way. */
  get busy(): boolean {
    return this.#busy;
  }

  /** GCMD.QIE: switching the queue on begins at its first slot; switching it off abandons the current descriptor. */
  setEnabled(enabled: boolean): void {
    if (enabled === this.#enabled) return;
    this.#enabled = enabled;
    if (enabled) {
      this.#parts.registers.set('IQH', 0, 0);
      this.kick();
    } else if (this.#busy) {
      this.#epoch += 1;
      this.#busy = false;
    }
  }

  /** Goes on if there is something to do: after a write to IQT, and after IQE or ITE has been cleared. */
  kick(): void {
    const { registers, kernel, timing, faults } = this.#parts;
    if (!this.#enabled || this.#busy || this.#stopped()) return;
    const tail = registers.lowAt(this.#iqt);
    if (registers.lowAt(this.#iqh) === tail) return;
    if (tail >= this.#bytes()) {
      faults.reportQueueError(FSTS.IQE);
      return;
    }
    this.#busy = true;
    kernel.post(timing.descriptorFetchNs, this.#onFetched, this.#epoch);
  }

  checkInvariants(): void {
    const head = this.#parts.registers.lowAt(this.#iqh);
    if (head % DESCRIPTOR_BYTES !== 0 || head >= this.#bytes())
      throw new InvariantViolation(`IQH is ${head}`);
    if (this.#busy && this.#stopped())
      throw new InvariantViolation('the queue works on although it has stopped');
  }

  #stopped(): boolean {
    return (this.#parts.registers.lowAt(this.#fsts) & (FSTS.IQE | FSTS.ITE)) !== 0;
  }

  #bytes(): number {
    return (256 << (this.#parts.registers.lowAt(this.#iqa) & 7)) * DESCRIPTOR_BYTES;
  }

  #carryOut(): void {
    const { registers, memory, reachable, kernel } = this.#parts;
    const at = registers.address('IQA') + registers.lowAt(this.#iqh);
    const costNs = reachable(pageStart(at, 12))
      ? this.#perform(
          memory.readU32(at),
          memory.readU32(at + 4),
          memory.readU32(at + 8),
          memory.readU32(at + 12),
        )
      : BAD;
    if (costNs < 0) this.#stop(FSTS.IQE);
    else kernel.post(costNs, this.#onDone, this.#epoch);
  }

  /** Carries out one descriptor; the ns that it takes, or BAD. */
  #perform(word0: number, word1: number, word2: number, word3: number): number {
    if (!isWellFormed(word0, word1, word2, word3)) return BAD;
    const { sink, timing, reachable, capabilities } = this.#parts;
    const granularity = (word0 >>> 4) & 3;
    const domainId = word0 >>> 16;
    const address = ((word2 & 0xffff_f000) >>> 0) + word3 * TWO_32;
    this.#waitFlags = 0;
    this.#answered = true;
    switch (word0 & 0xf) {
      case DESCRIPTOR.CONTEXT: {
        const which = CONTEXT_GRANULARITY[granularity];
        if (which === undefined) return BAD;
        return sink.context(which, domainId, word1 & 0xffff, (word1 >>> 16) & 3);
      }
      case DESCRIPTOR.IOTLB: {
        const which = IOTLB_GRANULARITY[granularity];
        const mask = word2 & 0x3f;
        if (which === undefined || (which === 'page' && mask > capabilities.maxAddressMask)) return BAD;
        return invalidateIotlb(sink, capabilities, which, domainId, address, mask, (word2 & 0x40) !== 0);
      }
      case DESCRIPTOR.DEVICE_TLB: {
        const pages = (word2 & 1) === 0 ? 1 : sizedPages(word2, word3);
        const first = Number.isFinite(pages) ? pageStart(address, 12 + Math.log2(pages)) : 0;
        const answerNs = sink.deviceTlb(word1 & 0xffff, first, pages);
        this.#answered = answerNs >= 0;
        return this.#answered ? answerNs : timing.deviceTimeoutNs;
      }
      case DESCRIPTOR.INTERRUPT_ENTRY:
        return timing.interruptEntryNs;
      default: {
        const statusAddress = ((word2 & 0xffff_fffc) >>> 0) + word3 * TWO_32;
        const writes = (word0 & WAIT.STATUS_WRITE) !== 0;
        if (writes && !reachable(pageStart(statusAddress, 12))) return BAD;
        this.#waitFlags = word0 & (WAIT.STATUS_WRITE | WAIT.INTERRUPT);
        this.#statusData = word1;
        this.#statusAddress = statusAddress;
        return writes ? timing.statusWriteNs : 0;
      }
    }
  }

  #finish(): void {
    const { registers, memory, event } = this.#parts;
    if (!this.#answered) {
      this.#stop(FSTS.ITE);
      return;
    }
    if ((this.#waitFlags & WAIT.STATUS_WRITE) !== 0) memory.writeU32(this.#statusAddress, this.#statusData);
    // A further interrupt is only due once software has seen the last (IWC cleared).
    if ((this.#waitFlags & WAIT.INTERRUPT) !== 0 && (registers.lowAt(this.#ics) & ICS_IWC) === 0) {
      registers.setLowAt(this.#ics, ICS_IWC);
      event.signal();
    }
    this.#waitFlags = 0;
    registers.setLowAt(this.#iqh, (registers.lowAt(this.#iqh) + DESCRIPTOR_BYTES) & (this.#bytes() - 1));
    this.#processed += 1;
    this.#busy = false;
    this.kick();
  }

  #stop(bit: number): void {
    this.#busy = false;
    this.#parts.faults.reportQueueError(bit);
  }
}

/** Pages that an address with S = 1 covers: its lowest zero bit from bit 12 up is the top bit of the offset. */
function sizedPages(low: number, high: number): number {
  const zeroLow = ~low & 0xffff_f000;
  if (zeroLow !== 0) return 2 ** (32 - Math.clz32(zeroLow & -zeroLow) - 12);
  const zeroHigh = ~high & 0x1f_ffff;
  return zeroHigh === 0 ? Number.POSITIVE_INFINITY : 2 ** (64 - Math.clz32(zeroHigh & -zeroHigh) - 12);
}

/** Hands an IOTLB invalidation to the caches. A unit that cannot pick pages invalidates the domain instead. */
export function invalidateIotlb(
  sink: InvalidationSink,
  capabilities: VtdCapabilities,
  granularity: 'global' | 'domain' | 'page',
  domainId: number,
  address: number,
  addressMask: number,
  leafOnly: boolean,
): number {
  if (granularity !== 'page') return sink.iotlb(granularity, domainId, 0, 0, false);
  if (!capabilities.pageSelective || address >= 2 ** 53) return sink.iotlb('domain', domainId, 0, 0, false);
  const pages = pageSize(addressMask);
  return sink.iotlb('page', domainId, pageStart(address, 12 + addressMask), pages, leafOnly);
}
