import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NO_OWNER, type PageOutcome, PageOwnership } from '../../../host/memory/page-ownership.js';
import { PAGE_BYTES, PhysicalMemory } from '../../../host/memory/physical-memory.js';
import { hostPhysicalAddress, pageNumber } from '../../../nic/addresses.js';
import { runs } from '../../support/whole.js';

const PAGES = 12;
const DOMAINS = 4;

interface Page {
  owner: number;
  kind: string;
  count: number;
  releasing: boolean;
}

/** The page table as one would write it on paper: a list of pages, searched each time. */
class Paper {
  readonly pages: Page[] = Array.from({ length: PAGES }, () => ({
    owner: NO_OWNER,
    kind: 'free',
    count: 0,
    releasing: false,
  }));

  free(): number[] {
    return this.pages.flatMap((page, pageNumber) => (page.kind === 'free' ? [pageNumber] : []));
  }

  hasRun(count: number): boolean {
    const free = new Set(this.free());
    return [...free].some((first) =>
      Array.from({ length: count }, (_, i) => first + i).every((f) => free.has(f)),
    );
  }

  give(pages: readonly number[], owner: number, kind: string): void {
    for (const pageNumber of pages) {
      const page = this.at(pageNumber);
      expect(page.kind, `page ${pageNumber} was given away while it was ${page.kind}`).toBe('free');
      Object.assign(page, { owner, kind });
    }
  }

  at(pageNumber: number): Page {
    const page = this.pages[pageNumber];
    if (page === undefined) throw new Error(`no page ${pageNumber}`);
    return page;
  }

  /** Why `domain` may not give `page` up. */
  objection(domain: number, pageNumber: number): string | undefined {
    const page = this.pages[pageNumber];
    if (page === undefined) return 'not-ram';
    return page.owner !== domain || page.releasing ? 'not-owner' : undefined;
  }

  settle(pageNumber: number): boolean {
    const page = this.at(pageNumber);
    if (page.count > 0 || !page.releasing) return false;
    Object.assign(page, { owner: NO_OWNER, kind: 'free', releasing: false });
    return true;
  }
}

interface Real {
  table: PageOwnership;
  memory: PhysicalMemory;
  heard: Map<number, number>;
}
type Command = fc.Command<Paper, Real>;

function command(name: string, run: (paper: Paper, real: Real) => void): Command {
  return {
    check: () => true,
    run: (paper, real) => {
      run(paper, real);
      real.table.checkInvariants();
      for (const [number, page] of paper.pages.entries()) {
        expect(real.table.owner(pageNumber(number))).toBe(page.owner);
        expect(real.table.kind(pageNumber(number))).toBe(page.kind);
        expect(real.table.count(pageNumber(number))).toBe(page.count);
        expect(real.table.isReleasing(pageNumber(number))).toBe(page.releasing);
        expect(real.heard.get(number) ?? NO_OWNER, 'what an observer was told').toBe(page.owner);
      }
      expect(real.table.freePages).toBe(paper.free().length);
      expect(real.table.pinnedPages).toBe(paper.pages.filter((page) => page.count > 0).length);
    },
    toString: () => name,
  };
}

function refusalOf(outcome: PageOutcome<unknown>): string | undefined {
  return outcome.ok ? undefined : outcome.refusal;
}

const domain = fc.nat(DOMAINS - 1);
const anyPage = fc.oneof(
  { weight: 9, arbitrary: fc.nat(PAGES - 1) },
  { weight: 1, arbitrary: fc.constantFrom(-1, PAGES) },
);

const commands: fc.Arbitrary<Command>[] = [
  fc
    .tuple(
      domain,
      fc.constantFrom('guest' as const, 'hypervisor' as const),
      fc.integer({ min: 1, max: 4 }),
      fc.boolean(),
    )
    .map(([owner, kind, count, contiguous]) =>
      command(`allocate(${owner}, ${kind}, ${count}, ${contiguous})`, (paper, { table, memory }) => {
        const possible = contiguous ? paper.hasRun(count) : paper.free().length >= count;
        const outcome = table.allocate(owner, kind, count, contiguous);
        expect(refusalOf(outcome)).toBe(possible ? undefined : 'out-of-memory');
        if (!outcome.ok) return;
        expect(new Set(outcome.value).size).toBe(count);
        if (contiguous)
          for (const [index, one] of outcome.value.entries())
            expect(one).toBe((outcome.value[0] ?? 0) + index);
        paper.give(outcome.value, owner, kind);
        for (const one of outcome.value) {
          expect(
            memory.readU32(hostPhysicalAddress(one * PAGE_BYTES)),
            'the last owner left something behind',
          ).toBe(0);
          memory.writeU32(hostPhysicalAddress(one * PAGE_BYTES), owner + 1);
        }
      }),
    ),
  fc.tuple(domain, anyPage).map(([owner, at]) =>
    command(`release(${owner}, ${at})`, (paper, { table }) => {
      const objection = paper.objection(owner, at);
      const outcome = table.release(owner, pageNumber(at));
      expect(refusalOf(outcome)).toBe(objection);
      if (!outcome.ok) return;
      paper.at(at).releasing = true;
      expect(outcome.value).toBe(paper.settle(at) ? 'freed' : 'pending');
    }),
  ),
  fc.tuple(domain, domain, anyPage).map(([from, to, at]) =>
    command(`transfer(${from}, ${to}, ${at})`, (paper, { table }) => {
      const page = paper.pages[at];
      const objection =
        paper.objection(from, at) ??
        (page?.kind !== 'guest' ? 'wrong-kind' : page.count > 0 ? 'pinned' : undefined);
      expect(refusalOf(table.transfer(from, to, pageNumber(at)))).toBe(objection);
      if (objection === undefined && page !== undefined) page.owner = to;
    }),
  ),
  fc.nat(PAGES - 1).map((at) =>
    command(`pin(${at})`, (paper, { table }) => {
      const page = paper.at(at);
      if (page.kind === 'free') {
        expect(() => table.pin(pageNumber(at))).toThrow(`page ${at} is pinned and has no owner`);
        return;
      }
      table.pin(pageNumber(at));
      page.count += 1;
    }),
  ),
  fc.nat(PAGES - 1).map((at) =>
    command(`unpin(${at})`, (paper, { table }) => {
      const page = paper.at(at);
      if (page.count === 0) {
        expect(() => table.unpin(pageNumber(at))).toThrow(`page ${at} is unpinned more often than pinned`);
        return;
      }
      page.count -= 1;
      expect(table.unpin(pageNumber(at))).toBe(paper.settle(at));
    }),
  ),
  fc
    .tuple(domain, fc.nat(PAGES * PAGE_BYTES + 5000), fc.integer({ min: 1, max: 9000 }))
    .map(([owner, address, length]) =>
      command(`firstForeign(${owner}, ${address}, ${length})`, (paper, { table }) => {
        let expected: { page: number; refusal: string } | undefined;
        for (let byte = address; byte < address + length && expected === undefined; byte = nextPage(byte)) {
          const at = Math.floor(byte / PAGE_BYTES);
          const refusal =
            paper.objection(owner, at) ?? (paper.at(at).kind === 'guest' ? undefined : 'wrong-kind');
          if (refusal !== undefined) expected = { page: at, refusal };
        }
        expect(table.firstForeign(owner, hostPhysicalAddress(address), length)).toEqual(expected);
      }),
    ),
];

function nextPage(byte: number): number {
  return byte - (byte % PAGE_BYTES) + PAGE_BYTES;
}

describe('page ownership', () => {
  it('agrees with a list on paper, whatever is done to it', () => {
    fc.assert(
      fc.property(fc.commands(commands, { maxCommands: 60 }), (script) => {
        const memory = new PhysicalMemory(PAGES);
        const table = new PageOwnership(memory);
        const heard = new Map<number, number>();
        table.observe({
          given: (pages, owner) => {
            for (const one of pages) heard.set(one, owner);
          },
          taken: (pages, owner) => {
            for (const one of pages) {
              expect(heard.get(one)).toBe(owner);
              heard.delete(one);
            }
          },
        });
        fc.modelRun(() => ({ model: new Paper(), real: { table, memory, heard } }), script);
      }),
      { numRuns: runs(150) },
    );
  });

  it('does not give a released page away before its last reference is gone', () => {
    const table = new PageOwnership(new PhysicalMemory(1));
    expect(table.allocate(1, 'guest', 1)).toEqual({ ok: true, value: [0] });
    table.pin(pageNumber(0));
    table.pin(pageNumber(0));
    expect(table.release(1, pageNumber(0))).toEqual({ ok: true, value: 'pending' });
    expect(table.release(1, pageNumber(0))).toEqual({ ok: false, refusal: 'not-owner', page: 0 });
    expect(table.unpin(pageNumber(0))).toBe(false);
    expect(table.allocate(2, 'guest', 1).ok).toBe(false);
    expect(table.unpin(pageNumber(0))).toBe(true);
    expect(table.allocate(2, 'guest', 1)).toEqual({ ok: true, value: [0] });
  });

  it('gives pages that follow each other again once they have come back', () => {
    const table = new PageOwnership(new PhysicalMemory(6));
    for (let owner = 1; owner <= 6; owner += 1) table.allocate(owner, 'guest', 1);
    for (const owner of [5, 2, 4, 1]) table.release(owner, pageNumber(owner - 1));
    expect(table.allocate(9, 'descriptor-ring', 3, true).ok).toBe(false);
    expect(table.allocate(9, 'descriptor-ring', 2, true)).toEqual({ ok: true, value: [0, 1] });
    expect(table.freePages).toBe(2);
    table.checkInvariants();
  });
});
