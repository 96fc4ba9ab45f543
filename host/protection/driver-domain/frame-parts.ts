import {
  addressAfter,
  type HostPhysicalAddress,
  hostPhysicalAddress,
  offsetInPage,
  PAGE_BYTES,
  type PageNumber,
  pageNumber,
} from '../../../nic/addresses.js';
import { InvariantViolation } from '../../../scheduler/errors.js';
import { absent } from '../../../scheduler/present.js';
import type { PhysicalMemory } from '../../memory/physical-memory.js';

/** No page: none is mapped for a piece, none has taken its place, a grant gave none. Below 0. */
export const NO_PAGE = pageNumber(-1);

/** A frame as it lies in memory: pieces, none of them across a page. Reused from frame to frame. */
export class FrameParts {
  readonly addresses: Float64Array;
  readonly lengths: Uint32Array;
  /** A guest's frame that is mapped for the piece, or NO_PAGE. */
  readonly mapped: Int32Array;
  /** The frame that came in exchange when the piece's own was flipped away, or NO_PAGE. */
  readonly exchanged: Int32Array;
  count = 0;
  /** Received: index of its last descriptor in the card's ring. */
  lastIndex = 0;
  /** Bytes of all pieces. */
  total = 0;

  constructor(capacity: number) {
    this.addresses = new Float64Array(capacity);
    this.lengths = new Uint32Array(capacity);
    this.mapped = new Int32Array(capacity);
    this.exchanged = new Int32Array(capacity);
  }

  get full(): boolean {
    return this.count === this.addresses.length;
  }

  clear(): void {
    this.count = 0;
    this.total = 0;
  }

  add(address: HostPhysicalAddress, length: number, mapped: PageNumber = NO_PAGE): void {
    if (this.full) throw new InvariantViolation('a frame in more pieces than are allowed');
    this.addresses[this.count] = address;
    this.lengths[this.count] = length;
    this.mapped[this.count] = mapped;
    this.exchanged[this.count] = NO_PAGE;
    this.count += 1;
    this.total += length;
  }

  /** Where a piece lies. */
  address(piece: number): HostPhysicalAddress {
    return hostPhysicalAddress(this.addresses[piece] ?? absent());
  }

  /** The page that is mapped for a piece, or NO_PAGE. */
  mappedPage(piece: number): PageNumber {
    return pageNumber(this.mapped[piece] ?? absent());
  }

  /** Adds bytes that lie right behind the last ones; a new piece begins where a page does. */
  extend(address: HostPhysicalAddress, length: number): void {
    let at = address;
    let left = length;
    while (left > 0) {
      const piece = Math.min(left, PAGE_BYTES - offsetInPage(at));
      if (this.count === 0 || offsetInPage(at) === 0) {
        this.add(at, piece);
      } else {
        this.lengths[this.count - 1] = (this.lengths[this.count - 1] ?? absent()) + piece;
        this.total += piece;
      }
      at = addressAfter(at, piece);
      left -= piece;
    }
  }

  /** The first bytes of the frame, as many as `target` takes. */
  readHead(memory: PhysicalMemory, target: Uint8Array): void {
    let at = 0;
    for (let index = 0; index < this.count && at < target.length; index += 1) {
      const piece = Math.min(this.lengths[index] ?? absent(), target.length - at);
      memory.read(this.address(index), piece, target, at);
      at += piece;
    }
  }
}
