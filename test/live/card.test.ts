import { describe, expect, it } from 'vitest';
import { some } from '../support/whole.js';
import { CALL, type CardDriver, cardLab, HAND_OVER, PAGE, RESULT, RINGS_AT } from './support/card-driver.js';
import { ethernet } from './support/driver.js';
import { GUEST_BYTES, type Lab, MAC } from './support/lab.js';

/** Approaches under which a guest has a context of the card, and how its driver hands buffers over. */
const APPROACHES = [
  ['none', HAND_OVER.write],
  ['dev', HAND_OVER.write],
  ['nodma', HAND_OVER.write],
  ['cdna', HAND_OVER.hypervisorWrites],
  ['cdna+iommu', HAND_OVER.hypervisorWrites],
  ['iommu:direct-map', HAND_OVER.mapThenWrite],
  ['iommu:single-use', HAND_OVER.mapThenWrite],
  ['iommu:shared', HAND_OVER.mapThenWrite],
  ['iommu:persistent', HAND_OVER.mapThenWrite],
  ['iommu:deferred', HAND_OVER.mapThenWrite],
  ['iommu:shadow-copy', HAND_OVER.mapThenWrite],
  ['iommu:contiguous', HAND_OVER.mapThenWrite],
] as const;

/** More than twice around the rings. */
const ROUNDS = 40;

const text = (driver: CardDriver, at: number, bytes: number) =>
  new TextDecoder().decode(driver.ram.slice(at, at + bytes));

/** A frame of one piece: writes it to the guest's memory and hands it over. */
function send(driver: CardDriver, at: number, frame: Uint8Array): number {
  driver.ram.set(frame, at);
  return driver.post('transmit', [{ at, bytes: frame.length }]);
}

describe.each(some(APPROACHES))('two drivers of the card under %s', (protection, handOver) => {
  it('a frame goes from one over the wire to the other, and MSI tells both', () => {
    const { lab, drivers } = cardLab({ protection });
    const [sender, receiver] = drivers as [CardDriver, CardDriver];
    for (const driver of drivers) expect(driver.start()).toBe(RESULT.done);
    expect(sender.handOver).toBe(handOver);
    for (let round = 0; round < ROUNDS; round += 1) {
      const message = `frame ${round}`;
      expect(receiver.post('receive', [{ at: 0x100000, bytes: 2048 }])).toBe(1);
      expect(send(sender, 0x200000, ethernet(MAC + 1, MAC, message, 98))).toBe(1);
      lab.run();
      expect(sender.consumer('transmit')).toBe(round + 1);
      expect(receiver.consumer('receive')).toBe(round + 1);
      expect(receiver.received(round)).toEqual({ bytes: 98, flags: 1 | 4 });
      sender.finish('transmit');
      receiver.finish('receive');
      expect(text(receiver, 0x100000 + 14, message.length)).toBe(message);
    }
    expect(sender.client.interrupts[0]).toBeGreaterThanOrEqual(ROUNDS);
    expect(receiver.client.interrupts[0]).toBeGreaterThanOrEqual(ROUNDS);
    expect(sender.counter(0)).toBe(ROUNDS);
    expect(receiver.counter(2)).toBe(ROUNDS);
    expect(sender.counter(1)).toBe(ROUNDS * 98);
    lab.live.checkInvariants();
    for (const guest of lab.live.guests) expect([guest.device.faults, guest.sessionFaults]).toEqual([{}, {}]);
  });

  it('a closed context reaches no memory, and opens again with indices from 0', () => {
    const { lab, drivers } = cardLab({ protection });
    const [sender, receiver] = drivers as [CardDriver, CardDriver];
    for (const driver of drivers) driver.start();
    receiver.post('receive', [{ at: 0x100000, bytes: 2048 }]);
    expect(receiver.call(CALL.close, 0)).toBe(RESULT.done);
    expect(receiver.page(PAGE.state)).toBe(0);
    expect(receiver.register(0x20)).toBe(0xffffffff);
    send(sender, 0x200000, ethernet(MAC + 1, MAC, 'to nobody', 98));
    lab.run();
    expect(receiver.ram.subarray(0x100000, 0x100100).every((byte) => byte === 0)).toBe(true);
    expect(receiver.open()).toBe(RESULT.done);
    receiver.post('receive', [{ at: 0x100000, bytes: 2048 }]);
    send(sender, 0x200000, ethernet(MAC + 1, MAC, 'to somebody', 98));
    lab.run();
    expect(receiver.consumer('receive')).toBe(1);
    receiver.finish('receive');
    expect(text(receiver, 0x100000 + 14, 11)).toBe('to somebody');
    lab.live.checkInvariants();
  });
});

describe('the card under a driver domain', () => {
  it('is refused by name: guests have no context there', () => {
    expect(() => cardLab({ protection: 'driver-domain' })).toThrow(
      'guest0.card is "cdna", expected "virtio" under driver-domain',
    );
  });
});

/** Plain DMA leaks, both gates stop: what a forged or asked-for descriptor of the neighbour's memory comes to. */
const ATTACKS = [
  ['none', 'leaks'],
  ['nodma', 'leaks'],
  ['dev', 'faults'],
  ['cdna', 'refused'],
  ['cdna+iommu', 'refused'],
  ['iommu:direct-map', 'faults'],
  ['iommu:single-use', 'faults'],
  ['iommu:deferred', 'faults'],
] as const;
const SECRET = "the neighbour's secret";

describe.each(ATTACKS)("a descriptor that names the neighbour's memory under %s", (protection, outcome) => {
  const attack = (): { lab: Lab; evil: CardDriver; victim: CardDriver; sent: string[] } => {
    const sent: string[] = [];
    const { lab, drivers } = cardLab({
      protection,
      uplink: (frame) => sent.push(new TextDecoder().decode(frame)),
    });
    const [evil, victim] = drivers as [CardDriver, CardDriver];
    for (const driver of drivers) driver.start();
    return { lab, evil, victim, sent };
  };
  const victimStillWorks = (lab: Lab, victim: CardDriver) => {
    const before = victim.consumer('transmit');
    expect(send(victim, 0x280000, ethernet(0x020000ffffff, MAC + 1, 'still here'))).toBe(1);
    lab.run(3_000_000);
    expect(victim.consumer('transmit')).toBe(before + 1);
    expect(lab.live.guests[1]?.device.faults).toEqual({});
    lab.live.checkInvariants();
  };

  it(`${outcome}: of a frame to send`, () => {
    const { lab, evil, victim, sent } = attack();
    victim.ram.set(ethernet(0x020000ffffff, MAC, SECRET, 94), 0x200000);
    const named = { at: GUEST_BYTES + 0x200000, bytes: 94 };
    if (outcome === 'refused') {
      expect(evil.post('transmit', [named])).toBe(0);
      expect(evil.page(PAGE.result)).toBe(RESULT.refused);
      // not-owner
      expect(evil.page(PAGE.refusal)).toBe(2);
      expect(evil.page(PAGE.state)).toBe(1);
    } else {
      evil.writeDescriptor('transmit', 0, evil.base + named.at, named);
      evil.ring('transmit', 1);
    }
    lab.run(3_000_000);
    expect(sent.some((frame) => frame.includes(SECRET))).toBe(outcome === 'leaks');
    if (outcome === 'faults') {
      // 8: payload-abort
      expect([evil.page(PAGE.state), evil.page(PAGE.fault)]).toEqual([2, 8]);
      expect(evil.client.interrupts[0]).toBeGreaterThan(0);
      expect(evil.register(0x20)).toBe(0xffffffff);
    }
    victimStillWorks(lab, victim);
    if (outcome === 'faults') expect(evil.open()).toBe(RESULT.done);
  });

  it(`${outcome}: of a buffer to receive into`, () => {
    const { lab, evil, victim } = attack();
    const named = { at: GUEST_BYTES + 0x300000, bytes: 1536 };
    victim.ram.fill(0x2e, 0x300000, 0x300800);
    if (outcome === 'refused') expect(evil.post('receive', [named])).toBe(0);
    else {
      evil.writeDescriptor('receive', 0, evil.base + named.at, named);
      evil.ring('receive', 1);
    }
    lab.run();
    send(victim, 0x200000, ethernet(MAC, MAC + 1, 'OVERWRITTEN', 94));
    lab.run(3_000_000);
    const page = text(victim, 0x300000, 0x80);
    expect(page).toMatch(outcome === 'leaks' ? /OVERWRITTEN/u : /^\.+$/u);
    victimStillWorks(lab, victim);
  });
});

describe('what a driver may not do', () => {
  it('under cdna the rings are read and not written, and a doorbell beyond them is a sequence break', () => {
    const { lab, drivers } = cardLab({ protection: 'cdna' });
    const [evil] = drivers as [CardDriver, CardDriver];
    evil.start();
    send(evil, 0x200000, ethernet(MAC + 1, MAC, 'honest', 98));
    lab.run();
    // The descriptor as the hypervisor wrote it: address, length, END_OF_PACKET, sequence number 1.
    const before = [0, 4, 8, 12].map((offset) => evil.ringWindow(offset));
    expect(before).toEqual([evil.base + 0x200000, 0, 98 + 0x10000, 1]);
    for (let offset = 0; offset < 0x40; offset += 4) evil.writeRingWindow(offset, 0xdeadbeef);
    expect([0, 4, 8, 12].map((offset) => evil.ringWindow(offset))).toEqual(before);
    expect(lab.live.guests[0]?.device.faults).toEqual({ 'ring-write': 16 });
    evil.ring('transmit', 2);
    lab.run();
    // 1: sequence-break
    expect([evil.page(PAGE.state), evil.page(PAGE.fault)]).toEqual([2, 1]);
    lab.live.checkInvariants();
  });

  it.each(['none', 'iommu:single-use'])(
    'under %s rings lie in memory of its own, or are refused',
    (protection) => {
      const { lab, drivers } = cardLab({ protection });
      const [evil] = drivers as [CardDriver, CardDriver];
      evil.start();
      evil.call(CALL.close, 0);
      for (const rings of [RINGS_AT + 8, GUEST_BYTES, GUEST_BYTES - 0x1000, 2 ** 62, 2 ** 64 - 0x1000])
        expect(evil.open(rings)).toBe(RESULT.badRings);
      expect(evil.page(PAGE.state)).toBe(0);
      expect(evil.ringWindow(0)).toBe(0xffffffff);
      expect(evil.open()).toBe(RESULT.done);
      lab.live.checkInvariants();
    },
  );

  it('requests outside of its memory, none and too many are refused; a call of another approach does not exist', () => {
    const { lab, drivers } = cardLab({ protection: 'cdna' });
    const [evil] = drivers as [CardDriver, CardDriver];
    evil.start();
    expect(evil.call(CALL.open, 0)).toBe(RESULT.wrongState);
    for (const count of [0, 257, 2 ** 32 - 1])
      expect(evil.call(CALL.transmit, count)).toBe(RESULT.badRequests);
    evil.client.write(1, PAGE.requests, GUEST_BYTES, 4);
    expect(evil.call(CALL.transmit, 1)).toBe(RESULT.badRequests);
    for (const call of [0, CALL.transmitFinished, 99]) expect(evil.call(call, 1)).toBe(RESULT.noSuchCall);
    evil.client.write(1, PAGE.call, CALL.transmit, 4);
    evil.client.write(1, PAGE.call, CALL.transmit, 4);
    lab.run();
    expect(lab.live.guests[0]?.device.faults).toEqual({
      'wrong-state': 1,
      'bad-requests': 5,
      'no-such-call': 3,
      'call-while-busy': 1,
    });
    lab.live.checkInvariants();
  });
});

describe('what a policy makes of a refused request', () => {
  it.each(['log', 'revoke', 'kill'] as const)('%s', (faultPolicy) => {
    const { lab, drivers } = cardLab({ protection: 'cdna', scenario: { host: { faultPolicy } } });
    const [evil, victim] = drivers as [CardDriver, CardDriver];
    for (const driver of drivers) driver.start();
    expect(evil.post('transmit', [{ at: GUEST_BYTES + 0x200000, bytes: 94 }])).toBe(0);
    lab.run();
    // 80h: taken away, and not by the card.
    expect([evil.page(PAGE.state), evil.page(PAGE.fault)]).toEqual(
      faultPolicy === 'log' ? [1, 0] : [2, 0x80],
    );
    expect(evil.open()).toBe(
      { log: RESULT.wrongState, revoke: RESULT.done, kill: RESULT.noContext }[faultPolicy],
    );
    expect(send(victim, 0x280000, ethernet(0x020000ffffff, MAC + 1, 'still here'))).toBe(1);
    lab.run();
    expect(victim.consumer('transmit')).toBe(1);
    lab.live.checkInvariants();
  });
});
