import type { Domain } from '../hypervisor/domain.js';
import type { PageOwnership } from '../memory/page-ownership.js';
import type { Protection } from './protection.js';

/** An approach that knows which of a guest's pages it can do without. */
export interface Reclaiming {
  /**
   * The hypervisor wants a page of a domain back. True if the approach has let go of it, or will have when the unit
   * has reported (then the page's references keep it until that moment); false if the device needs it now, or if the
   * approach cannot give it at all.
   */
  relinquish(domain: Domain, page: number): boolean;
}

/**
 * Asks an approach for a page. One that has no opinion is asked by the page's references: whoever validates or maps
 * holds one while the device may use the page. Where nobody does, nothing stops the hypervisor, and it takes the
 * page in good faith.
 */
export function relinquish(
  protection: Protection,
  pages: PageOwnership,
  domain: Domain,
  page: number,
): boolean {
  if ('relinquish' in protection && typeof protection.relinquish === 'function') {
    return protection.relinquish(domain, page) === true;
  }
  return pages.count(page) === 0;
}
