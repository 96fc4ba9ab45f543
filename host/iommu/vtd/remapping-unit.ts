import {
  hostPhysicalAddress,
  type IoVirtualAddress,
  ioVirtualAddress,
  type RequesterId,
} from '../../../nic/addresses.js';
import { InvariantViolation } from '../../../scheduler/errors.js';
import type { InterruptResult } from '../interrupt-remapping.js';
import { dropAll, type InvalidationSink } from '../invalidation-sink.js';
import { type QueueTiming, queueTiming } from '../queue-timing.js';
import { RegisterFile } from '../register-file.js';
import type { WalkResult } from '../table-walker.js';
import { TranslationUnit } from '../translation-unit.js';
import type { UnitParts } from '../unit-parts.js';
import { type VtdCapabilities, vtdCapabilities } from './capabilities.js';
import { EventMessage } from './event-message.js';
import { FaultRecorder, type RecordOutcome } from './fault-recorder.js';
import { VtdInterruptRemapper } from './interrupt-remapper.js';
import { InvalidationQueue } from './invalidation-queue.js';
import { ProtectedRegions } from './protected-regions.js';
import { RegisterInvalidation } from './register-invalidation.js';
import { GCMD, VTD_WINDOW_BYTES, type VtdRegisterName, vtdRegisters } from './registers.js';
import { VtdWalker } from './walker.js';

/** The environment and the capabilities of a VT-d unit. */
export interface RemappingUnitOptions extends UnitParts {
  readonly capabilities?: Partial<VtdCapabilities>;
}

/**
 * An Intel VT-d remapping unit in legacy mode: the register window that software programs, the walker behind it,
 * the invalidation queue and the fault log. Until software sets GCMD.TE, requests pass untranslated.
 *
 * As hardware, the unit trusts software to invalidate what it changes: caches in front of `walk` are told of
 * invalidations through the sink, and of nothing else.
 */
export class RemappingUnit extends TranslationUnit {
  readonly capabilities: VtdCapabilities;
  /** Times of its queue, ns. */
  readonly timing: QueueTiming;
  readonly registers: RegisterFile<VtdRegisterName>;
  override readonly walker: VtdWalker;
  readonly faults: FaultRecorder;
  readonly queue: InvalidationQueue;
  readonly protectedRegions: ProtectedRegions;
  readonly interrupts: VtdInterruptRemapper;
  readonly #faultEvent: EventMessage;
  readonly #completionEvent: EventMessage;
  readonly #invalidation: RegisterInvalidation;
  readonly #sink: InvalidationSink;
  #translating = false;

  constructor(options: RemappingUnitOptions) {
    super();
    const { kernel, memory, sink, interrupts } = options;
    const reachable = options.reachable ?? (() => true);
    const capabilities = vtdCapabilities(options.capabilities);
    this.capabilities = capabilities;
    this.#sink = sink;
    this.timing = queueTiming(options.timing);
    this.registers = new RegisterFile(vtdRegisters(capabilities), VTD_WINDOW_BYTES, (name, value, high) =>
      this.#onWrite(name, value, high),
    );
    this.walker = new VtdWalker(memory, capabilities, reachable);
    this.#faultEvent = new EventMessage(this.registers, 'FE', interrupts);
    this.#completionEvent = new EventMessage(this.registers, 'IE', interrupts);
    this.faults = new FaultRecorder(this.registers, this.#faultEvent, capabilities.faultRecords);
    this.interrupts = new VtdInterruptRemapper(memory, reachable);
    this.queue = new InvalidationQueue({
      registers: this.registers,
      memory,
      reachable,
      capabilities,
      sink,
      faults: this.faults,
      event: this.#completionEvent,
      interrupts: this.interrupts,
      kernel,
      timing: this.timing,
    });
    this.#invalidation = new RegisterInvalidation(this.registers, sink, capabilities, kernel);
    this.protectedRegions = new ProtectedRegions(this.registers);
  }

  /** GSTS.TES: requests are translated. */
  override get translating(): boolean {
    return this.#translating;
  }

  /** Logs a request that was stopped, unless the tables say that it is not to be; undefined if nothing was to be logged. */
  recordFault(
    requesterId: RequesterId,
    iova: IoVirtualAddress,
    write: boolean,
    walk: WalkResult,
  ): RecordOutcome | undefined {
    if (walk.ok || walk.faultReason === 0 || walk.logging === 'never') return undefined;
    return this.faults.record(requesterId, iova, write, walk.faultReason);
  }

  /** What becomes of an interrupt message of a device. */
  remapInterrupt(requesterId: RequesterId, address: number, data: number, out: InterruptResult): void {
    this.interrupts.remap(requesterId, address, data, out);
  }

  /** Logs a message that was stopped, with the entry that it named; undefined if nothing was to be logged. */
  recordInterruptFault(requesterId: RequesterId, outcome: InterruptResult): RecordOutcome | undefined {
    if (outcome.delivered || outcome.logging === 'never') return undefined;
    // FI of an interrupt's record: the index is in bits 63:48.
    const info = ioVirtualAddress(outcome.index * 2 ** 48);
    return this.faults.record(requesterId, info, true, outcome.faultReason);
  }

  /** A reset of the system: as after power-on. Nothing is translated, the queue is off, and the caches are empty. */
  reset(): void {
    this.queue.setEnabled(false);
    this.#invalidation.reset();
    this.registers.reset();
    this.walker.rootTable = hostPhysicalAddress(0);
    this.interrupts.reset();
    this.faults.reset();
    this.protectedRegions.onWrite('PMEN');
    this.#setTranslating(false);
    dropAll(this.#sink);
  }

  checkInvariants(): void {
    this.faults.checkInvariants();
    this.queue.checkInvariants();
    if (((this.registers.low('GSTS') & GCMD.TE) !== 0) !== this.#translating)
      throw new InvariantViolation('GSTS.TES is wrong');
  }

  #onWrite(name: VtdRegisterName, value: number, high: boolean): void {
    switch (name) {
      case 'GCMD':
        this.#command(value);
        break;
      case 'IQT':
        if (!high) this.queue.kick();
        break;
      case 'FSTS':
        this.faults.onClear();
        this.queue.kick();
        break;
      case 'FECTL':
        this.#faultEvent.onControlWrite();
        break;
      case 'IECTL':
        this.#completionEvent.onControlWrite();
        break;
      case 'ICS':
        if (this.registers.low('ICS') === 0) this.#completionEvent.withdraw();
        break;
      case 'IVA':
        this.#invalidation.onIvaWrite(value, high);
        break;
      case 'CCMD':
        if (high) this.#invalidation.onContextCommand(this.queue.enabled);
        break;
      case 'IOTLB':
        if (high) this.#invalidation.onIotlbCommand(this.queue.enabled);
        break;
      default:
        if (name.startsWith('FRCD')) this.faults.onClear();
        else this.protectedRegions.onWrite(name);
    }
  }

  /** Nothing that was cached counts on the other side of a change of TE. */
  #setTranslating(translating: boolean): void {
    if (translating === this.#translating) return;
    this.#translating = translating;
    dropAll(this.#sink);
  }

  /** GCMD takes effect at once. TE and QIE are kept, so software writes them with every command (GSTS says which). */
  #command(value: number): void {
    let status = this.registers.low('GSTS');
    if ((value & GCMD.SRTP) !== 0) {
      this.walker.rootTable = this.registers.address('RTADDR');
      status |= GCMD.SRTP;
    }
    this.#setTranslating((value & GCMD.TE) !== 0);
    if (this.capabilities.interruptRemapping) status = this.#interruptCommand(value, status);
    const useQueue = (value & GCMD.QIE) !== 0 && this.capabilities.queuedInvalidation;
    status = (status & ~(GCMD.TE | GCMD.QIE)) | (value & GCMD.TE) | (useQueue ? GCMD.QIE : 0);
    this.registers.set('GSTS', status >>> 0);
    this.queue.setEnabled(useQueue);
  }

  /** SIRTP, IRE and CFI. Returns what GSTS says of them. */
  #interruptCommand(value: number, status: number): number {
    if ((value & GCMD.SIRTP) !== 0) {
      const entries = 2 ** ((this.registers.low('IRTA') & 0xf) + 1);
      this.interrupts.setTable(this.registers.address('IRTA'), entries);
    }
    this.interrupts.enabled = (value & GCMD.IRE) !== 0;
    this.interrupts.passesCompatibility = (value & GCMD.CFI) !== 0;
    return (status & ~(GCMD.IRE | GCMD.CFI)) | (value & (GCMD.IRE | GCMD.CFI | GCMD.SIRTP));
  }
}
