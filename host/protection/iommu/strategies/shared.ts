import { FRAME_BYTES } from '../../../memory/physical-memory.js';
import type { ContextPort } from '../../context-port.js';
import { type GuestSpace, READ_WRITE } from '../guest-space.js';
import type { MappingStrategy } from '../mapping-strategy.js';
import { IdentityGate, type PageKeeper } from './identity-gate.js';

/**
 * Shared (Willmann et al., ATC 2008): a page is mapped while any transfer uses it. A transfer that finds the
 * mapping of another adds to its count; the last one takes it away, with an invalidation that is waited for.
 * Saves work only where transfers overlap on a page.
 */
export class Shared implements MappingStrategy, PageKeeper {
  readonly transmit: IdentityGate;
  readonly receive: IdentityGate;
  readonly #space: GuestSpace;
  readonly #uses = new Map<number, number>();
  // Out of the tables, and the invalidation is not reported yet.
  readonly #leaving = new Set<number>();
  #port: ContextPort | undefined;
  #reused = 0;
  #asked = false;
  #entered = false;

  constructor(space: GuestSpace) {
    this.#space = space;
    this.transmit = new IdentityGate(space, this);
    this.receive = new IdentityGate(space, this);
  }

  opened(port: ContextPort): void {
    this.#port = port;
  }

  isMapped(frame: number): boolean {
    return this.#uses.has(frame);
  }

  use(frame: number): void {
    const uses = this.#uses.get(frame) ?? 0;
    if (uses === 0) this.#space.map(frame * FRAME_BYTES, frame, READ_WRITE);
    else this.#reused += 1;
    this.#uses.set(frame, uses + 1);
  }

  unuse(frame: number): void {
    const uses = this.#uses.get(frame) ?? 0;
    if (uses > 1) {
      this.#uses.set(frame, uses - 1);
      return;
    }
    this.#uses.delete(frame);
    if (!this.#entered) this.#space.enter();
    this.#entered = true;
    this.#asked = true;
    this.#space.clear(frame * FRAME_BYTES, 1);
    this.#leaving.add(frame);
    this.#space.invalidate(frame * FRAME_BYTES, 1, false, () => {
      this.#leaving.delete(frame);
      this.#space.unpin(frame, 1);
    });
  }

  settle(): void {
    this.#entered = false;
    if (!this.#asked) return;
    this.#asked = false;
    this.#space.driver.waitCharged();
  }

  closed(): void {
    const port = this.#port;
    if (port === undefined) return;
    this.transmit.finish(port.transmit, port.transmit.finished, port.transmit.producer);
    this.receive.finish(port.receive, port.receive.finished, port.receive.producer);
  }

  relinquish(frame: number): boolean {
    return !this.#uses.has(frame) && !this.#leaving.has(frame);
  }

  counters(): Readonly<Record<string, number>> {
    return { reusedMappings: this.#reused, liveMappings: this.#uses.size };
  }
}
