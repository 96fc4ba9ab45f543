import type { Host } from '../../../host/host.js';
import { PAGE_BYTES } from '../../../host/memory/physical-memory.js';
import type { GrantUse } from '../../../host/protection/driver-domain/bridge-moves.js';
import {
  GRANT_ENTRY_BYTES,
  GRANT_PERMIT,
  GRANT_READ_ONLY,
} from '../../../host/protection/driver-domain/grant-table.js';
import { pageNumber } from '../../../nic/addresses.js';
import type { AccessWalk } from '../access-steps.js';
import { hex } from '../notation.js';
import { wordsOf } from '../words.js';
import type { FrameStep } from './frame-story.js';

/** An entry of a guest's grant table as it is in memory now: flags, the domain that it is for, the page. */
export function grantWalk(host: Host, reference: number, entry: number, refusal?: string): AccessWalk {
  const memory = wordsOf(host);
  const low = memory.readU32(entry);
  const page = memory.readU32(entry + 4);
  const { domains } = host.hypervisor;
  const owner = domains[host.pages.owner(pageNumber(page))]?.name ?? 'no domain';
  const words = [entry + 4, entry].map((at) => memory.readU32(at).toString(16).padStart(8, '0'));
  return {
    gate: 'grant table',
    allowed: refusal === undefined,
    steps: [
      {
        what: `entry ${reference}, ${GRANT_ENTRY_BYTES} bytes`,
        at: entry,
        value: words.join(''),
        bits: [
          { name: 'permit', set: (low & GRANT_PERMIT) !== 0 },
          { name: 'read-only', set: (low & GRANT_READ_ONLY) !== 0 },
        ],
        says: `for ${domains[low >>> 16]?.name ?? `domain ${low >>> 16}`}, page ${page}`,
      },
      {
        what: `owner of page ${page}`,
        at: -1,
        value: owner,
        bits: [],
        says: "the hypervisor looks it up at each use: the table is the guest's own and is not trusted",
      },
    ],
    verdict: refusal === undefined ? 'The grant may be used.' : `Refused: ${refusal}.`,
  };
}

const TITLES = {
  'copy-out': 'The hypervisor checks the grant and copies out of the guest',
  'copy-in': 'The hypervisor checks the grant and copies into the guest',
  map: 'The hypervisor checks the grant and maps the page into the driver domain',
  flip: 'The hypervisor checks the grant and exchanges two pages',
} as const;

/** The step of a grant that was used, or that was refused, with the entry as it is now. */
export function grantStep(host: Host, use: GrantUse & { readonly atNs: number }): FrameStep {
  const { operation, page, offset, length, other, refusal, reference, entry, atNs } = use;
  const walk = grantWalk(host, reference, entry, refusal);
  const station = 'set-up-gate';
  if (refusal !== undefined) {
    const title = `The hypervisor refuses the grant: ${refusal}`;
    return { atNs, station, title, facts: ['no byte moves'], page: -1, walk };
  }
  const here = hex(page * PAGE_BYTES + offset);
  const there = other === undefined ? '' : hex(other);
  const facts = {
    'copy-out': `${length} bytes at ${here}, in page ${page} of the guest, to ${there} of the driver domain`,
    'copy-in': `${length} bytes at ${there} of the driver domain to ${here}, in page ${page} of the guest`,
    map: `page ${page} stays the guest's, and is pinned until the card has read it`,
    flip: `page ${page} goes to the driver domain, and the one at ${there} with the frame to the guest`,
  };
  return { atNs, station, title: TITLES[operation], facts: [facts[operation]], page, walk };
}
