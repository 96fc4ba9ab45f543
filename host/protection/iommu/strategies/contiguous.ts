import {
  type IoPageNumber,
  ioPageAddress,
  ioPageAfter,
  ioPageNumber,
  type PageNumber,
  pageNumber,
} from '../../../../nic/addresses.js';
import { InvariantViolation } from '../../../../scheduler/errors.js';
import { absent } from '../../../../scheduler/present.js';
import type { ContextPort } from '../../context-port.js';
import type { GuestSpace } from '../guest-space.js';
import { IOVA_ERAS } from '../iova-eras.js';
import type { MappingStrategy } from '../mapping-strategy.js';
import { PerTransferGate, type Placement, type Teardown } from './per-transfer.js';

/** Pages of one contiguous range: 64 of 4 KB, as one receive descriptor of Fast & Safe has. */
const CHUNK_PAGES = 64;

/** A contiguous range of addresses that buffers are mapped into one behind the other. */
interface Chunk {
  readonly base: IoPageNumber;
  /** Pages that buffers were mapped to. */
  placed: number;
  /** Pages of buffers that are done, and at the end those that no buffer fitted into. */
  retired: number;
  /** First page and pages of what was retired, in pairs. */
  readonly pages: number[];
}

/**
 * Contiguous (Fast & Safe; Rubin et al., SOSP 2024): buffers get consecutive addresses in ranges of 64 pages, one
 * for each direction; when all of a range is done it is invalidated with one descriptor that leaves the walk caches
 * alone, since no table page was freed. As safe as single use once a range is done, at a fraction of
 * the invalidations, and walks read one table page instead of four. Until then buffers that are done stay mapped.
 */
export class Contiguous implements MappingStrategy {
  readonly transmit: PerTransferGate;
  readonly receive: PerTransferGate;
  readonly #space: GuestSpace;
  readonly #sides: readonly [ChunkedRange, ChunkedRange];
  #port: ContextPort | undefined;

  constructor(space: GuestSpace) {
    this.#space = space;
    this.#sides = [new ChunkedRange(space), new ChunkedRange(space)];
    this.transmit = new PerTransferGate(space, this.#sides[0], this.#sides[0]);
    this.receive = new PerTransferGate(space, this.#sides[1], this.#sides[1]);
  }

  opened(port: ContextPort): void {
    this.#port = port;
  }

  closed(): void {
    if (this.#port === undefined) return;
    this.transmit.close(this.#port.transmit);
    this.receive.close(this.#port.receive);
    for (const side of this.#sides) side.close();
  }

  relinquish(page: PageNumber): boolean {
    return this.#space.parts.pages.count(page) === 0;
  }

  counters(): Readonly<Record<string, number>> {
    const [transmit, receive] = this.#sides;
    return {
      rangeInvalidations: transmit.invalidations + receive.invalidations,
      pagesDoneButMapped: transmit.pagesDoneButMapped + receive.pagesDoneButMapped,
    };
  }
}

/** One direction's ranges: the one being filled, and those that are not all done yet. */
class ChunkedRange implements Placement, Teardown {
  readonly addressCost = IOVA_ERAS.rcache.strict;
  readonly #space: GuestSpace;
  readonly #live = new Map<IoPageNumber, Chunk>();
  #current: Chunk | undefined;
  #asked = false;
  invalidations = 0;

  constructor(space: GuestSpace) {
    this.#space = space;
  }

  /** Pages whose transfer is over and that wait for the rest of their range. */
  get pagesDoneButMapped(): number {
    let pages = 0;
    for (const chunk of this.#live.values()) pages += Math.min(chunk.retired, chunk.placed);
    return pages;
  }

  place(pages: number): IoPageNumber {
    // A buffer has 64 KB at most (MAX_BUFFER_BYTES).
    if (pages > CHUNK_PAGES) throw new InvariantViolation(`a buffer of ${pages} pages fits no range`);
    let chunk = this.#current;
    if (chunk === undefined || chunk.placed + pages > CHUNK_PAGES) {
      // The rest of a range that a buffer did not fit into counts as done.
      if (chunk !== undefined) this.#countDone(chunk, CHUNK_PAGES - chunk.placed);
      const base = this.#space.takeAddresses(CHUNK_PAGES);
      chunk = { base, placed: 0, retired: 0, pages: [] };
      this.#live.set(base, chunk);
      this.#current = chunk;
    }
    const first = ioPageAfter(chunk.base, chunk.placed);
    chunk.placed += pages;
    return first;
  }

  retire(first: IoPageNumber, pages: number, firstPage: PageNumber): void {
    const chunk = this.#chunkOf(first);
    chunk.pages.push(firstPage, pages);
    this.#countDone(chunk, pages);
  }

  settle(): void {
    if (!this.#asked) return;
    this.#asked = false;
    this.#space.driver.waitCharged();
  }

  abandon(first: IoPageNumber, pages: number, firstPage: PageNumber): void {
    this.#chunkOf(first).pages.push(firstPage, pages);
  }

  /** Everything is abandoned or was retired: takes all ranges out. */
  close(): void {
    const space = this.#space;
    for (const chunk of this.#live.values()) {
      if (chunk.placed > 0) space.clear(chunk.base, chunk.placed);
      space.whenGone(() => this.#release(chunk));
    }
    this.#live.clear();
    this.#current = undefined;
  }

  #chunkOf(first: IoPageNumber): Chunk {
    const base = ioPageNumber(Math.floor(first / CHUNK_PAGES) * CHUNK_PAGES);
    const chunk = this.#live.get(base);
    if (chunk === undefined)
      throw new InvariantViolation(`no range at 0x${ioPageAddress(base).toString(16)}`);
    return chunk;
  }

  #countDone(chunk: Chunk, pages: number): void {
    chunk.retired += pages;
    if (chunk.retired < CHUNK_PAGES) return;
    const space = this.#space;
    this.#live.delete(chunk.base);
    if (this.#current === chunk) this.#current = undefined;
    space.clear(chunk.base, chunk.placed);
    this.invalidations += 1;
    this.#asked = true;
    space.invalidate(chunk.base, CHUNK_PAGES, true, () => this.#release(chunk));
  }

  #release(chunk: Chunk): void {
    for (let at = 0; at < chunk.pages.length; at += 2) {
      this.#space.unpin(pageNumber(chunk.pages[at] ?? absent()), chunk.pages[at + 1] ?? absent());
    }
    this.#space.address.iovas.free(chunk.base, CHUNK_PAGES);
  }
}
