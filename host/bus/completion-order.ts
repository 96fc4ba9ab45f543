import type { RequesterId } from '../../nic/addresses.js';
import { present } from '../../scheduler/present.js';

const REQUESTERS = 0x1_0000;

/**
 * The order in which a root complex answers a requester. Reads of one requester are completed, and its posted writes
 * are performed, in the order in which they were sent: one whose translation takes long holds back those behind it.
 * Requesters do not wait for each other.
 *
 * PCI Express demands the order of posted writes (base specification, 2.4.1) and leaves that of completions open;
 * that the measured root complexes keep it for reads as well is docs/iommu-hardware.md's finding.
 */
export class CompletionOrder {
  readonly #lastNs = new Float64Array(REQUESTERS);

  /** When a request is done that would be done at `readyNs` if it were alone. Must be asked in the order of requests. */
  inOrder(requesterId: RequesterId, readyNs: number): number {
    const doneNs = Math.max(readyNs, present(this.#lastNs[requesterId]));
    this.#lastNs[requesterId] = doneNs;
    return doneNs;
  }
}
