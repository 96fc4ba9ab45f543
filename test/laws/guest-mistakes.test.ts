import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FramePattern, FrameVerifier } from '../../guests/traffic/index.js';
import type { Domain } from '../../host/hypervisor/domain.js';
import { APPROACHES } from '../../host/protection/approaches.js';
import { BufferBatch, type GuestPort } from '../../host/protection/guest-port.js';
import { guestPhysicalAddress } from '../../nic/addresses.js';
import { FLAG_END_OF_PACKET } from '../../nic/descriptor.js';
import { MAILBOX } from '../../nic/registers.js';
import { checkScenario } from '../../src/scenario/load.js';
import { anyApproach, type Plan } from '../arbitraries/scenarios.js';
import { LawBook } from './law-book.js';
import { LawMachine, type WireFrame } from './law-machine.js';

const laws = new LawBook('guests that make mistakes');
const ATTACKER_MAC = 0x02_00_00_00_66_66;
const FAR_MAC = 0x02_00_00_01_66_66;
const PAGE = 4096;

/** What a guest can do with its port and its page, right or wrong. */
type Deed =
  | { readonly kind: 'honest-frame'; readonly bytes: number }
  | { readonly kind: 'foreign-transmit' | 'foreign-receive'; readonly slot: number; readonly bytes: number }
  | { readonly kind: 'beyond-memory'; readonly bytes: number }
  | { readonly kind: 'bad-length'; readonly bytes: number }
  | { readonly kind: 'endless-frame'; readonly buffers: number }
  | { readonly kind: 'wild-producer'; readonly receive: boolean; readonly value: number }
  | { readonly kind: 'stale-ring'; readonly receive: boolean; readonly ahead: number }
  | { readonly kind: 'any-register'; readonly offset: number; readonly width: number; readonly value: number }
  | { readonly kind: 'other-page'; readonly page: number; readonly value: number };

const word = fc.oneof(fc.nat({ max: 0xffffffff }), fc.constantFrom(0, 1, 0x7fffffff, 0x80000000, 0xffffffff));
const deed: fc.Arbitrary<Deed> = fc.oneof(
  fc.record({ kind: fc.constant('honest-frame' as const), bytes: fc.integer({ min: 60, max: PAGE }) }),
  fc.record({
    kind: fc.constantFrom('foreign-transmit' as const, 'foreign-receive' as const),
    slot: fc.nat({ max: 31 }),
    bytes: fc.integer({ min: 60, max: 2048 }),
  }),
  fc.record({ kind: fc.constant('beyond-memory' as const), bytes: fc.integer({ min: 1, max: PAGE }) }),
  fc.record({
    kind: fc.constant('bad-length' as const),
    bytes: fc.constantFrom(0, 1, 13, 9019, 16_385, 65_535),
  }),
  fc.record({ kind: fc.constant('endless-frame' as const), buffers: fc.integer({ min: 1, max: 32 }) }),
  fc.record({ kind: fc.constant('wild-producer' as const), receive: fc.boolean(), value: word }),
  fc.record({
    kind: fc.constant('stale-ring' as const),
    receive: fc.boolean(),
    ahead: fc.integer({ min: 1, max: 40 }),
  }),
  fc.record({
    kind: fc.constant('any-register' as const),
    offset: fc.integer({ min: -8, max: PAGE + 8 }),
    width: fc.constantFrom(1, 2, 4, 8),
    value: word,
  }),
  fc.record({
    kind: fc.constant('other-page' as const),
    page: fc.integer({ min: -1, max: 40 }),
    value: word,
  }),
);

/** Whether an approach promises that none of so many guests reaches another one's memory through the card. */
function keepsApart({ claims }: Plan['approach'], guests: number): boolean {
  return claims.interGuest && guests <= (claims.separates ?? Number.POSITIVE_INFINITY);
}

interface Mischief {
  readonly honest: number;
  readonly approach: Plan['approach'];
  readonly policy: 'log' | 'revoke' | 'kill';
  readonly deeds: readonly { readonly afterNs: number; readonly deed: Deed }[];
}

const mischief: fc.Arbitrary<Mischief> = fc.record({
  honest: fc.integer({ min: 1, max: 5 }),
  approach: anyApproach,
  policy: fc.constantFrom('log' as const, 'revoke' as const, 'kill' as const),
  deeds: fc.array(fc.record({ afterNs: fc.nat({ max: 60_000 }), deed }), { minLength: 1, maxLength: 40 }),
});

/** A guest that drives its port by hand, as badly as it likes. */
class Attacker {
  readonly domain: Domain;
  readonly port: GuestPort;
  readonly #law: LawMachine;
  readonly #page: number;
  readonly #batch = new BufferBatch(32);
  readonly #frames = new FramePattern(
    { name: 'attacker', sourceId: 0x6666, source: ATTACKER_MAC, destination: FAR_MAC },
    PAGE,
  );
  #sequence = 0;

  constructor(law: LawMachine) {
    const { host } = law.machine;
    this.#law = law;
    this.domain = host.createGuest('attacker', 3);
    this.port = host.openPort(this.domain, {
      mac: ATTACKER_MAC,
      share: { weight: 1 },
      transmitSlots: 32,
      receiveSlots: 32,
      antiSpoofing: false,
      promiscuous: false,
    });
    this.#page = (this.domain.allocate(1)[0] ?? 0) * PAGE;
  }

  do(act: Deed): void {
    const { host } = this.#law.machine;
    const { domain, port } = this;
    const context = port.context;
    const queue = 'receive' in act && act.receive ? port.receive : port.transmit;
    const mailbox = queue === port.receive ? MAILBOX.RX_PRODUCER : MAILBOX.TX_PRODUCER;
    const victim = this.#law.machine.guests[0]?.driver;
    switch (act.kind) {
      case 'honest-frame':
        domain.write(
          guestPhysicalAddress(this.#page),
          act.bytes,
          this.#frames.fill(act.bytes, this.#sequence++),
          0,
        );
        this.#post(port.transmit, this.#page, act.bytes, FLAG_END_OF_PACKET);
        break;
      case 'foreign-transmit':
        this.#post(port.transmit, victim?.transmitBuffer(act.slot) ?? 0, act.bytes, FLAG_END_OF_PACKET);
        break;
      case 'foreign-receive':
        // Where nothing keeps guests apart this one succeeds, as it should; the victim is then no test of the law.
        if (keepsApart(this.#law.plan.approach, this.#law.machine.guests.length + 1))
          this.#post(port.receive, victim?.transmitBuffer(act.slot) ?? 0, act.bytes, 0);
        break;
      case 'beyond-memory':
        this.#post(port.transmit, host.memory.bytes + this.#page, act.bytes, FLAG_END_OF_PACKET);
        break;
      case 'bad-length':
        this.#post(port.transmit, this.#page, act.bytes, FLAG_END_OF_PACKET);
        break;
      case 'endless-frame':
        for (let buffer = 0; buffer < act.buffers; buffer += 1) this.#post(port.transmit, this.#page, 60, 0);
        break;
      case 'wild-producer':
        host.window.write(domain.id, context, mailbox * 4, act.value);
        break;
      case 'stale-ring':
        host.window.write(domain.id, context, mailbox * 4, (queue.producer + act.ahead) >>> 0);
        break;
      case 'any-register':
        host.window.write(domain.id, context, act.offset, act.value, act.width);
        break;
      case 'other-page':
        if (act.page !== context)
          expect(host.window.write(domain.id, act.page, mailbox * 4, act.value)).toBe('not-mapped');
        break;
    }
  }

  #post(queue: GuestPort['transmit'], address: number, bytes: number, flags: number): void {
    this.#batch.clear();
    this.#batch.add(guestPhysicalAddress(address), bytes, flags);
    const accepted = queue.post(this.#batch);
    // Turned away is a value that says why; a full ring is not a mistake.
    if (accepted === 0 && queue.refusal !== undefined) expect(queue.refusal.refusal).toBeTypeOf('string');
    queue.ring();
    queue.finish(queue.consumer());
  }
}

function honestGuests({ honest, approach, policy }: Mischief): Plan {
  return {
    scenario: checkScenario({
      guests: Array.from({ length: honest }, () => ({
        memoryMegabytes: 2,
        traffic: { kind: 'greedy', frameBytes: 1514 },
        receive: { kind: 'constant', wireRateBps: 5e7, frameBytes: 500 },
        transmitSlots: 32,
        core: 1,
      })),
      host: { cores: 4, hertz: 5e10, memoryMegabytes: 64, faultPolicy: policy },
    }),
    approach,
    discipline: 'drr',
    seed: 1,
    durationNs: 0,
  };
}

describe("law 2: a guest's mistake is a value, charged to that guest alone", () => {
  laws.law(
    'whatever one guest does to its port, the others keep their share, their bytes and their contexts',
    mischief,
    60,
    (plot, substance) => {
      const law = new LawMachine(honestGuests(plot));
      const { machine } = law;
      const { host } = machine;
      const attacker = new Attacker(law);
      const apart = keepsApart(plot.approach, plot.honest + 1);
      const charged = new Set<number>();
      host.nic.streams.faults$.subscribe(({ context }) => charged.add(context));
      const seen = new Set<string>();
      const twice: string[] = [];
      const received = new FrameVerifier();
      const damaged: string[] = [];
      for (const { driver } of machine.guests) {
        driver.onReceive((bytes, offset, length) => {
          const verdict = received.verify(bytes, offset, length);
          if (verdict !== 'good') damaged.push(verdict);
          return undefined;
        });
      }
      law.onFrame = (verifier, verdict) => {
        if (verdict !== 'good' || verifier.sequence < 0) return;
        const id = `${verifier.sourceId}:${verifier.sequence}`;
        if (seen.has(id) && verifier.sourceId !== 0x6666) twice.push(id);
        seen.add(id);
      };
      // Guests behind a driver domain share one deep ring: what is in it comes first, whichever misbehaves.
      const behindOne = machine.guests.some(({ port }) => host.nic.contexts[port.context] === undefined);
      // All guests are under way before the trouble begins.
      machine.run(behindOne ? 4_000_000 : 300_000);
      const before = law.wire.length;
      for (const { afterNs, deed: act } of plot.deeds) {
        machine.run(machine.kernel.nowNs + afterNs);
        attacker.do(act);
        machine.checkInvariants();
      }
      machine.run(machine.kernel.nowNs + (behindOne ? 10_000_000 : 2_000_000));
      machine.checkInvariants();

      // Charged to that context alone.
      for (const context of charged) expect(context).toBe(attacker.port.context);
      for (const { domain, caughtBy } of host.hypervisor.faultLog) {
        expect({ domain, caughtBy }).toEqual({ domain: 'attacker', caughtBy: expect.any(String) });
      }
      for (const { port, domain } of machine.guests) {
        expect(domain.state).toBe('running');
        const context = host.nic.contexts[port.context];
        if (context !== undefined) expect(context.state).toBe('open');
      }
      if (host.hypervisor.faultLog.length > 0 || host.window.pageFaults > 0) substance();

      // The others keep their bytes: what they sent and received is whole, and no other guest sent it.
      const guests = machine.guests.map(({ mac }) => mac);
      // Without that promise the attacker may well send their bytes, so it is told by the context whose frame it is.
      const ofGuest = ({ source, context }: WireFrame, index: number) =>
        apart ? source === guests[index] : context === machine.guests[index]?.port.context;
      const theirs = law.wire.filter((frame) => guests.some((_, index) => ofGuest(frame, index)));
      expect(theirs.filter(({ verdict }) => verdict !== 'good')).toEqual([]);
      expect(damaged).toEqual([]);
      if (apart) expect(twice).toEqual([]);

      // The others keep their share: of n + 1 equals each one has at least its part, within two rounds of drr.
      const after = law.wire.slice(before);
      const total = after.reduce((sum, { bytes }) => sum + bytes, 0);
      for (const [index] of guests.entries()) {
        const got = after.filter((frame) => ofGuest(frame, index)).reduce((sum, { bytes }) => sum + bytes, 0);
        expect(got).toBeGreaterThan((total / (guests.length + 1)) * 0.95 - 4 * 9018);
      }
      for (const { driver } of machine.guests) expect(driver.framesReceived).toBeGreaterThan(10);
    },
  );

  test('a mistake with the set-up gate says what was wrong: CDNA', () => {
    const approach = APPROACHES.find(({ name }) => name === 'cdna');
    if (approach === undefined) throw new Error('there is no approach "cdna"');
    const plot: Mischief = { honest: 1, approach, policy: 'log', deeds: [] };
    const refusals: [Deed, string][] = [
      [{ kind: 'foreign-transmit', slot: 3, bytes: 100 }, 'not-owner'],
      [{ kind: 'foreign-receive', slot: 3, bytes: 100 }, 'not-owner'],
      [{ kind: 'beyond-memory', bytes: 100 }, 'not-ram'],
      [{ kind: 'bad-length', bytes: 0 }, 'bad-length'],
      [{ kind: 'bad-length', bytes: 16_385 }, 'bad-length'],
      [{ kind: 'stale-ring', receive: false, ahead: 1 }, 'sequence-break'],
      [{ kind: 'stale-ring', receive: true, ahead: 1 }, 'sequence-break'],
      [{ kind: 'wild-producer', receive: false, value: 0x80000000 }, 'producer-out-of-range'],
      [{ kind: 'wild-producer', receive: true, value: 33 }, 'producer-out-of-range'],
    ];
    for (const [act, reason] of refusals) {
      const law = new LawMachine(honestGuests(plot));
      const attacker = new Attacker(law);
      law.machine.run(100_000);
      attacker.do(act);
      law.machine.run(300_000);
      expect(law.machine.host.hypervisor.faultLog, act.kind).toMatchObject([{ domain: 'attacker', reason }]);
    }
  });

  laws.close();
});
