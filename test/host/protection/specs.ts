import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Claims } from '../../../host/protection/approaches.js';
import type { ProtectionPlan } from '../../../host/protection/protection.js';
import { pageNumber } from '../../../nic/addresses.js';
import { either, runs, some } from '../../support/whole.js';
import { frame, Machine, macOf, PAGE, STRANGER } from '../support/machine.js';
import { type AttackScenario, scene } from './scene.js';

/** Long enough for whatever an approach does later (release, flush, answer) to be done. */
const SETTLE_NS = 60_000_000;
/** Frames that go round rings of 16 slots, a few times. */
const TURNS = either(60, 36);

/**
 * What every approach is held to, by the same words: it carries frames as they are, keeps what it claims to keep
 * apart, answers mistakes with values, lets go of everything at the end, and its books balance. What it does not
 * claim is shown to happen, so that a claim that is left out is a finding and not an oversight.
 */
export function protectionSpecs(title: string, make: () => ProtectionPlan, claims: Claims): void {
  describe(title, () => {
    it.each(some([60, 61, 1514, 2048, 4096, 4097, 9018]))(
      'carries a frame of %s bytes out and in, byte for byte',
      (length) => {
        const machine = new Machine(make());
        const [one, two] = [machine.guest(1), machine.guest(2)];
        machine.run();
        for (let count = 0; count < 4; count += 1) two.postReceive({ address: two.page(), length: PAGE });
        machine.run();
        const out = frame(STRANGER, macOf(1), length, 3);
        const back = frame(macOf(2), STRANGER, length, 4);
        one.send(out);
        machine.arrive(back);
        machine.run(SETTLE_NS);
        expect(machine.wire.frames.map(({ bytes }) => Buffer.compare(bytes, out))).toEqual([0]);
        expect(machine.wire.frames[0]?.context).toBe(one.port.context);
        expect(two.receive().map((bytes) => Buffer.compare(bytes, back))).toEqual([0]);
        expect(machine.host.hypervisor.faultLog).toEqual([]);
        expect([one.interrupts, two.interrupts].every((count) => count > 0)).toBe(true);
      },
    );

    it('puts a frame together from buffers that lie anywhere, on and across pages', () => {
      const machine = new Machine(make());
      const guest = machine.guest(1);
      machine.run();
      const out = frame(STRANGER, macOf(1), 3000, 5);
      const [pages, other] = [guest.pages(2), guest.page()];
      guest.store(pages + PAGE - 700, out.subarray(0, 1400));
      guest.store(other + 9, out.subarray(1400, 1401));
      guest.store(other + 100, out.subarray(1401));
      expect(
        guest.post(
          { address: pages + PAGE - 700, length: 1400, flags: 0 },
          { address: other + 9, length: 1, flags: 0 },
          { address: other + 100, length: 1599 },
        ),
      ).toBe(3);
      machine.run(SETTLE_NS);
      expect(machine.wire.frames.map(({ bytes }) => Buffer.compare(bytes, out))).toEqual([0]);
    });

    it('works on when rings wrap, and its books balance at every step', () => {
      const machine = new Machine(make());
      const guest = machine.guest(1);
      machine.run();
      const [out, into] = [guest.page(), Array.from({ length: 4 }, () => guest.page())];
      for (const address of into) guest.postReceive({ address, length: 2048 });
      machine.run(100_000);
      let posted = 4;
      for (let turn = 0; turn < TURNS; turn += 1) {
        guest.store(out, frame(STRANGER, macOf(1), 200, turn));
        expect(guest.post({ address: out, length: 200 })).toBe(1);
        machine.arrive(frame(macOf(1), STRANGER, 300, turn));
        machine.run(200_000);
        guest.reclaim();
        expect(guest.receive()).toEqual([frame(macOf(1), STRANGER, 300, turn)]);
        guest.postReceive({ address: into[turn % 4] ?? 0, length: 2048 });
        posted += 2;
      }
      expect(machine.wire.frames.map(({ bytes }) => bytes)).toEqual(
        Array.from({ length: TURNS }, (_, turn) => frame(STRANGER, macOf(1), 200, turn)),
      );
      expect(machine.host.protection.counters()).toMatchObject({ accepted: posted, refused: 0, denied: 0 });
    });

    it('answers a mistake with a value or a fault of that guest alone, and the next good request goes', () => {
      const { machine, thief, victim, beyond } = scene(make());
      const sentBefore = machine.wire.frames.length;
      thief.post({ address: beyond, length: 64 });
      machine.run(SETTLE_NS);
      expect(machine.host.hypervisor.faultLog.length).toBe(1);
      expect(machine.host.hypervisor.faultLog[0]?.domain).toBe(thief.domain.name);
      expect(machine.wire.frames.length).toBe(sentBefore);
      // A fault at the access gate stops the context: the guest gets a new one.
      const again =
        machine.host.nic.contexts[thief.port.context]?.state === 'faulted' ? thief.reopen() : thief;
      again.send(frame(STRANGER, macOf(1), 80, 1));
      victim.send(frame(STRANGER, macOf(2), 90, 2));
      machine.run(SETTLE_NS);
      expect(
        machine.wire.frames
          .slice(sentBefore)
          .map(({ bytes }) => bytes.length)
          .sort(),
      ).toEqual([80, 90]);
    });

    it('stops everything of a port when it is closed, whenever that is', () => {
      for (let ns = 0; ns < 60_000; ns += either(4_700, 19_500)) {
        const machine = new Machine(make());
        const [guest, other] = [machine.guest(1), machine.guest(2)];
        machine.run();
        const pages = Array.from({ length: 4 }, () => guest.page());
        guest.postReceive(...pages.map((address) => ({ address, length: 2048 })));
        machine.run(30_000);
        for (const seed of [1, 2, 3]) guest.send(frame(STRANGER, macOf(1), 1400, seed));
        for (const seed of [4, 5, 6]) machine.arrive(frame(macOf(1), STRANGER, 1400, seed));
        machine.run(ns);
        machine.host.protection.closePort(guest.port);
        machine.host.protection.closePort(guest.port);
        machine.host.checkInvariants();
        const freed = [...guest.domain.ownedPages].filter((at) => guest.domain.release(at) === 'freed');
        const taken = other.domain.allocate(freed.length);
        machine.arrive(frame(macOf(1), STRANGER, 1400, 7));
        machine.run(SETTLE_NS);
        for (const at of taken)
          expect(
            machine.peek(at * PAGE, PAGE).every((byte) => byte === 0),
            `closed after ${ns} ns`,
          ).toBe(true);
        // Nothing of the port is left: every page of the guest has gone back.
        const ownership = machine.host.pages;
        const left = Array.from({ length: ownership.pageCount }, (_, at) =>
          ownership.owner(pageNumber(at)),
        ).filter((owner) => owner === guest.domain.id);
        expect(left).toEqual([]);
        expect(guest.post({ address: pages[0] ?? 0, length: 64 })).toBe(0);
        expect(guest.port.transmit.refusal?.refusal).toBe('port-closed');
        other.send(frame(STRANGER, macOf(2), 77));
        machine.run(SETTLE_NS);
        expect(machine.wire.frames.at(-1)?.bytes).toEqual(frame(STRANGER, macOf(2), 77));
      }
    });

    it('gives all memory back in the end', () => {
      const machine = new Machine(make());
      const domain = machine.host.createGuest('guest', 1);
      const options = {
        share: { weight: 1 },
        transmitSlots: 32,
        receiveSlots: 32,
        antiSpoofing: false,
        promiscuous: false,
      };
      // The first opening may set up what stays for all that follow.
      const open = () => {
        const port = machine.host.openPort(domain, { ...options, mac: macOf(1) });
        machine.run(100_000);
        machine.host.protection.closePort(port);
        machine.run(SETTLE_NS);
      };
      open();
      const { pages } = machine.host;
      const inUse = (tables: boolean) =>
        Array.from({ length: pages.pageCount }, (_, at) => pages.kind(pageNumber(at))).filter(
          (kind) => kind !== 'free' && (kind === 'io-table') === tables,
        ).length;
      const [before, tables] = [inUse(false), inUse(true)];
      for (let turn = 0; turn < 10; turn += 1) open();
      expect(inUse(false)).toBe(before);
      // Translation tables may stay for addresses that were used once: one page per 2 MB.
      expect(inUse(true) - tables).toBeLessThanOrEqual(pages.pageCount / 512);
      expect(pages.pinnedPages).toBe(0);
    });

    const foreign = claims.interGuest
      ? 'never lets'
      : claims.hypervisor
        ? 'keeps out of the hypervisor'
        : 'lets';
    it(`${foreign} a guest reach a page that it was not given`, () => {
      for (const receive of [false, true]) {
        const { machine, thief, victim, secret, hypervisorPage, stolen } = scene(make());
        for (const address of [secret, hypervisorPage]) {
          const guest =
            machine.host.nic.contexts[thief.port.context]?.state === 'faulted' ? thief.reopen() : thief;
          if (receive) guest.postReceive({ address, length: 2048 });
          else guest.post({ address, length: 600 });
          machine.run(100_000);
          machine.arrive(frame(macOf(1), STRANGER, 700, 9));
          machine.run(SETTLE_NS);
        }
        const { leaked, changed } = stolen();
        // Shown for those that claim nothing at all; `deferred` fails in its window only, and not here.
        const robbed = [...leaked, ...changed];
        if (!claims.interGuest && !claims.device) expect(robbed).toContain('victim');
        if (claims.interGuest) expect(robbed).not.toContain('victim');
        if (claims.hypervisor) expect(robbed).not.toContain('hypervisor');
        victim.send(frame(STRANGER, macOf(2), 66));
        machine.run(SETTLE_NS);
        expect(machine.wire.frames.at(-1)?.bytes).toEqual(frame(STRANGER, macOf(2), 66));
      }
    });

    it.runIf(claims.interGuest)('keeps guests apart, whatever they ask for, give back and lose', () => {
      fc.assert(
        fc.property(fc.array(move, { maxLength: 25 }), (moves) => {
          const at = scene(make());
          for (const one of moves) play(at, one);
          at.machine.run(SETTLE_NS);
          expect(at.stolen()).toEqual({ leaked: [], changed: [] });
        }),
        { numRuns: runs(15) },
      );
    });
  });
}

/** A move of the thief, or of the world around it. */
type Move = {
  readonly kind: string;
  readonly pick: number;
  readonly offset: number;
  readonly length: number;
};

const move: fc.Arbitrary<Move> = fc.record({
  kind: fc.constantFrom(
    'send',
    'receive',
    'arrive',
    'give-back',
    'victim-takes',
    'push-index',
    'wait',
    'reopen',
  ),
  pick: fc.nat(9),
  offset: fc.nat(PAGE - 1),
  length: fc.integer({ min: 1, max: 9000 }),
});

function play(at: AttackScenario, { kind, pick, offset, length }: Move): void {
  const { machine } = at;
  const target = at.targets[pick % at.targets.length] ?? 0;
  switch (kind) {
    case 'send':
      at.thief.post({ address: target + offset, length });
      break;
    case 'receive':
      at.thief.postReceive({ address: target + offset, length });
      break;
    case 'arrive':
      machine.arrive(frame(macOf(1), STRANGER, 60 + (length % 2000), pick));
      break;
    case 'give-back':
      at.thief.domain.release(pageNumber(Math.floor(target / PAGE)));
      break;
    case 'victim-takes':
      at.victimTakes();
      break;
    case 'push-index': {
      const queue = pick % 2 === 0 ? at.thief.port.transmit : at.thief.port.receive;
      const mailbox = pick % 2 === 0 ? 0 : 4;
      machine.host.window.write(
        at.thief.domain.id,
        at.thief.port.context,
        mailbox,
        queue.producer + (length % 20),
      );
      break;
    }
    case 'reopen':
      at.thief = at.thief.reopen();
      break;
    default:
      break;
  }
  machine.run(offset * 10);
}
