import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { runs } from '../support/whole.js';
import { frame, words } from './support/client.js';
import {
  EVENT_IDX,
  ethernet,
  INDIRECT,
  MRG_RXBUF,
  RECEIVE,
  RINGS,
  TRANSMIT,
  VERSION_1,
} from './support/driver.js';
import { GUEST_BYTES, Lab, MAC } from './support/lab.js';

/** One thing that a hostile client does. */
type Step = (lab: Lab) => void;

const address = fc.oneof(
  fc.integer({ min: 0, max: GUEST_BYTES - 1 }),
  fc.integer({ min: 0, max: 3 * GUEST_BYTES }),
  fc.constantFrom(2 ** 32, 2 ** 44, 2 ** 52, 2 ** 53, 2 ** 63),
);
const bytes = fc.oneof(fc.integer({ min: 0, max: 2000 }), fc.integer({ min: 0, max: 70_000 }));
const queue = fc.constantFrom(RECEIVE, TRANSMIT);
const evil =
  (act: (driver: ReturnType<Lab['driver']>) => void): Step =>
  (lab) =>
    act(lab.driver(0));

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

const step: fc.Arbitrary<Step> = fc.oneof(
  fc
    .tuple(queue, fc.integer({ min: 0, max: 255 }), chain)
    .map(([q, slot, list]) => evil((d) => d.post(q, slot, list))),
  fc.tuple(queue, fc.integer({ min: 0, max: 65_535 })).map(([q, index]) =>
    evil((d) => {
      d.setIndex(q, index);
      d.notify(q);
    }),
  ),
  fc
    .tuple(queue, fc.integer({ min: 0, max: 0x3fe0 }), fc.uint8Array({ minLength: 32, maxLength: 32 }))
    .map(([q, at, noise]) => evil((d) => d.ram.write((RINGS[q] ?? RINGS[0]).table + at, noise))),
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
  fc
    .tuple(fc.integer({ min: 0, max: 4096 }), fc.integer({ min: 0, max: 64 }), fc.boolean())
    .map(([page, count, map]) =>
      evil(
        (d) =>
          void (map ? d.client.map(page * 4096, count * 4096, 0) : d.client.unmap(page * 4096, count * 4096)),
      ),
    ),
  fc.uint8Array({ minLength: 1, maxLength: 40 }).map((noise) => evil((d) => d.client.raw(noise))),
  fc
    .constantFrom(0, MRG_RXBUF | VERSION_1, MRG_RXBUF | VERSION_1 | EVENT_IDX | INDIRECT)
    .map((features) => evil((d) => void d.start(BigInt(features)))),
  fc.constant<Step>((lab) => void lab.driver(0).client.command(13, new Uint8Array(0))),
  fc.integer({ min: 1, max: 200_000 }).map<Step>((ns) => (lab) => lab.run(ns)),
);

/** Messages of one case; all cases of all approaches come to 10^5 in the whole form. */
const STEPS = 80;
const RUNS = runs(250);

describe.each(['none', 'cdna', 'iommu:single-use', 'driver-domain', 'cdna+iommu'])(
  'a fuzzing client under %s',
  (protection) => {
    it('whatever it sends and writes, the victim receives and sends its frame, and every invariant holds', () => {
      const lab = new Lab({ protection });
      const victim = lab.boot(1);
      lab.boot(0);
      let slot = 0;
      fc.assert(
        fc.property(fc.array(step, { minLength: STEPS / 2, maxLength: STEPS }), (steps) => {
          if (lab.live.guests[0]?.session === undefined) {
            lab.plugIn(0);
            lab.boot(0);
          }
          for (const act of steps) {
            act(lab);
            if (lab.live.guests[0]?.session === undefined) break;
          }
          lab.run(2_000_000);
          const sent = victim.used(TRANSMIT);
          // Under plain DMA the attacker may have written what it likes over the victim: start it anew.
          if (protection === 'none') victim.start();
          const before = protection === 'none' ? victim.used(TRANSMIT) : sent;
          victim.send(slot % 200, 0x280000, ethernet(0x020000ffffff, MAC + 1, 'still here'));
          slot += 1;
          lab.run(3_000_000);
          expect((victim.used(TRANSMIT) - before) & 0xffff).toBe(1);
          lab.live.checkInvariants();
        }),
        { numRuns: RUNS },
      );
      const guest = lab.live.guests[0];
      expect(guest?.messages).toBeGreaterThan(20 * RUNS);
      expect(lab.live.guests[1]?.device.faults).toEqual({});
      expect(lab.live.guests[1]?.sessionFaults).toEqual({});
    });
  },
);

it('a client that sends only commands it made up is told so, each time', () => {
  const lab = new Lab();
  const { client } = lab.driver(0);
  client.connect();
  client.version();
  client.raw(frame(5, 99, 0, words([4, 0])));
  client.raw(frame(6, 11, 0, words([8, 0], [8, 4])));
  expect(client.messages.slice(1).map((message) => message[12])).toEqual([95, 95]);
  expect(lab.live.guests[0]?.sessionFaults).toEqual({ 'unknown-command': 2 });
});
