import { type ContextId, storedContextId } from '../scheduler/branded.js';
import { InvariantViolation } from '../scheduler/errors.js';
import type { EventKernel, EventPlace, HandlerId } from '../scheduler/event-kernel.js';
import { present } from '../scheduler/present.js';
import type { CardCore, DataPath } from './card-core.js';
import type { Context } from './context.js';
import type { DescriptorRing } from './descriptor-ring.js';
import { DMA_ABORTED, DMA_CANCELLED, type DmaChannel, type DmaStatus } from './dma-engine.js';
import type { NicSubjects } from './streams.js';

/** Bytes of the status block in a guest's memory: transmit consumer index, receive consumer index. */
export const STATUS_BLOCK_BYTES = 8;
const NO_TIMER: EventPlace = -1;

/**
 * Tells a guest what is finished: writes its consumer indices to its status block and asks for an interrupt,
 * coalesced by count and by time, each context for itself. The indices are in memory before the interrupt.
 *
 * A context that masks its interrupts (it polls) still gets its indices; what was held back is
 * remembered and raised when it unmasks, so no completion is slept through.
 */
export class Completions {
  readonly #kernel: EventKernel;
  readonly #channel: DmaChannel;
  readonly #path: DataPath;
  readonly #subjects: NicSubjects;
  readonly #contexts: readonly Context[];
  readonly #timerHandler: HandlerId;
  readonly #writeBacks: Float64Array;
  // Frames completed since the last write-back was started, and whether one of them is in a hurry.
  readonly #pending: Int32Array;
  readonly #urgent: Uint8Array;
  readonly #writing: Uint8Array;
  // Something was written back while interrupts were masked.
  readonly #untold: Uint8Array;
  readonly #timers: Int32Array;
  /** From when on the timer counts, where there is one. */
  readonly #sinceNs: Float64Array;
  // The status blocks of all contexts as they were last written: two words each.
  readonly #words: Uint32Array;

  constructor(core: CardCore, path: DataPath) {
    const { contexts } = core;
    this.#kernel = core.kernel;
    this.#channel = core.dma.open((context, status) => this.#onWritten(storedContextId(context), status));
    this.#channel.length = STATUS_BLOCK_BYTES;
    this.#contexts = contexts;
    this.#path = path;
    this.#subjects = core.subjects;
    this.#writeBacks = core.counters.row('writeBacks');
    this.#timerHandler = core.kernel.register('nic.completions', (context) =>
      this.#onTimer(storedContextId(context)),
    );
    this.#pending = new Int32Array(contexts.length);
    this.#urgent = new Uint8Array(contexts.length);
    this.#writing = new Uint8Array(contexts.length);
    this.#untold = new Uint8Array(contexts.length);
    this.#timers = new Int32Array(contexts.length).fill(NO_TIMER);
    this.#sinceNs = new Float64Array(contexts.length);
    this.#words = new Uint32Array(contexts.length * 2);
    this.#channel.buffer = new Uint8Array(this.#words.buffer);
  }

  /** One more frame of a context is finished; `urgent` ones do not wait for company. */
  note(context: Context, urgent: boolean): void {
    const index = context.index;
    this.#pending[index] = present(this.#pending[index]) + 1;
    if (urgent) this.#urgent[index] = 1;
    this.#consider(context);
  }

  /** The guest has unmasked its interrupts. */
  unmasked(context: Context): void {
    if (this.#untold[context.index] === 0) return;
    this.#untold[context.index] = 0;
    this.#path.interrupt(context);
  }

  /** The guest has changed its coalescing, which holds for what waits already. */
  coalesced(context: Context): void {
    const { index, coalesceNs } = context;
    if (present(this.#timers[index]) === NO_TIMER) return;
    this.#cancelTimer(index);
    const leftNs = present(this.#sinceNs[index]) + coalesceNs - this.#kernel.nowNs;
    if (leftNs <= 0 || this.#isDue(context)) this.#writeBack(context);
    else this.#timers[index] = this.#kernel.place(leftNs, this.#timerHandler, index);
  }

  /** The context was stopped. */
  forget(context: Context): void {
    const index = context.index;
    this.#cancelTimer(index);
    this.#pending[index] = 0;
    this.#urgent[index] = 0;
    this.#writing[index] = 0;
    this.#untold[index] = 0;
    this.#words.fill(0, index * 2, index * 2 + 2);
  }

  checkInvariants(): void {
    for (let index = 0; index < this.#pending.length; index += 1) {
      const onItsWay = this.#writing[index] === 1 || present(this.#timers[index]) !== NO_TIMER;
      if (present(this.#pending[index]) > 0 && !onItsWay)
        throw new InvariantViolation(`completions of context ${index} wait for nothing`);
    }
  }

  #onTimer(index: ContextId): void {
    this.#timers[index] = NO_TIMER;
    const context = this.#contexts[index];
    if (context !== undefined && present(this.#pending[index]) > 0) this.#writeBack(context);
  }

  /** Writes back pending completions if they should not be coalesced any further; otherwise bounds their wait. */
  #consider(context: Context): void {
    const index = context.index;
    // One write-back per context at a time; what completes meanwhile is considered when it is over.
    if (present(this.#pending[index]) === 0 || this.#writing[index] === 1) return;
    if (this.#isDue(context)) {
      this.#writeBack(context);
    } else if (this.#timers[index] === NO_TIMER) {
      this.#sinceNs[index] = this.#kernel.nowNs;
      this.#timers[index] = this.#kernel.place(context.coalesceNs, this.#timerHandler, index);
    }
  }

  #isDue(context: Context): boolean {
    const { index, coalesceFrames, coalesceNs } = context;
    if (this.#urgent[index] === 1 || coalesceNs === 0) return true;
    return present(this.#pending[index]) >= coalesceFrames || this.#isHalfUntold(context);
  }

  /** Whether half of a ring is finished and not written back: a driver of a short ring must not sleep until the timer. */
  #isHalfUntold({ index, transmit, receive }: Context): boolean {
    const words = this.#words;
    return isHalfOf(transmit, present(words[index * 2])) || isHalfOf(receive, present(words[index * 2 + 1]));
  }

  #cancelTimer(index: ContextId): void {
    const timer = present(this.#timers[index]);
    if (timer === NO_TIMER) return;
    this.#kernel.cancelAt(timer);
    this.#timers[index] = NO_TIMER;
  }

  #writeBack(context: Context): void {
    const index = context.index;
    this.#cancelTimer(index);
    this.#pending[index] = 0;
    this.#urgent[index] = 0;
    this.#words[index * 2] = context.transmit.consumer;
    this.#words[index * 2 + 1] = context.receive.consumer;
    if (context.statusAddress === 0) {
      this.#announce(context);
      return;
    }
    this.#writing[index] = 1;
    this.#writeBacks[index] = present(this.#writeBacks[index]) + 1;
    const channel = this.#channel;
    channel.owner = context;
    channel.cookie = index;
    channel.aim(context.statusAddress, context.statusOffset);
    channel.bufferOffset = index * STATUS_BLOCK_BYTES;
    channel.write();
  }

  #onWritten(index: ContextId, status: DmaStatus): void {
    if (status === DMA_CANCELLED) return;
    const context = this.#contexts[index];
    if (context === undefined) return;
    this.#writing[index] = 0;
    if (status === DMA_ABORTED) {
      this.#path.fault(context, 'transmit', 'write-back-abort', context.statusAddress);
      return;
    }
    if (this.#subjects.completions.observed) {
      this.#subjects.completions.next({
        context: index,
        transmitConsumer: present(this.#words[index * 2]),
        receiveConsumer: present(this.#words[index * 2 + 1]),
        atNs: this.#kernel.nowNs,
      });
    }
    this.#announce(context);
    this.#consider(context);
  }

  #announce(context: Context): void {
    this.#untold[context.index] = context.interruptsMasked ? 1 : 0;
    if (!context.interruptsMasked) this.#path.interrupt(context);
  }
}

/** Whether half of a ring is finished and not written back, when `written` is what its status word says. */
function isHalfOf(ring: DescriptorRing, written: number): boolean {
  return 2 * ((ring.consumer - written) >>> 0) >= ring.slots;
}
