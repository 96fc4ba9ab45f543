import fc from 'fast-check';
import { expect } from 'vitest';
import { MAX_MESSAGE_BYTES } from '../../../src/live/vfio-user/message-stream.js';
import { frame, words } from './client.js';
import {
  type Driver,
  EVENT_IDX,
  ethernet,
  INDIRECT,
  MRG_RXBUF,
  RECEIVE,
  RINGS,
  TRANSMIT,
  VERSION_1,
} from './driver.js';
import { GUEST_BYTES, Lab, MAC } from './lab.js';

/** One thing that a hostile client does. */
type Step = (lab: Lab) => void;

const address = fc.oneof(
  fc.integer({ min: 0, max: GUEST_BYTES - 1 }),
  fc.integer({ min: 0, max: 3 * GUEST_BYTES }),
  fc.constantFrom(2 ** 32, 2 ** 44, 2 ** 52, 2 ** 53, 2 ** 63),
);
const bytes = fc.oneof(fc.integer({ min: 0, max: 2000 }), fc.integer({ min: 0, max: 70_000 }));
const queue = fc.constantFrom(RECEIVE, TRANSMIT);
const slot = fc.integer({ min: 0, max: 255 });
const evil =
  (act: (driver: Driver) => void): Step =>
  (lab) =>
    act(lab.driver(0));

/** A driver that was stopped is started anew, a client that was dropped attaches again: what comes next meets a device that works. */
const alive =
  (act: (driver: Driver, lab: Lab) => void): Step =>
  (lab) => {
    const guest = lab.live.guests[0];
    if (guest?.session === undefined) {
      lab.plugIn(0);
      lab.boot(0);
    } else if (guest.device.port === undefined) {
      lab.driver(0).client.map(0, GUEST_BYTES, 0);
      lab.driver(0).start();
      lab.run(50_000);
    }
    act(lab.driver(0), lab);
  };

const chain = fc.array(
  fc.record(
    {
      at: address,
      bytes,
      flags: fc.oneof({ weight: 7, arbitrary: fc.constant(0) }, fc.integer({ min: 0, max: 15 })),
      next: fc.integer({ min: 0, max: 65_535 }),
    },
    { requiredKeys: ['at', 'bytes', 'flags'] },
  ),
  { minLength: 1, maxLength: 20 },
);

/** The victim keeps this from here to the end of its RAM; its driver uses none of it. */
const SECRET = 'the neighbour keeps this ';
const SECRET_START = 0x300000;
/** Where the attacker keeps an honest header of a frame: 12 bytes of virtio, 14 of Ethernet. */
const HEADER_AT = 0x240000;
const RAM_OF_VICTIM = GUEST_BYTES + SECRET_START;

const ringLies: fc.Arbitrary<Step> = fc.oneof(
  fc.tuple(queue, slot, chain).map(([q, at, list]) => evil((d) => d.post(q, at, list))),
  // A loop: the second descriptor leads to itself.
  fc.tuple(queue, slot).map(([q, at]) =>
    evil((d) =>
      d.post(q, at, [
        { at: 0x200000, bytes: 12 },
        { at: 0x200000, bytes: 50, flags: 1, next: (at + 1) & 255 },
      ]),
    ),
  ),
  // An indirect table, anywhere, of any length.
  fc
    .tuple(queue, slot, address, bytes)
    .map(([q, at, where, length]) => evil((d) => d.post(q, at, [{ at: where, bytes: length, flags: 4 }]))),
  fc.tuple(queue, fc.integer({ min: 0, max: 65_535 })).map(([q, index]) =>
    evil((d) => {
      d.setIndex(q, index);
      d.notify(q);
    }),
  ),
  fc
    .tuple(queue, fc.integer({ min: 0, max: 0x3fe0 }), fc.uint8Array({ minLength: 32, maxLength: 32 }))
    .map(([q, at, noise]) => evil((d) => d.ram.write((RINGS[q] ?? RINGS[0]).table + at, noise))),
  // Rings outside of its RAM, or in that of the victim.
  fc.tuple(queue, fc.constantFrom('table', 'available', 'used'), address).map(([q, part, where]) =>
    evil(
      (d) =>
        void d.start(
          undefined,
          RINGS.map((ring, at) => (at === q ? { ...ring, [part]: where } : ring)),
        ),
    ),
  ),
);

/** Frames whose headers are honest: what is behind them is the victim's. */
const thefts: fc.Arbitrary<Step> = fc.oneof(
  fc
    .tuple(slot, fc.integer({ min: 0, max: 0xff000 }), fc.integer({ min: 46, max: 1480 }))
    .map(([at, offset, length]) =>
      alive((d) => {
        d.ram.write(HEADER_AT, new Uint8Array(12));
        d.ram.write(HEADER_AT + 12, ethernet(0x020000ffffff, MAC, '', 14));
        d.post(TRANSMIT, at, [
          { at: HEADER_AT, bytes: 26 },
          { at: RAM_OF_VICTIM + offset, bytes: length },
        ]);
      }),
    ),
  fc.tuple(slot, fc.integer({ min: 0, max: 0xff000 })).map(([at, offset]) =>
    alive((d, lab) => {
      d.post(RECEIVE, at, [{ at: RAM_OF_VICTIM + offset, bytes: 1600 }]);
      lab.run(5000);
      lab.live.uplinkFrame(ethernet(MAC, 0x020000ffffff, 'OVERWRITTEN', 200));
    }),
  ),
);

const oddMessages: fc.Arbitrary<Step> = fc.oneof(
  fc
    .tuple(
      fc.constantFrom(0, 0, 0, 7, 3),
      fc.integer({ min: 0, max: 0x5000 }),
      fc.integer({ min: 0, max: 2 ** 32 - 1 }),
      fc.constantFrom(1, 2, 4),
    )
    .map(([region, offset, value, width]) =>
      evil((d) => void d.client.write(region, offset, value, width, 0x10)),
    ),
  fc
    .tuple(
      fc.integer({ min: 0, max: 20 }),
      fc.uint8Array({ maxLength: 64 }),
      fc.constantFrom(0, 1, 0x10, 0x20),
    )
    .map(([code, payload, flags]) => evil((d) => void d.client.command(code, payload, flags))),
  fc.uint8Array({ minLength: 1, maxLength: 40 }).map((noise) => evil((d) => d.client.raw(noise))),
  // Half a message, and the other half later, or another one behind it.
  fc.tuple(fc.integer({ min: 1, max: 31 }), fc.boolean()).map(([cut, whole]) =>
    evil((d) => {
      const message = frame(7, 9, 0, words([8, 0], [4, 7], [4, 4]));
      d.client.raw(message.subarray(0, cut));
      if (whole) d.client.raw(message.subarray(cut));
    }),
  ),
  // A flood, as one piece.
  fc.tuple(fc.integer({ min: 2, max: 300 }), fc.constantFrom(9, 10, 13)).map(([count, code]) =>
    evil((d) => {
      const one = frame(8, code, 0, words([8, 0x3000], [4, 0], [4, 4], [4, 1]));
      d.client.raw(Buffer.concat(Array.from({ length: count }, () => one)));
    }),
  ),
);

/** Memory that goes, and devices that are reset, while transfers are under way. */
const interruptions: fc.Arbitrary<Step> = fc.oneof(
  fc
    .tuple(fc.integer({ min: 0, max: 4096 }), fc.integer({ min: 0, max: 64 }), fc.boolean())
    .map(([page, count, map]) =>
      evil(
        (d) =>
          void (map ? d.client.map(page * 4096, count * 4096, 0) : d.client.unmap(page * 4096, count * 4096)),
      ),
    ),
  fc
    .tuple(slot, fc.integer({ min: 1, max: 20_000 }), fc.constantFrom('unmap', 'reset', 'status', 'all'))
    .map(([at, ns, how]) =>
      alive((d, lab) => {
        d.post(RECEIVE, at, [{ at: 0x100000, bytes: 1600 }]);
        d.send(at, 0x200000, ethernet(MAC + 1, MAC, 'under way', 1400));
        lab.live.uplinkFrame(ethernet(MAC, 0x020000ffffff, 'under way', 1400));
        lab.run(ns);
        if (how === 'unmap') d.client.unmap(0, GUEST_BYTES);
        else if (how === 'reset') d.client.command(13, new Uint8Array(0));
        else if (how === 'status') d.client.write(0, 20, 0, 1);
        else d.client.command(3, words([4, 24], [4, 2], [8, 0], [8, 0]));
        d.client.map(0, GUEST_BYTES, 0);
      }),
    ),
  fc
    .constantFrom(0, MRG_RXBUF | VERSION_1, MRG_RXBUF | VERSION_1 | EVENT_IDX | INDIRECT)
    .map((features) => evil((d) => void d.start(BigInt(features)))),
  fc.constant<Step>((lab) => void lab.driver(0).client.command(13, new Uint8Array(0))),
  fc.integer({ min: 1, max: 200_000 }).map<Step>((ns) => (lab) => lab.run(ns)),
);

const step = fc.oneof(
  { weight: 5, arbitrary: ringLies },
  { weight: 3, arbitrary: thefts },
  { weight: 4, arbitrary: oddMessages },
  { weight: 5, arbitrary: interruptions },
);

/** How much is played. */
export interface FuzzPlan {
  readonly protection: string;
  /** Whether the approach stops a descriptor that names a neighbour's memory. */
  readonly stops: boolean;
  readonly cases: number;
  readonly steps: number;
}

/** What was seen. */
export interface FuzzOutcome {
  readonly messages: number;
  /** Frames of the attacker that left with bytes of the victim, and pages of the victim that are not as it left them. */
  readonly leaks: number;
  readonly damage: number;
}

const secretBytes = Buffer.alloc(GUEST_BYTES - SECRET_START, SECRET);

/**
 * A hostile client does anything, in any order; after each case the victim sends and receives a frame, every invariant
 * holds, and what is kept for the client is bounded. Throws (as expectations do) with the shortest case that shows otherwise.
 */
export function fuzz({ protection, stops, cases, steps }: FuzzPlan): FuzzOutcome {
  let leaks = 0;
  let damage = 0;
  const lab = new Lab({ protection });
  const victim = lab.boot(1);
  lab.boot(0);
  lab.live.host.nic.streams.frames$.subscribe(({ direction, context, bytes: sent }) => {
    if (direction === 'transmit' && lab.live.guestOf(context)?.name === 'guest0' && holdsSecret(sent))
      leaks += 1;
  });
  let own = 0;
  const oneCase = (list: readonly Step[]) => {
    lab.ram(1).set(secretBytes, SECRET_START);
    for (const act of list) act(lab);
    lab.run(2_000_000);
    // Under plain DMA the attacker may have written what it likes over the victim: start it anew.
    if (!stops) victim.start();
    victimStillWorks(lab, own);
    own += 1;
    expectBounded(lab);
    if (Buffer.compare(lab.ram(1).subarray(SECRET_START), secretBytes) !== 0) damage += 1;
    if (stops) expect({ leaks, damage }).toEqual({ leaks: 0, damage: 0 });
  };
  fc.assert(fc.property(fc.array(step, { minLength: steps / 2, maxLength: steps }), oneCase), {
    numRuns: cases,
  });
  expectChargedAlone(lab);
  return { messages: lab.live.guests[0]?.messages ?? 0, leaks, damage };
}

function holdsSecret(sent: Uint8Array): boolean {
  return Buffer.from(sent.buffer, sent.byteOffset, sent.length).includes(SECRET);
}

/** The victim sends a frame and receives one, whole. */
function victimStillWorks(lab: Lab, own: number): void {
  const victim = lab.driver(1);
  const sent = victim.used(TRANSMIT);
  victim.takeUsed(RECEIVE);
  victim.post(RECEIVE, own % 200, [{ at: 0x100000, bytes: 1600 }]);
  victim.send(own % 200, 0x280000, ethernet(0x020000ffffff, MAC + 1, 'still here'));
  lab.run(1_000_000);
  lab.live.uplinkFrame(ethernet(MAC + 1, 0x020000ffffff, `for you ${own}`, 100));
  lab.run(3_000_000);
  expect((victim.used(TRANSMIT) - sent) & 0xffff).toBe(1);
  const got = victim.takeUsed(RECEIVE).map(({ length }) => length);
  expect(got).toContain(112);
  expect(Buffer.from(lab.ram(1).subarray(0x100000, 0x100000 + 200)).includes(`for you ${own}`)).toBe(true);
  lab.live.checkInvariants();
}

/** What a client can make the server keep. */
function expectBounded(lab: Lab): void {
  const session = lab.live.guests[0]?.session;
  expect(session?.unfinishedBytes ?? 0).toBeLessThan(MAX_MESSAGE_BYTES);
  expect(session?.ranges.count ?? 0).toBeLessThanOrEqual(1024);
  expect(lab.live.kernel.pending).toBeLessThan(100);
}

/** Everything was the attacker's fault, and no one else's. */
function expectChargedAlone(lab: Lab): void {
  const [attacker, victim] = lab.live.guests;
  expect(attacker?.device.faults).not.toEqual({});
  expect(attacker?.sessionFaults).not.toEqual({});
  expect([victim?.device.faults, victim?.sessionFaults]).toEqual([{}, {}]);
  const charged = new Set(lab.live.host.hypervisor.faultLog.map(({ domain }) => domain));
  charged.delete('guest0');
  expect([...charged]).toEqual([]);
}
