import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { runs } from '../support/whole.js';
import { Card } from './support/card.js';
import { frame } from './support/frames.js';
import { Guest } from './support/guest.js';

/** Preamble and delimiter 8, FCS 4, gap 12 (IEEE 802.3, 4.4.2). */
const OVERHEAD_BYTES = 24;

/** When the last bit of `bytes` has passed after `startNs`, rounded up, in exact arithmetic. */
function endsNs(startNs: number, bytes: number, rateBps: number): number {
  const bits = BigInt(bytes) * 8n * 1_000_000_000n;
  return startNs + Number((bits + BigInt(rateBps) - 1n) / BigInt(rateBps));
}

/** Sends `count` frames of `length` bytes back to back; the link and the host are fast enough not to matter. */
function sendMany(rateBps: number, lengths: readonly number[], contexts = 1): Card {
  const card = new Card({
    rateBps,
    transmitFifoBytes: 262_144,
    pcie: { ...FAST_PCIE },
    dmaInFlight: 256,
    descriptorBatch: 64,
    decodeNs: 0,
  });
  card.host.takesNs = () => 0;
  const guests = Array.from(
    { length: contexts },
    (_, context) => new Guest(card, context, { slotsLog2: 10, bufferBytes: 128, statusBlock: false }),
  );
  lengths.forEach((length, index) => {
    const guest = guests[index % contexts];
    // What is sent does not matter here: all buffers lie over each other.
    guest?.describeTransmit(0x1000, length, 1);
  });
  for (const guest of guests) guest.ring();
  card.settle();
  return card;
}

const FAST_PCIE = {
  generation: 5,
  lanes: 16,
  maxPayloadBytes: 4096,
  maxReadRequestBytes: 4096,
  readCompletionBoundaryBytes: 64,
  requestHeaderBytes: 0,
  completionHeaderBytes: 0,
  dataLinkEfficiency: 1,
  propagationNs: 0,
} as const;

describe('the wire', () => {
  it('takes 1,538 byte-times for 1,500 bytes of payload', () => {
    // 14 bytes of header and 1,500 of payload; FCS, preamble and gap come on top: 12.304 us at 1 Gb/s.
    const card = sendMany(1e9, [1514]);
    const [sent] = card.sent;
    expect((sent?.endNs ?? 0) - (sent?.startNs ?? 0)).toBe(1538 * 8);
  });

  it.each([1e9, 10e9, 25e9, 40e9, 100e9, 400e9])(
    'at %d b/s ends the n-th frame when arithmetic says',
    (rateBps) => {
      const count = 900;
      for (const length of [1514, 60]) {
        const card = sendMany(rateBps, new Array<number>(count).fill(length));
        expect(card.sent).toHaveLength(count);
        const startNs = card.sent[0]?.startNs ?? 0;
        const expected = card.sent.map((_, index) =>
          endsNs(startNs, (index + 1) * (length + OVERHEAD_BYTES), rateBps),
        );
        expect(card.sent.map((sent) => sent.endNs)).toEqual(expected);
      }
    },
  );

  it('carries any mix of frames without a gap between them', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 60, max: 9018 }), { minLength: 2, maxLength: 40 }),
        fc.constantFrom(1e9, 10e9, 25e9, 40e9),
        fc.integer({ min: 1, max: 4 }),
        (others, rateBps, contexts) => {
          // A long frame first: while it is on the wire the FIFO fills, and never runs dry again.
          const lengths = [9018, ...others];
          const card = sendMany(rateBps, lengths, contexts);
          const startNs = card.sent[0]?.startNs ?? 0;
          let bytes = 0;
          const expected = card.sent.map((sent) => {
            bytes += sent.bytes.length + OVERHEAD_BYTES;
            return endsNs(startNs, bytes, rateBps);
          });
          expect(card.sent.map((sent) => sent.endNs)).toEqual(expected);
          expect(bytes).toBe(lengths.reduce((sum, length) => sum + length + OVERHEAD_BYTES, 0));
        },
      ),
      { numRuns: runs(40) },
    );
  });

  it('is never ahead of what the FIFO may hold', () => {
    const card = new Card({ transmitFifoBytes: 9018 });
    const guest = new Guest(card, 0, { slotsLog2: 6 });
    let most = 0;
    card.nic.grants$.subscribe(({ creditBytes }) => {
      most = Math.max(most, 9018 - creditBytes);
    });
    for (let index = 0; index < 60; index += 1) guest.post(frame(1514));
    guest.ring();
    while (card.kernel.step()) card.nic.checkInvariants();
    expect(card.sent).toHaveLength(60);
    expect(most).toBe(5 * 1514);
  });

  it('keeps full rate with the least FIFO and a link that is fast enough', () => {
    const card = new Card({ transmitFifoBytes: 9018 });
    const guest = new Guest(card, 0, { slotsLog2: 6 });
    for (let index = 0; index < 60; index += 1) guest.post(frame(1514));
    guest.ring();
    card.settle();
    const startNs = card.sent[0]?.startNs ?? 0;
    expect(card.sent[59]?.endNs).toBe(startNs + 60 * 1538 * 8);
  });

  it('is full duplex: what comes in does not slow down what goes out', () => {
    const card = new Card();
    const guest = new Guest(card, 0, { slotsLog2: 5 });
    guest.offer(32);
    card.settle();
    for (let index = 0; index < 30; index += 1) guest.post(frame(1514));
    guest.ring();
    for (let index = 0; index < 30; index += 1) {
      card.arrive(frame(1514, guest.mac));
      card.run(1538 * 8);
    }
    card.settle();
    expect(card.sent).toHaveLength(30);
    expect(guest.collect()).toHaveLength(30);
    expect(card.sent[29]?.endNs).toBe((card.sent[0]?.startNs ?? 0) + 30 * 1538 * 8);
  });
});
