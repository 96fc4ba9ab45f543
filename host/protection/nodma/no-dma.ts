import {
  addressAfter,
  type HostPhysicalAddress,
  hostPhysicalAddress,
  lastPageOf,
  PAGE_BYTES,
  type PageNumber,
  pageAddress,
  pageAfter,
  pageNumber,
  pageOf,
  untranslated,
} from '../../../nic/addresses.js';
import { InvariantViolation, ParameterError } from '../../../scheduler/errors.js';
import { refuseUnknownOptions } from '../../../scheduler/known-options.js';
import { COST } from '../../cpu/costs.js';
import type { HostParts } from '../../host-parts.js';
import type { Domain } from '../../hypervisor/domain.js';
import { HYPERVISOR } from '../../hypervisor/hypervisor.js';
import type { DomainId } from '../../memory/page-ownership.js';
import type { GuestPort, PortOptions } from '../guest-port.js';
import { OpenPorts } from '../open-ports.js';
import type { DirectPlan, ProtectionCounters } from '../protection.js';
import { ReferenceApproach } from '../reference-approach.js';
import { DPR, DPR_OFFSET, NoDmaChipset, PMEN, PMR, PMR_ALIGNMENT } from './chipset.js';

const MEGABYTE = 2 ** 20;

export interface NoDmaOptions {
  /** Measured memory behind the DPR, MB, 1 to 255. @defaultValue 1 */
  readonly dprMegabytes?: number;
}

/** NoDMA with its options. */
export class NoDma implements DirectPlan<NoDmaProtection> {
  readonly name = 'nodma';
  readonly #dprBytes: number;

  /** @throws ParameterError for a DPR that the chipset does not have. */
  constructor(options: NoDmaOptions = {}) {
    refuseUnknownOptions('nodma', options, { dprMegabytes: true });
    const { dprMegabytes = 1 } = options;
    if (!Number.isInteger(dprMegabytes) || dprMegabytes < 1 || dprMegabytes > 255)
      throw new ParameterError(
        `nodma.dprMegabytes is ${dprMegabytes}, expected a whole number from 1 to 255`,
      );
    this.#dprBytes = dprMegabytes * MEGABYTE;
  }

  build(parts: HostParts): NoDmaProtection {
    return new NoDmaProtection(parts, this.#dprBytes);
  }
}

/** The measured environment's memory, physical addresses. */
export interface MeasuredMemory {
  readonly pmr: { readonly base: HostPhysicalAddress; readonly bytes: number };
  readonly dpr: { readonly base: HostPhysicalAddress; readonly bytes: number };
  readonly table: { readonly base: HostPhysicalAddress; readonly bytes: number };
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
export class NoDmaProtection extends ReferenceApproach {
  readonly name = 'nodma';
  readonly handOver = 'write';
  readonly gate: NoDmaChipset;
  /** Where the measured environment lies. */
  readonly measured: MeasuredMemory;
  readonly #ports: OpenPorts;
  #bitsChanged = 0;

  constructor(parts: HostParts, dprBytes: number) {
    super(parts);
    this.gate = new NoDmaChipset(parts.memory);
    this.#ports = new OpenPorts(parts);
    const measured = reserve(parts, dprBytes);
    this.measured = measured;
    this.gate.writePmr(PMR.LOW_BASE, measured.pmr.base);
    this.gate.writePmr(PMR.LOW_LIMIT, measured.pmr.base + measured.pmr.bytes - 1);
    // Base and limit alike are one piece of memory, not none: the range that is not wanted must be turned round.
    this.gate.writePmr(PMR.HIGH_BASE, PMR_ALIGNMENT);
    this.gate.writePmr(PMR.ENABLE, PMEN.ENABLE);
    const top = measured.dpr.base + measured.dpr.bytes;
    this.gate.writeConfig(DPR_OFFSET, top + (measured.dpr.bytes / MEGABYTE) * 16 + DPR.ENABLE + DPR.LOCK);
    this.gate.setTable(measured.table.base, measured.table.bytes, true);
    parts.pages.observe({
      given: (pages, owner) => this.#mark(pages, owner, true),
      taken: (pages, owner) => this.#mark(pages, owner, false),
    });
    for (let page = pageNumber(0); page < parts.pages.pageCount; page = pageAfter(page))
      if (parts.pages.owner(page) === HYPERVISOR) this.#mark([page], HYPERVISOR, true);
    parts.hypervisor.attachVectorRing((physical, bytes) => {
      const last = lastPageOf(physical, bytes);
      for (let page = pageOf(physical); page <= last; page = pageAfter(page)) this.#setBit(page, false);
      return untranslated(physical);
    });
  }

  openPort(domain: Domain, options: PortOptions): GuestPort {
    return this.#ports.open(domain, options);
  }

  counters(): ProtectionCounters {
    const { denials } = this.gate;
    const denied = Object.values(denials).reduce((sum, count) => sum + count, 0);
    return {
      accepted: this.#ports.accepted,
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
    this.#ports.checkInvariants();
    for (const domain of this.parts.hypervisor.domains)
      for (const page of domain.ownedPages)
        if (domain.id !== HYPERVISOR && this.gate.deniedBy(pageAddress(page), PAGE_BYTES) !== undefined)
          throw new InvariantViolation(`page ${page} of ${domain.name} is closed to DMA`);
  }

  /** The hypervisor's pages are in the table, unless one of the ranges has them. */
  #mark(pages: readonly PageNumber[], owner: DomainId, forbidden: boolean): void {
    if (owner !== HYPERVISOR) return;
    const { pmr, dpr } = this.measured;
    for (const page of pages) {
      const address = pageAddress(page);
      if (address < pmr.base || address >= dpr.base + dpr.bytes) this.#setBit(page, forbidden);
    }
  }

  #setBit(page: PageNumber, forbidden: boolean): void {
    const { memory, processor, hypervisor } = this.parts;
    const address = addressAfter(this.measured.table.base, Math.floor(page / 32) * 4);
    const bit = 1 << (page & 31);
    const word = memory.readU32(address);
    memory.writeU32(address, forbidden ? word | bit : word & ~bit);
    this.#bitsChanged += 1;
    processor.chargeAccount(hypervisor.account, COST.tableWord);
  }
}

/** Takes memory for the measured environment, in one piece, with the alignment that the ranges want. */
function reserve(parts: HostParts, leastDprBytes: number): MeasuredMemory {
  const tableBytes = roundUp(Math.ceil(parts.pages.pageCount / 8), PAGE_BYTES);
  const dprBytes = Math.max(leastDprBytes, roundUp(tableBytes, MEGABYTE));
  const taken = parts.hypervisor.allocateOwn('hypervisor', 2 * PMR_ALIGNMENT + dprBytes);
  const base = hostPhysicalAddress(roundUp(taken, PMR_ALIGNMENT));
  const dpr = addressAfter(base, PMR_ALIGNMENT);
  return {
    pmr: { base, bytes: PMR_ALIGNMENT },
    dpr: { base: dpr, bytes: dprBytes },
    table: { base: dpr, bytes: tableBytes },
  };
}

function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}
