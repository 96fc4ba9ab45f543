import { readFileSync, rmSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readCapture } from '../../../guests/capture/index.js';
import { type PacketNotes, PcapngWriter } from '../../../src/report/pcapng-writer.js';
import { epochToNs, tshark, tsharkFields, tsharkInstalled } from '../../support/tshark.js';
import { runs } from '../../support/whole.js';
import { scratchFolder } from './scratch-folder.js';

const scratch = scratchFolder();
const frame = (length: number, tag = 0) =>
  Uint8Array.from({ length }, (_, index) => (index * 7 + tag) & 0xff);

test('the bytes are those of the draft: section, interface, packet, statistics', () => {
  const path = scratch.path('bytes.pcapng');
  const writer = new PcapngWriter(path);
  const iface = writer.addInterface({ name: 'c0', speedBps: 1e9 });
  writer.packet(iface, 0x1_0000_0005, frame(9), 2, 5, { direction: 'out', comment: 'hi' });
  writer.interfaceStatistics(iface, { atNs: 7, droppedFrames: 3 });
  writer.close();
  // 32-bit words, little-endian, one line per part of a block.
  const expected = [
    // Section header: version 1.0, length of the section unknown; shb_userappl "cdna-nic"; end of options.
    [0x0a0d0d0a, 44, 0x1a2b3c4d, 0x0000_0001, 0xffff_ffff, 0xffff_ffff],
    [0x0008_0004, 0x616e_6463, 0x6369_6e2d],
    [0x0000_0000, 44],
    // Interface: Ethernet, 262,144 bytes; if_name "c0"; if_speed; if_tsresol 9; end of options.
    [1, 52, 1, 262_144],
    [0x0002_0002, 0x0000_3063],
    [0x0008_0008, 1_000_000_000, 0],
    [0x0001_0009, 9],
    [0x0000_0000, 52],
    // Packet: interface, time (high word first), 5 bytes of 5, the bytes; comment "hi"; flags: outbound; end.
    [6, 60, 0, 1, 5, 5, 5],
    [0x231c_150e, 0x0000_002a],
    [0x0002_0001, 0x0000_6968],
    [0x0004_0002, 2],
    [0x0000_0000, 60],
    // Statistics: interface, time; isb_ifdrop; end of options.
    [5, 40, 0, 0, 7],
    [0x0008_0005, 3, 0],
    [0x0000_0000, 40],
  ].flat();
  const file = readFileSync(path);
  expect(Array.from({ length: file.length / 4 }, (_, index) => file.readUInt32LE(index * 4))).toEqual(
    expected,
  );
});

const packetArbitrary = fc.record({
  iface: fc.nat(2),
  timeNs: fc.maxSafeNat(),
  length: fc.oneof(fc.nat(64), fc.integer({ min: 14, max: 9018 })),
  offset: fc.nat(9),
  direction: fc.constantFrom<PacketNotes['direction']>('in', 'out'),
  comment: fc.option(fc.string({ unit: 'grapheme', maxLength: 40 }), { nil: undefined }),
});

test('whatever is written, our own reader gives it back', () => {
  const path = scratch.path('round-trip.pcapng');
  fc.assert(
    fc.property(fc.array(packetArbitrary, { maxLength: 200 }), (packets) => {
      const writer = new PcapngWriter(path);
      for (const name of ['a', 'b', 'c']) writer.addInterface({ name });
      for (const { iface, timeNs, length, offset, direction, comment } of packets) {
        const notes = { direction, ...(comment === undefined ? {} : { comment }) };
        writer.packet(iface, timeNs, frame(length + offset + 3, iface), offset, length, notes);
      }
      expect(writer.packets).toBe(packets.length);
      writer.close();
      expect(
        readCapture(path).frames.map(({ timeNs, originalLength, bytes }) => [
          timeNs,
          originalLength,
          [...bytes],
        ]),
      ).toEqual(
        packets.map(({ iface, timeNs, length, offset }) => [
          BigInt(timeNs),
          length,
          [...frame(length + offset + 3, iface).subarray(offset, offset + length)],
        ]),
      );
    }),
    { numRuns: runs(40) },
  );
  rmSync(path);
});

test('a capture larger than the buffer is written in pieces', () => {
  const path = scratch.path('large.pcapng');
  const writer = new PcapngWriter(path);
  const iface = writer.addInterface({ name: 'a' });
  const bytes = frame(9018);
  for (let index = 0; index < 500; index += 1)
    writer.packet(iface, index, bytes, 0, 9018, { direction: 'in' });
  writer.close();
  const { frames } = readCapture(path);
  expect(frames).toHaveLength(500);
  expect(frames.every((read, index) => read.timeNs === BigInt(index) && read.bytes.length === 9018)).toBe(
    true,
  );
  rmSync(path);
});

test('a frame beyond what Wireshark takes is cut, with its length noted', () => {
  const path = scratch.path('long.pcapng');
  const writer = new PcapngWriter(path);
  writer.packet(writer.addInterface({ name: 'a' }), 0, new Uint8Array(300_000), 0, 300_000, {
    direction: 'in',
  });
  writer.close();
  const read = readCapture(path).frames[0];
  expect([read?.bytes.length, read?.originalLength]).toEqual([262_144, 300_000]);
});

test('an aborted capture leaves nothing', () => {
  const writer = new PcapngWriter(scratch.path('aborted.pcapng'));
  writer.packet(writer.addInterface({ name: 'a' }), 0, frame(60), 0, 60, { direction: 'in' });
  writer.abort();
  expect(scratch.list().filter((name) => name.includes('aborted'))).toEqual([]);
});

test('mistakes are refused before anything of them is written', () => {
  const path = scratch.path('mistakes.pcapng');
  const writer = new PcapngWriter(path);
  const iface = writer.addInterface({ name: 'a' });
  const note = { direction: 'in' } as const;
  expect(() => writer.packet(1, 0, frame(60), 0, 60, note)).toThrow(
    /interface 1, expected one of the 1 declared/,
  );
  expect(() => writer.packet(iface, 0.5, frame(60), 0, 60, note)).toThrow(/timeNs is 0\.5/);
  expect(() => writer.packet(iface, 0, frame(60), 10, 60, note)).toThrow(
    /frame at 10, 60 bytes long, expected one within 60/,
  );
  expect(() => writer.interfaceStatistics(iface, { atNs: 0, droppedFrames: -1 })).toThrow(
    /droppedFrames is -1/,
  );
  writer.packet(iface, 9, frame(60), 0, 60, note);
  writer.close();
  expect(readCapture(path).frames.map(({ timeNs }) => timeNs)).toEqual([9n]);
});

describe.skipIf(!tsharkInstalled)('tshark', () => {
  const path = scratch.path('for-tshark.pcapng');
  const written = [
    { iface: 0, timeNs: 0, length: 60, direction: 'out', comment: 'first of round 1' },
    { iface: 1, timeNs: 1_234_567_891, length: 1514, direction: 'in', comment: 'a → b, „quoted“' },
    { iface: 2, timeNs: 86_400_000_000_007, length: 9018, direction: 'out', comment: undefined },
    { iface: 0, timeNs: 5, length: 61, direction: 'in', comment: '' },
  ] as const;

  const write = () => {
    const writer = new PcapngWriter(path);
    writer.addInterface({ name: 'context 0', description: 'guest web', speedBps: 1e9 });
    writer.addInterface({ name: 'context 1' });
    writer.addInterface({ name: 'wire', speedBps: 4e11 });
    for (const { iface, timeNs, length, direction, comment } of written) {
      const notes = { direction, ...(comment === undefined ? {} : { comment }) };
      writer.packet(iface, timeNs, frame(length), 0, length, notes);
    }
    const counts = {
      receivedFrames: 12,
      droppedFrames: 5,
      acceptedFrames: 11,
      osDroppedFrames: 2,
      deliveredFrames: 10,
    };
    writer.interfaceStatistics(0, { atNs: 9e9, startNs: 1, endNs: 8e9, ...counts, comment: 'no-buffer 5' });
    writer.interfaceStatistics(1, { atNs: 9e9, droppedFrames: 2 ** 40 });
    writer.close();
  };

  test('reads every packet without a complaint, with its interface, time, direction and comment', () => {
    write();
    const fields = ['frame.time_epoch', 'frame.interface_name', 'frame.interface_description', 'frame.len'];
    const rows = tsharkFields(path, [
      ...fields,
      'frame.cap_len',
      'frame.packet_flags_direction',
      'frame.comment',
    ]);
    expect(rows).toEqual(
      written.map(({ iface, length, direction, comment }, index) => [
        rows[index]?.[0],
        ['context 0', 'context 1', 'wire'][iface],
        ['guest web', '', ''][iface],
        `${length}`,
        `${length}`,
        { in: '0x00000001', out: '0x00000002' }[direction],
        comment ?? '',
      ]),
    );
    expect(rows.map(([time = '']) => epochToNs(time))).toEqual(written.map(({ timeNs }) => BigInt(timeNs)));
  });

  test('its dissector of the file format finds every block and option well formed', () => {
    write();
    const { stdout, complaints, status } = tshark('-X', 'read_format:MIME Files Format', '-r', path, '-V');
    expect([status, complaints]).toEqual([0, '']);
    expect(stdout).not.toMatch(/malformed|expert|unknown/i);
    for (const line of [
      'Option: User Application = cdna-nic',
      'Option: Interface Name = context 0',
      'Option: Interface Description = guest web',
      'Option: Timestamp Resolution = 10^-9 (nanoseconds)',
      'Option: Comment = first of round 1',
      'Option: Comment = no-buffer 5',
    ]) {
      expect(stdout).toContain(line);
    }
    expect(stdout.match(/Block: Interface Statistics Block/g)).toHaveLength(2);
    expect(stdout.match(/Block: Enhanced Packet Block/g)).toHaveLength(4);
    const value = (label: string) =>
      [...stdout.matchAll(new RegExp(`${label} = (\\S+)`, 'g'))].map((match) => match[1]);
    expect(value('Number of Received Packets')).toEqual(['12']);
    expect(value('Number of Dropped Packets')).toEqual(['5', `${2 ** 40}`]);
    expect(value('Number of Packets Delivered to the User')).toEqual(['10']);
    // Wireshark has words for some speeds, more of them in later versions.
    expect(stdout).toMatch(/Option: Speed = 1(000000000| Gbps)/);
    expect(stdout).toMatch(/Option: Speed = 400(000000000| Gbps)/);
  });
});
