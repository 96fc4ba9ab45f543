import type { HostParts } from '../../host-parts.js';

/** What keeps the pages of a validated descriptor in place while the device may use them. */
export interface PageReferences {
  /** One more descriptor uses the frame. */
  take(frame: number): void;
  /** One less. */
  drop(frame: number): void;
  /** A series of `drop` has ended. */
  settle(): void;
}

/** CDNA's own: the frame's reference count, which Xen looks at before it gives a frame away. */
export class PinnedPages implements PageReferences {
  readonly #parts: HostParts;
  readonly #payer: number;

  constructor(parts: HostParts) {
    this.#parts = parts;
    this.#payer = parts.hypervisor.party;
  }

  take(frame: number): void {
    this.#parts.processor.chargeParty(this.#payer, 'pinPage');
    this.#parts.frames.pin(frame);
  }

  drop(frame: number): void {
    this.#parts.processor.chargeParty(this.#payer, 'unpinPage');
    this.#parts.frames.unpin(frame);
  }

  settle(): void {}
}
