import { type ContextId, storedContextId } from '../scheduler/branded.js';
import { InvariantViolation } from '../scheduler/errors.js';
import type { EventHandle, EventKernel, HandlerId } from '../scheduler/event-kernel.js';
import { present } from '../scheduler/present.js';
import type { CardCore, DataPath } from './card-core.js';
import type { Context } from './context.js';
import { readU32, writeU32 } from './descriptor.js';
import type { DescriptorRing } from './descriptor-ring.js';
import { DMA_ABORTED, DMA_CANCELLED, type DmaChannel, type DmaStatus } from './dma-engine.js';
import type { NicSubjects } from './streams.js';

/** Bytes of the status block in a guest's memory: transmit consumer index, receive consumer index. */
export const STATUS_BLOCK_BYTES = 8;

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
  readonly #timers: Float64Array;
  readonly #blocks: Uint8Array;

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
    this.#timers = new Float64Array(contexts.length).fill(-1);
    this.#blocks = new Uint8Array(contexts.length * STATUS_BLOCK_BYTES);
    this.#channel.buffer = this.#blocks;
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

  /** The context was stopped. */
  forget(context: Context): void {
    const index = context.index;
    this.#cancelTimer(index);
    this.#pending[index] = 0;
    this.#urgent[index] = 0;
    this.#writing[index] = 0;
    this.#untold[index] = 0;
    this.#blocks.fill(0, index * STATUS_BLOCK_BYTES, (index + 1) * STATUS_BLOCK_BYTES);
  }

  checkInvariants(): void {
    for (let index = 0; index < this.#pending.length; index += 1) {
      const onItsWay = this.#writing[index] === 1 || present(this.#timers[index]) >= 0;
      if (present(this.#pending[index]) > 0 && !onItsWay)
        throw new InvariantViolation(`completions of context ${index} wait for nothing`);
    }
  }

  #onTimer(index: ContextId): void {
    this.#timers[index] = -1;
    const context = this.#contexts[index];
    if (context !== undefined && present(this.#pending[index]) > 0) this.#writeBack(context);
  }

  /** Writes back pending completions if they should not be coalesced any further; otherwise bounds their wait. */
  #consider(context: Context): void {
    const index = context.index;
    const pending = present(this.#pending[index]);
    // One write-back per context at a time; what completes meanwhile is considered when it is over.
    if (pending === 0 || this.#writing[index] === 1) return;
    const due = pending >= context.coalesceFrames || context.coalesceNs === 0 || this.#isHalfUntold(context);
    if (this.#urgent[index] === 1 || due) {
      this.#writeBack(context);
    } else if (present(this.#timers[index]) < 0) {
      this.#timers[index] = this.#kernel.schedule(context.coalesceNs, this.#timerHandler, index);
    }
  }

  /** Whether half of a ring is finished and not written back: a driver of a short ring must not sleep until the timer. */
  #isHalfUntold({ index, transmit, receive }: Context): boolean {
    const untold = (ring: DescriptorRing, at: number) => (ring.consumer - readU32(this.#blocks, at)) >>> 0;
    const at = index * STATUS_BLOCK_BYTES;
    return 2 * untold(transmit, at) >= transmit.slots || 2 * untold(receive, at + 4) >= receive.slots;
  }

  #cancelTimer(index: ContextId): void {
    const handle: EventHandle = present(this.#timers[index]);
    if (handle < 0) return;
    this.#kernel.cancel(handle);
    this.#timers[index] = -1;
  }

  #writeBack(context: Context): void {
    const index = context.index;
    this.#cancelTimer(index);
    this.#pending[index] = 0;
    this.#urgent[index] = 0;
    const at = index * STATUS_BLOCK_BYTES;
    writeU32(this.#blocks, at, context.transmit.consumer);
    writeU32(this.#blocks, at + 4, context.receive.consumer);
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
    channel.bufferOffset = at;
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
        transmitConsumer: readU32(this.#blocks, index * STATUS_BLOCK_BYTES),
        receiveConsumer: readU32(this.#blocks, index * STATUS_BLOCK_BYTES + 4),
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
