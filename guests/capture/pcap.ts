import { linkTypeName } from './capture.js';
import type { CaptureBytes } from './capture-bytes.js';
import type { FrameCollector } from './frame-collector.js';
import { linkLayerOf, READABLE_LINKS } from './link-layer.js';

/** First word of a classic pcap file: it tells the byte order and the unit of the times' second word. */
export const PCAP_MAGIC_MICROSECONDS = 0xa1b2c3d4;
export const PCAP_MAGIC_NANOSECONDS = 0xa1b23c4d;
/** The variant that patched libpcaps of the 1990s wrote ("modified pcap"): longer record headers, microseconds. */
export const PCAP_MAGIC_MODIFIED = 0xa1b2cd34;

const FILE_HEADER_BYTES = 24;
const RECORD_HEADER_BYTES = 16;
/** Interface index, protocol and packet type stand behind the two lengths. */
const MODIFIED_RECORD_HEADER_BYTES = 24;
/** No recorder writes larger packets (WTAP_MAX_PACKET_SIZE_STANDARD of Wireshark): a larger length is damage. */
const MOST_PACKET_BYTES = 262_144;

/**
 * Reads classic pcap (draft-ietf-opsawg-pcap). `source.littleEndian` is already that of the file.
 *
 * Packets are not checked against the header's snapshot length: writers are known to get it wrong, and a
 * packet that the file really holds does no harm.
 */
export function parsePcap(source: CaptureBytes, frames: FrameCollector): void {
  source.packetNumber = undefined;
  const magic = source.u32(0, 'magic number');
  const fraction = magic === PCAP_MAGIC_NANOSECONDS ? 1 : 1000;
  const headerBytes = magic === PCAP_MAGIC_MODIFIED ? MODIFIED_RECORD_HEADER_BYTES : RECORD_HEADER_BYTES;
  source.need(0, FILE_HEADER_BYTES, 'file header');
  const version = `${source.u16(4, 'major version')}.${source.u16(6, 'minor version')}`;
  if (version !== '2.4') source.fail(4, 'version', version, '2.4');
  const linkField = source.u32(20, 'link type');
  const linkType = linkField & 0xffff;
  const link = linkLayerOf(linkType);
  if (link === undefined) source.fail(20, 'link type', linkTypeName(linkType), READABLE_LINKS);
  // Bit 26 says that the top four bits hold the length of the frame check sequence, in 16-bit words.
  const fcsBytes = (linkField & 0x0400_0000) === 0 ? 0 : 2 * (linkField >>> 28);

  source.packetNumber = 1;
  let offset = FILE_HEADER_BYTES;
  while (offset < source.length) {
    if (source.length - offset < headerBytes) {
      frames.cutTail(offset, 'packet header', headerBytes);
      return;
    }
    const seconds = source.u32(offset, 'seconds');
    const subSeconds = source.u32(offset + 4, 'fraction of the second');
    const capturedLength = source.u32(offset + 8, 'captured length');
    const originalLength = source.u32(offset + 12, 'original length');
    if (subSeconds * fraction >= 1e9) {
      source.fail(offset + 4, 'fraction of the second', `${subSeconds}`, `less than ${1e9 / fraction}`);
    }
    const dataOffset = offset + headerBytes;
    const left = source.length - dataOffset;
    if (capturedLength > left && capturedLength <= MOST_PACKET_BYTES) {
      frames.cutTail(offset, `packet of ${capturedLength} bytes`, headerBytes + capturedLength);
      return;
    }
    checkLengths(source, offset + 8, capturedLength, originalLength, dataOffset, source.length);
    const packet = {
      timeNs: BigInt(seconds) * 1_000_000_000n + BigInt(subSeconds * fraction),
      timed: true,
      bytes: source.view(dataOffset, capturedLength, 'packet data'),
      originalLength,
      fcsBytes,
    };
    if (!frames.take(packet, link, linkTypeName(linkType))) return;
    offset = dataOffset + capturedLength;
  }
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
