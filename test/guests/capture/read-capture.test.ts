import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type Capture,
  CaptureError,
  captureNotes,
  parseCapture,
  readCapture,
} from '../../../guests/capture/index.js';
import { epochToNs, tsharkFields, tsharkInstalled } from '../../support/tshark.js';
import {
  block,
  concat,
  enhancedPacket,
  interfaceBlock,
  obsoletePacket,
  option,
  sectionHeader,
  simplePacket,
  writePcap,
} from './capture-writer.js';

const someFrame = Uint8Array.from({ length: 60 }, (_, index) => index);

const frameArbitrary = fc
  .tuple(fc.uint8Array({ maxLength: 80 }), fc.nat(5000), fc.bigInt(0n, 4_000_000_000n * 1_000_000_000n))
  .map(([bytes, cut, timeNs]) => ({ bytes, originalLength: bytes.length + cut, timeNs }));

const plain = (capture: Capture) =>
  capture.frames.map(({ timeNs, bytes, originalLength }) => ({ timeNs, bytes: [...bytes], originalLength }));

function faultOf(bytes: Uint8Array): CaptureError {
  try {
    parseCapture('bad.pcap', bytes);
  } catch (error) {
    if (error instanceof CaptureError) return error;
    throw error;
  }
  throw new Error('was read without complaint');
}

describe('classic pcap', () => {
  test('what is written in either byte order and unit is read back, to the nanosecond or microsecond', () => {
    fc.assert(
      fc.property(
        fc.array(frameArbitrary),
        fc.boolean(),
        fc.boolean(),
        (frames, littleEndian, nanoseconds) => {
          const capture = parseCapture('x.pcap', writePcap({ littleEndian, nanoseconds }, frames));
          expect(plain(capture)).toEqual(
            frames.map(({ timeNs, bytes, originalLength }) => ({
              timeNs: nanoseconds ? timeNs : timeNs - (timeNs % 1000n),
              bytes: [...bytes],
              originalLength,
            })),
          );
        },
      ),
    );
  });

  test('frames are views into the file, not copies', () => {
    const file = writePcap({ littleEndian: true, nanoseconds: true }, [
      { timeNs: 5n, bytes: someFrame, originalLength: 60 },
    ]);
    expect(parseCapture('x', file).frames[0]?.bytes.buffer).toBe(file.buffer);
  });

  test('a link type that cannot become Ethernet is refused by name', () => {
    const error = faultOf(writePcap({ littleEndian: true, nanoseconds: true, linkType: 105 }, []));
    expect(error.message).toMatch(
      /^bad\.pcap: byte 20: link type is 105, IEEE802_11, expected ETHERNET \(1\), /u,
    );
  });

  test('the length of a frame check sequence is taken from the top bits of the link type', () => {
    const file = writePcap({ littleEndian: false, nanoseconds: true, linkType: 0x2400_0001 }, [
      { timeNs: 5n, bytes: someFrame, originalLength: 60 },
    ]);
    expect(parseCapture('x', file).frames[0]?.fcsBytes).toBe(4);
  });

  test('a length that the file cannot back ends in an error with file, packet and byte', () => {
    const good = writePcap({ littleEndian: true, nanoseconds: true }, [
      { timeNs: 1n, bytes: someFrame, originalLength: 60 },
      { timeNs: 2n, bytes: someFrame, originalLength: 60 },
    ]);
    const lengthOfSecond = 24 + 16 + 60 + 8;
    new DataView(good.buffer).setUint32(lengthOfSecond, 0xffff_fff0, true);
    const error = faultOf(good);
    expect(error.fault).toMatchObject({ file: 'bad.pcap', packetNumber: 2, offset: lengthOfSecond });
    expect(error.message).toBe(
      'bad.pcap: byte 108, packet 2: captured length is 4294967280, expected at most 60, which is what is left',
    );
  });

  test('a captured length beyond the original one, a fraction beyond a second, and a cut header are refused', () => {
    const base = () =>
      writePcap({ littleEndian: true, nanoseconds: true }, [
        { timeNs: 1n, bytes: someFrame, originalLength: 60 },
      ]);
    const shorter = base();
    new DataView(shorter.buffer).setUint32(24 + 12, 59, true);
    expect(faultOf(shorter).fault).toMatchObject({ field: 'original length', found: '59', packetNumber: 1 });
    const late = base();
    new DataView(late.buffer).setUint32(24 + 4, 1_000_000_000, true);
    expect(faultOf(late).fault).toMatchObject({ field: 'fraction of the second', offset: 28 });
    expect(faultOf(base().subarray(0, 30)).fault).toMatchObject({ field: 'packet header', offset: 24 });
    expect(faultOf(base().subarray(0, 3)).fault).toMatchObject({ field: 'magic number', offset: 0 });
    const version = base();
    new DataView(version.buffer).setUint16(6, 3, true);
    expect(faultOf(version).fault).toMatchObject({ field: 'version', found: '2.3' });
  });
});

describe('pcapng', () => {
  const blockArbitrary = fc.record({
    kind: fc.constantFrom('enhanced', 'obsolete', 'simple', 'skipped'),
    interfaceId: fc.nat(2),
    ticks: fc.bigInt(0n, 2n ** 64n - 1n),
    bytes: fc.uint8Array({ maxLength: 70 }),
    cut: fc.nat(100),
    flags: fc.option(fc.constantFrom(1, 2, 0x80, 0x81), { nil: undefined }),
    comment: fc.option(fc.string({ maxLength: 10 }), { nil: undefined }),
    skippedType: fc.constantFrom(4, 5, 9, 10, 0xbad, 0x4000_0bad, 0x8000_0001, 77),
  });
  const sectionArbitrary = fc.record({
    littleEndian: fc.boolean(),
    resolutions: fc.array(fc.constantFrom(undefined, 0, 3, 6, 9, 12, 19, 0x80, 0x8a, 0x9e, 0xa0, 0xc0), {
      minLength: 3,
      maxLength: 3,
    }),
    offsets: fc.array(fc.option(fc.bigInt(-(2n ** 40n), 2n ** 40n), { nil: undefined }), {
      minLength: 3,
      maxLength: 3,
    }),
    snapBytes: fc.constantFrom(0, 40, 65535),
    blocks: fc.array(blockArbitrary, { maxLength: 8 }),
  });

  test('sections, interfaces, byte orders, resolutions and offsets are read back exactly', () => {
    fc.assert(
      fc.property(fc.array(sectionArbitrary, { minLength: 1, maxLength: 4 }), (sections) => {
        const parts: Uint8Array[] = [];
        const expected: Array<{ timeNs: bigint | undefined; bytes: number[]; originalLength: number }> = [];
        for (const { littleEndian, resolutions, offsets, snapBytes, blocks } of sections) {
          parts.push(sectionHeader(littleEndian));
          for (const [id, resolution] of resolutions.entries()) {
            const offsetSeconds = offsets[id];
            parts.push(
              interfaceBlock(littleEndian, {
                snapBytes,
                ...(resolution === undefined ? {} : { resolution }),
                ...(offsetSeconds === undefined ? {} : { offsetSeconds }),
              }),
            );
          }
          for (const { kind, interfaceId, ticks, bytes, cut, flags, comment, skippedType } of blocks) {
            if (kind === 'skipped') {
              parts.push(block(littleEndian, skippedType, (body) => body.bytes(bytes)));
              continue;
            }
            if (kind === 'simple') {
              const recorded = snapBytes === 0 ? bytes : bytes.subarray(0, snapBytes);
              parts.push(simplePacket(littleEndian, recorded, bytes.length));
              expected.push({ timeNs: undefined, bytes: [...recorded], originalLength: bytes.length });
              continue;
            }
            const originalLength = bytes.length + cut;
            const packet = {
              interfaceId,
              ticks,
              bytes,
              originalLength,
              ...(flags === undefined ? {} : { flags }),
              ...(comment === undefined ? {} : { comment }),
            };
            parts.push((kind === 'enhanced' ? enhancedPacket : obsoletePacket)(littleEndian, packet));
            // The unit, worked out from the draft's words: 10^-n, or 2^-n with the high bit set, of a second.
            const resolution = resolutions[interfaceId] ?? 6;
            const parts_ = resolution >= 0x80 ? 2n ** BigInt(resolution - 0x80) : 10n ** BigInt(resolution);
            const fromClock = (ticks * 10n ** 9n) / parts_;
            expected.push({
              timeNs: fromClock + (offsets[interfaceId] ?? 0n) * 10n ** 9n,
              bytes: [...bytes],
              originalLength,
            });
          }
        }
        const firstTime = expected.find((frame) => frame.timeNs !== undefined)?.timeNs ?? 0n;
        let before = firstTime;
        const filled = expected.map((frame) => {
          before = frame.timeNs ?? before;
          return { ...frame, timeNs: before };
        });
        const capture = parseCapture('x.pcapng', concat(...parts));
        expect(plain(capture)).toEqual(filled);
        expect(capture.frames.map((frame) => frame.timed)).toEqual(
          expected.map((f) => f.timeNs !== undefined),
        );
      }),
    );
  });

  const opening = (linkType = 1) =>
    concat(
      sectionHeader(true),
      interfaceBlock(true, { linkType: 1 }),
      interfaceBlock(true, { linkType, name: 'wlan0' }),
    );
  const packetOn = (interfaceId: number) =>
    enhancedPacket(true, { interfaceId, ticks: 7n, bytes: someFrame, originalLength: 60 });

  test('packets of an interface that cannot become Ethernet are left out by name, and refused if there are no others', () => {
    const mixed = parseCapture('x', concat(opening(105), packetOn(0), packetOn(1), packetOn(0)));
    expect(mixed.frames).toHaveLength(2);
    expect(mixed.reading).toMatchObject({
      packets: 3,
      foreign: { '105, IEEE802_11 on interface 1 ("wlan0")': 1 },
    });
    expect(captureNotes(mixed)).toEqual([
      'x: 1 packet of link type 105, IEEE802_11 on interface 1 ("wlan0") was left out',
    ]);
    expect(faultOf(concat(opening(105), packetOn(1))).message).toMatch(
      /link type of every packet is 105, IEEE802_11 on interface 1 \("wlan0"\), expected ETHERNET \(1\)/u,
    );
  });

  test('a packet of an interface that the section does not have is refused', () => {
    expect(faultOf(concat(opening(), packetOn(2))).message).toMatch(
      /packet 1: interface is 2, expected one of the section's 2 interfaces$/,
    );
    const nextSection = concat(opening(), packetOn(1), sectionHeader(false), packetOn(0));
    expect(faultOf(nextSection).message).toMatch(/packet 2/);
  });

  test('block lengths that are odd, tiny, beyond the file or not repeated are refused', () => {
    const damaged = (offsetFromPacket: number, value: number) => {
      const start = opening();
      const file = concat(start, packetOn(0));
      new DataView(file.buffer).setUint32(start.length + offsetFromPacket, value, true);
      return faultOf(file).fault;
    };
    expect(damaged(4, 93)).toMatchObject({ field: 'block length', found: '93', packetNumber: 1 });
    expect(damaged(4, 8)).toMatchObject({ field: 'block length', found: '8' });
    expect(damaged(4, 0xffff_fffc)).toMatchObject({ field: 'block of 4294967292 bytes' });
    expect(damaged(8 + 20 + 60, 90)).toMatchObject({ field: 'block length behind the block', found: '90' });
    expect(damaged(8 + 12, 61)).toMatchObject({
      field: 'captured length',
      expected: 'at most 60, which is what is left',
    });
  });

  test('an option that leads outside its block is refused', () => {
    const lying = block(true, 1, (body) => {
      body.u16(1).u16(0).u32(0);
      option(body, 2, [65, 66, 67, 68]);
      body.u16(9).u16(500);
    });
    expect(faultOf(concat(sectionHeader(true), lying)).fault).toMatchObject({
      field: 'length of option 9',
      found: '500',
    });
  });

  test('a packet flag word says how long its own frame check sequence is', () => {
    const withFcs = (flags?: number) =>
      enhancedPacket(true, {
        interfaceId: 0,
        ticks: 0n,
        bytes: someFrame,
        originalLength: 60,
        ...(flags === undefined ? {} : { flags }),
      });
    const file = concat(
      sectionHeader(true),
      interfaceBlock(true, { fcsBytes: 4 }),
      withFcs(),
      withFcs(2 << 5),
    );
    expect(parseCapture('x', file).frames.map((frame) => frame.fcsBytes)).toEqual([4, 2]);
  });
});

describe('files', () => {
  const folder = mkdtempSync(join(tmpdir(), 'capture-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  test.for([
    ['missing.pcap', undefined, /missing\.pcap: byte 0: the file is unreadable \(ENOENT/],
    ['empty.pcap', [], /empty\.pcap: byte 0: magic number is cut off after 0 bytes/],
    ['packed.pcap', [0x1f, 0x8b, 7, 0], /packed\.pcap: byte 0: the gzip file is damaged \(.+\), expected/],
    ['text.pcap', [0x68, 0x65, 0x6c, 0x6c], /magic number is 0x68656c6c, expected that of pcap or pcapng/],
  ] as const)('%s is refused with a reason', ([name, content, message]) => {
    const path = join(folder, name);
    if (content !== undefined) writeFileSync(path, Uint8Array.from(content));
    expect(() => readCapture(path)).toThrow(CaptureError);
    expect(() => readCapture(path)).toThrow(message);
  });

  test('a directory and a device are refused, not waited for', () => {
    expect(() => readCapture(folder)).toThrow(/not a regular file/);
    expect(() => readCapture('/dev/zero')).toThrow(/not a regular file/);
  });

  describe.skipIf(!tsharkInstalled)('against tshark', () => {
    const path = join(folder, 'mixed.pcapng');
    beforeAll(() => {
      const packet = (littleEndian: boolean, interfaceId: number, ticks: bigint) =>
        enhancedPacket(littleEndian, { interfaceId, ticks, bytes: someFrame, originalLength: 64 });
      writeFileSync(
        path,
        concat(
          sectionHeader(false),
          interfaceBlock(false, { resolution: 9, name: 'a' }),
          interfaceBlock(false, { resolution: 0x9e, offsetSeconds: 1_000_000_000n }),
          packet(false, 0, 1_795_342_622_411_751_983n),
          packet(false, 1, 123_456_789_012n),
          sectionHeader(true),
          interfaceBlock(true, {}),
          interfaceBlock(true, { resolution: 12, offsetSeconds: -5n }),
          packet(true, 0, 1_795_342_622_411_751n),
          packet(true, 1, 1_000_000_123_456_999n),
        ),
      );
    });

    test('several sections, byte orders, resolutions and offsets read as tshark reads them', () => {
      const theirs = tsharkFields(path, ['frame.time_epoch', 'frame.cap_len', 'frame.len']);
      const ours = readCapture(path).frames;
      expect(ours.map((frame) => [frame.timeNs, frame.bytes.length, frame.originalLength])).toEqual(
        theirs.map(([time = '', captured, original]) => [
          epochToNs(time),
          Number(captured),
          Number(original),
        ]),
      );
      expect(theirs).toHaveLength(4);
    });
  });
});
