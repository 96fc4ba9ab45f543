import { describe, expect, it } from 'vitest';
import { MAX_CHAIN } from '../../../../host/protection/driver-domain/back-end-faults.js';
import { DriverDomain } from '../../../../host/protection/driver-domain/driver-domain.js';
import { FrontEnd } from '../../../../host/protection/driver-domain/front-end.js';
import { PAGES_PER_SLOT } from '../../../../host/protection/driver-domain/front-queue.js';
import { pageNumber } from '../../../../nic/addresses.js';
import { frame, Machine, macOf, PAGE, STRANGER } from '../../support/machine.js';

const [END, DONE] = [1, 4];
/** Header of Ethernet without its FCS: the shortest frame that there can be here, and the longest. */
const [SHORTEST, LONGEST] = [14, 9018];

function bench(transfer: 'copy' | 'flip') {
  const machine = new Machine(new DriverDomain({ transfer }));
  const guest = machine.guest(1, { transmitSlots: 32, receiveSlots: 32 });
  machine.run();
  const { port } = guest;
  if (!(port instanceof FrontEnd)) throw new Error('no front end');
  const { protection, hypervisor } = machine.host;
  const arrive = (length: number, seed = 1) => {
    const bytes = frame(macOf(1), STRANGER, length, seed);
    machine.arrive(bytes);
    machine.run();
    return bytes;
  };
  return {
    machine,
    guest,
    port,
    protection,
    arrive,
    faults: () => hypervisor.faultLog.map(({ reason }) => reason),
    sent: () => machine.wire.frames.map(({ bytes }) => bytes),
    /** Responses of the receive ring: length and flags. */
    answers: (count: number) =>
      Array.from({ length: count }, (_, index) => [
        port.receive.shared.length(index),
        port.receive.shared.flags(index),
      ]),
  };
}

describe.each(['copy', 'flip'] as const)('a frame in many requests, by %s', (transfer) => {
  it(`is sent from ${MAX_CHAIN} of them, as Xen allows (XEN_NETBK_LEGACY_SLOTS_MAX), and costs its port with one more`, () => {
    for (const [count, goes] of [
      [MAX_CHAIN, true],
      [MAX_CHAIN + 1, false],
    ] as const) {
      const { machine, guest, sent, faults } = bench(transfer);
      const page = guest.page();
      const bytes = frame(STRANGER, macOf(1), count * 10, 3);
      guest.store(page, bytes);
      guest.post(
        ...Array.from({ length: count }, (_, at) => ({
          address: page + at * 10,
          length: 10,
          flags: at + 1 === count ? END : 0,
        })),
      );
      machine.run();
      expect([sent(), faults()]).toEqual(goes ? [[bytes], []] : [[], ['bad-ring']]);
      expect(guest.port.transmit.consumer()).toBe(goes ? count : 0);
    }
  });

  it('is as long as its requests together: none shorter than a header, none longer than a jumbo frame', () => {
    for (const [first, second, refusal] of [
      [SHORTEST - 1, 1, undefined],
      [SHORTEST - 2, 1, 'bad-length'],
      [LONGEST - 1, 1, undefined],
      [LONGEST, 1, 'bad-length'],
      [5, LONGEST - 4, 'bad-length'],
      [0, 100, 'bad-length'],
      [100, 0, 'bad-length'],
      [LONGEST + 1, 100, 'bad-length'],
    ] as const) {
      const { machine, guest, port, sent, faults, protection } = bench(transfer);
      const pages = guest.pages(3);
      guest.store(pages, frame(STRANGER, macOf(1), LONGEST, 4));
      guest.post(
        { address: pages, length: Math.max(1, first), flags: 0 },
        { address: pages + first, length: Math.max(1, second) },
      );
      // A driver that posts an empty request writes it by hand.
      for (const [index, length] of [first, second].entries())
        if (length === 0)
          port.transmit.shared.put(index, index * PAGES_PER_SLOT, 0, index === 0 ? 0 : END, 0);
      machine.run();
      expect(faults(), `${first} and ${second}`).toEqual(refusal === undefined ? [] : [refusal]);
      expect(sent().map(({ length }) => length)).toEqual(
        refusal === undefined ? [Math.max(60, first + second)] : [],
      );
      expect(protection.drops['bad-frame']).toBe(refusal === undefined ? 0 : 1);
      // Its buffers come back either way.
      expect(guest.port.transmit.consumer()).toBe(2);
      machine.host.checkInvariants();
    }
  });

  it('is answered empty, request by request, and done', () => {
    const { machine, guest, port } = bench(transfer);
    const page = guest.page();
    guest.store(page, frame(STRANGER, macOf(1), 90));
    guest.post({ address: page, length: 50, flags: 0 }, { address: page + 50, length: 40 });
    machine.run();
    const { shared } = port.transmit;
    for (const index of [0, 1])
      expect([shared.word(index), shared.offset(index), shared.flags(index), shared.length(index)]).toEqual([
        0,
        0,
        DONE,
        0,
      ]);
  });

  it('is refused for one bad page among good ones, and nothing stays mapped or is sent of it', () => {
    const { machine, guest, sent, faults } = bench(transfer);
    const other = machine.guest(2);
    const [one, foreign, two] = [guest.page(), other.page(), guest.page()];
    guest.post(
      { address: one, length: 100, flags: 0 },
      { address: foreign, length: 100, flags: 0 },
      { address: two, length: 100 },
    );
    machine.run();
    expect([sent(), faults()]).toEqual([[], ['not-owner']]);
    for (const page of [one, foreign, two]) expect(machine.host.pages.count(pageNumber(page / PAGE))).toBe(0);
    expect(guest.port.transmit.consumer()).toBe(3);
  });

  it('lands in as many buffers as it fills, the last of which ends it', () => {
    const { guest, arrive, answers } = bench(transfer);
    const pages = Array.from({ length: 4 }, () => guest.page());
    guest.postReceive(...pages.map((address) => ({ address: address + 64, length: 200 })));
    const bytes = arrive(500);
    expect(answers(4)).toEqual([
      [200, DONE],
      [200, DONE],
      [100, DONE | END],
      [200, 0],
    ]);
    expect(guest.receive()).toEqual([bytes]);
    // What is left is for the next one, which fills it to the last byte.
    const next = arrive(200, 2);
    expect(guest.receive()).toEqual([next]);
  });

  it(`lands in ${MAX_CHAIN} buffers at most; one for which they are too small leaves them to the next`, () => {
    const { guest, arrive, protection } = bench(transfer);
    guest.postReceive(
      ...Array.from({ length: MAX_CHAIN + 2 }, () => ({ address: guest.page(), length: 100 })),
    );
    arrive(MAX_CHAIN * 100 + 1);
    expect(guest.receive()).toEqual([]);
    expect(protection.drops['no-receive-buffer']).toBe(1);
    const bytes = arrive(MAX_CHAIN * 100, 5);
    expect(guest.receive()).toEqual([bytes]);
    const short = arrive(200, 6);
    expect(guest.receive()).toEqual([short]);
  });

  it('is dropped where what is posted is a byte too short for it', () => {
    const { guest, arrive, protection } = bench(transfer);
    guest.postReceive({ address: guest.page(), length: 100 }, { address: guest.page(), length: 100 });
    arrive(201);
    expect([guest.receive(), protection.drops['no-receive-buffer']]).toEqual([[], 1]);
    const bytes = arrive(199);
    expect(guest.receive()).toEqual([bytes]);
  });

  it('lands in buffers across pages, and in no byte behind any of them', () => {
    const { machine, guest, arrive } = bench(transfer);
    const areas = [guest.pages(2), guest.pages(2), guest.pages(2)];
    for (const area of areas) machine.poke(area, new Uint8Array(2 * PAGE).fill(0xee));
    guest.postReceive(...areas.map((area) => ({ address: area + PAGE - 100, length: 300 })));
    const bytes = arrive(800);
    expect(guest.receive()).toEqual([bytes]);
    for (const [at, area] of areas.entries()) {
      const now = machine.peek(area, 2 * PAGE);
      const end = PAGE - 100 + (at === 2 ? 200 : 300);
      expect([...now.subarray(0, PAGE - 100), ...now.subarray(end)].every((byte) => byte === 0xee)).toBe(
        true,
      );
    }
  });

  it('lands in a buffer across pages, each through its own grant', () => {
    const { machine, guest, arrive } = bench(transfer);
    const pages = guest.pages(PAGES_PER_SLOT);
    machine.poke(pages, new Uint8Array(PAGES_PER_SLOT * PAGE).fill(0xee));
    guest.postReceive({ address: pages + PAGE - 1, length: 2 * PAGE + 2 });
    const bytes = arrive(2 * PAGE + 1);
    expect(guest.receive()).toEqual([bytes]);
    const now = machine.peek(pages, PAGES_PER_SLOT * PAGE);
    expect([...now.subarray(0, PAGE - 1), ...now.subarray(3 * PAGE)].every((byte) => byte === 0xee)).toBe(
      true,
    );
  });
});

describe('a request that is written by hand', () => {
  it('may be over as many pages as a slot has references, and no more', () => {
    for (const [offset, length, refusals] of [
      [0, PAGES_PER_SLOT * PAGE, []],
      [1, PAGES_PER_SLOT * PAGE, ['bad-length']],
      [PAGE - 1, 3 * PAGE + 1, []],
      [PAGE - 1, 3 * PAGE + 2, ['bad-length']],
    ] as const) {
      const { guest, port, protection, arrive, faults } = bench('copy');
      const pages = guest.pages(5);
      for (let at = 0; at < 5; at += 1)
        port.grants.grant(at, protection.domain.id, pageNumber(pages / PAGE + at), false);
      port.receive.shared.put(0, 0, offset, 0, length);
      port.receive.shared.pushRequests(1);
      arrive(300);
      expect(faults(), `${length} bytes at ${offset}`).toEqual(refusals);
      expect(port.receive.shared.length(0)).toBe(refusals.length === 0 ? 300 : 0);
    }
  });

  it('has its offset in a page, whatever stands above those bits', () => {
    const { machine, guest, port, protection, arrive, sent } = bench('copy');
    const [out, into] = [guest.page(), guest.page()];
    const bytes = frame(STRANGER, macOf(1), 70, 9);
    guest.store(out + 40, bytes);
    port.grants.grant(0, protection.domain.id, pageNumber(out / PAGE), true);
    port.grants.grant(1, protection.domain.id, pageNumber(into / PAGE), false);
    port.transmit.shared.put(0, 0, 3 * PAGE + 40, END, 70);
    if (port.transmit.shared.pushRequests(1)) port.transmit.plan.notify();
    machine.run();
    expect(sent()).toEqual([bytes]);
    port.receive.shared.put(0, 1, 2 * PAGE + 24, 0, 500);
    port.receive.shared.pushRequests(1);
    const came = arrive(100);
    expect(machine.peek(into + 24, 100)).toEqual(came);
    expect([port.receive.shared.word(0), port.receive.shared.offset(0)]).toEqual([into / PAGE, 24]);
  });

  it.each([33, 1000, 2 ** 31, 2 ** 32 - 1])(
    'in a receive ring whose producer says %i: the ring is beyond sense, and the port is closed',
    (producer) => {
      const { machine, guest, port, arrive, faults } = bench('copy');
      port.receive.shared.pushRequests(producer);
      arrive(100);
      expect(faults()).toEqual(['bad-ring']);
      expect(guest.post({ address: guest.page(), length: 100 })).toBe(0);
      machine.host.checkInvariants();
    },
  );
});
