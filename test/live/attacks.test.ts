import { describe, expect, it } from 'vitest';
import { ethernet, RECEIVE, RINGS, TRANSMIT } from './support/driver.js';
import { GUEST_BYTES, Lab, MAC } from './support/lab.js';

/** Approaches and whether they stop a descriptor that names a neighbour's memory (docs/protection.md). */
const APPROACHES = [
  ['none', false],
  ['nodma', false],
  ['dev', true],
  ['driver-domain', true],
  ['cdna', true],
  ['iommu:direct-map', true],
  ['iommu:single-use', true],
  ['iommu:deferred', true],
  ['cdna+iommu', true],
] as const;

const SECRET = "the neighbour's secret";

/** Guest 0 attacks, guest 1 is the victim; its RAM begins where the attacker's ends (both are multiples of 2 MB). */
function attackLab(protection: string): Lab {
  const leaked: Uint8Array[] = [];
  const lab = new Lab({ protection, uplink: (frame) => leaked.push(frame) });
  lab.boot(0);
  lab.boot(1);
  return lab;
}

/** The victim sends a frame of its own, and it arrives: whatever was done, it was not done to it. */
function victimStillWorks(lab: Lab, slot: number): void {
  const victim = lab.driver(1);
  const before = victim.used(TRANSMIT);
  victim.send(slot, 0x280000, ethernet(0x020000ffffff, MAC + 1, 'still here'));
  lab.run(3_000_000);
  expect((victim.used(TRANSMIT) - before) & 0xffff).toBe(1);
  lab.live.checkInvariants();
}

describe.each(APPROACHES)('a hostile guest under %s', (protection, stops) => {
  it(`a transmit descriptor that names a neighbour's page ${stops ? 'sends nothing of it' : 'sends its bytes'}`, () => {
    const sent: string[] = [];
    const lab = new Lab({
      protection,
      uplink: (frame) => sent.push(new TextDecoder().decode(frame)),
    });
    const evil = lab.boot(0);
    lab.boot(1);
    const frame = ethernet(0x020000ffffff, MAC, SECRET, 94);
    lab.ram(1).set(frame, 0x200000);
    evil.post(TRANSMIT, 4, [
      { at: 0x200000, bytes: 12 },
      { at: GUEST_BYTES + 0x200000, bytes: 94 },
    ]);
    lab.run(3_000_000);
    expect(sent.some((text) => text.includes(SECRET))).toBe(!stops);
    victimStillWorks(lab, 0);
  });

  it(`a receive buffer on a neighbour's page ${stops ? 'stays unwritten' : 'is written'}`, () => {
    const lab = attackLab(protection);
    const evil = lab.driver(0);
    const victim = lab.driver(1);
    lab.ram(1).fill(0x2e, 0x300000, 0x300800);
    evil.post(RECEIVE, 0, [{ at: GUEST_BYTES + 0x300000, bytes: 1536 }]);
    lab.run();
    victim.send(0, 0x200000, ethernet(MAC, MAC + 1, 'OVERWRITTEN', 94));
    lab.run(3_000_000);
    const page = new TextDecoder('latin1').decode(lab.ram(1).subarray(0x300000, 0x300080));
    expect(page.includes('OVERWRITTEN')).toBe(!stops);
    expect(page).toMatch(stops ? /^\.+$/u : /OVERWRITTEN/u);
    victimStillWorks(lab, 2);
  });

  it('an available index ahead of its ring, a loop, rings outside of memory and a bad table stop only their device', () => {
    const lab = attackLab(protection);
    const evil = lab.driver(0);
    const attacks: readonly (() => void)[] = [
      () => {
        evil.setIndex(TRANSMIT, 5000);
        evil.notify(TRANSMIT);
      },
      () =>
        evil.post(TRANSMIT, 0, [
          { at: 0x200000, bytes: 12 },
          { at: 0x200000, bytes: 50, next: 1 },
          { at: 0x200000, bytes: 50, next: 1 },
        ]),
      () => evil.post(TRANSMIT, 0, [{ at: 0x200000, bytes: 64, flags: 2 }]),
      () => evil.post(TRANSMIT, 0, [{ at: 0x200000, bytes: 64, flags: 4 }]),
      () => evil.post(TRANSMIT, 0, [{ at: 2 ** 60, bytes: 64 }]),
      () => evil.post(TRANSMIT, 0, [{ at: 0x200000, bytes: 12 }]),
      () => evil.offer(TRANSMIT, 300),
      () => evil.post(RECEIVE, 0, [{ at: 0x200000, bytes: 12 }]),
      () =>
        evil.post(RECEIVE, 0, [
          { at: 0x200000, bytes: 12 },
          { at: 0x300000, bytes: 1500 },
        ]),
    ];
    for (const [number, attack] of attacks.entries()) {
      expect(evil.start()).toBe(15);
      lab.run();
      attack();
      evil.notify(TRANSMIT);
      lab.run(3_000_000);
      expect([number, evil.status & 64]).toEqual([number, 64]);
      victimStillWorks(lab, number % 16);
    }
    for (const place of ['table', 'available', 'used'] as const) {
      evil.start(undefined, [RINGS[0], { ...RINGS[1], [place]: GUEST_BYTES + 0x1000 }]);
      evil.post(TRANSMIT, 0, [{ at: 0x200000, bytes: 106 }]);
      lab.run(3_000_000);
      expect([place, evil.status & 64]).toEqual([place, 64]);
      victimStillWorks(lab, 20);
    }
    const { faults } = lab.live.guests[0]?.device ?? {};
    expect(faults).toMatchObject({ 'available-index-ahead': 1, 'scattered-receive-buffer': 1 });
    expect(lab.live.guests[1]?.device.faults).toEqual({});
  });
});
