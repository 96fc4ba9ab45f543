import { readFileSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import { InvariantViolation } from '../../scheduler/errors.js';
import { type Capture, type CapturedFrame, CaptureError } from './capture.js';
import { CaptureBytes } from './capture-bytes.js';
import { PCAP_MAGIC_MICROSECONDS, PCAP_MAGIC_NANOSECONDS, parsePcap } from './pcap.js';
import { parsePcapng, SECTION_HEADER_BLOCK } from './pcapng.js';

/** First words of what people offer by mistake, as they read in little-endian order. */
const KNOWN_STRANGERS: ReadonlyArray<readonly [mask: number, magic: number, what: string]> = [
  [0xffff, 0x8b1f, 'a gzip file (unpack it first)'],
  [0xffffffff, 0xfd2fb528, 'a zstd file (unpack it first)'],
  [0xffffffff, 0xa1b2cd34, 'the pcap variant of old patched libpcaps (convert it: editcap -F nsecpcap)'],
  [0xffffffff, 0x34cdb2a1, 'the pcap variant of old patched libpcaps (convert it: editcap -F nsecpcap)'],
  [0xffffffff, 0x6f6f6e73, 'a Solaris snoop file (convert it: editcap -F nsecpcap)'],
];

/**
 * Reads a capture file whole: classic pcap or pcapng, told apart by their first bytes.
 *
 * @throws CaptureError when the file is not there, not a capture, damaged, or not Ethernet.
 */
export function readCapture(path: string): Capture {
  const name = basename(path);
  let bytes: Uint8Array;
  try {
    // A device or a pipe has no end to wait for.
    if (!statSync(path).isFile()) throw new InvariantViolation('not a regular file');
    bytes = readFileSync(path);
  } catch (cause) {
    throw new CaptureError({
      file: path,
      offset: 0,
      packetNumber: undefined,
      field: 'the file',
      found: `unreadable (${cause instanceof Error ? cause.message : String(cause)})`,
      expected: 'a pcap or pcapng file',
    });
  }
  return parseCapture(name, bytes);
}

/**
 * Reads a capture that is in memory already. The frames are views into `bytes`, which must not change after.
 *
 * Memory taken is a small object a packet, so it is bounded by the bytes that are really there; no length
 * field of the file is believed before the file backs it.
 *
 * @param name what messages call the capture.
 * @throws CaptureError
 */
export function parseCapture(name: string, bytes: Uint8Array): Capture {
  const source = new CaptureBytes(name, bytes);
  return { name, frames: parseFrames(source) };
}

function parseFrames(source: CaptureBytes): CapturedFrame[] {
  const magic = source.u32(0, 'magic number');
  if (magic === SECTION_HEADER_BLOCK) return parsePcapng(source);
  if (isPcapMagic(magic)) return parsePcap(source);
  source.littleEndian = false;
  if (isPcapMagic(source.u32(0, 'magic number'))) return parsePcap(source);
  const stranger = KNOWN_STRANGERS.find(([mask, known]) => (magic & mask) >>> 0 === known);
  const found = stranger?.[2] ?? `0x${source.u32(0, 'magic number').toString(16).padStart(8, '0')}`;
  return source.fail(0, 'magic number', found, 'that of pcap or pcapng');
}

function isPcapMagic(magic: number): boolean {
  return magic === PCAP_MAGIC_MICROSECONDS || magic === PCAP_MAGIC_NANOSECONDS;
}
