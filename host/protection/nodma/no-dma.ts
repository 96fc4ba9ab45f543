import { InvariantViolation, ParameterError } from '../../../scheduler/errors.js';
import type { HostParts } from '../../host-parts.js';
import type { Domain } from '../../hypervisor/domain.js';
import { HYPERVISOR } from '../../hypervisor/hypervisor.js';
import type { DomainId } from '../../memory/page-ownership.js';
import { PAGE_BYTES } from '../../memory/physical-memory.js';
import type { GuestPort, PortOptions } from '../guest-port.js';
import { OpenPorts } from '../open-ports.js';
import type { Protection, ProtectionCounters } from '../protection.js';
import { DPR, DPR_OFFSET, NoDmaChipset, PMEN, PMR, PMR_ALIGNMENT } from './chipset.js';

const MEGABYTE = 2 ** 20;

export interface NoDmaOptions {
  /** Measured memory behind the DPR, MB, 1 to 255. @defaultValue 1 */
  readonly dprMegabytes?: number;
}

/** The measured environment's memory, physical addresses. */
export interface MeasuredMemory {
  readonly pmr: { readonly base: number; readonly bytes: number };
  readonly dpr: { readonly base: number; readonly bytes: number };
  readonly table: { readonly base: number; readonly bytes: number };
}

/**
 * Intel's NoDMA table, PMR and DPR, used as they were meant: for the measured environment and the hypervisor.
 * The measured code lies in a protected memory range, its data and the NoDMA table itself behind the DPR, and
 * the table says no to every other page of the hypervisor.
 *
 * None of these checks knows which device asks. So they keep every guest's device out of the hypervisor, and
 * no guest's device out of another guest; and the one page of the hypervisor that the NIC must write, its
 * interrupt vector ring, is open to every context of the card. That is the approach's limit, and it shows.
 */
export class NoDma implements Protection {
  readonly name = 'nodma';
  readonly gate: NoDmaChipset;
  readonly #dprBytes: number;
  readonly #memory: { source: { readU32(address: number): number } | undefined } = { source: undefined };
  #parts: HostParts | undefined;
  #ports: OpenPorts | undefined;
  #measured: MeasuredMemory | undefined;
  #bitsChanged = 0;

  constructor(options: NoDmaOptions = {}) {
    const megabytes = options.dprMegabytes ?? 1;
    if (!Number.isInteger(megabytes) || megabytes < 1 || megabytes > 255)
      throw new ParameterError(`nodma.dprMegabytes is ${megabytes}, expected a whole number from 1 to 255`);
    this.#dprBytes = megabytes * MEGABYTE;
    this.gate = new NoDmaChipset({
      readU32: (address) => this.#memory.source?.readU32(address) ?? 0xffffffff,
    });
  }

  /** Where the measured environment lies. */
  get measured(): MeasuredMemory {
    if (this.#measured === undefined) throw new InvariantViolation('NoDMA is not installed');
    return this.#measured;
  }

  install(host: HostParts): void {
    this.#parts = host;
    this.#memory.source = host.memory;
    this.#ports = new OpenPorts(host);
    const measured = this.#reserve(host);
    this.#measured = measured;
    this.gate.writePmr(PMR.LOW_BASE, measured.pmr.base);
    this.gate.writePmr(PMR.LOW_LIMIT, measured.pmr.base + measured.pmr.bytes - 1);
    // Base and limit alike are one piece of memory, not none: the range that is not wanted must be turned round.
    this.gate.writePmr(PMR.HIGH_BASE, PMR_ALIGNMENT);
    this.gate.writePmr(PMR.ENABLE, PMEN.ENABLE);
    const top = measured.dpr.base + measured.dpr.bytes;
    this.gate.writeConfig(DPR_OFFSET, top + (measured.dpr.bytes / MEGABYTE) * 16 + DPR.ENABLE + DPR.LOCK);
    this.gate.setTable(measured.table.base, measured.table.bytes, true);
    host.pages.observe({
      given: (pages, owner) => this.#mark(pages, owner, true),
      taken: (pages, owner) => this.#mark(pages, owner, false),
    });
    for (let page = 0; page < host.pages.pageCount; page += 1)
      if (host.pages.owner(page) === HYPERVISOR) this.#mark([page], HYPERVISOR, true);
    host.hypervisor.attachVectorRing((physical, bytes) => {
      for (let at = physical; at < physical + bytes; at += PAGE_BYTES) this.#setBit(at / PAGE_BYTES, false);
      return physical;
    });
  }

  openPort(domain: Domain, options: PortOptions): GuestPort {
    if (this.#ports === undefined) throw new InvariantViolation('NoDMA is not installed');
    return this.#ports.open(domain, options);
  }

  closePort(port: GuestPort): void {
    this.#parts?.hypervisor.revokeContext(port.context);
  }

  counters(): ProtectionCounters {
    const { denials } = this.gate;
    const denied = Object.values(denials).reduce((sum, count) => sum + count, 0);
    return {
      accepted: this.#ports?.accepted ?? 0,
      refused: 0,
      checked: this.gate.checks,
      denied,
      details: {
        deniedByTable: denials['nodma-table'],
        deniedByTableProtect: denials['nodma-table-protect'],
        deniedByPmr: denials.pmr,
        deniedByDpr: denials.dpr,
        tableBitsChanged: this.#bitsChanged,
      },
    };
  }

  checkInvariants(): void {
    this.#ports?.checkInvariants();
    for (const domain of this.#parts?.hypervisor.domains ?? [])
      for (const page of domain.ownedPages)
        if (domain.id !== HYPERVISOR && this.gate.deniedBy(page * PAGE_BYTES, PAGE_BYTES) !== undefined)
          throw new InvariantViolation(`page ${page} of ${domain.name} is closed to DMA`);
  }

  /** Takes memory for the measured environment, in one piece, with the alignment that the ranges want. */
  #reserve(host: HostParts): MeasuredMemory {
    const tableBytes = roundUp(Math.ceil(host.pages.pageCount / 8), PAGE_BYTES);
    const dprBytes = Math.max(this.#dprBytes, roundUp(tableBytes, MEGABYTE));
    const taken = host.hypervisor.allocateOwn('hypervisor', 2 * PMR_ALIGNMENT + dprBytes);
    const base = roundUp(taken, PMR_ALIGNMENT);
    const dpr = base + PMR_ALIGNMENT;
    return {
      pmr: { base, bytes: PMR_ALIGNMENT },
      dpr: { base: dpr, bytes: dprBytes },
      table: { base: dpr, bytes: tableBytes },
    };
  }

  /** The hypervisor's pages are in the table, unless one of the ranges has them. */
  #mark(pages: readonly number[], owner: DomainId, forbidden: boolean): void {
    if (owner !== HYPERVISOR) return;
    const { pmr, dpr } = this.measured;
    for (const page of pages) {
      const address = page * PAGE_BYTES;
      if (address < pmr.base || address >= dpr.base + dpr.bytes) this.#setBit(page, forbidden);
    }
  }

  #setBit(page: number, forbidden: boolean): void {
    const parts = this.#parts;
    if (parts === undefined) return;
    const address = this.measured.table.base + Math.floor(page / 32) * 4;
    const bit = 1 << (page & 31);
    const word = parts.memory.readU32(address);
    parts.memory.writeU32(address, forbidden ? word | bit : word & ~bit);
    this.#bitsChanged += 1;
    parts.processor.chargeAccount(parts.hypervisor.account, 'tableWord');
  }
}

function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}
