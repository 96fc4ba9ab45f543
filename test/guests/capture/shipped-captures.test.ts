import { describe, expect, test } from 'vitest';
import { readCapture } from '../../../guests/capture/index.js';
import { epochToNs, tsharkFields, tsharkInstalled } from '../../support/tshark.js';

const shipped = [
  { file: 'captures/web.pcapng', frames: 938, bytes: 628_654 },
  { file: 'captures/bulk.pcap', frames: 702, bytes: 802_424 },
  { file: 'captures/voice.pcap', frames: 832, bytes: 164_857 },
];

describe.for(shipped)('$file', ({ file, frames, bytes }) => {
  test('has the frames and bytes that its README says, all of them whole', () => {
    const capture = readCapture(file);
    expect(capture.frames).toHaveLength(frames);
    expect(capture.frames.reduce((sum, frame) => sum + frame.bytes.length, 0)).toBe(bytes);
    expect(capture.frames.every((frame) => frame.bytes.length === frame.originalLength)).toBe(true);
  });

  test.skipIf(!tsharkInstalled)('reads as tshark reads it: count, lengths, times and addresses', () => {
    const theirs = tsharkFields(file, [
      'frame.time_epoch',
      'frame.cap_len',
      'frame.len',
      'eth.dst',
      'eth.src',
    ]);
    const ours = readCapture(file).frames;
    expect(theirs).toHaveLength(frames);
    const mac = (frame: Uint8Array, at: number) =>
      Array.from(frame.subarray(at, at + 6), (byte) => byte.toString(16).padStart(2, '0')).join(':');
    expect(
      ours.map((f) => [f.timeNs, f.bytes.length, f.originalLength, mac(f.bytes, 0), mac(f.bytes, 6)]),
    ).toEqual(
      theirs.map(([time = '', captured, original, destination, source]) => [
        epochToNs(time),
        Number(captured),
        Number(original),
        destination,
        source,
      ]),
    );
  });
});
