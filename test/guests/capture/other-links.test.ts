import { mkdtempSync, openSync, rmSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, test } from 'vitest';
import { CaptureError, captureNotes, parseCapture, readCapture } from '../../../guests/capture/index.js';
import { writePcap } from './capture-writer.js';

const file = (name: string) => `test/fixtures/captures/${name}`;
const hex = (bytes: Uint8Array | undefined) => Buffer.from(bytes ?? []).toString('hex');
const mac = (bytes: Uint8Array | undefined, at: number) => hex(bytes?.subarray(at, at + 6));

const folder = mkdtempSync(join(tmpdir(), 'links-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** An IPv4 packet of 20 bytes of header and some of payload, from 10.0.0.1 to 10.0.0.2 or another. */
function ipv4(to: readonly number[] = [10, 0, 0, 2], payloadBytes = 26): Uint8Array {
  const packet = new Uint8Array(20 + payloadBytes);
  packet.set([0x45, 0, 0, packet.length]);
  packet.set([10, 0, 0, 1, ...to], 12);
  return packet;
}

const withLink = (linkType: number, bytes: Uint8Array, littleEndian = true) =>
  parseCapture(
    'made.pcap',
    writePcap({ littleEndian, nanoseconds: true, linkType }, [
      { timeNs: 5n, bytes, originalLength: bytes.length },
    ]),
  );

describe('links without an Ethernet header (tcpdump.org/linktypes.html)', () => {
  test.for([
    ['sll.pcap', 62 - 16 + 14],
    ['sll2.pcap', 66 - 20 + 14],
    ['raw.pcap', 46 + 14],
    ['null.pcap', 50 - 4 + 14],
  ] as const)('%s has one frame of %i bytes, and says that its header was made up', ([name, bytes]) => {
    const capture = readCapture(file(name));
    expect(capture.frames.map(({ originalLength }) => originalLength)).toEqual([bytes]);
    expect(hex(capture.frames[0]?.bytes.subarray(12, 15))).toBe('080045');
    expect(captureNotes(capture)).toEqual([
      `${name}: 1 frame has an Ethernet header that was made up: the link it was recorded on has none`,
    ]);
  });

  test('cooked captures keep directions: from us, to us, to all, to a group, to another host', () => {
    const cooked = (packetType: number, payload = ipv4()) =>
      withLink(
        113,
        Uint8Array.from([0, packetType, 0, 1, 0, 6, 2, 0xaa, 0, 0, 0, 9, 0, 0, 8, 0, ...payload]),
      );
    const stations = (packetType: number, payload?: Uint8Array) => {
      const { bytes } = cooked(packetType, payload).frames[0] ?? {};
      return [mac(bytes, 0), mac(bytes, 6)];
    };
    const [other, us] = stations(4);
    expect(us).not.toBe(other);
    expect(stations(0)).toEqual([us, '02aa00000009']);
    expect(stations(1)).toEqual(['ffffffffffff', '02aa00000009']);
    // RFC 1112, 6.4: 224.129.2.3 is 01:00:5e:01:02:03.
    expect(stations(2, ipv4([224, 129, 2, 3]))).toEqual(['01005e010203', '02aa00000009']);
    expect(stations(3)).toEqual([other, '02aa00000009']);
  });

  test('stations of raw IP are told apart by their addresses, in IPv4 and in IPv6', () => {
    const one = withLink(101, ipv4()).frames[0]?.bytes;
    const two = withLink(228, ipv4([10, 0, 0, 3])).frames[0]?.bytes;
    expect(mac(one, 6)).toBe(mac(two, 6));
    expect(mac(one, 0)).not.toBe(mac(two, 0));
    const six = new Uint8Array(40);
    six.set([0x60]);
    six.set([0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xfb], 24);
    // RFC 2464, 7.
    expect(mac(withLink(229, six).frames[0]?.bytes, 0)).toBe('3333000000fb');
    expect(hex(withLink(229, six).frames[0]?.bytes.subarray(12, 14))).toBe('86dd');
  });

  test('loopback says the family in either byte order; what is no IP is left out and counted', () => {
    for (const family of [
      [2, 0, 0, 0],
      [0, 0, 0, 2],
    ]) {
      expect(withLink(0, Uint8Array.from([...family, ...ipv4()])).frames).toHaveLength(1);
    }
    expect(() => withLink(101, new Uint8Array(30))).toThrow(/link type of every packet is 101, RAW \(IP\)/u);
  });

  test('an interface of another link stands beside Ethernet in one pcapng file', () => {
    const mixed = readCapture(file('ng_mixed.pcapng'));
    expect(mixed.frames).toHaveLength(mixed.reading.packets);
    expect(mixed.reading.synthesised).toBe(1);
  });
});

describe('old and packed files', () => {
  test('the "modified" pcap of patched libpcaps has 24 bytes before each packet', () => {
    const { frames, reading } = readCapture(file('modified.pcap'));
    expect(frames.map(({ bytes }) => bytes.length)).toEqual([60, 60]);
    for (const { bytes } of frames) expect(hex(bytes.subarray(12, 14))).toBe('0800');
    expect(reading.cut).toBeUndefined();
  });

  test('gzip and zstd are unpacked, and what is inside is read as it would be without', async () => {
    expect(readCapture(file('gz.pcap.gz')).frames.length).toBeGreaterThan(0);
    const plain = writePcap({ littleEndian: true, nanoseconds: true }, [
      { timeNs: 5n, bytes: new Uint8Array(60).fill(7), originalLength: 60 },
    ]);
    const { frames } = parseCapture('x', gzipSync(plain));
    expect(frames).toEqual(parseCapture('x', plain).frames);
    // RFC 8878: magic, a frame header that gives the size in one byte, one raw block that is the last.
    const size = plain.length;
    const block = (size << 3) | 1;
    const zstd = Uint8Array.from([
      0x28,
      0xb5,
      0x2f,
      0xfd,
      0x20,
      size,
      block & 0xff,
      block >> 8,
      block >> 16,
      ...plain,
    ]);
    expect(parseCapture('x', zstd).frames).toEqual(frames);
  });

  test('a damaged zstd file is refused with a reason', () => {
    const broken = Uint8Array.from([0x28, 0xb5, 0x2f, 0xfd, 0xff, 1, 2, 3]);
    expect(() => parseCapture('x.zst', broken)).toThrow(CaptureError);
  });
});

describe('a file whose tail is cut off', () => {
  test.for(['cuttail.pcap', 'ng_trunc.pcapng'])('%s is read up to the cut, and says how much', (name) => {
    const capture = readCapture(file(name));
    expect(capture.frames).toHaveLength(1);
    expect(captureNotes(capture)).toEqual([
      expect.stringMatching(
        new RegExp(
          `^${name} ends within packet 2: \\d+ of at least \\d+ bytes are there, from byte \\d+ on; 1 packet before it was read$`,
          'u',
        ),
      ),
    ]);
  });

  test('wherever it is cut behind the first packet, the packets before are read', () => {
    const frames = [1n, 2n, 3n].map((timeNs) => ({ timeNs, bytes: new Uint8Array(60), originalLength: 60 }));
    const whole = writePcap({ littleEndian: true, nanoseconds: true }, frames);
    for (let end = 24 + 76; end < whole.length; end += 1) {
      const { frames: read, reading } = parseCapture('x', whole.subarray(0, end));
      expect(read).toHaveLength(Math.floor((end - 24) / 76));
      expect(reading.cut === undefined).toBe((end - 24) % 76 === 0);
    }
    expect(() => parseCapture('x', whole.subarray(0, 24 + 75))).toThrow(/cut off after 75 bytes/u);
  });
});

describe('a file of any size', () => {
  test('over 2 GiB is read as far as it is wanted', () => {
    const path = join(folder, 'large.pcap');
    const frames = [0n, 1_000_000n, 5_000_000_000n].map((timeNs) => ({
      timeNs,
      bytes: new Uint8Array(60),
      originalLength: 60,
    }));
    writeFileSync(path, writePcap({ littleEndian: true, nanoseconds: true }, frames));
    truncateSync(path, 3 * 2 ** 30);
    const { frames: read, reading } = readCapture(path, { untilNs: 2_000_000 });
    expect(read).toHaveLength(2);
    expect(reading).toMatchObject({ packets: 3, unread: true, cut: undefined });
  });

  test('a packet beyond 2 GiB and across windows is where the file has it', () => {
    const path = join(folder, 'sparse.pcapng');
    const u32 = (...values: number[]) => Buffer.from(Uint32Array.from(values).buffer);
    const section = Buffer.concat([
      u32(0x0a0d0d0a, 28, 0x1a2b3c4d, 1, 0xffffffff, 0xffffffff, 28),
      u32(1, 20, 1, 0, 20),
    ]);
    // A custom block of 2.5 GiB carries nothing, and lies on the disk as a hole.
    const hole = 2.5 * 2 ** 30;
    const packet = Buffer.concat([u32(6, 92, 0, 0, 77, 60, 60), Buffer.alloc(60, 9), u32(92)]);
    writeFileSync(path, Buffer.concat([section, u32(0xbad, hole)]));
    const descriptor = openSync(path, 'r+');
    writeSync(descriptor, Buffer.concat([u32(hole), packet]), 0, 96, section.length + hole - 4);
    const { frames } = readCapture(path);
    expect(frames).toHaveLength(1);
    expect(frames[0]).toMatchObject({ timeNs: 77_000n, originalLength: 60 });
    expect([...new Set(frames[0]?.bytes)]).toEqual([9]);
  });
});
