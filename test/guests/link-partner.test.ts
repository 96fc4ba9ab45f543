import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LinkPartner, type LinkPartnerOptions } from '../../guests/link-partner.js';
import {
  constantRate,
  EchoResponder,
  FRAME_KINDS,
  FramePattern,
  FrameVerifier,
  fixedSize,
  greedy,
  mixedSizes,
} from '../../guests/traffic/index.js';
import { EventKernel } from '../../scheduler/event-kernel.js';

const GUEST = 0x02_00_00_00_00_01;
const OTHER_GUEST = 0x02_00_00_00_00_02;
const FAR = 0x02_00_00_00_99_01;
const LONGEST = 9018;

/** Preamble and delimiter 8, FCS 4, gap 12 (IEEE 802.3). */
const onWire = (bytes: number) => Math.max(60, bytes) + 24;

interface Arrival {
  readonly atNs: number;
  readonly bytes: Uint8Array;
}

function bench(options: Partial<LinkPartnerOptions> = {}) {
  const kernel = new EventKernel();
  const partner = new LinkPartner(kernel, {
    rateBps: 1e9,
    propagationNs: 500,
    queueBytes: 2 ** 20,
    reflect: true,
    ...options,
  });
  const arrivals: Arrival[] = [];
  partner.connect((bytes, offset, length) => {
    arrivals.push({ atNs: kernel.nowNs, bytes: bytes.slice(offset, offset + length) });
  });
  const frames = new FramePattern({ name: 'far', sourceId: 5, source: FAR, destination: GUEST }, LONGEST);
  const send = (bytes: number, sequence = 0) => {
    const frame = frames.fill(bytes, sequence);
    return partner.send(frame, 0, frame.length);
  };
  return { kernel, partner, arrivals, frames, send };
}

const rates = fc.constantFrom(1e9, 2.5e9, 1e10, 2.5e10, 1e11, 4e11);
const sizes = fc.oneof(fc.integer({ min: 14, max: LONGEST }), fc.constantFrom(60, 1514, LONGEST));

describe('the far end sends', () => {
  test('a frame arrives after its time on the wire and along the cable', () => {
    const { kernel, arrivals, send } = bench();
    send(1514);
    kernel.run(1_000_000);
    expect(arrivals.map(({ atNs }) => atNs)).toEqual([1538 * 8 + 500]);
  });

  test('frames follow each other without a gap, on the nanosecond that the arithmetic says, at any rate', () => {
    fc.assert(
      fc.property(
        rates,
        fc.nat({ max: 5_000 }),
        fc.array(sizes, { minLength: 1, maxLength: 40 }),
        (rateBps, propagationNs, list) => {
          const { kernel, partner, arrivals, send } = bench({ rateBps, propagationNs });
          for (const [sequence, bytes] of list.entries()) send(bytes, sequence);
          partner.checkInvariants();
          kernel.drain();
          let wireBytes = 0;
          const expected = list.map((bytes) => {
            wireBytes += onWire(bytes);
            return Math.ceil((wireBytes * 8e9) / rateBps) + propagationNs;
          });
          expect(arrivals.map(({ atNs }) => atNs)).toEqual(expected);
          const verifier = new FrameVerifier();
          expect(arrivals.map(({ bytes }) => verifier.verify(bytes, 0, bytes.length))).toEqual(
            list.map(() => 'good'),
          );
        },
      ),
    );
  });

  test('a greedy source keeps the wire busy to the last bit, however long the cable and fast the line', () => {
    fc.assert(
      fc.property(
        rates,
        fc.nat({ max: 20_000 }),
        sizes,
        fc.integer({ min: 1, max: 3 }),
        (rateBps, propagationNs, bytes, sources) => {
          const { kernel, partner, arrivals } = bench({ rateBps, propagationNs, queueBytes: LONGEST });
          for (let id = 0; id < sources; id += 1) {
            partner.attach(
              greedy({
                name: `s${id}`,
                sourceId: id,
                source: FAR,
                destination: GUEST,
                sizes: fixedSize('s', bytes),
              }),
            );
          }
          const frames = 50;
          const runNs = Math.ceil((frames * onWire(bytes) * 8e9) / rateBps) + propagationNs;
          kernel.run(runNs);
          partner.checkInvariants();
          expect(arrivals.length).toBe(frames);
          expect(arrivals.at(-1)?.atNs).toBe(runNs);
          expect(partner.droppedFull).toBe(0);
          // Sources take turns; the first one had one frame before the others came.
          const verifier = new FrameVerifier();
          const counts = new Map<number, number>();
          if (bytes < 30) return;
          for (const { bytes: frame } of arrivals) {
            expect(verifier.verify(frame, 0, frame.length)).toBe('good');
            counts.set(verifier.sourceId, (counts.get(verifier.sourceId) ?? 0) + 1);
          }
          expect(counts.size).toBe(sources);
          expect(Math.max(...counts.values()) - Math.min(...counts.values())).toBeLessThanOrEqual(2);
        },
      ),
    );
  });

  test('a greedy source that ends leaves its share to the others', () => {
    const { kernel, partner, arrivals } = bench();
    for (const [id, frameLimit] of [3, 10, 0].entries()) {
      partner.attach(
        greedy({
          name: `s${id}`,
          sourceId: id,
          source: FAR,
          destination: GUEST,
          sizes: fixedSize('s', 100),
          frameLimit,
        }),
      );
    }
    kernel.drain();
    expect(arrivals.length).toBe(13);
    partner.checkInvariants();
  });

  test('a full queue drops what comes, counts it, and takes frames again when there is space', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: LONGEST, max: 40_000 }),
        fc.nat({ max: 100_000 }),
        fc.array(fc.tuple(sizes, fc.nat({ max: 20_000 })), { minLength: 1, maxLength: 60 }),
        (queueBytes, propagationNs, list) => {
          const { kernel, partner, arrivals, send } = bench({ queueBytes, propagationNs });
          // Model: bytes leave when their last bit has, on a line that serves first come, first served.
          let freeAtNs = 0;
          const queue: { endNs: number; bytes: number }[] = [];
          const accepted: number[] = [];
          for (const [sequence, [bytes, pauseNs]] of list.entries()) {
            kernel.run(kernel.nowNs + pauseNs);
            const here = queue.filter(({ endNs }) => endNs > kernel.nowNs);
            const room = queueBytes - here.reduce((sum, frame) => sum + frame.bytes, 0);
            const padded = Math.max(60, bytes);
            const fits = padded <= room;
            expect(send(bytes, sequence)).toBe(fits);
            partner.checkInvariants();
            if (!fits) continue;
            freeAtNs = Math.max(freeAtNs, kernel.nowNs) + onWire(bytes) * 8;
            queue.push({ endNs: freeAtNs, bytes: padded });
            accepted.push(bytes);
          }
          expect(partner.droppedFull).toBe(list.length - accepted.length);
          kernel.drain();
          expect(arrivals.map(({ bytes }) => bytes.length)).toEqual(
            accepted.map((bytes) => Math.max(60, bytes)),
          );
          expect(partner.framesWaiting).toBe(0);
          expect(partner.framesToNic).toBe(accepted.length);
        },
      ),
    );
  });

  test('a rate-driven source and a greedy one share the wire, and every frame is accounted for at any time', () => {
    const { kernel, partner, arrivals } = bench({ queueBytes: 20_000 });
    const identity = { source: FAR, destination: GUEST };
    const mix = mixedSizes(
      'g',
      [
        { bytes: 60, count: 3 },
        { bytes: LONGEST, count: 1 },
      ],
      7,
    );
    partner.attach(greedy({ ...identity, name: 'g', sourceId: 1, sizes: mix }));
    partner.attach(
      constantRate({
        ...identity,
        name: 'c',
        sourceId: 2,
        kernel,
        sizes: fixedSize('c', 1000),
        wireRateBps: 3e8,
      }),
    );
    for (let step = 0; step < 2_000; step += 1) {
      kernel.step();
      partner.checkInvariants();
    }
    expect(partner.framesOffered).toBe(partner.framesToNic + partner.droppedFull + partner.framesWaiting);
    const verifier = new FrameVerifier();
    for (const { bytes } of arrivals) expect(verifier.verify(bytes, 0, bytes.length)).toBe('good');
    partner.close();
    kernel.drain();
    expect(partner.framesWaiting).toBe(0);
  });
});

describe('the far end receives', () => {
  test('a responder answers after the cable, twice its length later at the sender', () => {
    const { kernel, partner, arrivals } = bench({ propagationNs: 700 });
    partner.addResponder(FAR, (bytes, offset, length) =>
      new EchoResponder({ name: 'echo', sourceId: 6, source: FAR, responseBytes: 200 }).onReceive(
        bytes,
        offset,
        length,
      ),
    );
    const request = new FramePattern(
      { name: 'r', sourceId: 1, source: GUEST, destination: FAR },
      LONGEST,
    ).fill(100, 11, FRAME_KINDS.request);
    partner.transmitted(request, 0, request.length);
    kernel.drain();
    expect(arrivals.map(({ atNs }) => atNs)).toEqual([700 + (200 + 24) * 8 + 700]);
    const verifier = new FrameVerifier();
    expect(verifier.verify(arrivals[0]?.bytes ?? new Uint8Array(), 0, 200)).toBe('good');
    expect(verifier).toMatchObject({ sequence: 11, kind: FRAME_KINDS.response, sourceId: 6 });
  });

  test('frames for another station of the near end come back, as a reflective relay sends them; others do not', () => {
    const { kernel, partner, arrivals } = bench();
    partner.addStation(GUEST);
    partner.addStation(OTHER_GUEST);
    const frame = (destination: number) =>
      new FramePattern({ name: 'f', sourceId: 1, source: GUEST, destination }, LONGEST).fill(80, 0);
    for (const destination of [OTHER_GUEST, FAR, GUEST, 0xffffffffffff]) {
      partner.transmitted(frame(destination), 0, 80);
    }
    kernel.drain();
    expect(arrivals.map(({ bytes }) => bytes)).toEqual([frame(OTHER_GUEST)]);
    expect(partner.framesFromNic).toBe(4);
    expect(partner.bytesFromNic).toBe(320);

    const silent = bench({ reflect: false });
    silent.partner.addStation(OTHER_GUEST);
    silent.partner.transmitted(frame(OTHER_GUEST), 0, 80);
    silent.kernel.drain();
    expect(silent.arrivals).toEqual([]);
  });

  test('both ways at line rate at once: full duplex', () => {
    const { kernel, partner, arrivals } = bench({ propagationNs: 0 });
    partner.addStation(OTHER_GUEST);
    const frame = new FramePattern(
      { name: 'f', sourceId: 1, source: GUEST, destination: OTHER_GUEST },
      LONGEST,
    );
    const transmit = kernel.register('nic', (sequence) => {
      const bytes = frame.fill(1514, sequence);
      partner.transmitted(bytes, 0, bytes.length);
    });
    for (let index = 1; index <= 100; index += 1) kernel.scheduleAt(index * 1538 * 8, transmit, index);
    kernel.drain();
    expect(arrivals.map(({ atNs }) => atNs)).toEqual(
      Array.from({ length: 100 }, (_, index) => (index + 2) * 1538 * 8),
    );
  });
});

describe('a far end that cannot be', () => {
  test('is refused with field, value and what was expected', () => {
    expect(() => bench({ propagationNs: -1 })).toThrow(
      'link.propagationNs is -1, expected a whole number from 0',
    );
    expect(() => bench({ propagationNs: 0.5 })).toThrow('link.propagationNs is 0.5');
    expect(() => bench({ propagationNs: 1e9, rateBps: 4e11 })).toThrow(
      'link.propagationNs is 1000000000, expected at most 5368709 at 400000000000 b/s',
    );
    expect(() => bench({ queueBytes: 9017 })).toThrow(
      'link.queueBytes is 9017, expected a whole number, at least 9018',
    );
    expect(() => bench({ rateBps: 0 })).toThrow('rateBps is 0, expected');
  });

  test('a frame that no cable carries is a mistake of ours, and throws', () => {
    const { partner } = bench();
    expect(() => partner.send(new Uint8Array(9019), 0, 9019)).toThrow(
      'frame of 9019 bytes, expected 1 to 9018',
    );
    partner.checkInvariants();
  });
});

describe('PAUSE (IEEE 802.3, annex 31B)', () => {
  function pause(quanta: number): Uint8Array {
    const bytes = new Uint8Array(60);
    bytes.set([0x01, 0x80, 0xc2, 0, 0, 1, 2, 0, 0, 0, 0, 1, 0x88, 0x08, 0, 1, quanta >>> 8, quanta]);
    return bytes;
  }

  test('pauses the far end for a multiple of 512 bit times, and reaches no station', () => {
    const { kernel, partner, arrivals, send } = bench();
    partner.transmitted(pause(100), 0, 60);
    kernel.run(1_000);
    send(1514);
    kernel.run(1_000_000);
    // 500 ns along the cable, 100 x 512 ns of silence, the frame, and 500 ns back.
    expect(arrivals.map(({ atNs }) => atNs)).toEqual([500 + 51_200 + onWire(1514) * 8 + 500]);
    partner.checkInvariants();
  });

  test('of time zero ends the silence', () => {
    const { kernel, partner, arrivals, send } = bench();
    partner.transmitted(pause(0xffff), 0, 60);
    partner.transmitted(pause(0), 0, 60);
    kernel.run(1_000);
    send(60);
    kernel.run(1_000_000);
    expect(arrivals.map(({ atNs }) => atNs)).toEqual([1_000 + onWire(60) * 8 + 500]);
  });
});

describe('the wire gets another rate', () => {
  const PFC_CLASSES = 8;

  test('what waits at the far end goes at the new one, what is on the wire at the old one', () => {
    for (const pfcClasses of [0, PFC_CLASSES]) {
      const { kernel, partner, arrivals, send } = bench({ mostRateBps: 1e10, pfcClasses });
      for (let sequence = 0; sequence < 4; sequence += 1) send(1514, sequence);
      kernel.run(1538 * 8 + 100);
      partner.changeRate(1e10);
      partner.checkInvariants();
      kernel.run(1_000_000);
      // Two frames of 12,304 ns, and two of 1,230.4.
      const secondNs = 2 * 12_304;
      expect(arrivals.map(({ atNs }) => atNs - 500)).toEqual([
        12_304,
        secondNs,
        secondNs + 1_231,
        secondNs + 2_461,
      ]);
      partner.checkInvariants();
    }
  });

  test('at any instant, with one queue or with queues by class: every frame arrives, once, in order, when arithmetic says', () => {
    fc.assert(
      fc.property(
        fc.array(sizes, { minLength: 1, maxLength: 30 }),
        fc.array(fc.record({ afterNs: fc.nat({ max: 60_000 }), rateBps: rates }), { maxLength: 6 }),
        fc.nat({ max: 5_000 }),
        (list, changes, propagationNs) => {
          const all = [0, PFC_CLASSES].map((pfcClasses) => {
            const options = { propagationNs, pfcClasses, mostRateBps: 4e11 };
            const { kernel, partner, arrivals, send } = bench(options);
            for (const [sequence, bytes] of list.entries()) send(bytes, sequence);
            for (const { afterNs, rateBps } of changes) {
              kernel.run(kernel.nowNs + afterNs);
              partner.changeRate(rateBps);
              partner.checkInvariants();
            }
            kernel.drain();
            partner.checkInvariants();
            expect(partner.framesWaiting).toBe(0);
            return arrivals;
          });
          // By hand: in whole nanoseconds where a rate begins, in fractions behind that.
          let changeNs = 0;
          const history = changes.map(({ afterNs, rateBps }) => {
            changeNs += afterNs;
            return { atNs: changeNs, rateBps };
          });
          let [freeNs, lastNs, nowBps] = [0, -1, 1e9];
          const expected = list.map((bytes) => {
            const beginNs = Math.ceil(freeNs - 1e-6);
            for (const { atNs, rateBps } of history) {
              if (atNs <= lastNs || atNs > beginNs) continue;
              if (rateBps !== nowBps) freeNs = beginNs;
              nowBps = rateBps;
            }
            lastNs = beginNs;
            freeNs += (onWire(bytes) * 8e9) / nowBps;
            return Math.ceil(freeNs - 1e-6) + propagationNs;
          });
          for (const arrivals of all) {
            expect(arrivals.map(({ atNs }) => atNs)).toEqual(expected);
            const verifier = new FrameVerifier();
            expect(arrivals.map(({ bytes }) => verifier.verify(bytes, 0, bytes.length))).toEqual(
              list.map(() => 'good'),
            );
          }
        },
      ),
    );
  });

  test('a greedy source keeps it busy at every rate', () => {
    const { kernel, partner, arrivals } = bench({ mostRateBps: 1e11 });
    const source = { name: 'g', sourceId: 1, source: FAR, destination: GUEST, sizes: fixedSize('g', 1514) };
    partner.attach(greedy(source));
    kernel.run(123_040);
    partner.changeRate(1e11);
    kernel.run(246_080);
    partner.changeRate(1e8);
    kernel.run(4 * 123_040);
    partner.checkInvariants();
    // 10 frames of 12,304 ns by 123,040 ns. Then, at 123.04 ns each, those that begin by 246,080 ns; then one each 123,040 ns.
    const fast = 1_000;
    expect(arrivals.filter(({ atNs }) => atNs - 500 <= 123_040)).toHaveLength(10);
    expect(arrivals.filter(({ atNs }) => atNs - 500 <= 246_080)).toHaveLength(10 + fast);
    expect(arrivals).toHaveLength(10 + fast + 1);
  });

  test('PAUSE lasts as many bits as before, for what waits for its end and for what comes after the change', () => {
    for (const pfcClasses of [0, PFC_CLASSES]) {
      const { kernel, partner, arrivals, send } = bench({ mostRateBps: 1e10, pfcClasses });
      const pause = new Uint8Array(60);
      pause.set([0x01, 0x80, 0xc2, 0, 0, 1, 2, 0, 0, 0, 0, 1, 0x88, 0x08, 0, 1, 0, 100]);
      partner.transmitted(pause, 0, 60);
      kernel.run(1_000);
      send(1514, 0);
      kernel.run(20_500);
      partner.changeRate(1e10);
      send(1514, 1);
      kernel.run(1_000_000);
      // 51,200 bits from 500 ns on; 20,000 have passed, and the rest takes a tenth of its nanoseconds.
      const overNs = 20_500 + 3_120;
      expect(arrivals.map(({ atNs }) => atNs - 500)).toEqual([overNs + 1_231, overNs + 2_461]);
    }
  });

  test('PAUSE is counted in bits, not in rounded nanoseconds', () => {
    const { kernel, partner, arrivals, send } = bench({ rateBps: 3e9 });
    const pause = new Uint8Array(60);
    pause.set([0x01, 0x80, 0xc2, 0, 0, 1, 2, 0, 0, 0, 0, 1, 0x88, 0x08, 0, 1, 0, 100]);
    partner.transmitted(pause, 0, 60);
    kernel.run(1_000);
    send(60);
    kernel.run(10_500);
    partner.changeRate(1e6);
    kernel.run(40_000_000);
    partner.changeRate(1e9);
    kernel.drain();
    // 51,200 bits: 30,000 have passed after 10,000 ns, and at 1 Mb/s the rest takes 21,200,000 ns. Then 84 bytes go at that rate.
    expect(arrivals.map(({ atNs }) => atNs - 500)).toEqual([10_500 + 21_200_000 + onWire(60) * 8_000]);
  });

  test('a queue that was paused twice, and whose first pause frames wait for, keeps their order', () => {
    const { kernel, partner, arrivals, send } = bench({ mostRateBps: 1e10 });
    const pause = (quanta: number) => {
      const bytes = new Uint8Array(60);
      bytes.set([0x01, 0x80, 0xc2, 0, 0, 1, 2, 0, 0, 0, 0, 1, 0x88, 0x08, 0, 1, quanta >>> 8, quanta]);
      partner.transmitted(bytes, 0, 60);
    };
    pause(100);
    kernel.run(600);
    send(1514, 0);
    pause(200);
    kernel.run(1_200);
    send(1514, 1);
    partner.changeRate(1e10);
    kernel.run(1_000_000);
    partner.checkInvariants();
    // The first waits for 51,700 ns and the second for 1,100 + 102,400 ns; a tenth of each from 1,200 ns on.
    expect(arrivals.map(({ atNs }) => atNs - 500)).toEqual([1_200 + 5_050 + 1_231, 1_200 + 10_230 + 1_231]);
  });

  test('a cable is made for the highest rate that the wire will have', () => {
    expect(() => bench({ propagationNs: 1e9, mostRateBps: 1e11 })).toThrow(
      'link.propagationNs is 1000000000, expected at most 21474836 at 100000000000 b/s',
    );
    const { partner } = bench();
    expect(() => partner.changeRate(2e9)).toThrow(
      'a rate of 2000000000 b/s, expected at most the 1000000000',
    );
  });

  test('hears of it as late as of a frame, and follows', () => {
    const { kernel, partner, arrivals, send } = bench({ mostRateBps: 1e10, propagationNs: 15_000 });
    for (let sequence = 0; sequence < 3; sequence += 1) send(1514, sequence);
    partner.rateChanged(1e10);
    kernel.run(1_000_000);
    // At 15,000 ns the second frame is on the wire.
    expect(arrivals.map(({ atNs }) => atNs - 15_000)).toEqual([12_304, 24_608, 24_608 + 1_231]);
  });

  test('says at which rate the frame was sent that arrives', () => {
    const { kernel, partner, send } = bench({ mostRateBps: 1e10 });
    const seen: number[] = [];
    partner.connect(() => seen.push(partner.rateOfArrival(kernel.nowNs)));
    for (let sequence = 0; sequence < 3; sequence += 1) send(1514, sequence);
    kernel.run(12_300);
    partner.changeRate(1e10);
    kernel.run(1_000_000);
    expect(seen).toEqual([1e9, 1e10, 1e10]);
  });
});
