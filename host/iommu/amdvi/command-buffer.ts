import {
  addressAfter,
  type HostPhysicalAddress,
  hostPhysicalAddress,
  ioPageNumber,
  ioPageOf,
  ioVirtualAddress,
  type RequesterId,
  requesterId,
} from '../../../nic/addresses.js';
import { CommandRing, ILLEGAL, type RingError, type RingParts } from '../command-ring.js';
import { pageSize, pageStart } from '../page-arithmetic.js';
import type { RegisterFile } from '../register-file.js';
import { COMMAND, hasReservedBits, PAGES, rangeBits, WAIT } from './commands.js';
import type { EventLog } from './event-log.js';
import { AMDVI_EVENT } from './events.js';
import { type AmdviRegisterName, CONTROL_INV_TIMEOUT_SHIFT, ringBytes, STATUS } from './registers.js';

const TWO_32 = 2 ** 32;
/** What `rangeBits` says of a range that is all addresses. */
const ALL_BITS = 64;
/** CONTROL.InvTimeOut in ns; 0 waits for ever. */
const TIMEOUTS_NS = [0, 1e6, 1e7, 1e8, 1e9, 1e10] as const;

/** The interface through which a command buffer uses its unit. */
export interface CommandBufferParts extends RingParts {
  readonly registers: RegisterFile<AmdviRegisterName>;
  readonly log: EventLog;
  /** A device table entry is to be read anew: what SE has suppressed for the device counts again. */
  readonly onEntryInvalidated: (deviceId: RequesterId | undefined) => void;
  /** Interrupt remapping entries of a device, or of all, are to be read anew. */
  readonly onInterruptTableInvalidated: (deviceId: RequesterId | undefined) => void;
}

/** No device is silent: no requester ID has this value. */
const NO_DEVICE = requesterId(-1);

/**
 * The command buffer, COMMAND_HEAD to COMMAND_TAIL of the ring at COMMAND_BASE. A command that the unit does not know
 * is logged as ILLEGAL_COMMAND_ERROR; the head stays at it and CmdBufRun is cleared, until software switches CmdBufEn
 * off and on. PREFETCH_IOMMU_PAGES and COMPLETE_PPR_REQUEST are such: EFR.PrefSup and EFR.PPRSup are 0.
 */
export class CommandBuffer extends CommandRing {
  readonly #registers: RegisterFile<AmdviRegisterName>;
  readonly #log: EventLog;
  readonly #onEntryInvalidated: (deviceId: RequesterId | undefined) => void;
  readonly #onInterruptTableInvalidated: (deviceId: RequesterId | undefined) => void;
  // The action due when the time of the current command has passed.
  #waitFlags = 0;
  #storeAddress = hostPhysicalAddress(0);
  #storeLow = 0;
  #storeHigh = 0;
  /** Device that does not answer, or -1. */
  #silentDevice = NO_DEVICE;

  constructor(parts: CommandBufferParts) {
    super(parts, 'host.iommu.commands');
    this.#registers = parts.registers;
    this.#log = parts.log;
    this.#onEntryInvalidated = parts.onEntryInvalidated;
    this.#onInterruptTableInvalidated = parts.onInterruptTableInvalidated;
  }

  /** STATUS.CmdBufRun. */
  override get running(): boolean {
    return (this.#registers.low('STATUS') & STATUS.CMD_BUF_RUN) !== 0;
  }

  /** Software has switched CmdBufEn. Switching it off abandons the current command. */
  setEnabled(enabled: boolean): void {
    const status = this.#registers.low('STATUS');
    this.#registers.set('STATUS', enabled ? status | STATUS.CMD_BUF_RUN : status & ~STATUS.CMD_BUF_RUN);
    if (enabled) this.kick();
    else this.abandon();
  }

  protected override get base(): HostPhysicalAddress {
    return this.#registers.address('COMMAND_BASE');
  }

  protected override get bytes(): number {
    return ringBytes(this.#registers.high('COMMAND_BASE'));
  }

  protected override get head(): number {
    return this.#registers.low('COMMAND_HEAD');
  }

  protected override set head(offset: number) {
    this.#registers.set('COMMAND_HEAD', offset);
  }

  protected override get tail(): number {
    return this.#registers.low('COMMAND_TAIL');
  }

  protected override perform(word0: number, word1: number, word2: number, word3: number): number {
    const { sink, timing, reachable } = this;
    const deviceId = word0 & 0xffff;
    this.#waitFlags = 0;
    this.#silentDevice = NO_DEVICE;
    if (hasReservedBits(word0, word1, word2, word3)) return ILLEGAL;
    switch (word1 >>> 28) {
      case COMMAND.COMPLETION_WAIT: {
        const address = ((word0 & 0xffff_fff8) >>> 0) + (word1 & 0xf_ffff) * TWO_32;
        const stores = (word0 & WAIT.STORE) !== 0;
        if (stores && !reachable(hostPhysicalAddress(pageStart(address, 12)))) return ILLEGAL;
        this.#waitFlags = word0 & (WAIT.STORE | WAIT.INTERRUPT);
        this.#storeAddress = hostPhysicalAddress(address);
        this.#storeLow = word2;
        this.#storeHigh = word3;
        return stores ? timing.statusWriteNs : 0;
      }
      case COMMAND.INVALIDATE_DEVTAB_ENTRY:
        this.#onEntryInvalidated(requesterId(deviceId));
        return sink.invalidateContexts('device', 0, requesterId(deviceId), 0);
      case COMMAND.INVALIDATE_IOMMU_PAGES:
        return this.#invalidatePages(word1 & 0xffff, word2, word3);
      case COMMAND.INVALIDATE_IOTLB_PAGES: {
        const bits = rangeBits(word2, word3);
        const pages = bits === ALL_BITS ? Number.POSITIVE_INFINITY : pageSize(bits - 12);
        const answerNs = sink.invalidateDeviceTlb(
          requesterId(deviceId),
          ioVirtualAddress(bits === ALL_BITS ? 0 : rangeStart(word2, word3, bits)),
          pages,
        );
        if (answerNs >= 0) return answerNs;
        this.#silentDevice = requesterId(deviceId);
        // 0: codes 6 and 7 are reserved, and set no time-out.
        const timeout = TIMEOUTS_NS[(this.#registers.low('CONTROL') >>> CONTROL_INV_TIMEOUT_SHIFT) & 7] ?? 0;
        return timeout === 0 ? Number.POSITIVE_INFINITY : timeout;
      }
      case COMMAND.INVALIDATE_INTERRUPT_TABLE:
        this.#onInterruptTableInvalidated(requesterId(deviceId));
        return timing.interruptEntryNs;
      case COMMAND.INVALIDATE_IOMMU_ALL:
        this.#onEntryInvalidated(undefined);
        this.#onInterruptTableInvalidated(undefined);
        return (
          sink.invalidateContexts('global', 0, requesterId(0), 0) +
          sink.invalidateIotlb('global', 0, ioPageNumber(0), 0, false)
        );
      default:
        return ILLEGAL;
    }
  }

  #invalidatePages(domainId: number, word2: number, word3: number): number {
    const { sink } = this;
    const bits = rangeBits(word2, word3);
    const leafOnly = (word2 & PAGES.PDE) === 0;
    if (bits === ALL_BITS) return sink.invalidateIotlb('domain', domainId, ioPageNumber(0), 0, leafOnly);
    const first = ioPageOf(ioVirtualAddress(rangeStart(word2, word3, bits)));
    return sink.invalidateIotlb('page', domainId, first, pageSize(bits - 12), leafOnly);
  }

  protected override finish(): boolean {
    if ((this.#waitFlags & WAIT.STORE) !== 0) {
      this.memory.writeU32(this.#storeAddress, this.#storeLow);
      this.memory.writeU32(addressAfter(this.#storeAddress, 4), this.#storeHigh);
    }
    const log = this.#log;
    if ((this.#waitFlags & WAIT.INTERRUPT) !== 0) log.completionWait();
    if (this.#silentDevice !== NO_DEVICE) {
      const at = addressAfter(this.base, this.head);
      const { IOTLB_INV_TIMEOUT } = AMDVI_EVENT;
      log.write(IOTLB_INV_TIMEOUT, 0, this.#silentDevice, 0, at % TWO_32, Math.floor(at / TWO_32));
    }
    this.#waitFlags = 0;
    return true;
  }

  protected override report(error: RingError, at: number): void {
    const code = error === 'illegal' ? AMDVI_EVENT.ILLEGAL_COMMAND_ERROR : AMDVI_EVENT.COMMAND_HARDWARE_ERROR;
    this.#registers.set('STATUS', this.#registers.low('STATUS') & ~STATUS.CMD_BUF_RUN);
    this.#log.write(code, 0, requesterId(0), 0, at % TWO_32, Math.floor(at / TWO_32));
  }
}

function rangeStart(low: number, high: number, bits: number): number {
  const address = ((low & 0xffff_f000) >>> 0) + high * TWO_32;
  return pageStart(address, bits);
}
