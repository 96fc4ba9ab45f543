import type { IoPageNumber, IoVirtualAddress, RequesterId } from '../../nic/addresses.js';
import { passUntranslated, type TableWalker, type WalkResult } from './table-walker.js';

/**
 * What the units of all vendors have in common as walkers of tables: while software has not switched translation on,
 * every request passes at its own address; afterwards the walker behind the registers decides.
 */
export abstract class TranslationUnit implements TableWalker {
  /** Reads the tables that the registers name. */
  abstract readonly walker: TableWalker;

  /** Whether requests are translated. */
  abstract get translating(): boolean;

  walk(requesterId: RequesterId, iova: IoVirtualAddress, write: boolean, out: WalkResult): void {
    if (this.translating) this.walker.walk(requesterId, iova, write, out);
    else passUntranslated(requesterId, iova, out);
  }

  readEntry(requesterId: RequesterId, write: boolean, out: WalkResult): boolean {
    return !this.translating || this.walker.readEntry(requesterId, write, out);
  }

  applyEntry(page: IoPageNumber, write: boolean, out: WalkResult): boolean {
    if (this.translating) return this.walker.applyEntry(page, write, out);
    out.entryPasses = true;
    out.pass(page, true, true);
    return false;
  }

  walkTables(page: IoPageNumber, write: boolean, out: WalkResult): void {
    this.walker.walkTables(page, write, out);
  }

  stopAtAbsentPage(write: boolean, out: WalkResult): void {
    this.walker.stopAtAbsentPage(write, out);
  }
}
