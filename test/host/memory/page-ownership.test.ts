import { describe, expect, it } from 'vitest';
import { NO_OWNER, PageOwnership } from '../../../host/memory/page-ownership.js';
import { PAGE_BYTES, PhysicalMemory } from '../../../host/memory/physical-memory.js';
import { hostPhysicalAddress, type PageNumber, pageNumber } from '../../../nic/addresses.js';

const [ONE, TWO] = [1, 2];
const page = pageNumber;
const at = (number: number, offset = 0) => hostPhysicalAddress(number * PAGE_BYTES + offset);

function bench(pageCount = 32) {
  const pages = new PageOwnership(new PhysicalMemory(pageCount));
  const told: string[] = [];
  pages.observe({
    given: (list, domain, kind) => told.push(`given ${list.join(' ')} to ${domain} as ${kind}`),
    taken: (list, domain) => told.push(`taken ${list.join(' ')} from ${domain}`),
  });
  const give = (domain: number, count = 1, kind: 'guest' | 'io-table' = 'guest'): PageNumber[] => {
    const outcome = pages.allocate(domain, kind, count);
    if (!outcome.ok) throw new Error(outcome.refusal);
    return [...outcome.value];
  };
  const one = (domain: number, kind: 'guest' | 'io-table' = 'guest') => give(domain, 1, kind)[0] ?? page(-1);
  return { pages, told, give, one };
}

describe('references on a page', () => {
  it('are counted up and down, per page and in all', () => {
    const { pages, one } = bench();
    const [first, second] = [one(ONE), one(ONE)];
    for (const pinned of [first, first, second]) pages.pin(pinned);
    expect([pages.pinnedPages, pages.references, pages.pinsTaken, pages.pinsReleased]).toEqual([2, 3, 3, 0]);
    expect(pages.unpin(first)).toBe(false);
    expect([pages.pinnedPages, pages.references, pages.pinsTaken, pages.pinsReleased]).toEqual([2, 2, 3, 1]);
    expect(pages.unpin(first)).toBe(false);
    expect(pages.unpin(second)).toBe(false);
    expect([pages.pinnedPages, pages.references, pages.pinsTaken, pages.pinsReleased]).toEqual([0, 0, 3, 3]);
    expect([pages.owner(first), pages.owner(second)]).toEqual([ONE, ONE]);
    expect(() => pages.unpin(first)).toThrow(/unpinned more often than pinned/);
    expect(() => pages.pin(page(20))).toThrow(/is pinned and has no owner/);
    pages.checkInvariants();
  });

  it('hold up a release, and the last one carries it out', () => {
    const { pages, told, one } = bench();
    const held = one(ONE);
    pages.pin(held);
    pages.pin(held);
    expect(pages.release(ONE, held)).toEqual({ ok: true, value: 'pending' });
    expect([pages.isReleasing(held), pages.owner(held)]).toEqual([true, ONE]);
    expect(pages.release(ONE, held)).toEqual({ ok: false, refusal: 'not-owner', page: held });
    expect([pages.unpin(held), pages.unpin(held)]).toEqual([false, true]);
    expect([pages.isReleasing(held), pages.owner(held), pages.kind(held)]).toEqual([false, NO_OWNER, 'free']);
    expect(told.at(-1)).toBe(`taken ${held} from ${ONE}`);
    pages.checkInvariants();
  });
});

describe('what a domain may use for DMA', () => {
  it('is RAM, its own, of the guest kind, and not being released', () => {
    const { pages, one } = bench();
    const [mine, yours, table] = [one(ONE), one(TWO), one(ONE, 'io-table')];
    expect(pages.refusalFor(ONE, mine)).toBeUndefined();
    expect(pages.refusalFor(ONE, yours)).toBe('not-owner');
    expect(pages.refusalFor(ONE, table)).toBe('wrong-kind');
    for (const nowhere of [-1, 32, Number.NaN]) expect(pages.refusalFor(ONE, page(nowhere))).toBe('not-ram');
    // No domain has the number of none: but a page that is not there is not anyone's.
    expect(pages.refusalFor(NO_OWNER, page(-1))).toBe('not-ram');
    pages.pin(mine);
    pages.release(ONE, mine);
    expect(pages.refusalFor(ONE, mine)).toBe('not-owner');
  });

  it('is every page of the buffer, to its last byte', () => {
    const { pages, give } = bench();
    const [first = page(0), second = page(0)] = give(ONE, 2);
    const other = give(TWO)[0];
    expect([first + 1, second + 1]).toEqual([second, other]);
    expect(pages.firstForeign(ONE, at(first, 10), 2 * PAGE_BYTES - 10)).toBeUndefined();
    expect(pages.firstForeign(ONE, at(first, 10), 2 * PAGE_BYTES - 9)).toEqual({
      page: other,
      refusal: 'not-owner',
    });
    expect(pages.holdsAll(ONE, at(first, 10), 2 * PAGE_BYTES - 10)).toBe(true);
    expect(pages.holdsAll(ONE, at(first, 10), 2 * PAGE_BYTES - 9)).toBe(false);
    expect(pages.holdsAll(TWO, at(first), PAGE_BYTES)).toBe(false);
    pages.pin(second);
    pages.release(ONE, second);
    expect(pages.holdsAll(ONE, at(first), PAGE_BYTES)).toBe(true);
    expect(pages.holdsAll(ONE, at(first), PAGE_BYTES + 1)).toBe(false);
  });
});

describe('a page that goes from one domain to another', () => {
  it('keeps its kind, and both are told of', () => {
    const { pages, told, one } = bench();
    const flipped = one(ONE);
    told.length = 0;
    expect(pages.transfer(ONE, TWO, flipped)).toEqual({ ok: true, value: undefined });
    expect([pages.owner(flipped), pages.kind(flipped)]).toEqual([TWO, 'guest']);
    expect(told).toEqual([`taken ${flipped} from ${ONE}`, `given ${flipped} to ${TWO} as guest`]);
  });

  it('is RAM, the giver’s, for guests, not pinned and not on its way out', () => {
    const { pages, one } = bench();
    const [mine, table] = [one(ONE), one(ONE, 'io-table')];
    const refused = (from: number, which: PageNumber) => pages.transfer(from, TWO, which);
    for (const nowhere of [page(-1), page(32)])
      expect(refused(NO_OWNER, nowhere)).toEqual({ ok: false, refusal: 'not-ram', page: nowhere });
    expect(refused(TWO, mine)).toEqual({ ok: false, refusal: 'not-owner', page: mine });
    expect(refused(ONE, table)).toEqual({ ok: false, refusal: 'wrong-kind', page: table });
    pages.pin(mine);
    expect(refused(ONE, mine)).toEqual({ ok: false, refusal: 'pinned', page: mine });
    pages.release(ONE, mine);
    expect(refused(ONE, mine)).toEqual({ ok: false, refusal: 'not-owner', page: mine });
    expect(pages.owner(mine)).toBe(ONE);
  });

  it('is claimed by number only after it was released', () => {
    const { pages, told, one } = bench();
    const mine = one(ONE);
    expect(pages.claim(TWO, 'guest', mine)).toEqual({ ok: false, refusal: 'not-owner', page: mine });
    expect(pages.owner(mine)).toBe(ONE);
    pages.release(ONE, mine);
    const free = pages.freePages;
    expect(pages.claim(TWO, 'shadow', mine)).toEqual({ ok: true, value: undefined });
    expect([pages.owner(mine), pages.kind(mine), pages.freePages]).toEqual([TWO, 'shadow', free - 1]);
    expect(told.at(-1)).toBe(`given ${mine} to ${TWO} as shadow`);
  });
});

describe('pages whose RAM lies in a bank', () => {
  it('are set aside in one aligned piece, and claimed one by one', () => {
    const { pages, told } = bench();
    const first = pages.setAside(4, 8);
    if (first === undefined) throw new Error('no room');
    expect(first % 8).toBe(0);
    const aside = Array.from({ length: 6 }, (_, index) => pages.isSetAside(page(first - 1 + index)));
    expect(aside).toEqual([false, true, true, true, true, false]);
    expect(pages.claimSetAside(ONE, first)).toBe(true);
    expect([pages.owner(first), pages.kind(first)]).toEqual([ONE, 'guest']);
    expect(told.at(-1)).toBe(`given ${first} to ${ONE} as guest`);
    expect([pages.claimSetAside(TWO, first), pages.claimSetAside(ONE, first)]).toEqual([false, false]);
    expect(pages.transfer(ONE, TWO, first)).toEqual({ ok: false, refusal: 'wrong-kind', page: first });
    expect(() => pages.claimSetAside(ONE, page(first + 4))).toThrow(/is not set aside/);
    expect(pages.setAside(64, 1)).toBeUndefined();
  });

  it('do not join the free pages when they are released, and may be claimed again', () => {
    const { pages } = bench();
    const first = pages.setAside(2, 1) ?? page(-1);
    pages.claimSetAside(ONE, first);
    const free = pages.freePages;
    expect(pages.release(ONE, first)).toEqual({ ok: true, value: 'freed' });
    expect(pages.freePages).toBe(free);
    expect(pages.claimSetAside(TWO, first)).toBe(true);
    pages.checkInvariants();
  });

  it('stay with a domain that claims them while its release still waits', () => {
    const { pages } = bench();
    const first = pages.setAside(2, 1) ?? page(-1);
    pages.claimSetAside(ONE, first);
    pages.pin(first);
    expect(pages.release(ONE, first)).toEqual({ ok: true, value: 'pending' });
    expect(pages.claimSetAside(TWO, first)).toBe(false);
    expect(pages.claimSetAside(ONE, first)).toBe(true);
    expect([pages.isReleasing(first), pages.unpin(first), pages.owner(first)]).toEqual([false, false, ONE]);
  });

  it('join the free pages again when none of them has an owner', () => {
    const { pages, give } = bench(8);
    const first = pages.setAside(3, 1) ?? page(-1);
    const last = page(first + 2);
    // The page behind them is another's, which is nothing to them.
    expect(give(TWO)).toEqual([first + 3]);
    const free = pages.freePages;
    pages.claimSetAside(ONE, last);
    expect(() => pages.giveBack(first)).toThrow(`page ${last} is given back and belongs to domain ${ONE}`);
    expect(() => pages.giveBack(page(first + 1))).toThrow(/no pages from .* on are set aside/);
    pages.release(ONE, last);
    pages.giveBack(first);
    expect(pages.freePages).toBe(free + 3);
    expect([first, last].map((which) => pages.isSetAside(which))).toEqual([false, false]);
    expect(() => pages.giveBack(first)).toThrow(/set aside/);
    // Each of them, and no other, can be given out.
    for (const which of [first, page(first + 1), last])
      expect(pages.claim(TWO, 'guest', which).ok).toBe(true);
    pages.checkInvariants();
  });
});

describe('pages that are given out', () => {
  it('are all of what was asked for or none', () => {
    const { pages } = bench(4);
    expect(pages.allocate(ONE, 'guest', 5)).toMatchObject({ ok: false, refusal: 'out-of-memory' });
    const outcome = pages.allocate(ONE, 'descriptor-ring', 2, true, 2);
    expect(outcome.ok && outcome.value.map((given) => [pages.owner(given), pages.kind(given)])).toEqual([
      [ONE, 'descriptor-ring'],
      [ONE, 'descriptor-ring'],
    ]);
    const [other] = pages.allocate(TWO, 'hypervisor', 1).ok ? [2] : [];
    expect([pages.owner(page(other ?? -1)), pages.kind(page(other ?? -1))]).toEqual([TWO, 'hypervisor']);
    expect([pages.owner(page(3)), pages.kind(page(3)), pages.count(page(99))]).toEqual([NO_OWNER, 'free', 0]);
  });

  it('leave out what is withheld', () => {
    const { pages, give } = bench(8);
    pages.withhold(page(2), page(5));
    expect(give(ONE, 5)).toEqual([0, 1, 5, 6, 7]);
    expect(pages.allocate(ONE, 'guest', 1).ok).toBe(false);
  });

  it('begin at a multiple of what was asked for where memory allows, and pages in a bank begin there or nowhere', () => {
    const { pages, give } = bench(8);
    give(ONE);
    expect(pages.setAside(4, 8)).toBeUndefined();
    expect(pages.allocate(ONE, 'guest', 4, true, 8)).toEqual({ ok: true, value: [1, 2, 3, 4] });
  });
});
