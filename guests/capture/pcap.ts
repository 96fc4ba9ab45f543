import { type CapturedFrame, LINK_TYPE_ETHERNET, linkTypeName } from './capture.js';
import type { CaptureBytes } from './capture-bytes.js';

/** First word of a classic pcap file: it tells the byte order and the unit of the times' second word. */
export const PCAP_MAGIC_MICROSECONDS = 0xa1b2c3d4;
export const PCAP_MAGIC_NANOSECONDS = 0xa1b23c4d;

const FILE_HEADER_BYTES = 24;
const RECORD_HEADER_BYTES = 16;

/**
 * Reads classic pcap (draft-ietf-opsawg-pcap). `source.littleEndian` is already that of the file.
 *
 * The snapshot length of the header is not held against the packets: writers are known to get it wrong, and a
 * packet that the file really holds does no harm.
 */
export function parsePcap(source: CaptureBytes): CapturedFrame[] {
  const fraction = source.u32(0, 'magic number') === PCAP_MAGIC_NANOSECONDS ? 1 : 1000;
  source.need(0, FILE_HEADER_BYTES, 'file header');
  const version = `${source.u16(4, 'major version')}.${source.u16(6, 'minor version')}`;
  if (version !== '2.4') source.fail(4, 'version', version, '2.4');
  const linkField = source.u32(20, 'link type');
  const linkType = linkField & 0xffff;
  if (linkType !== LINK_TYPE_ETHERNET) {
    source.fail(20, 'link type', linkTypeName(linkType), linkTypeName(LINK_TYPE_ETHERNET));
  }
  // Bit 26 says that the top four bits hold the length of the frame check sequence, in 16-bit words.
  const fcsBytes = (linkField & 0x0400_0000) === 0 ? 0 : 2 * (linkField >>> 28);

  const frames: CapturedFrame[] = [];
  let offset = FILE_HEADER_BYTES;
  while (offset < source.length) {
    source.packetNumber = frames.length + 1;
    source.need(offset, RECORD_HEADER_BYTES, 'packet header');
    const seconds = source.u32(offset, 'seconds');
    const subSeconds = source.u32(offset + 4, 'fraction of the second');
    const capturedLength = source.u32(offset + 8, 'captured length');
    const originalLength = source.u32(offset + 12, 'original length');
    if (subSeconds * fraction >= 1e9) {
      source.fail(offset + 4, 'fraction of the second', `${subSeconds}`, `less than ${1e9 / fraction}`);
    }
    checkLengths(
      source,
      offset + 8,
      capturedLength,
      originalLength,
      offset + RECORD_HEADER_BYTES,
      source.length,
    );
    frames.push({
      timeNs: BigInt(seconds) * 1_000_000_000n + BigInt(subSeconds * fraction),
      timed: true,
      bytes: source.view(offset + RECORD_HEADER_BYTES, capturedLength, 'packet data'),
      originalLength,
      fcsBytes,
    });
    offset += RECORD_HEADER_BYTES + capturedLength;
  }
  return frames;
}

/** The rules that a packet's two lengths keep in every format: what is captured is there, and was on the wire. */
export function checkLengths(
  source: CaptureBytes,
  lengthOffset: number,
  capturedLength: number,
  originalLength: number,
  dataOffset: number,
  dataEnd: number,
): void {
  const room = dataEnd - dataOffset;
  if (capturedLength > room) {
    source.fail(
      lengthOffset,
      'captured length',
      `${capturedLength}`,
      `at most ${room}, which is what is left`,
    );
  }
  if (originalLength < capturedLength) {
    source.fail(
      lengthOffset,
      'original length',
      `${originalLength}`,
      `at least ${capturedLength}, the captured length`,
    );
  }
}
