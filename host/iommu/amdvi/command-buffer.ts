import { InvariantViolation } from '../../../scheduler/errors.js';
import type { EventHandle, EventKernel, HandlerId } from '../../../scheduler/event-kernel.js';
import type { InvalidationSink } from '../invalidation-sink.js';
import { pageSize, pageStart } from '../page-arithmetic.js';
import type { QueueTiming } from '../queue-timing.js';
import type { RegisterFile } from '../register-file.js';
import type { Reachable, TableMemory } from '../table-walker.js';
import { COMMAND, PAGES, rangeBits, WAIT } from './commands.js';
import type { EventLog } from './event-log.js';
import { AMDVI_EVENT } from './events.js';
import { type AmdviRegisterName, RING_ENTRY_BYTES, ringBytes, STATUS } from './registers.js';

const TWO_32 = 2 ** 32;
/** A cost that stands for a command that cannot be carried out. */
const ILLEGAL = -1;
/** CONTROL.InvTimeOut in ns; 0 waits for ever. */
const TIMEOUTS_NS = [0, 1e6, 1e7, 1e8, 1e9, 1e10] as const;

/** What a command buffer needs of the unit that it belongs to. */
export interface CommandBufferParts {
  readonly registers: RegisterFile<AmdviRegisterName>;
  readonly memory: TableMemory;
  readonly reachable: Reachable;
  readonly sink: InvalidationSink;
  readonly log: EventLog;
  readonly kernel: EventKernel;
  readonly timing: QueueTiming;
  /** A device table entry is to be read anew: what SE has suppressed for the device counts again. */
  readonly onEntryInvalidated: (deviceId: number | undefined) => void;
}

/**
 * The command buffer: a ring of 16-byte commands in memory, taken one after another. A command that the unit does
 * not know is logged as ILLEGAL_COMMAND_ERROR; the head stays at it and CmdBufRun is cleared, until software switches
 * CmdBufEn off and on. PREFETCH_IOMMU_PAGES is a hint, which this unit does not take; COMPLETE_PPR_REQUEST has no
 * request to complete, since the unit logs none.
 */
export class CommandBuffer {
  readonly #parts: CommandBufferParts;
  readonly #onFetched: HandlerId;
  readonly #onDone: HandlerId;
  #busy = false;
  #step: EventHandle = 0;
  #processed = 0;
  // What is left to do when the time of the current command has passed.
  #waitFlags = 0;
  #storeAddress = 0;
  #storeLow = 0;
  #storeHigh = 0;
  /** Device that does not answer, or -1. */
  #silentDevice = -1;

  constructor(parts: CommandBufferParts) {
    this.#parts = parts;
    this.#onFetched = parts.kernel.register('host.iommu.commands', () => this.#carryOut());
    this.#onDone = parts.kernel.register('host.iommu.commands', () => this.#finish());
  }

  /** Commands that have been carried out. */
  get processed(): number {
    return this.#processed;
  }

  get running(): boolean {
    return (this.#parts.registers.low('STATUS') & STATUS.CMD_BUF_RUN) !== 0;
  }

  /** Software has switched CmdBufEn. Switching it off abandons the current command. */
  setEnabled(enabled: boolean): void {
    const status = this.#parts.registers.low('STATUS');
    this.#parts.registers.set('STATUS', enabled ? status | STATUS.CMD_BUF_RUN : status & ~STATUS.CMD_BUF_RUN);
    if (enabled) {
      this.kick();
    } else if (this.#busy) {
      this.#parts.kernel.cancel(this.#step);
      this.#busy = false;
    }
  }

  /** Goes on if there is something to do: after a write to the tail. */
  kick(): void {
    const { registers, kernel, timing } = this.#parts;
    const head = registers.low('COMMAND_HEAD');
    const tail = registers.low('COMMAND_TAIL');
    if (!this.running || this.#busy || head === tail) return;
    // Pointers beyond the ring would never meet.
    if (Math.max(head, tail) >= ringBytes(registers.high('COMMAND_BASE'))) {
      this.#stop(AMDVI_EVENT.COMMAND_HARDWARE_ERROR, registers.address('COMMAND_BASE') + tail);
      return;
    }
    this.#busy = true;
    this.#step = kernel.schedule(timing.descriptorFetchNs, this.#onFetched);
  }

  checkInvariants(): void {
    const head = this.#parts.registers.low('COMMAND_HEAD');
    if (head % RING_ENTRY_BYTES !== 0) throw new InvariantViolation(`command head is ${head}`);
    if (this.#busy && !this.running)
      throw new InvariantViolation('commands are carried out although they have stopped');
  }

  #carryOut(): void {
    const { registers, memory, reachable, kernel } = this.#parts;
    const at = registers.address('COMMAND_BASE') + registers.low('COMMAND_HEAD');
    if (!reachable(pageStart(at, 12))) {
      this.#stop(AMDVI_EVENT.COMMAND_HARDWARE_ERROR, at);
      return;
    }
    const word1 = memory.readU32(at + 4);
    const costNs = this.#perform(memory.readU32(at), word1, memory.readU32(at + 8), memory.readU32(at + 12));
    if (costNs < 0) this.#stop(AMDVI_EVENT.ILLEGAL_COMMAND_ERROR, at);
    else if (Number.isFinite(costNs)) this.#step = kernel.schedule(costNs, this.#onDone);
  }

  /** Carries out one command; the ns that it takes, Infinity if it never ends, or ILLEGAL. */
  #perform(word0: number, word1: number, word2: number, word3: number): number {
    const { sink, timing, reachable, onEntryInvalidated } = this.#parts;
    const deviceId = word0 & 0xffff;
    this.#waitFlags = 0;
    this.#silentDevice = -1;
    switch (word1 >>> 28) {
      case COMMAND.COMPLETION_WAIT: {
        const address = ((word0 & 0xffff_fff8) >>> 0) + (word1 & 0xf_ffff) * TWO_32;
        const stores = (word0 & WAIT.STORE) !== 0;
        if (stores && !reachable(pageStart(address, 12))) return ILLEGAL;
        this.#waitFlags = word0 & (WAIT.STORE | WAIT.INTERRUPT);
        this.#storeAddress = address;
        this.#storeLow = word2;
        this.#storeHigh = word3;
        return stores ? timing.statusWriteNs : 0;
      }
      case COMMAND.INVALIDATE_DEVTAB_ENTRY:
        onEntryInvalidated(deviceId);
        return sink.context('device', 0, deviceId, 0);
      case COMMAND.INVALIDATE_IOMMU_PAGES:
        return this.#invalidatePages(word1 & 0xffff, word2, word3);
      case COMMAND.INVALIDATE_IOTLB_PAGES: {
        const bits = rangeBits(word2, word3);
        const pages = bits >= 53 ? Number.POSITIVE_INFINITY : 2 ** (bits - 12);
        const answerNs = sink.deviceTlb(deviceId, bits >= 53 ? 0 : rangeStart(word2, word3, bits), pages);
        if (answerNs >= 0) return answerNs;
        this.#silentDevice = deviceId;
        const timeout = TIMEOUTS_NS[(this.#parts.registers.low('CONTROL') >>> 5) & 7] ?? 0;
        return timeout === 0 ? Number.POSITIVE_INFINITY : timeout;
      }
      case COMMAND.INVALIDATE_INTERRUPT_TABLE:
        return timing.interruptEntryNs;
      case COMMAND.PREFETCH_IOMMU_PAGES:
      case COMMAND.COMPLETE_PPR_REQUEST:
        return 0;
      case COMMAND.INVALIDATE_IOMMU_ALL:
        onEntryInvalidated(undefined);
        return sink.context('global', 0, 0, 0) + sink.iotlb('global', 0, 0, 0, false);
      default:
        return ILLEGAL;
    }
  }

  #invalidatePages(domainId: number, word2: number, word3: number): number {
    const { sink } = this.#parts;
    const bits = rangeBits(word2, word3);
    const leafOnly = (word2 & PAGES.PDE) === 0;
    const start = bits < 53 ? rangeStart(word2, word3, bits) : 0;
    // The caches hold no address of 2^53 or more, and a range that large is the domain.
    if (bits >= 53 || start >= 2 ** 53) return sink.iotlb('domain', domainId, 0, 0, leafOnly);
    return sink.iotlb('page', domainId, start, pageSize(bits - 12), leafOnly);
  }

  #finish(): void {
    const { registers, memory, log } = this.#parts;
    if ((this.#waitFlags & WAIT.STORE) !== 0) {
      memory.writeU32(this.#storeAddress, this.#storeLow);
      memory.writeU32(this.#storeAddress + 4, this.#storeHigh);
    }
    if ((this.#waitFlags & WAIT.INTERRUPT) !== 0) log.completionWait();
    if (this.#silentDevice >= 0) log.write(AMDVI_EVENT.IOTLB_INV_TIMEOUT, 0, this.#silentDevice, 0, 0, 0);
    this.#waitFlags = 0;
    const next = registers.low('COMMAND_HEAD') + RING_ENTRY_BYTES;
    registers.set('COMMAND_HEAD', next % ringBytes(registers.high('COMMAND_BASE')));
    this.#processed += 1;
    this.#busy = false;
    this.kick();
  }

  #stop(code: number, at: number): void {
    const { registers, log } = this.#parts;
    this.#busy = false;
    registers.set('STATUS', registers.low('STATUS') & ~STATUS.CMD_BUF_RUN);
    log.write(code, 0, 0, 0, at % TWO_32, Math.floor(at / TWO_32));
  }
}

function rangeStart(low: number, high: number, bits: number): number {
  const address = ((low & 0xffff_f000) >>> 0) + high * TWO_32;
  return pageStart(address, bits);
}
