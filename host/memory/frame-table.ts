import { FRAME_BYTES, type PhysicalMemory } from './physical-memory.js';

/** Who a frame belongs to: a domain number, or NO_OWNER. */
export type DomainId = number;
export const NO_OWNER: DomainId = -1;

/** What a frame is used for. Only `guest` frames may be named in a guest's descriptors. */
export const FRAME_KINDS = ['free', 'guest', 'descriptor-ring', 'hypervisor', 'io-table', 'shadow'] as const;
export type FrameKind = (typeof FRAME_KINDS)[number];

/** Why the frame table refused something that a domain asked for. */
export type FrameRefusal = 'not-ram' | 'not-owner' | 'wrong-kind' | 'pinned' | 'out-of-memory';

/** An outcome that is not an exception: a guest's mistake is a value. */
export type FrameOutcome<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly refusal: FrameRefusal; readonly frame: number };

/** Somebody who keeps tables of who may reach what: told at once, before a frame can have its next owner. */
export interface OwnershipObserver {
  /** These frames belong to `domain` now. The list is borrowed. */
  given(frames: readonly number[], domain: DomainId, kind: FrameKind): void;
  /** These no longer do. */
  taken(frames: readonly number[], domain: DomainId): void;
}

/**
 * Every frame of memory with its owner, its kind and its reference count. A frame that is referenced by DMA
 * (a count above zero) is not given to anybody else: a release of it is remembered and carried out when the
 * last reference goes (Xen's rule, which CDNA builds on).
 */
export class FrameTable {
  readonly frames: number;
  readonly #memory: PhysicalMemory;
  readonly #owner: Int32Array;
  readonly #count: Uint32Array;
  readonly #kind: Uint8Array;
  readonly #releasing: Uint8Array;
  // Free frames below the mark that have come back; all from the mark on are free and untouched.
  readonly #returned: number[] = [];
  #mark = 0;
  readonly #withheld = { first: 0, end: 0 };
  readonly #observers: OwnershipObserver[] = [];
  readonly #one: [number] = [0];
  #pinned = 0;
  #pinsTaken = 0;
  #pinsReleased = 0;

  constructor(memory: PhysicalMemory) {
    this.#memory = memory;
    this.frames = memory.frames;
    this.#owner = new Int32Array(memory.frames).fill(NO_OWNER);
    this.#count = new Uint32Array(memory.frames);
    this.#kind = new Uint8Array(memory.frames);
    this.#releasing = new Uint8Array(memory.frames);
  }

  /** Frames with a count above zero. */
  get pinnedFrames(): number {
    return this.#pinned;
  }

  /** The counts of all frames, summed: looks at every frame that was ever given. */
  get references(): number {
    let references = 0;
    for (let frame = 0; frame < this.#mark; frame += 1) references += this.#count[frame] ?? 0;
    return references;
  }

  get pinsTaken(): number {
    return this.#pinsTaken;
  }

  get pinsReleased(): number {
    return this.#pinsReleased;
  }

  get freeFrames(): number {
    const { first, end } = this.#withheld;
    const ahead = this.#mark <= first ? end - first : 0;
    return this.#returned.length + this.frames - this.#mark - ahead;
  }

  owner(frame: number): DomainId {
    return this.#owner[frame] ?? NO_OWNER;
  }

  count(frame: number): number {
    return this.#count[frame] ?? 0;
  }

  kind(frame: number): FrameKind {
    return FRAME_KINDS[this.#kind[frame] ?? 0] ?? 'free';
  }

  /** Whether the frame was released and only its references keep it. */
  isReleasing(frame: number): boolean {
    return this.#releasing[frame] === 1;
  }

  /** Whether a domain has every page of `length` bytes at `address`, and none of them is being released. */
  holdsAll(domain: DomainId, address: number, length: number): boolean {
    const last = Math.floor((address + length - 1) / FRAME_BYTES);
    for (let frame = Math.floor(address / FRAME_BYTES); frame <= last; frame += 1) {
      if (this.#owner[frame] !== domain || this.#releasing[frame] === 1) return false;
    }
    return true;
  }

  /** Tells `observer` of every change of owner from now on. */
  observe(observer: OwnershipObserver): void {
    this.#observers.push(observer);
  }

  /**
   * Frames from `first` to before `end` are never given to anybody: their addresses are not for memory. To be called
   * before any frame behind `first` is given.
   */
  withhold(first: number, end: number): void {
    if (this.#mark > first) throw new Error(`frames from ${first} are withheld too late`);
    this.#withheld.first = Math.min(first, this.frames);
    this.#withheld.end = Math.min(end, this.frames);
  }

  /**
   * Gives `count` frames, in one piece if `contiguous`, zeroed. Returns the frame numbers.
   *
   * @param align the first of a piece is a multiple of this, if untouched memory allows
   */
  allocate(
    domain: DomainId,
    kind: FrameKind,
    count: number,
    contiguous = false,
    align = 1,
  ): FrameOutcome<number[]> {
    const frames = contiguous ? this.#takePiece(count, align) : this.#takeAny(count);
    if (frames === undefined) return { ok: false, refusal: 'out-of-memory', frame: this.#mark };
    for (const frame of frames) {
      this.#owner[frame] = domain;
      this.#kind[frame] = FRAME_KINDS.indexOf(kind);
    }
    for (const observer of this.#observers) observer.given(frames, domain, kind);
    return { ok: true, value: frames };
  }

  /** Gives one particular frame, which must have come back from somebody. */
  claim(domain: DomainId, kind: FrameKind, frame: number): FrameOutcome<undefined> {
    const at = this.#returned.lastIndexOf(frame);
    if (at < 0) return { ok: false, refusal: 'not-owner', frame };
    this.#returned.splice(at, 1);
    this.#owner[frame] = domain;
    this.#kind[frame] = FRAME_KINDS.indexOf(kind);
    this.#tellGiven(frame);
    return { ok: true, value: undefined };
  }

  /**
   * Whether a domain may have `length` bytes at `address` used for DMA: every page is RAM, is its own, holds
   * guest data and is not being released. Returns the first frame that is not, or undefined.
   */
  firstForeign(
    domain: DomainId,
    address: number,
    length: number,
  ): { frame: number; refusal: FrameRefusal } | undefined {
    const first = Math.floor(address / FRAME_BYTES);
    const last = Math.floor((address + length - 1) / FRAME_BYTES);
    for (let frame = first; frame <= last; frame += 1) {
      const refusal = this.refusalFor(domain, frame);
      if (refusal !== undefined) return { frame, refusal };
    }
    return undefined;
  }

  /** Why a domain may not use a frame for DMA; undefined when it may. */
  refusalFor(domain: DomainId, frame: number): FrameRefusal | undefined {
    if (!(frame >= 0 && frame < this.frames)) return 'not-ram';
    if (this.#owner[frame] !== domain || this.#releasing[frame] === 1) return 'not-owner';
    if (this.#kind[frame] !== GUEST_KIND) return 'wrong-kind';
    return undefined;
  }

  /** One more reference. @throws Error for a frame that nobody owns: only a gate that did not look would pin it. */
  pin(frame: number): void {
    if (this.owner(frame) === NO_OWNER) throw new Error(`frame ${frame} is pinned and belongs to nobody`);
    const count = this.#count[frame] ?? 0;
    this.#count[frame] = count + 1;
    if (count === 0) this.#pinned += 1;
    this.#pinsTaken += 1;
  }

  /**
   * One reference less; a release that waited for it happens now. True if the frame became free by it.
   * @throws Error when it has none: the books of whoever unpins are wrong.
   */
  unpin(frame: number): boolean {
    const count = this.#count[frame] ?? 0;
    if (count === 0) throw new Error(`frame ${frame} is unpinned more often than pinned`);
    this.#count[frame] = count - 1;
    this.#pinsReleased += 1;
    if (count > 1) return false;
    this.#pinned -= 1;
    if (this.#releasing[frame] === 0) return false;
    this.#free(frame);
    return true;
  }

  /** A domain gives a frame back. While it is referenced it only waits: `pending` says so. */
  release(domain: DomainId, frame: number): FrameOutcome<'freed' | 'pending'> {
    if (!(frame >= 0 && frame < this.frames)) return { ok: false, refusal: 'not-ram', frame };
    if (this.#owner[frame] !== domain || this.#releasing[frame] === 1)
      return { ok: false, refusal: 'not-owner', frame };
    if ((this.#count[frame] ?? 0) > 0) {
      this.#releasing[frame] = 1;
      return { ok: true, value: 'pending' };
    }
    this.#free(frame);
    return { ok: true, value: 'freed' };
  }

  /** Gives a frame of one domain to another, its bytes with it (page flip). */
  transfer(from: DomainId, to: DomainId, frame: number): FrameOutcome<undefined> {
    if (!(frame >= 0 && frame < this.frames)) return { ok: false, refusal: 'not-ram', frame };
    if (this.#owner[frame] !== from || this.#releasing[frame] === 1)
      return { ok: false, refusal: 'not-owner', frame };
    if (this.#kind[frame] !== GUEST_KIND) return { ok: false, refusal: 'wrong-kind', frame };
    if ((this.#count[frame] ?? 0) > 0) return { ok: false, refusal: 'pinned', frame };
    this.#tellTaken(frame);
    this.#owner[frame] = to;
    this.#tellGiven(frame);
    return { ok: true, value: undefined };
  }

  /** Takes a frame away whatever its count: what a hypervisor does that does not know of the DMA. For experiments. */
  forceTransfer(frame: number, to: DomainId, kind: FrameKind): void {
    this.#tellTaken(frame);
    this.#owner[frame] = to;
    this.#kind[frame] = FRAME_KINDS.indexOf(kind);
    this.#releasing[frame] = 0;
    this.#tellGiven(frame);
  }

  checkInvariants(): void {
    let pinned = 0;
    for (let frame = 0; frame < this.#mark; frame += 1) {
      const count = this.#count[frame] ?? 0;
      if (count > 0) pinned += 1;
      if (this.#kind[frame] === 0 && (count > 0 || this.#owner[frame] !== NO_OWNER)) {
        throw new Error(`free frame ${frame} is owned or referenced`);
      }
      if (this.#releasing[frame] === 1 && count === 0) throw new Error(`frame ${frame} waits for nothing`);
    }
    if (pinned !== this.#pinned) throw new Error('pinned frames are miscounted');
    if (this.#pinsTaken - this.#pinsReleased !== this.references)
      throw new Error('pins taken are not pins released plus in flight');
  }

  #takeAny(count: number): number[] | undefined {
    if (this.freeFrames < count) return undefined;
    const frames: number[] = [];
    while (frames.length < count) {
      const returned = this.#returned.pop();
      if (returned === undefined) this.#stepOver();
      frames.push(returned ?? this.#mark++);
    }
    return frames;
  }

  /** The mark does not stand on what is withheld. */
  #stepOver(): void {
    const { first, end } = this.#withheld;
    if (this.#mark >= first && this.#mark < end) this.#mark = end;
  }

  /** Frames that follow each other: untouched ones, and once those are used up, ones that have come back. */
  #takePiece(count: number, align: number): number[] | undefined {
    const numbered = (first: number) => {
      const frames = new Array<number>(count);
      for (let index = 0; index < count; index += 1) frames[index] = first + index;
      return frames;
    };
    const first = this.#untouchedPiece(count, align) ?? this.#untouchedPiece(count, 1);
    if (first !== undefined) {
      // What is skipped is as good as what has come back.
      for (this.#stepOver(); this.#mark < first; this.#stepOver()) this.#returned.push(this.#mark++);
      this.#mark = first + count;
      return numbered(first);
    }
    const sorted = [...this.#returned].sort((left, right) => left - right);
    let run = 0;
    for (const [index, frame] of sorted.entries()) {
      run = index > 0 && sorted[index - 1] === frame - 1 ? run + 1 : 1;
      if (run < count) continue;
      const first = frame - count + 1;
      const rest = this.#returned.filter((other) => other < first || other > frame);
      this.#returned.splice(0, this.#returned.length, ...rest);
      return numbered(first);
    }
    return undefined;
  }

  /** Where a piece of untouched memory begins that holds `count` frames, or undefined. */
  #untouchedPiece(count: number, align: number): number | undefined {
    const { first, end } = this.#withheld;
    let at = Math.ceil(this.#mark / align) * align;
    if (at < end && at + count > first) at = Math.ceil(end / align) * align;
    return at + count <= this.frames ? at : undefined;
  }

  #tellGiven(frame: number): void {
    this.#one[0] = frame;
    for (const observer of this.#observers) observer.given(this.#one, this.owner(frame), this.kind(frame));
  }

  #tellTaken(frame: number): void {
    this.#one[0] = frame;
    for (const observer of this.#observers) observer.taken(this.#one, this.owner(frame));
  }

  #free(frame: number): void {
    // Whoever keeps tables closes them first: what the device writes after that must not survive the fill.
    this.#tellTaken(frame);
    // What the next owner gets must not tell of the last one.
    this.#memory.fill(frame * FRAME_BYTES, FRAME_BYTES, 0);
    this.#owner[frame] = NO_OWNER;
    this.#kind[frame] = 0;
    this.#releasing[frame] = 0;
    this.#returned.push(frame);
  }
}

const GUEST_KIND = FRAME_KINDS.indexOf('guest');
