import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Capture, type CapturedFrame, readCapture } from '../../../guests/capture/index.js';
import { conversationOf, replay, TrafficError } from '../../../guests/traffic/index.js';
import { EventKernel } from '../../../scheduler/event-kernel.js';
import { BROADCAST, LOCAL, REMOTE, Recorder } from './recorder.js';

// Stations of the made-up captures: A opens, B answers, C is a third station.
const A = 0x0a00_0000_000a;
const B = 0x0a00_0000_000b;
const C = 0x0a00_0000_000c;
const GROUP = 0x3333_0000_0016;

const macBytes = (mac: number) => [40, 32, 24, 16, 8, 0].map((shift) => Math.floor(mac / 2 ** shift) % 256);

interface Spoken {
  readonly atNs: number;
  readonly from: number;
  readonly to: number;
  readonly length?: number;
  readonly recorded?: number;
  readonly fcsBytes?: number;
}

function frameOf(
  { atNs, from, to, length = 64, recorded = length, fcsBytes = 0 }: Spoken,
  tag: number,
): CapturedFrame {
  const bytes = Uint8Array.from({ length: recorded }, (_, index) => (index + tag) & 0xff);
  bytes.set([...macBytes(to), ...macBytes(from), 8, 0].slice(0, recorded));
  // A time of day with more digits than a number has.
  return {
    timeNs: 1_795_342_622_411_751_983n + BigInt(atNs),
    timed: true,
    bytes,
    originalLength: length,
    fcsBytes,
  };
}

const captureOf = (...spoken: readonly Spoken[]): Capture => ({
  name: 'made.pcap',
  frames: spoken.map(frameOf),
  reading: { packets: spoken.length, synthesised: 0, foreign: {}, unread: false, cut: undefined },
});

function play(capture: Capture, options: Partial<Parameters<typeof replay>[0]> = {}, untilNs = 1e12) {
  const kernel = new EventKernel();
  const played = replay({ name: 'r', kernel, capture, guest: LOCAL, peer: REMOTE, ...options });
  const transmit = new Recorder(kernel, played.transmit.frames$);
  const receive = new Recorder(kernel, played.receive.frames$);
  kernel.run(untilNs);
  played.transmit.checkInvariants();
  played.receive.checkInvariants();
  return { kernel, ...played, sent: transmit, got: receive };
}

describe('the station that plays the guest', () => {
  test('by default the source of the first unicast frame; its frames are sent, those to it or a group received', () => {
    const { sent, got, conversation } = play(
      captureOf(
        { atNs: 0, from: B, to: GROUP },
        { atNs: 10, from: A, to: BROADCAST },
        { atNs: 20, from: A, to: B },
        { atNs: 30, from: B, to: A },
        { atNs: 40, from: C, to: A },
        { atNs: 50, from: B, to: C },
        { atNs: 60, from: A, to: C },
      ),
    );
    expect(conversation.local).toBe(A);
    expect(sent.times).toEqual([10, 20, 60]);
    expect(got.times).toEqual([0, 30, 40]);
    expect(conversation.bystanders).toBe(1);
    expect([sent.completed, got.completed]).toEqual([true, true]);
  });

  test('can be told; a station that is not there is refused', () => {
    const capture = captureOf({ atNs: 0, from: A, to: B }, { atNs: 5, from: B, to: A });
    expect(play(capture, { local: B }).sent.times).toEqual([5]);
    expect(() => play(capture, { local: C })).toThrow(
      /^r: local is 0xa000000000c, expected a station of made\.pcap$/,
    );
  });

  test('a capture without unicast is played by its first station, an empty one is over at once', () => {
    expect(play(captureOf({ atNs: 0, from: C, to: GROUP })).sent.times).toEqual([0]);
    const empty = play(captureOf(), { loopPauseNs: 1 });
    expect([empty.sent.completed, empty.got.completed]).toEqual([true, true]);
  });
});

describe('what is sent', () => {
  test('addresses are rewritten, groups and everything behind the addresses stay', () => {
    const capture = captureOf(
      { atNs: 0, from: A, to: B },
      { atNs: 1, from: A, to: GROUP },
      { atNs: 2, from: B, to: A },
    );
    const { sent, got } = play(capture);
    const heads = [...sent.sent, ...got.sent].map(({ bytes }) => Array.from(bytes.subarray(0, 12)));
    expect(heads).toEqual([
      [...macBytes(REMOTE), ...macBytes(LOCAL)],
      [...macBytes(GROUP), ...macBytes(LOCAL)],
      [...macBytes(LOCAL), ...macBytes(REMOTE)],
    ]);
    const tails = [...sent.sent, ...got.sent].map(({ bytes }) => Array.from(bytes.subarray(12)));
    expect(tails).toEqual(capture.frames.map(({ bytes }) => Array.from(bytes.subarray(12))));
  });

  test('a frame that was cut short has its length back, with zeros; an FCS is gone; nothing is left of longer ones', () => {
    const capture = captureOf(
      { atNs: 0, from: A, to: B, length: 9018 },
      { atNs: 1, from: A, to: B, length: 1514, recorded: 20 },
      { atNs: 2, from: A, to: B, length: 68, fcsBytes: 4 },
      { atNs: 3, from: A, to: B, length: 68, recorded: 66, fcsBytes: 4 },
    );
    const { sent } = play(capture);
    expect(sent.sizes).toEqual([9018, 1514, 64, 64]);
    const cut = sent.sent[1]?.bytes;
    expect(Array.from(cut?.subarray(12, 20) ?? [])).toEqual(
      Array.from(capture.frames[1]?.bytes.subarray(12) ?? []),
    );
    expect(cut?.subarray(20).every((byte) => byte === 0)).toBe(true);
    expect(sent.sent[3]?.bytes.subarray(12)).toEqual(capture.frames[3]?.bytes.subarray(12, 64));
  });

  test.for([{ length: 64_054 }, { length: 13 }, { length: 64, recorded: 13 }, { length: 16, fcsBytes: 4 }])(
    'a frame that no NIC can carry is refused by number, or left out: %o',
    (odd) => {
      const capture = captureOf({ atNs: 0, from: A, to: B }, { atNs: 1, from: A, to: B, ...odd });
      expect(() => play(capture)).toThrow(TrafficError);
      expect(() => play(capture)).toThrow(
        /^r: made\.pcap packet 2 is .* bytes, .* of them recorded, expected 14 to 9018 bytes/,
      );
      const { sent, conversation } = play(capture, { unfit: 'drop' });
      expect(sent.times).toEqual([0]);
      expect(conversation.unfit).toBe(1);
    },
  );
});

describe('when', () => {
  const speech = fc.array(
    fc.record({ atNs: fc.nat(1e7), from: fc.constantFrom(A, B), to: fc.constantFrom(A, B, GROUP) }),
    { minLength: 1, maxLength: 60 },
  );
  const timeFactor = fc.constantFrom(1, 2, 0.5, 0.1, 10, 1 / 3, 1e-9);

  test('each frame comes at start + factor x its time in the capture, rounds follow each other, nothing is lost', () => {
    fc.assert(
      fc.property(
        speech,
        timeFactor,
        fc.nat(1e6),
        fc.integer({ min: 1, max: 3 }),
        (spoken, factor, startNs, rounds) => {
          const capture = captureOf(...spoken);
          const origin = Math.min(...spoken.map(({ atNs }) => atNs));
          const span = Math.max(...spoken.map(({ atNs }) => atNs)) - origin;
          const period = Math.round(span * factor) + 777;
          const endNs = startNs + rounds * period - 1;
          const { sent, got, conversation } = play(
            capture,
            { timeFactor: factor, startNs, loopPauseNs: 777 },
            endNs,
          );
          const inOrder = spoken.toSorted((a, b) => a.atNs - b.atNs);
          const expected = (own: boolean) =>
            Array.from({ length: rounds }, (_, round) =>
              inOrder
                .filter(({ from, to }) => (from === conversation.local ? own : !own && to !== from))
                .map(({ atNs }) => startNs + round * period + Math.round((atNs - origin) * factor)),
            ).flat();
          expect(sent.times).toEqual(expected(true));
          expect(got.times).toEqual(expected(false));
        },
      ),
    );
  });

  test('a source that is stopped starts from the beginning', () => {
    const kernel = new EventKernel();
    const capture = captureOf({ atNs: 0, from: A, to: B }, { atNs: 100, from: A, to: B });
    const { transmit } = replay({ name: 'r', kernel, capture, guest: LOCAL, peer: REMOTE });
    const first = new Recorder(kernel, transmit.frames$);
    kernel.run(50);
    first.subscription.unsubscribe();
    const second = new Recorder(kernel, transmit.frames$);
    kernel.drain();
    expect([first.times, second.times]).toEqual([[0], [50, 150]]);
  });

  test('impossible options are refused by name', () => {
    const capture = captureOf({ atNs: 0, from: A, to: B });
    expect(() => play(capture, { timeFactor: 0 })).toThrow(
      /^r: timeFactor is 0, expected a finite number above 0$/,
    );
    expect(() => play(capture, { loopPauseNs: 0 })).toThrow(/^r: loopPauseNs is 0/);
    expect(() => play(capture, { guest: BROADCAST })).toThrow(/^r: guest is 0xffffffffffff/);
    expect(() => play(capture, { startNs: 0.5 })).toThrow(/^r: startNs is 0\.5/);
    const century = captureOf({ atNs: 0, from: A, to: B }, { atNs: 2 ** 53, from: A, to: B });
    const later = {
      ...century,
      frames: [...century.frames, ...century.frames.map((f) => ({ ...f, timeNs: f.timeNs + 5n }))],
    };
    expect(() => play(later)).toThrow(/^r: duration of made\.pcap is \d+ ns, expected at most/);
  });
});

test.for([
  // The first unicast frame of the web capture is the ARP reply of the server.
  ['captures/web.pcapng', 504, 434, 0x623c_58df_d345],
  ['captures/bulk.pcap', 542, 160, 0x6246_229e_59cf],
  ['captures/voice.pcap', 415, 417, 0x6246_229e_59cf],
] as const)(
  '%s: the guest sends %i frames and gets %i, at the times of the capture',
  ([path, sends, gets, local]) => {
    const capture = readCapture(path);
    const { sent, got, conversation } = play(capture);
    expect([sent.sent.length, got.sent.length, conversation.bystanders]).toEqual([sends, gets, 0]);
    const first = capture.frames[0]?.timeNs ?? 0n;
    const merged = [...sent.sent, ...got.sent].sort((a, b) => a.atNs - b.atNs);
    expect(merged.map(({ atNs, bytes }) => [BigInt(atNs), bytes.length])).toEqual(
      capture.frames.map(({ timeNs, bytes }) => [timeNs - first, bytes.length]),
    );
    expect(conversationOf('r', capture).local).toBe(local);
  },
);
