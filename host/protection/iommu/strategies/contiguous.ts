import { FRAME_BYTES } from '../../../memory/physical-memory.js';
import type { ContextPort } from '../../context-port.js';
import type { GuestSpace } from '../guest-space.js';
import type { MappingStrategy } from '../mapping-strategy.js';
import { PerTransferGate, type Placement, type Teardown } from './per-transfer.js';

/** Pages of one contiguous range: 64 of 4 KB, as one receive descriptor of Fast & Safe has. */
const CHUNK_PAGES = 64;

/** A contiguous range of addresses that buffers are mapped into one behind the other. */
interface Chunk {
  readonly base: number;
  placed: number;
  retired: number;
  /** First frame and pages of what was retired, in pairs. */
  readonly frames: number[];
}

/**
 * Contiguous (Fast & Safe; Rubin et al., SOSP 2024): buffers get consecutive addresses in ranges of 64 pages, one
 * for each direction; when all of a range is done it is invalidated with one descriptor that leaves the walk caches
 * alone, since no table page was freed. As safe as single use once a range is done, at a fraction of
 * the invalidations, and walks read one table page instead of four.
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
    const port = this.#port;
    if (port === undefined) return;
    this.transmit.finish(port.transmit, port.transmit.finished, port.transmit.producer);
    this.receive.finish(port.receive, port.receive.finished, port.receive.producer);
    for (const side of this.#sides) side.closeAll();
  }

  relinquish(frame: number): boolean {
    return this.#space.parts.frames.count(frame) === 0;
  }

  counters(): Readonly<Record<string, number>> {
    return { rangeInvalidations: this.#sides[0].invalidations + this.#sides[1].invalidations };
  }
}

/** One direction's ranges: the one being filled, and those that are not all done yet. */
class ChunkedRange implements Placement, Teardown {
  readonly #space: GuestSpace;
  readonly #live = new Map<number, Chunk>();
  #current: Chunk | undefined;
  invalidations = 0;

  constructor(space: GuestSpace) {
    this.#space = space;
  }

  place(pages: number): number {
    if (pages > CHUNK_PAGES) return -1;
    let chunk = this.#current;
    if (chunk === undefined || chunk.placed + pages > CHUNK_PAGES) {
      // The rest of a range that a buffer did not fit counts as done.
      if (chunk !== undefined) this.#skip(chunk, CHUNK_PAGES - chunk.placed);
      const base = this.#space.iovas.allocate(CHUNK_PAGES);
      if (base < 0) return -1;
      chunk = { base, placed: 0, retired: 0, frames: [] };
      this.#live.set(base, chunk);
      this.#current = chunk;
    }
    const iova = chunk.base + chunk.placed * FRAME_BYTES;
    chunk.placed += pages;
    return iova;
  }

  begin(): void {}

  retire(iova: number, pages: number, firstFrame: number): void {
    const base = iova - (iova % (CHUNK_PAGES * FRAME_BYTES));
    const chunk = this.#live.get(base);
    if (chunk === undefined) throw new Error(`no range at 0x${base.toString(16)}`);
    chunk.frames.push(firstFrame, pages);
    chunk.retired += pages;
    if (chunk.retired === CHUNK_PAGES) this.#finish(chunk);
  }

  end(): void {
    this.#space.driver.waitCharged();
  }

  closeAll(): void {
    this.#current = undefined;
    for (const chunk of this.#live.values()) this.#finish(chunk);
  }

  #skip(chunk: Chunk, pages: number): void {
    chunk.retired += pages;
    if (chunk.retired === CHUNK_PAGES) this.#finish(chunk);
  }

  #finish(chunk: Chunk): void {
    const space = this.#space;
    this.#live.delete(chunk.base);
    if (this.#current === chunk) this.#current = undefined;
    if (chunk.placed === 0) return;
    space.clear(chunk.base, chunk.placed);
    this.invalidations += 1;
    space.invalidate(chunk.base, CHUNK_PAGES, true, () => {
      for (let at = 0; at < chunk.frames.length; at += 2) {
        space.unpin(chunk.frames[at] ?? 0, chunk.frames[at + 1] ?? 0);
      }
      space.iovas.free(chunk.base, CHUNK_PAGES);
    });
  }
}
