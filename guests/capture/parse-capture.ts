import { MemoryStore } from './byte-store.js';
import type { Capture } from './capture.js';
import { CaptureBytes } from './capture-bytes.js';
import { type CaptureLimits, FrameCollector } from './frame-collector.js';
import { READABLE_LINKS } from './link-layer.js';
import { PCAP_MAGIC_MICROSECONDS, PCAP_MAGIC_MODIFIED, PCAP_MAGIC_NANOSECONDS, parsePcap } from './pcap.js';
import { parsePcapng, SECTION_HEADER_BLOCK } from './pcapng.js';

/** Solaris snoop: its first word in little-endian order. */
const SNOOP_MAGIC = 0x6f6f6e73;
const GZIP_MAGIC = 0x8b1f;
const ZSTD_MAGIC = 0xfd2fb528;

/** How a file is packed, by its first four bytes in little-endian order. */
export function packingOf(magic: number): 'gzip' | 'zstd' | undefined {
  if ((magic & 0xffff) === GZIP_MAGIC) return 'gzip';
  return magic === ZSTD_MAGIC ? 'zstd' : undefined;
}

/**
 * Parses a capture whose bytes are in memory and not packed, with nothing but the language: for places without Node.
 * The frames are views into `bytes`, which must not change after.
 *
 * @param name what messages call the capture
 * @throws CaptureError
 */
export function parseUnpackedCapture(name: string, bytes: Uint8Array, limits: CaptureLimits = {}): Capture {
  return parseSource(name, new CaptureBytes(name, new MemoryStore(bytes)), limits);
}

/** Parses pcap or pcapng. @throws CaptureError */
export function parseSource(name: string, source: CaptureBytes, limits: CaptureLimits): Capture {
  const frames = new FrameCollector(source, limits);
  formatOf(source)(source, frames);
  const { reading } = frames;
  const [foreign] = Object.keys(reading.foreign);
  if (foreign !== undefined && frames.frames.length === 0) {
    source.packetNumber = undefined;
    source.fail(0, 'link type of every packet', foreign, READABLE_LINKS);
  }
  return { name, frames: frames.frames, reading };
}

/** What reads the file; sets the byte order of a pcap file. @throws CaptureError when it is neither format */
function formatOf(source: CaptureBytes): (source: CaptureBytes, frames: FrameCollector) => void {
  source.packetNumber = undefined;
  const magic = source.u32(0, 'magic number');
  if (magic === SECTION_HEADER_BLOCK) return parsePcapng;
  if (isPcapMagic(magic)) return parsePcap;
  source.littleEndian = false;
  const swapped = source.u32(0, 'magic number');
  if (isPcapMagic(swapped)) return parsePcap;
  const found =
    magic === SNOOP_MAGIC
      ? 'a Solaris snoop file (convert it: editcap -F nsecpcap)'
      : `0x${swapped.toString(16).padStart(8, '0')}`;
  return source.fail(0, 'magic number', found, 'that of pcap or pcapng');
}

function isPcapMagic(magic: number): boolean {
  return [PCAP_MAGIC_MICROSECONDS, PCAP_MAGIC_NANOSECONDS, PCAP_MAGIC_MODIFIED].includes(magic);
}
