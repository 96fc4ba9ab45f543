import { beforeEach, describe, expect, it } from 'vitest';
import {
  type EndedWalk,
  emptyWalk,
  OutstandingWalks,
} from '../../../../host/iommu/translation/outstanding-walks.js';
import {
  hostPhysicalAddress,
  ioPageAddress,
  ioPageNumber,
  ioPageOf,
  ioVirtualAddress,
  requesterId,
} from '../../../../nic/addresses.js';

const REQUESTER = requesterId(0x0100);
const OTHER = requesterId(0x0208);
const DOMAIN = 4;
const PAGE = ioPageNumber(7);
/** Its first byte. */
const FIRST = ioPageAddress(PAGE);

/** A walk of one page of 4 KB, with all that it may fill. */
function walkOf(changes: Partial<EndedWalk> = {}): EndedWalk {
  return {
    ...emptyWalk(),
    requesterId: REQUESTER,
    domainId: DOMAIN,
    page: PAGE,
    pageBits: 12,
    physical: hostPhysicalAddress(2 ** 30),
    read: true,
    write: true,
    fillsContext: true,
    fillsPointers: true,
    fillsPage: true,
    ...changes,
  };
}

const at = (iova: number) => ioVirtualAddress(iova);
const clock = { nowNs: 0 };
let walks: OutstandingWalks;

beforeEach(() => {
  walks = new OutstandingWalks(clock, 2);
});

describe('a walk under way', () => {
  it('is shared within its page, by requests of its domain or of its requester alone', () => {
    walks.add(10, walkOf());
    const shared = (requester: number, domain: number, iova: number = FIRST) =>
      walks.find(requesterId(requester), domain, ioPageOf(at(iova)), true) >= 0;
    expect(shared(OTHER, DOMAIN)).toBe(true);
    expect(shared(OTHER, DOMAIN + 1)).toBe(false);
    expect(shared(REQUESTER, DOMAIN + 1)).toBe(false);
    expect(shared(REQUESTER, -1)).toBe(true);
    expect(shared(OTHER, -1)).toBe(false);
    expect([FIRST - 1, FIRST + 4095, FIRST + 4096].map((iova) => shared(OTHER, DOMAIN, iova))).toEqual([
      false,
      true,
      false,
    ]);
  });

  it('is shared for what it permits', () => {
    walks.add(10, walkOf({ write: false }));
    expect(walks.find(REQUESTER, DOMAIN, PAGE, false)).toBeGreaterThanOrEqual(0);
    expect(walks.find(REQUESTER, DOMAIN, PAGE, true)).toBe(-1);
  });

  it('says where its page goes, and when that is known', () => {
    walks.add(25, walkOf());
    const row = walks.find(REQUESTER, DOMAIN, PAGE, true);
    expect([walks.physicalPage(row, PAGE), walks.endsInNs(row)]).toEqual([2 ** 18, 25]);
  });

  it('is not shared when it found no page', () => {
    walks.add(10, walkOf({ fillsPage: false }));
    expect(walks.find(REQUESTER, DOMAIN, PAGE, false)).toBe(-1);
  });
});

describe('walks under way', () => {
  it('end in the order of their ends, those that end together in the order in which they began', () => {
    expect(walks.nextEndNs).toBe(Number.POSITIVE_INFINITY);
    for (const [domainId, endNs] of [
      [1, 30],
      [2, 10],
      [3, 30],
      [4, 20],
      [5, 10],
      [6, 30],
    ] as const) {
      walks.add(endNs, walkOf({ domainId }));
      walks.checkInvariants();
    }
    const ended: [number, number][] = [];
    while (walks.count > 0) {
      const { nextEndNs } = walks;
      ended.push([nextEndNs, walks.takeEnded().domainId]);
      walks.checkInvariants();
    }
    expect(ended).toEqual([
      [10, 2],
      [10, 5],
      [20, 4],
      [30, 1],
      [30, 3],
      [30, 6],
    ]);
  });

  it('keep all that they found, however many there are', () => {
    const tables = (number: number) => ({
      levels: 3,
      tableAddress: Float64Array.of(number * 4096, number * 8192, 2 ** 40 + number, 0, 0),
      tableLevel: Uint8Array.of(3, 2, 1, 0, 0),
      tableRights: Uint8Array.of(3, 1, 2, 0, 0),
    });
    const noted = Array.from({ length: 9 }, (_, number) =>
      walkOf({
        ...tables(number + 1),
        requesterId: requesterId(number + 1),
        domainId: number * 7,
        page: ioPageNumber((number + 3) * 512 + 5),
        pageBits: number % 2 === 0 ? 21 : 12,
        physical: hostPhysicalAddress(number * 2 ** 33),
        read: number % 2 === 0,
        write: number % 3 === 0,
        entry: Uint32Array.of(number, 2, 3, 4 + number),
        entryDecides: number % 2 === 1,
        fillsContext: number % 2 === 0,
        fillsPointers: number % 3 === 0,
        fillsPage: number % 4 === 0,
      }),
    );
    for (const [number, walk] of noted.entries()) walks.add(number, walk);
    expect(walks.count).toBe(noted.length);
    for (const walk of noted) {
      const { tableAddress, tableLevel, tableRights, entry, ...rest } = walks.takeEnded();
      const { tableAddress: a, tableLevel: l, tableRights: r, entry: e, ...expected } = walk;
      expect(rest).toEqual(expected);
      expect([...entry]).toEqual([...e]);
      expect([...tableAddress.slice(0, 3)]).toEqual([...a.slice(0, 3)]);
      expect([...tableLevel.slice(0, 3)]).toEqual([...l.slice(0, 3)]);
      expect([...tableRights.slice(0, 3)]).toEqual([...r.slice(0, 3)]);
    }
  });
});

describe('an invalidation while walks are under way', () => {
  /** What the walk may still fill after it. */
  const left = (invalidate: () => void) => {
    walks.add(10, walkOf());
    invalidate();
    const { fillsContext, fillsPointers, fillsPage } = walks.takeEnded();
    return [fillsContext ? 'context' : '', fillsPointers ? 'pointers' : '', fillsPage ? 'page' : '']
      .filter(Boolean)
      .join(' ');
  };
  const ALL = 'context pointers page';

  it.each([
    ['its page, leaf only', DOMAIN, PAGE, PAGE + 1, true, 'context pointers'],
    ['its page', DOMAIN, PAGE, PAGE + 1, false, 'context'],
    ['all domains', -1, 0, Number.POSITIVE_INFINITY, false, 'context'],
    ['another domain', DOMAIN + 1, PAGE, PAGE + 1, false, ALL],
    ['the page before', DOMAIN, PAGE - 1, PAGE, false, ALL],
    ['the page behind', DOMAIN, PAGE + 1, PAGE + 2, false, ALL],
    ['pages from it on', DOMAIN, PAGE, PAGE + 4, false, 'context'],
    ['pages up to it', DOMAIN, PAGE - 4, PAGE + 1, false, 'context'],
  ])('of %s leaves what it does not reach', (_what, domain, from, to, leafOnly, expected) => {
    expect(left(() => walks.discard(domain, ioPageNumber(from), to, leafOnly))).toBe(expected);
  });

  it.each([
    ['of the device', 'device', 0, REQUESTER, 'pointers page'],
    ['of another device', 'device', DOMAIN, OTHER, ALL],
    ['of the domain', 'domain', DOMAIN, OTHER, 'pointers page'],
    ['of another domain', 'domain', DOMAIN + 1, REQUESTER, ALL],
    ['of all', 'global', 0, OTHER, 'pointers page'],
  ] as const)('of contexts, %s', (_what, granularity, domain, device, expected) => {
    expect(left(() => walks.discardContexts(granularity, domain, device, 0))).toBe(expected);
    expect(walks.count).toBe(0);
  });

  it('of contexts keeps others from sharing a walk of a requester whose entry is not known', () => {
    walks.add(10, walkOf());
    walks.discardContexts('device', 0, REQUESTER, 0);
    expect(walks.find(REQUESTER, -1, PAGE, false)).toBe(-1);
    expect(walks.find(REQUESTER, DOMAIN, PAGE, false)).toBeGreaterThanOrEqual(0);
  });
});
