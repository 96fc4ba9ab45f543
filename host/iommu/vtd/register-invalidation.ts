import { ioPageNumber, requesterId } from '../../../nic/addresses.js';
import type { EventHandle, EventKernel, HandlerId } from '../../../scheduler/event-kernel.js';
import type { InvalidationSink } from '../invalidation-sink.js';
import type { RegisterFile } from '../register-file.js';
import type { VtdCapabilities } from './capabilities.js';
import { CONTEXT_GRANULARITY, IOTLB_GRANULARITY } from './invalidation-descriptors.js';
import { invalidateIotlb } from './invalidation-queue.js';
import type { VtdRegisterName } from './registers.js';

/** ICC of CCMD and IVT of IOTLB: set by software, cleared when it is done. */
const GO = 0x8000_0000;

/**
 * Invalidation by register, one at a time: CCMD for the context cache, IVA and IOTLB for translations. What was
 * done is reported in CAIG and IAIG; 0 there means that the request was refused, as all are while the queue is in use.
 */
export class RegisterInvalidation {
  readonly #registers: RegisterFile<VtdRegisterName>;
  readonly #sink: InvalidationSink;
  readonly #capabilities: VtdCapabilities;
  readonly #kernel: EventKernel;
  readonly #onContextDone: HandlerId;
  readonly #onIotlbDone: HandlerId;
  // The end of what is under way.
  #contextEnd: EventHandle | undefined;
  #iotlbEnd: EventHandle | undefined;
  #ivaLow = 0;
  #ivaHigh = 0;

  constructor(
    registers: RegisterFile<VtdRegisterName>,
    sink: InvalidationSink,
    capabilities: VtdCapabilities,
    kernel: EventKernel,
  ) {
    this.#registers = registers;
    this.#sink = sink;
    this.#capabilities = capabilities;
    this.#kernel = kernel;
    this.#onContextDone = kernel.register('host.iommu.ccmd', (done) => this.#finishContext(done));
    this.#onIotlbDone = kernel.register('host.iommu.iotlb', (done) => this.#finishIotlb(done));
  }

  /** A reset of the system: what is under way is never reported, and IVA is forgotten. */
  reset(): void {
    for (const end of [this.#contextEnd, this.#iotlbEnd]) if (end !== undefined) this.#kernel.cancel(end);
    this.#contextEnd = undefined;
    this.#iotlbEnd = undefined;
    this.#ivaLow = 0;
    this.#ivaHigh = 0;
  }

  /** Software has written IVA, which reads as zero. */
  onIvaWrite(value: number, high: boolean): void {
    if (high) this.#ivaHigh = value;
    else this.#ivaLow = value;
  }

  /** Software has written the upper half of CCMD. */
  onContextCommand(queueInUse: boolean): void {
    const high = this.#registers.high('CCMD');
    if ((high & GO) === 0 || this.#contextEnd !== undefined) return;
    const granularity = (high >>> 29) & 3;
    const which = CONTEXT_GRANULARITY[granularity];
    if (which === undefined || queueInUse) {
      this.#finishContext(0);
      return;
    }
    const low = this.#registers.low('CCMD');
    const costNs = this.#sink.invalidateContexts(which, low & 0xffff, requesterId(low >>> 16), high & 3);
    this.#contextEnd = this.#kernel.schedule(costNs, this.#onContextDone, granularity);
  }

  /** Software has written the upper half of IOTLB. */
  onIotlbCommand(queueInUse: boolean): void {
    const high = this.#registers.high('IOTLB');
    if ((high & GO) === 0 || this.#iotlbEnd !== undefined) return;
    let granularity = (high >>> 28) & 3;
    const which = IOTLB_GRANULARITY[granularity];
    const mask = this.#ivaLow & 0x3f;
    const tooLarge = which === 'page' && mask > this.#capabilities.maxAddressMask;
    if (which === undefined || tooLarge || queueInUse) {
      this.#finishIotlb(0);
      return;
    }
    const first = (this.#ivaLow >>> 12) + this.#ivaHigh * 2 ** 20;
    const leafOnly = (this.#ivaLow & 0x40) !== 0;
    const costNs = invalidateIotlb(
      this.#sink,
      this.#capabilities,
      which,
      high & 0xffff,
      ioPageNumber(first),
      mask,
      leafOnly,
    );
    // Without page-selective invalidation the whole domain went.
    if (which === 'page' && !this.#capabilities.pageSelective) granularity = 2;
    this.#iotlbEnd = this.#kernel.schedule(costNs, this.#onIotlbDone, granularity);
  }

  #finishContext(done: number): void {
    this.#contextEnd = undefined;
    const high = this.#registers.high('CCMD') & ~GO & ~(3 << 27);
    this.#registers.set('CCMD', this.#registers.low('CCMD'), (high | (done << 27)) >>> 0);
  }

  #finishIotlb(done: number): void {
    this.#iotlbEnd = undefined;
    const high = this.#registers.high('IOTLB') & ~GO & ~(3 << 25);
    this.#registers.set('IOTLB', this.#registers.low('IOTLB'), (high | (done << 25)) >>> 0);
  }
}
