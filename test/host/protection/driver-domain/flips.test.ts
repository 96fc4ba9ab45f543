import { describe, expect, it } from 'vitest';
import { DriverDomain } from '../../../../host/protection/driver-domain/driver-domain.js';
import { FrontEnd } from '../../../../host/protection/driver-domain/front-end.js';
import { pageNumber } from '../../../../nic/addresses.js';
import { EVERYONE, frame, Machine, macOf, PAGE, STRANGER } from '../../support/machine.js';

const [END, DONE] = [1, 4];

function bench(rateBps = 1e9) {
  const machine = new Machine(new DriverDomain({ transfer: 'flip' }), { nic: { rateBps } });
  const guest = machine.guest(1);
  machine.run();
  const { port } = guest;
  if (!(port instanceof FrontEnd)) throw new Error('no front end');
  const count = (name: string) => machine.host.protection.counters().details[name] ?? 0;
  return {
    machine,
    guest,
    port,
    arrive: (length: number, to = macOf(1)) => {
      const bytes = frame(to, STRANGER, length, length);
      machine.arrive(bytes);
      machine.run();
      return bytes;
    },
    /** Pages that were flipped, and copies that were made. */
    moved: () => [count('pageFlips'), count('grantCopies')],
  };
}

describe('a received frame changes pages (the netback of Xen until 2005)', () => {
  it('where a whole page was posted for each of its own, however many they are', () => {
    const { guest, port, arrive, moved } = bench();
    const posted = [guest.page(), guest.page(), guest.page()];
    guest.postReceive(...posted.map((address) => ({ address, length: PAGE })));
    const bytes = arrive(9000);
    expect(moved()).toEqual([3, 0]);
    const { shared } = port.receive;
    expect(
      [0, 1, 2].map((index) => [shared.offset(index), shared.flags(index), shared.length(index)]),
    ).toEqual([
      [0, DONE, PAGE],
      [0, DONE, PAGE],
      [0, DONE | END, 9000 - 2 * PAGE],
    ]);
    for (const [index, page] of posted.entries()) expect(shared.word(index)).not.toBe(page / PAGE);
    expect(guest.receive()).toEqual([bytes]);
  });

  it.each([
    ['at an offset', 8, PAGE - 8],
    ['of a byte less than a page', 0, PAGE - 1],
    ['of more than a page', 0, PAGE + 1],
  ])('and is copied into a buffer %s', (_what, offset, length) => {
    const { guest, arrive, moved } = bench();
    const pages = guest.pages(2);
    guest.postReceive({ address: pages + offset, length });
    const bytes = arrive(300);
    expect([moved(), guest.receive()]).toEqual([[0, 1], [bytes]]);
  });

  it('and is copied whole where one of its buffers is no page', () => {
    const { guest, arrive, moved } = bench();
    guest.postReceive({ address: guest.page(), length: PAGE }, { address: guest.page(), length: PAGE - 1 });
    const bytes = arrive(5000);
    expect([moved(), guest.receive()]).toEqual([[0, 2], [bytes]]);
  });

  it('and is copied where its pieces are more than its buffers', () => {
    const { guest, arrive, moved } = bench();
    guest.postReceive({ address: guest.pages(2), length: 2 * PAGE });
    const bytes = arrive(5000);
    expect([moved(), guest.receive()]).toEqual([[0, 2], [bytes]]);
  });

  it('and is copied while the posted page is pinned, because the card still sends from it', () => {
    // A frame takes a millisecond to leave.
    const { machine, guest, moved } = bench(1e7);
    const page = guest.page();
    guest.postReceive({ address: page, length: PAGE });
    const out = frame(STRANGER, macOf(1), 1500, 7);
    guest.store(page, out);
    guest.post({ address: page, length: 1500 });
    // Mapped for sending, and on its way.
    const isPinned = () => machine.host.pages.count(pageNumber(page / PAGE)) > 0;
    while (!isPinned()) machine.run(100);
    const came = frame(macOf(1), STRANGER, 200, 8);
    machine.arrive(came);
    machine.run(300_000);
    expect([isPinned(), moved(), guest.receive()]).toEqual([true, [0, 1], [came]]);
  });

  it('and is copied for all where more than one guest is to have it, and where a guest has sent it', () => {
    const { machine, guest, arrive, moved } = bench();
    const other = machine.guest(2);
    machine.run();
    for (const one of [guest, other])
      for (let at = 0; at < 2; at += 1) one.postReceive({ address: one.page(), length: PAGE });
    const bytes = arrive(300, EVERYONE);
    expect([moved(), guest.receive(), other.receive()]).toEqual([[0, 2], [bytes], [bytes]]);
    const own = frame(macOf(2), macOf(1), 400, 3);
    guest.send(own);
    machine.run();
    expect([moved(), other.receive()]).toEqual([[0, 3], [own]]);
  });

  it('ends at a page that was posted twice: its second owner is not asked, and the frame is lost as a bad grant', () => {
    const { machine, guest, port, arrive, moved } = bench();
    const page = guest.page();
    guest.postReceive({ address: page, length: PAGE }, { address: page, length: PAGE });
    arrive(5000);
    expect(moved()[0]).toBe(1);
    const { shared } = port.receive;
    expect([0, 1].map((index) => [shared.flags(index), shared.length(index)])).toEqual([
      [DONE, PAGE],
      [DONE | END, 0],
    ]);
    const { protection, hypervisor } = machine.host;
    expect(protection.counters().details['drop:bad-grant']).toBe(1);
    expect(hypervisor.faultLog.map(({ reason }) => reason)).toEqual(['not-owner']);
    machine.host.checkInvariants();
    // The guest goes on.
    guest.receive();
    guest.postReceive({ address: guest.page(), length: PAGE });
    const bytes = arrive(100);
    expect(machine.peek(guest.port.receive.completedAddress(2), 100)).toEqual(bytes);
  });

  it('costs the driver domain the bytes that it clears behind the frame, and the hypervisor both pages', () => {
    const spent = (length: number) => {
      const { machine, guest, arrive } = bench();
      const { processor, protection, hypervisor } = machine.host;
      guest.postReceive({ address: guest.page(), length: PAGE });
      machine.run();
      const accounts = [protection.domain.account, hypervisor.account];
      const before = accounts.map((account) => processor.cyclesOf(account));
      arrive(length);
      return accounts.map((account, at) => processor.cyclesOf(account) - (before[at] ?? 0));
    };
    const { costs } = bench().machine.host.processor;
    const [short, long] = [spent(100), spent(1100)];
    expect((short[0] ?? 0) - (long[0] ?? 0)).toBe(1000 * costs.clearByte);
    expect(short[1]).toBe(long[1]);
  });
});
