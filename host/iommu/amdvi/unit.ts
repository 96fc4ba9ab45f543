import { hostPhysicalAddress, type IoVirtualAddress, type RequesterId } from '../../../nic/addresses.js';
import { ParameterError } from '../../../scheduler/errors.js';
import { present } from '../../../scheduler/present.js';
import type { InterruptResult } from '../interrupt-remapping.js';
import { dropAll, type InvalidationSink } from '../invalidation-sink.js';
import { type QueueTiming, queueTiming } from '../queue-timing.js';
import { RegisterFile } from '../register-file.js';
import type { FaultLogging, WalkResult } from '../table-walker.js';
import { TranslationUnit } from '../translation-unit.js';
import type { UnitParts } from '../unit-parts.js';
import { CommandBuffer } from './command-buffer.js';
import { EventLog, type LogOutcome } from './event-log.js';
import { AmdviInterruptRemapper } from './interrupt-remapper.js';
import { AMDVI_WINDOW_BYTES, type AmdviRegisterName, amdviRegisters, CONTROL } from './registers.js';
import { AmdviWalker } from './walker.js';

const TWO_32 = 2 ** 32;

/** The environment and the capabilities of an AMD-Vi unit. */
export interface AmdviUnitOptions extends UnitParts {
  /** Most levels that it can walk, 4 to 6. */
  readonly maxMode?: number;
}

/**
 * An AMD-Vi unit: the registers that software programs, the walker behind them, the command buffer and the event
 * log. Until software sets IommuEn, requests pass untranslated.
 */
export class AmdviUnit extends TranslationUnit {
  /** Times of its command buffer, ns. */
  readonly timing: QueueTiming;
  readonly registers: RegisterFile<AmdviRegisterName>;
  override readonly walker: AmdviWalker;
  readonly interrupts: AmdviInterruptRemapper;
  readonly log: EventLog;
  readonly commands: CommandBuffer;
  /** Devices with SE whose first fault is in the log already, one bit each. */
  readonly #reported = new Uint32Array(2048);
  readonly #sink: InvalidationSink;
  #control = 0;

  constructor(options: AmdviUnitOptions) {
    super();
    const { kernel, memory, sink, interrupts, maxMode = 6 } = options;
    if (!Number.isInteger(maxMode) || maxMode < 4 || maxMode > 6) {
      throw new ParameterError(`maxMode is ${maxMode}, expected 4, 5 or 6`);
    }
    this.timing = queueTiming(options.timing);
    this.#sink = sink;
    const reachable = options.reachable ?? (() => true);
    this.registers = new RegisterFile(amdviRegisters(maxMode), AMDVI_WINDOW_BYTES, (name) =>
      this.#onWrite(name),
    );
    this.walker = new AmdviWalker(memory, reachable, maxMode);
    this.interrupts = new AmdviInterruptRemapper(memory, reachable);
    this.log = new EventLog(this.registers, memory, reachable, interrupts);
    this.commands = new CommandBuffer({
      registers: this.registers,
      memory,
      reachable,
      sink,
      log: this.log,
      kernel,
      timing: this.timing,
      onEntryInvalidated: (deviceId) => this.#forget(deviceId),
      onInterruptTableInvalidated: (deviceId) => this.interrupts.invalidateTable(deviceId),
    });
  }

  /** CONTROL.IommuEn: requests are translated. */
  override get translating(): boolean {
    return (this.#control & CONTROL.IOMMU_EN) !== 0;
  }

  /**
   * Logs a request that was stopped, unless its device table entry says not to; undefined if nothing was to be logged.
   *
   * @param offset bytes from `iova` to the request, for an address from 2^53 on
   */
  recordFault(
    requesterId: RequesterId,
    iova: IoVirtualAddress,
    _write: boolean,
    walk: WalkResult,
    offset = 0,
  ): LogOutcome | undefined {
    if (walk.ok || walk.faultReason === 0 || walk.logging === 'never') return undefined;
    if (!this.#mayLog(requesterId, walk.logging)) return undefined;
    // A table that cannot be read is named by the address of its entry, a request by its own.
    const isEntry = walk.entryAddress >= 0;
    const address = isEntry ? walk.entryAddress : iova;
    const high = Math.floor(address / TWO_32);
    const low = (address % TWO_32) + (isEntry ? 0 : offset);
    return this.log.write(walk.faultReason, walk.faultFlags, requesterId, walk.domainId, low, high);
  }

  /** What becomes of an interrupt message of a device. */
  remapInterrupt(requesterId: RequesterId, address: number, data: number, out: InterruptResult): void {
    this.interrupts.remap(requesterId, address, data, out);
  }

  /** Logs a message that was stopped; undefined if nothing was to be logged. Its address is that of the message. */
  recordInterruptFault(
    requesterId: RequesterId,
    outcome: InterruptResult,
    address: number,
  ): LogOutcome | undefined {
    if (outcome.delivered || outcome.logging === 'never' || !this.#mayLog(requesterId, outcome.logging))
      return undefined;
    return this.log.write(outcome.faultReason, outcome.faultFlags, requesterId, 0, address, 0);
  }

  /** A reset of the system: as after power-on. Nothing is translated, rings are off, and the caches are empty. */
  reset(): void {
    this.#setControl(0);
    this.registers.reset();
    this.walker.setDeviceTable(hostPhysicalAddress(0), 0);
    this.walker.setExclusion(undefined);
    this.interrupts.reset();
    this.#reported.fill(0);
    dropAll(this.#sink);
  }

  checkInvariants(): void {
    this.log.checkInvariants();
    this.commands.checkInvariants();
  }

  /** SE: the first fault of a device is logged, until its entry is invalidated. */
  #mayLog(requesterId: RequesterId, logging: FaultLogging): boolean {
    if (logging !== 'first') return true;
    const word = requesterId >>> 5;
    const bit = 1 << (requesterId & 31);
    if ((present(this.#reported[word]) & bit) !== 0) return false;
    this.#reported[word] = present(this.#reported[word]) | bit;
    return true;
  }

  #forget(deviceId: RequesterId | undefined): void {
    this.interrupts.invalidateDevice(deviceId);
    if (deviceId === undefined) this.#reported.fill(0);
    else this.#reported[deviceId >>> 5] = present(this.#reported[deviceId >>> 5]) & ~(1 << (deviceId & 31));
  }

  #onWrite(name: AmdviRegisterName): void {
    switch (name) {
      case 'DEVICE_TABLE_BASE': {
        const pages = (this.registers.low('DEVICE_TABLE_BASE') & 0x1ff) + 1;
        const address = this.registers.address('DEVICE_TABLE_BASE');
        this.walker.setDeviceTable(address, pages * 4096);
        this.interrupts.setDeviceTable(address, pages * 4096);
        break;
      }
      // A new ring starts empty.
      case 'COMMAND_BASE':
        this.registers.set('COMMAND_HEAD', 0);
        this.registers.set('COMMAND_TAIL', 0);
        break;
      case 'EVENT_BASE':
        this.registers.set('EVENT_HEAD', 0);
        this.registers.set('EVENT_TAIL', 0);
        break;
      case 'COMMAND_TAIL':
        this.commands.kick();
        break;
      case 'EXCLUSION_BASE':
      case 'EXCLUSION_LIMIT':
        this.#setExclusion();
        break;
      case 'CONTROL':
        this.#setControl(this.registers.low('CONTROL'));
        break;
    }
  }

  #setExclusion(): void {
    const flags = this.registers.low('EXCLUSION_BASE');
    const start = this.registers.address('EXCLUSION_BASE');
    const end = this.registers.address('EXCLUSION_LIMIT') + 4096;
    this.walker.setExclusion((flags & 1) === 0 ? undefined : { start, end, allowAll: (flags & 2) !== 0 });
  }

  #setControl(written: number): void {
    // Command buffer and event log run only while the unit itself does.
    const control = (written & CONTROL.IOMMU_EN) === 0 ? 0 : written;
    const changed = control ^ this.#control;
    this.#control = control;
    // Nothing that was cached counts on the other side of a change of IommuEn.
    if ((changed & CONTROL.IOMMU_EN) !== 0) {
      dropAll(this.#sink);
      this.interrupts.invalidateDevice(undefined);
      this.interrupts.invalidateTable(undefined);
      this.interrupts.enabled = this.translating;
    }
    if ((changed & CONTROL.EVENT_LOG_EN) !== 0) this.log.setEnabled((control & CONTROL.EVENT_LOG_EN) !== 0);
    if ((changed & CONTROL.CMD_BUF_EN) !== 0) this.commands.setEnabled((control & CONTROL.CMD_BUF_EN) !== 0);
  }
}
