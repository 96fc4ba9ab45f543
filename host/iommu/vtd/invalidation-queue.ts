import {
  addressAfter,
  type HostPhysicalAddress,
  hostPhysicalAddress,
  type IoPageNumber,
  ioPageNumber,
  ioVirtualAddress,
  requesterId,
} from '../../../nic/addresses.js';
import { floorLog2 } from '../../../scheduler/whole-logarithm.js';
import { CommandRing, ILLEGAL, RING_ENTRY_BYTES, type RingError, type RingParts } from '../command-ring.js';
import type { InvalidationSink } from '../invalidation-sink.js';
import { pageSize, pageStart } from '../page-arithmetic.js';
import type { RegisterFile } from '../register-file.js';
import type { VtdCapabilities } from './capabilities.js';
import type { EventMessage } from './event-message.js';
import type { FaultRecorder } from './fault-recorder.js';
import type { VtdInterruptRemapper } from './interrupt-remapper.js';
import {
  CONTEXT_GRANULARITY,
  DESCRIPTOR,
  IOTLB_GRANULARITY,
  isWellFormed,
  WAIT,
} from './invalidation-descriptors.js';
import { FSTS, ICS_IWC, IQEI, type VtdRegisterName } from './registers.js';

const TWO_32 = 2 ** 32;

/** The interface through which a queue uses its unit. */
export interface QueueParts extends RingParts {
  readonly registers: RegisterFile<VtdRegisterName>;
  readonly capabilities: VtdCapabilities;
  readonly faults: FaultRecorder;
  readonly event: EventMessage;
  readonly interrupts: VtdInterruptRemapper;
}

/**
 * The invalidation queue, IQH to IQT of the ring at IQA. A descriptor that the unit does not understand sets FSTS.IQE,
 * IQH stays at it, and the queue stands until software has cleared IQE and moved the tail. A device that does not
 * answer sets FSTS.ITE; IQH then is past its request and past the waits behind it, which are aborted. IQER says why.
 */
export class InvalidationQueue extends CommandRing {
  readonly #registers: RegisterFile<VtdRegisterName>;
  readonly #capabilities: VtdCapabilities;
  readonly #faults: FaultRecorder;
  readonly #event: EventMessage;
  readonly #interrupts: VtdInterruptRemapper;
  // Where its registers are.
  readonly #iqh: number;
  readonly #iqt: number;
  readonly #iqa: number;
  readonly #fsts: number;
  readonly #ics: number;
  // IQA as it was when the queue was switched on: later writes have no effect on a queue in use.
  #base = hostPhysicalAddress(0);
  #bytes = 0;
  #enabled = false;
  /** The device whose device-TLB invalidation runs into its timeout, or -1. */
  #silentDevice = -1;
  /** Why the last descriptor was refused. */
  #refusal: number = IQEI.RESERVED;
  // The wait descriptor that is being carried out: its status write and interrupt come at its end.
  #waitFlags = 0;
  #statusData = 0;
  #statusAddress = hostPhysicalAddress(0);

  constructor(parts: QueueParts) {
    super(parts, 'host.iommu.queue');
    const { registers } = parts;
    this.#registers = registers;
    this.#capabilities = parts.capabilities;
    this.#faults = parts.faults;
    this.#event = parts.event;
    this.#interrupts = parts.interrupts;
    this.#iqh = registers.wordOf('IQH');
    this.#iqt = registers.wordOf('IQT');
    this.#iqa = registers.wordOf('IQA');
    this.#fsts = registers.wordOf('FSTS');
    this.#ics = registers.wordOf('ICS');
  }

  get enabled(): boolean {
    return this.#enabled;
  }

  override get running(): boolean {
    return this.#enabled && (this.#registers.lowAt(this.#fsts) & (FSTS.IQE | FSTS.ITE)) === 0;
  }

  /** GCMD.QIE: switching the queue on begins at its first slot; switching it off abandons the current descriptor. */
  setEnabled(enabled: boolean): void {
    if (enabled === this.#enabled) return;
    this.#enabled = enabled;
    if (enabled) {
      this.#registers.set('IQH', 0, 0);
      this.#base = this.#registers.address('IQA');
      this.#bytes = (256 << (this.#registers.lowAt(this.#iqa) & 7)) * RING_ENTRY_BYTES;
      this.kick();
    } else {
      this.abandon();
    }
  }

  protected override get base(): HostPhysicalAddress {
    return this.#base;
  }

  protected override get bytes(): number {
    return this.#bytes;
  }

  protected override get head(): number {
    return this.#registers.lowAt(this.#iqh);
  }

  protected override set head(offset: number) {
    this.#registers.setLowAt(this.#iqh, offset);
  }

  protected override get tail(): number {
    return this.#registers.lowAt(this.#iqt);
  }

  protected override perform(word0: number, word1: number, word2: number, word3: number): number {
    const type = word0 & 0xf;
    this.#refusal = type < DESCRIPTOR.CONTEXT || type > DESCRIPTOR.WAIT ? IQEI.TYPE : IQEI.RESERVED;
    if (!isWellFormed(word0, word1, word2, word3)) return ILLEGAL;
    const { sink, timing, reachable } = this;
    const capabilities = this.#capabilities;
    const granularity = (word0 >>> 4) & 3;
    const domainId = word0 >>> 16;
    this.#waitFlags = 0;
    this.#silentDevice = -1;
    switch (type) {
      case DESCRIPTOR.CONTEXT: {
        const which = CONTEXT_GRANULARITY[granularity];
        if (which === undefined) return ILLEGAL;
        return sink.invalidateContexts(which, domainId, requesterId(word1 & 0xffff), (word1 >>> 16) & 3);
      }
      case DESCRIPTOR.IOTLB: {
        const which = IOTLB_GRANULARITY[granularity];
        const mask = word2 & 0x3f;
        if (which === undefined || (which === 'page' && mask > capabilities.maxAddressMask)) return ILLEGAL;
        return invalidateIotlb(
          sink,
          capabilities,
          which,
          domainId,
          // Words, as the address of a page is allocated by each call that takes it.
          ioPageNumber((word2 >>> 12) + word3 * 2 ** 20),
          mask,
          (word2 & 0x40) !== 0,
        );
      }
      case DESCRIPTOR.DEVICE_TLB: {
        const address = ((word2 & 0xffff_f000) >>> 0) + word3 * TWO_32;
        const pages = (word2 & 1) === 0 ? 1 : sizedPages(word2, word3);
        const first = Number.isFinite(pages) ? pageStart(address, 12 + floorLog2(pages)) : 0;
        const answerNs = sink.invalidateDeviceTlb(
          requesterId(word1 & 0xffff),
          ioVirtualAddress(first),
          pages,
        );
        if (answerNs >= 0) return answerNs;
        this.#silentDevice = word1 & 0xffff;
        return timing.deviceTimeoutNs;
      }
      case DESCRIPTOR.INTERRUPT_ENTRY:
        this.#interrupts.invalidate((word0 & 0x10) === 0 ? undefined : word1 & 0xffff, word0 >>> 27);
        return timing.interruptEntryNs;
      default: {
        const statusAddress = ((word2 & 0xffff_fffc) >>> 0) + word3 * TWO_32;
        const writes = (word0 & WAIT.STATUS_WRITE) !== 0;
        if (writes && !reachable(hostPhysicalAddress(pageStart(statusAddress, 12)))) return ILLEGAL;
        this.#waitFlags = word0 & (WAIT.STATUS_WRITE | WAIT.INTERRUPT);
        this.#statusData = word1;
        this.#statusAddress = hostPhysicalAddress(statusAddress);
        return writes ? timing.statusWriteNs : 0;
      }
    }
  }

  protected override finish(): boolean {
    const registers = this.#registers;
    if (this.#silentDevice >= 0) {
      this.#passAborted();
      registers.set('IQER', 0, this.#silentDevice);
      this.#faults.reportQueueError(FSTS.ITE);
      return false;
    }
    if ((this.#waitFlags & WAIT.STATUS_WRITE) !== 0) {
      this.memory.writeU32(this.#statusAddress, this.#statusData);
    }
    // A further interrupt is only due once software has seen the last (IWC cleared).
    if ((this.#waitFlags & WAIT.INTERRUPT) !== 0 && (registers.lowAt(this.#ics) & ICS_IWC) === 0) {
      registers.setLowAt(this.#ics, ICS_IWC);
      this.#event.signal();
    }
    this.#waitFlags = 0;
    return true;
  }

  protected override report(error: RingError): void {
    const reason = error === 'pointer' ? IQEI.TAIL : error === 'unreadable' ? IQEI.FETCH : this.#refusal;
    this.#registers.set('IQER', reason, 0);
    this.#faults.reportQueueError(FSTS.IQE);
  }

  /** Moves the head past the request that timed out and past the waits that follow it: they are never reported. */
  #passAborted(): void {
    const timedOut = this.head;
    do {
      this.head = (this.head + RING_ENTRY_BYTES) % this.#bytes;
      // Software may have written a tail that lies nowhere in the ring.
    } while (this.head !== this.tail && this.head !== timedOut && this.#isWait(this.head));
  }

  /** Whether there is a wait in the slot at an offset; false also where the slot cannot be read. */
  #isWait(offset: number): boolean {
    const at = addressAfter(this.#base, offset);
    return this.reachable(pageStart(at, 12)) && (this.memory.readU32(at) & 0xf) === DESCRIPTOR.WAIT;
  }
}

/** Pages that an address with S = 1 covers: its lowest zero bit from bit 12 up is the top bit of the offset. */
function sizedPages(low: number, high: number): number {
  const zeroLow = ~low & 0xffff_f000;
  if (zeroLow !== 0) return 2 ** (32 - Math.clz32(zeroLow & -zeroLow) - 12);
  const zeroHigh = ~high & 0x7fff_ffff;
  return zeroHigh === 0 ? Number.POSITIVE_INFINITY : 2 ** (64 - Math.clz32(zeroHigh & -zeroHigh) - 12);
}

/** Hands an IOTLB invalidation to the caches. A unit that cannot pick pages invalidates the domain instead. */
export function invalidateIotlb(
  sink: InvalidationSink,
  capabilities: VtdCapabilities,
  granularity: 'global' | 'domain' | 'page',
  domainId: number,
  page: IoPageNumber,
  addressMask: number,
  leafOnly: boolean,
): number {
  if (granularity !== 'page') return sink.invalidateIotlb(granularity, domainId, ioPageNumber(0), 0, false);
  if (!capabilities.pageSelective) return sink.invalidateIotlb('domain', domainId, ioPageNumber(0), 0, false);
  const pages = pageSize(addressMask);
  const first = addressMask === 0 ? page : pageStart(page, addressMask);
  return sink.invalidateIotlb('page', domainId, first, pages, leafOnly);
}
