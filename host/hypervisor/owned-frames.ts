import type { DomainId, FrameTable } from '../memory/frame-table.js';

/**
 * The frames of one domain. Its RAM is one piece, of which only the bounds are kept, so that a thousand guests with
 * their whole memory cost nothing; who owns a frame of the piece is the frame table's word. Frames that came
 * one by one are listed.
 */
export class OwnedFrames implements Iterable<number> {
  readonly #frames: FrameTable;
  readonly #domain: DomainId;
  readonly #single = new Set<number>();
  #first = 0;
  #end = 0;
  // Frames of the piece from here on have not been used for anything.
  #mark = 0;
  #unused = 0;
  // One past the last of them; what lies behind it is gone or was never there.
  #top = 0;
  #ofPiece = 0;

  constructor(frames: FrameTable, domain: DomainId) {
    this.#frames = frames;
    this.#domain = domain;
  }

  /** Whether the domain was given RAM of its own. */
  get reserved(): boolean {
    return this.#end > 0;
  }

  get size(): number {
    return this.#ofPiece + this.#single.size;
  }

  /** Frames of the piece that have not been used for anything, and are still there. */
  get unused(): number {
    return this.#unused;
  }

  /** The last of them. */
  get lastUnused(): number | undefined {
    while (this.#top > this.#mark && !this.#isOwned(this.#top - 1)) this.#top -= 1;
    return this.#top > this.#mark ? this.#top - 1 : undefined;
  }

  has(frame: number): boolean {
    return this.#single.has(frame) || (this.#inPiece(frame) && this.#isOwned(frame));
  }

  *[Symbol.iterator](): Iterator<number> {
    for (let frame = this.#first; frame < this.#end; frame += 1) if (this.#isOwned(frame)) yield frame;
    yield* this.#single;
  }

  /** The domain was given a piece. @throws Error when it has one. */
  reserve(first: number, count: number): void {
    if (this.reserved) throw new Error(`domain ${this.#domain} has its RAM already`);
    this.#first = first;
    this.#mark = first;
    this.#end = first + count;
    this.#top = this.#end;
    this.#unused = count;
    this.#ofPiece = count;
  }

  /** Takes frames of the piece into use, in one piece if `contiguous`; undefined when there are not as many. */
  use(count: number, contiguous: boolean): number[] | undefined {
    if (count > this.#unused) return undefined;
    let mark = this.#mark;
    const frames: number[] = [];
    for (; frames.length < count && mark < this.#end; mark += 1) {
      // What a balloon has taken out of the middle is stepped over.
      if (this.#isOwned(mark)) frames.push(mark);
      else if (contiguous) frames.length = 0;
    }
    if (frames.length < count) return undefined;
    // Frames before a contiguous piece that were too few for it are given up as unused.
    for (let frame = this.#mark; frame < mark; frame += 1) if (this.#isOwned(frame)) this.#unused -= 1;
    this.#mark = mark;
    return frames;
  }

  /** A frame came by itself. */
  adopt(frame: number): void {
    if (!this.#inPiece(frame)) {
      this.#single.add(frame);
      return;
    }
    this.#ofPiece += 1;
    if (frame < this.#mark) return;
    this.#unused += 1;
    this.#top = Math.max(this.#top, frame + 1);
  }

  /** A frame went: released, or given to another domain. */
  forget(frame: number): void {
    if (this.#single.delete(frame) || !this.#inPiece(frame)) return;
    this.#ofPiece -= 1;
    if (frame >= this.#mark) this.#unused -= 1;
  }

  #inPiece(frame: number): boolean {
    return frame >= this.#first && frame < this.#end;
  }

  #isOwned(frame: number): boolean {
    return this.#frames.owner(frame) === this.#domain && !this.#frames.isReleasing(frame);
  }
}
