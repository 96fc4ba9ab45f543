import type { Domain } from '../hypervisor/domain.js';
import type { FrameTable } from '../memory/frame-table.js';
import type { Protection } from './protection.js';

/** An approach that knows which of a guest's frames it can do without. */
export interface Reclaiming {
  /**
   * The hypervisor wants a frame of a domain back. True if the approach has let go of it, or will have when the unit
   * has reported (then the frame's references keep it until that moment); false if the device needs it now, or if the
   * approach cannot give it at all.
   */
  relinquish(domain: Domain, frame: number): boolean;
}

/**
 * Asks an approach for a frame. One that has no opinion is asked by the frame's references: whoever validates or maps
 * holds one while the device may use the frame. Where nobody does, nothing stops the hypervisor, and it takes the
 * frame in good faith.
 */
export function relinquish(
  protection: Protection,
  frames: FrameTable,
  domain: Domain,
  frame: number,
): boolean {
  if ('relinquish' in protection && typeof protection.relinquish === 'function') {
    return protection.relinquish(domain, frame) === true;
  }
  return frames.count(frame) === 0;
}
