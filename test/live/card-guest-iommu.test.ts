import { describe, expect, it } from 'vitest';
import { CardDriver, HAND_OVER, PAGE, REQUESTS_AT, RESULT, RINGS_AT } from './support/card-driver.js';
import { ethernet } from './support/driver.js';
import { GuestIommuLab } from './support/guest-iommu-lab.js';
import { GUEST_BYTES, MAC } from './support/lab.js';

/** Where a guest's own IOMMU puts things: nowhere near where they are in its RAM. */
const IOVA = 0x70000000;
const SENT_AT = 0x200000;
const RECEIVED_AT = 0x300000;

const CARDS = {
  guests: ['a', 'b'].map((name) => ({
    name,
    attached: true,
    card: 'cdna' as const,
    memoryMegabytes: GUEST_BYTES / 2 ** 20,
    transmitSlots: 16,
    receiveSlots: 16,
  })),
};

/** Two drivers of the card behind IOMMUs of their own: rings and buffers are mapped elsewhere than they lie. */
function boot(): { lab: GuestIommuLab; drivers: [CardDriver, CardDriver] } {
  const lab = new GuestIommuLab({ scenario: CARDS });
  const drivers = [0, 1].map((index) => {
    const { client } = lab.driver(index);
    const driver = new CardDriver(client, lab.ram(index), (ns) => lab.run(ns));
    client.connect();
    client.version();
    expect(client.map(IOVA + RINGS_AT, 0x3000, RINGS_AT)?.error).toBe(0);
    client.map(IOVA + REQUESTS_AT, 0x1000, REQUESTS_AT);
    client.map(IOVA + SENT_AT, 0x1000, SENT_AT, 1);
    client.map(IOVA + RECEIVED_AT, 0x1000, RECEIVED_AT, 2);
    driver.enableMsi();
    expect(driver.open(IOVA + RINGS_AT)).toBe(RESULT.done);
    lab.run();
    return driver;
  });
  return { lab, drivers: drivers as [CardDriver, CardDriver] };
}

describe('drivers of the card behind IOMMUs of their own (iommu:guest)', () => {
  it('write their rings with addresses that their own IOMMU has given out, and are told by MSI', () => {
    const { lab, drivers } = boot();
    const [sender, receiver] = drivers;
    expect(sender.handOver).toBe(HAND_OVER.write);
    expect(sender.base).toBe(0);
    for (let round = 0; round < 40; round += 1) {
      receiver.post('receive', [{ at: IOVA + RECEIVED_AT, bytes: 2048 }]);
      sender.ram.set(ethernet(MAC + 1, MAC, `frame ${round}`, 98), SENT_AT);
      sender.post('transmit', [{ at: IOVA + SENT_AT, bytes: 98 }]);
      lab.run();
      expect([sender.consumer('transmit'), receiver.consumer('receive')]).toEqual([round + 1, round + 1]);
      expect(receiver.received(round).bytes).toBe(98);
      expect(new TextDecoder().decode(receiver.ram.slice(RECEIVED_AT + 14, RECEIVED_AT + 20))).toBe('frame ');
    }
    expect(receiver.client.interrupts[0]).toBeGreaterThanOrEqual(40);
    lab.live.checkInvariants();
  });

  it.each([
    ['an address that is mapped for nothing', IOVA + 0x280000],
    ["its own memory's machine address", SENT_AT],
    ['a receive buffer, which the card may only write', IOVA + RECEIVED_AT],
    ["the neighbour's memory", GUEST_BYTES + SENT_AT],
  ])('a descriptor that names %s stops its context alone', (_name, at) => {
    const { lab, drivers } = boot();
    const [evil, victim] = drivers;
    evil.post('transmit', [{ at, bytes: 98 }]);
    lab.run(3_000_000);
    // 8: payload-abort
    expect([evil.page(PAGE.state), evil.page(PAGE.fault)]).toEqual([2, 8]);
    victim.ram.set(ethernet(0x020000ffffff, MAC + 1, 'still here', 98), SENT_AT);
    victim.post('transmit', [{ at: IOVA + SENT_AT, bytes: 98 }]);
    lab.run(3_000_000);
    expect(victim.consumer('transmit')).toBe(1);
    expect(lab.live.guests[1]?.device.faults).toEqual({});
    lab.live.checkInvariants();
  });

  it('rings at an address that is not mapped are refused, and rings that are unmapped later stop the context', () => {
    const { lab, drivers } = boot();
    const [evil] = drivers;
    evil.call(2, 0);
    for (const rings of [RINGS_AT, GUEST_BYTES + RINGS_AT, IOVA + RINGS_AT + 0x1000])
      expect(evil.open(rings)).toBe(RESULT.badRings);
    expect(evil.open(IOVA + RINGS_AT)).toBe(RESULT.done);
    evil.client.unmap(IOVA + RINGS_AT, 0x3000);
    lab.run(3_000_000);
    evil.ring('transmit', 1);
    lab.run(3_000_000);
    // 7: descriptor-fetch-abort
    expect([evil.page(PAGE.state), evil.page(PAGE.fault)]).toEqual([2, 7]);
    lab.live.checkInvariants();
  });
});
