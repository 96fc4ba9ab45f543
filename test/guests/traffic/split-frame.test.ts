import { describe, expect, test } from 'vitest';
import type { CapturedFrame } from '../../../guests/capture/index.js';
import { splitFrame } from '../../../guests/traffic/index.js';

/** What a receiver adds up over a stretch that holds its own checksum: all ones (RFC 1071). */
function sumOf(parts: readonly Uint8Array[]): number {
  let total = 0;
  for (const bytes of parts) {
    for (const [index, byte] of bytes.entries()) total += index % 2 === 0 ? byte * 256 : byte;
  }
  while (total > 0xffff) total = (total & 0xffff) + Math.floor(total / 65536);
  return total;
}

const lengthWord = (bytes: number) => Uint8Array.from([0, 6, bytes >> 8, bytes & 0xff]);

interface Made {
  readonly payload: Uint8Array;
  readonly flags?: number;
  readonly vlan?: boolean;
  readonly recorded?: number;
}

const SEQUENCE = 0xffff_ff00;

/** Ethernet, IPv4 with ten bytes of header 20, and TCP with timestamps (32 bytes of header). */
function tcp4({ payload, flags = 0x18, vlan = false, recorded }: Made): CapturedFrame {
  const tag = vlan ? [0x81, 0, 0, 7] : [];
  const ip = [0x45, 0, 0, 0, 0xff, 0xff, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
  const tcp = [0x30, 0x39, 0, 80, 0xff, 0xff, 0xff, 0, 0, 0, 0, 1, 0x80, flags, 1, 0, 0, 0, 0, 0];
  const options = [1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8];
  const head = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, ...tag, 8, 0, ...ip, ...tcp, ...options];
  const bytes = Uint8Array.from([...head, ...payload]);
  return {
    timeNs: 77n,
    timed: true,
    bytes: bytes.subarray(0, recorded ?? bytes.length),
    originalLength: bytes.length,
    fcsBytes: 0,
  };
}

describe('a frame that offload made is cut as segmentation cuts it', () => {
  const payload = Uint8Array.from({ length: 65_000 }, (_, index) => (index * 7) & 0xff);

  test.for([false, true])(
    '64 KB of TCP over IPv4 become frames of 1,514 bytes, the payload in order (VLAN tag: %s)',
    (vlan) => {
      const pieces = splitFrame(tcp4({ payload, flags: 0x99, vlan }));
      const ipAt = vlan ? 18 : 14;
      const dataAt = ipAt + 52;
      expect(pieces.length).toBe(Math.ceil(65_000 / (1514 - dataAt)));
      expect(pieces.slice(0, -1).every(({ originalLength }) => originalLength === 1514)).toBe(true);
      let at = 0;
      for (const [index, { bytes, timeNs, originalLength }] of pieces.entries()) {
        const view = new DataView(bytes.buffer, bytes.byteOffset);
        expect([timeNs, originalLength]).toEqual([77n, bytes.length]);
        expect(view.getUint16(ipAt + 2)).toBe(bytes.length - ipAt);
        expect(view.getUint16(ipAt + 4)).toBe((0xffff + index) & 0xffff);
        expect(view.getUint32(ipAt + 24)).toBe((SEQUENCE + at) % 2 ** 32);
        // CWR on the first alone, FIN and PSH on the last alone (RFC 3168, 6.1.2).
        const isLast = index === pieces.length - 1;
        expect(view.getUint8(ipAt + 33)).toBe(0x10 | (index === 0 ? 0x80 : 0) | (isLast ? 0x09 : 0));
        expect(sumOf([bytes.subarray(ipAt, ipAt + 20)])).toBe(0xffff);
        const segment = bytes.subarray(ipAt + 20);
        expect(sumOf([bytes.subarray(ipAt + 12, ipAt + 20), lengthWord(segment.length), segment])).toBe(
          0xffff,
        );
        expect(bytes.subarray(dataAt)).toEqual(payload.subarray(at, at + bytes.length - dataAt));
        at += bytes.length - dataAt;
      }
      expect(at).toBe(payload.length);
    },
  );

  test('IPv6 has its payload length and checksum set', () => {
    const ip6 = new Uint8Array(40);
    ip6.set([0x60, 0, 0, 0, 0, 0, 6, 64]);
    ip6.set([0xfe, 0x80], 8);
    ip6.set([0xfe, 0x80, 0, 9], 24);
    const tcp = [0, 1, 0, 2, 0, 0, 0, 5, 0, 0, 0, 0, 0x50, 0x10, 1, 0, 0, 0, 0, 0];
    const bytes = Uint8Array.from([...new Uint8Array(12), 0x86, 0xdd, ...ip6, ...tcp, ...payload]);
    const pieces = splitFrame({ timeNs: 0n, timed: true, bytes, originalLength: bytes.length, fcsBytes: 0 });
    expect(pieces.length).toBe(Math.ceil(65_000 / 1440));
    for (const { bytes: piece } of pieces) {
      const segment = piece.subarray(54);
      expect(new DataView(piece.buffer).getUint16(18)).toBe(segment.length);
      expect(sumOf([piece.subarray(22, 54), lengthWord(segment.length), segment])).toBe(0xffff);
    }
  });

  test('what the recorder cut off is zeros, and the frames are as many', () => {
    const pieces = splitFrame(tcp4({ payload, recorded: 200 }));
    expect(pieces.length).toBe(Math.ceil(65_000 / 1448));
    expect(
      pieces
        .at(-1)
        ?.bytes.subarray(66)
        .every((byte) => byte === 0),
    ).toBe(true);
  });

  test('what is no whole TCP over IP is not cut: UDP, a fragment, a cut header, ARP', () => {
    const changed = (at: number, value: number) => {
      const frame = tcp4({ payload });
      const bytes = frame.bytes.slice();
      bytes[at] = value;
      return splitFrame({ ...frame, bytes });
    };
    expect(changed(23, 17)).toEqual([]);
    expect(changed(20, 0x20)).toEqual([]);
    expect(changed(13, 6)).toEqual([]);
    expect(splitFrame(tcp4({ payload, recorded: 60 }))).toEqual([]);
  });
});
