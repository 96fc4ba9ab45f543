import {
  addressAfter,
  type HostPhysicalAddress,
  PAGE_BYTES,
  type PageNumber,
  pageAddress,
} from '../../../nic/addresses.js';
import { InvariantViolation } from '../../../scheduler/errors.js';
import { COST } from '../../cpu/costs.js';
import type { HostParts } from '../../host-parts.js';
import type { Domain } from '../../hypervisor/domain.js';
import type { SetupRefusal } from '../guest-port.js';
import type { BridgeMoves, GrantOperation } from './bridge-moves.js';
import { NO_PAGE } from './frame-parts.js';
import { GRANT_PERMIT, GRANT_READ_ONLY, type GrantTable } from './grant-table.js';

/**
 * The hypervisor's operations for a driver domain on references that guests have granted it: copy, map, flip.
 * Each use is checked anew: the entry permits it, to this domain, in this direction, and the frame belongs to
 * the guest and is guest memory. A refusal is a value; `refusal` says why.
 *
 * Calls within one batch share a hypercall, as a back end that handles many packets at once does.
 */
export class GrantOperations {
  readonly #parts: HostParts;
  readonly #user: Domain;
  readonly #payer: number;
  readonly #moves: BridgeMoves;
  #entered = false;
  #refusal: SetupRefusal = 'bad-grant';
  #copies = 0;
  #copiedBytes = 0;
  #maps = 0;
  #unmaps = 0;
  #flips = 0;

  /** @param user the driver domain, on whose behalf everything is done. */
  constructor(parts: HostParts, user: Domain, moves: BridgeMoves) {
    this.#parts = parts;
    this.#moves = moves;
    this.#user = user;
    this.#payer = parts.hypervisor.account;
  }

  /** Why the last operation was refused. */
  get refusal(): SetupRefusal {
    return this.#refusal;
  }

  get counters(): Readonly<
    Record<'grantCopies' | 'bytesCopied' | 'grantMaps' | 'grantUnmaps' | 'pageFlips', number>
  > {
    return {
      grantCopies: this.#copies,
      bytesCopied: this.#copiedBytes,
      grantMaps: this.#maps,
      grantUnmaps: this.#unmaps,
      pageFlips: this.#flips,
    };
  }

  /** What follows is one hypercall, until the next batch begins. */
  beginBatch(): void {
    this.#entered = false;
  }

  /** Looks whether a reference may be used; the page, or NO_PAGE. Free: the operations that do it pay. */
  validate(table: GrantTable, reference: number, write: boolean): PageNumber {
    const flags = table.flags(reference);
    if ((flags & GRANT_PERMIT) === 0 || table.grantee(reference) !== this.#user.id)
      return this.#refuse('bad-grant');
    if (write && (flags & GRANT_READ_ONLY) !== 0) return this.#refuse('bad-grant');
    const page = table.page(reference);
    const refusal = this.#parts.pages.refusalFor(table.domain.id, page);
    return refusal === undefined ? page : this.#refuse(refusal);
  }

  /** Copies from a granted page to the driver domain. False when refused. */
  copyOut(
    table: GrantTable,
    reference: number,
    offset: number,
    length: number,
    target: HostPhysicalAddress,
  ): boolean {
    const page = this.#enter('copy-out', table, reference, false);
    if (page < 0) return false;
    this.#parts.memory.copy(addressAfter(pageAddress(page), offset), target, length);
    if (this.#moves.observed) this.#tell('copy-out', table, reference, page, offset, length, target);
    this.#chargeCopy(length);
    return true;
  }

  /** Copies from memory of the driver domain to a granted page. False when refused. */
  copyIn(
    table: GrantTable,
    reference: number,
    offset: number,
    length: number,
    source: HostPhysicalAddress,
  ): boolean {
    const page = this.#enter('copy-in', table, reference, true);
    if (page < 0) return false;
    this.#parts.memory.copy(source, addressAfter(pageAddress(page), offset), length);
    if (this.#moves.observed) this.#tell('copy-in', table, reference, page, offset, length, source);
    this.#chargeCopy(length);
    return true;
  }

  /** Maps a granted page into the driver domain, which pins it. The page, or NO_PAGE. */
  map(table: GrantTable, reference: number, write: boolean): PageNumber {
    const page = this.#enter('map', table, reference, write);
    if (page < 0) return NO_PAGE;
    this.#parts.processor.chargeAccount(this.#payer, COST.grantMap);
    this.#parts.pages.pin(page);
    this.#maps += 1;
    if (this.#moves.observed) this.#tell('map', table, reference, page, 0, PAGE_BYTES);
    return page;
  }

  /** Ends a mapping. */
  unmap(page: PageNumber): void {
    this.#call();
    this.#parts.processor.chargeAccount(this.#payer, COST.grantUnmap);
    this.#parts.pages.unpin(page);
    this.#unmaps += 1;
  }

  /**
   * Gives a page of the driver domain to the guest, in exchange for the granted one. The granted page, or NO_PAGE
   * when refused (or pinned, or in a bank: then nothing has changed, and `refusal` is `pinned`).
   */
  flip(table: GrantTable, reference: number, given: PageNumber): PageNumber {
    const taken = this.#enter('flip', table, reference, true);
    if (taken < 0) return NO_PAGE;
    const { pages, processor } = this.#parts;
    const guest = table.domain;
    if (pages.count(taken) > 0 || pages.isSetAside(taken) || pages.count(given) > 0)
      return this.#refuse('pinned');
    for (const outcome of [
      pages.transfer(guest.id, this.#user.id, taken),
      pages.transfer(this.#user.id, guest.id, given),
    ])
      if (!outcome.ok)
        throw new InvariantViolation(`page ${outcome.page} cannot be flipped: ${outcome.refusal}`);
    guest.forget(taken);
    this.#user.adopt(taken);
    this.#user.forget(given);
    guest.adopt(given);
    processor.chargeAccount(this.#payer, COST.flipPage, 2);
    this.#flips += 1;
    if (this.#moves.observed) this.#tell('flip', table, reference, taken, 0, PAGE_BYTES, pageAddress(given));
    return taken;
  }

  #enter(operation: GrantOperation, table: GrantTable, reference: number, write: boolean): PageNumber {
    this.#call();
    this.#parts.processor.chargeAccount(this.#payer, COST.validatePage);
    const page = this.validate(table, reference, write);
    if (page < 0 && this.#moves.observed) this.#tell(operation, table, reference, page, 0, 0);
    return page;
  }

  /** An operation was carried out; for NO_PAGE it was refused. */
  #tell(
    operation: GrantOperation,
    table: GrantTable,
    reference: number,
    page: PageNumber,
    offset: number,
    length: number,
    other?: HostPhysicalAddress,
  ): void {
    const isRefused = page < 0;
    this.#moves.tell({
      kind: 'grant',
      operation,
      owner: table.domain.id,
      reference,
      entry: table.addressOf(reference),
      page: isRefused ? table.page(reference) : page,
      offset,
      length,
      other,
      refusal: isRefused ? this.#refusal : undefined,
    });
  }

  #call(): void {
    if (this.#entered) return;
    this.#entered = true;
    this.#parts.hypervisor.enterHypercall();
  }

  #chargeCopy(length: number): void {
    this.#copies += 1;
    this.#copiedBytes += length;
    this.#parts.processor.chargeAccount(this.#payer, COST.grantCopy);
    this.#parts.processor.chargeAccount(this.#payer, COST.copyByte, length);
  }

  #refuse(refusal: SetupRefusal): PageNumber {
    this.#refusal = refusal;
    return NO_PAGE;
  }
}
