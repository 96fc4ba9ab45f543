import { describe, expect, it } from 'vitest';
import { BridgeMoves, type TimedMove } from '../../../../host/protection/driver-domain/bridge-moves.js';
import { NO_PAGE } from '../../../../host/protection/driver-domain/frame-parts.js';
import { GrantOperations } from '../../../../host/protection/driver-domain/grant-operations.js';
import { GrantTable } from '../../../../host/protection/driver-domain/grant-table.js';
import { PlainDma } from '../../../../host/protection/none/plain-dma.js';
import { hostPhysicalAddress, pageAddress, pageNumber } from '../../../../nic/addresses.js';
import { Machine, PAGE } from '../../support/machine.js';

/** Entries of the table: one that may be written, one that may only be read, one of a page that is not the guest's. */
const [WRITABLE, READ_ONLY, FOREIGN, UNUSED, BEYOND] = [0, 1, 2, 3, 1000];
const FILL = new Uint8Array(PAGE).fill(0x3d);

function bench() {
  const { host } = new Machine(new PlainDma());
  const user = host.hypervisor.createDomain('user', 'driver-domain', 0);
  const [guest, other] = [host.createGuest('guest', 1), host.createGuest('other', 2)];
  const table = new GrantTable(host.memory, guest, 8);
  const moves = new BridgeMoves(host.kernel, host.processor);
  const told: TimedMove[] = [];
  moves.moves$.subscribe((move) => told.push(move));
  const page = pageNumber(guest.allocate(1)[0] ?? 0);
  const foreign = pageNumber(other.allocate(1)[0] ?? 0);
  const own = pageNumber(user.allocate(1)[0] ?? 0);
  table.grant(WRITABLE, user.id, page, false);
  table.grant(READ_ONLY, user.id, page, true);
  table.grant(FOREIGN, user.id, foreign, false);
  const bytesOf = (at: number) => {
    const bytes = new Uint8Array(PAGE);
    host.memory.read(hostPhysicalAddress(at * PAGE), PAGE, bytes, 0);
    return bytes;
  };
  const fill = (at: number) => host.memory.write(hostPhysicalAddress(at * PAGE), PAGE, FILL, 0);
  const grants = new GrantOperations(host, user, moves);
  return { host, guest, user, table, grants, told, page, foreign, own, bytesOf, fill };
}

const REFUSED = [
  ['a page that is not the granter’s', FOREIGN, 'not-owner'],
  ['an entry that permits nothing', UNUSED, 'bad-grant'],
  ['an entry behind the table', BEYOND, 'bad-grant'],
] as const;

describe('a grant that may not be used', () => {
  it.each(REFUSED)('%s: every operation says so, and nothing has changed', (_what, reference, reason) => {
    const { host, table, grants, told, page, foreign, own, bytesOf, fill } = bench();
    for (const at of [page, foreign]) fill(at);
    const tries = [
      () => grants.copyOut(table, reference, 0, 64, pageAddress(own)),
      () => grants.copyIn(table, reference, 0, 64, pageAddress(own)),
      () => grants.map(table, reference, false) !== NO_PAGE,
      () => grants.flip(table, reference, own) !== NO_PAGE,
    ];
    for (const one of tries) {
      expect(one()).toBe(false);
      expect(grants.refusal).toBe(reason);
    }
    expect(bytesOf(own).every((byte) => byte === 0)).toBe(true);
    for (const at of [page, foreign]) {
      expect(Buffer.compare(bytesOf(at), FILL)).toBe(0);
      expect(host.pages.count(at)).toBe(0);
    }
    expect(Object.values(grants.counters).every((count) => count === 0)).toBe(true);
    // A refusal is told as well, with the page that the entry names.
    expect(told).toMatchObject(
      ['copy-out', 'copy-in', 'map', 'flip'].map((operation) => ({
        operation,
        reference,
        refusal: reason,
        page: table.page(reference),
        length: 0,
      })),
    );
  });

  it('one that is for reading alone is read and mapped, and neither written nor flipped', () => {
    const { table, grants, page, own, bytesOf, fill } = bench();
    fill(page);
    expect(grants.copyIn(table, READ_ONLY, 0, 64, pageAddress(own))).toBe(false);
    expect(grants.flip(table, READ_ONLY, own)).toBe(NO_PAGE);
    expect(grants.map(table, READ_ONLY, true)).toBe(NO_PAGE);
    expect(Buffer.compare(bytesOf(page), FILL)).toBe(0);
    expect(grants.copyOut(table, READ_ONLY, 0, PAGE, pageAddress(own))).toBe(true);
    expect(Buffer.compare(bytesOf(own), FILL)).toBe(0);
    expect(grants.map(table, READ_ONLY, false)).toBe(page);
  });
});

describe('a grant that may be used', () => {
  it('is told with where the bytes came from and went to, and counted', () => {
    const { host, guest, user, table, grants, told, page, own } = bench();
    const copy = pageAddress(own);
    expect(grants.copyOut(table, WRITABLE, 16, 100, copy)).toBe(true);
    expect(grants.copyIn(table, WRITABLE, 32, 50, copy)).toBe(true);
    expect(grants.map(table, WRITABLE, true)).toBe(page);
    expect(host.pages.count(page)).toBe(1);
    expect(grants.flip(table, WRITABLE, own), 'a pinned page stays where it is').toBe(NO_PAGE);
    expect(grants.refusal).toBe('pinned');
    grants.unmap(page);
    expect(host.pages.count(page)).toBe(0);
    expect(grants.flip(table, WRITABLE, own)).toBe(page);
    expect([host.pages.owner(page), host.pages.owner(own)]).toEqual([user.id, guest.id]);
    const common = { kind: 'grant', owner: guest.id, reference: WRITABLE, page, refusal: undefined };
    expect(told).toMatchObject([
      { ...common, operation: 'copy-out', offset: 16, length: 100, other: copy },
      { ...common, operation: 'copy-in', offset: 32, length: 50, other: copy },
      { ...common, operation: 'map', offset: 0, length: PAGE, other: undefined },
      { ...common, operation: 'flip', offset: 0, length: PAGE, other: copy },
    ]);
    expect(grants.counters).toEqual({
      grantCopies: 2,
      bytesCopied: 150,
      grantMaps: 1,
      grantUnmaps: 1,
      pageFlips: 1,
    });
  });

  it('costs one hypercall a batch, however many operations are in it', () => {
    const { host, table, grants, own } = bench();
    const before = host.hypervisor.hypercalls;
    for (let batch = 1; batch <= 3; batch += 1) {
      grants.beginBatch();
      for (let count = 0; count < 4; count += 1) grants.copyOut(table, WRITABLE, 0, 8, pageAddress(own));
      expect(host.hypervisor.hypercalls - before).toBe(batch);
    }
    grants.beginBatch();
    expect(host.hypervisor.hypercalls - before, 'a batch without any').toBe(3);
  });

  it('costs the hypervisor a look at the page, and what the operation does, each byte of a copy too', () => {
    const { host, table, grants, page, own } = bench();
    const { processor, hypervisor } = host;
    const { costs } = processor;
    const spent = (work: () => unknown) => {
      const before = processor.cyclesOf(hypervisor.account);
      work();
      return processor.cyclesOf(hypervisor.account) - before;
    };
    const copy = pageAddress(own);
    grants.beginBatch();
    expect(spent(() => grants.copyOut(table, WRITABLE, 0, 100, copy))).toBe(
      costs.hypercall + costs.validatePage + costs.grantCopy + 100 * costs.copyByte,
    );
    const inBatch = [
      () => grants.copyIn(table, WRITABLE, 0, 300, copy),
      () => grants.map(table, WRITABLE, true),
      () => grants.unmap(page),
      () => grants.copyIn(table, FOREIGN, 0, 300, copy),
      () => grants.flip(table, WRITABLE, own),
    ].map(spent);
    expect(inBatch).toEqual([
      costs.validatePage + costs.grantCopy + 300 * costs.copyByte,
      costs.validatePage + costs.grantMap,
      costs.grantUnmap,
      costs.validatePage,
      costs.validatePage + 2 * costs.flipPage,
    ]);
    grants.beginBatch();
    host.pages.pin(page);
    expect(
      spent(() => grants.unmap(page)),
      'the next batch',
    ).toBe(costs.hypercall + costs.grantUnmap);
  });

  it('is not flipped for a page that the driver domain’s card may still write, nor where RAM lies in a bank', () => {
    const { host, guest, user, table, grants, page, own } = bench();
    host.pages.pin(own);
    expect([grants.flip(table, WRITABLE, own), grants.refusal]).toEqual([NO_PAGE, 'pinned']);
    host.pages.unpin(own);
    const banked = host.pages.setAside(1, 1) ?? pageNumber(0);
    expect(host.pages.claimSetAside(guest.id, banked)).toBe(true);
    table.grant(UNUSED, user.id, banked, false);
    expect([grants.flip(table, UNUSED, own), grants.refusal]).toEqual([NO_PAGE, 'pinned']);
    expect([host.pages.owner(page), host.pages.owner(own), host.pages.owner(banked)]).toEqual([
      guest.id,
      user.id,
      guest.id,
    ]);
    expect([user.ownedPages.has(own), guest.ownedPages.has(page)]).toEqual([true, true]);
    expect(grants.flip(table, WRITABLE, own)).toBe(page);
    expect([
      user.ownedPages.has(own),
      user.ownedPages.has(page),
      guest.ownedPages.has(own),
      guest.ownedPages.has(page),
    ]).toEqual([false, true, true, false]);
  });
});
