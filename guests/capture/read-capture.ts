import { basename } from 'node:path';
import { type ByteStore, FileStore, MemoryStore } from './byte-store.js';
import { type Capture, CaptureError } from './capture.js';
import { CaptureBytes } from './capture-bytes.js';
import { type CaptureLimits, FrameCollector } from './frame-collector.js';
import { READABLE_LINKS } from './link-layer.js';
import { PCAP_MAGIC_MICROSECONDS, PCAP_MAGIC_MODIFIED, PCAP_MAGIC_NANOSECONDS, parsePcap } from './pcap.js';
import { parsePcapng, SECTION_HEADER_BLOCK } from './pcapng.js';
import { packingOf, unpack } from './unpack.js';

/** Solaris snoop: its first word in little-endian order. */
const SNOOP_MAGIC = 0x6f6f6e73;

/**
 * Reads a capture file: classic pcap (also its "modified" variant) or pcapng, plain or packed with gzip or zstd,
 * distinguished by their first bytes. A plain file may have any size: it is read through a window, and no further than
 * `limits` want. Packets of cooked, raw IP and loopback links get an Ethernet header.
 *
 * @throws CaptureError when the file is not there, not a capture, damaged, or of a link that cannot become Ethernet.
 */
export function readCapture(path: string, limits: CaptureLimits = {}): Capture {
  let store: FileStore;
  try {
    store = new FileStore(path);
  } catch (cause) {
    throw unreadable(path, cause);
  }
  try {
    return parseStore(basename(path), store, limits);
  } catch (cause) {
    if (cause instanceof Error && 'syscall' in cause) throw unreadable(path, cause);
    throw cause;
  } finally {
    store.close();
  }
}

/**
 * Reads a capture that is in memory already. The frames are views into `bytes`, which must not change after.
 *
 * Memory taken is a small object per packet, so it is bounded by the bytes that are really there; no length
 * field of the file is trusted before it has been checked against the file's size.
 *
 * @param name what messages call the capture.
 * @throws CaptureError
 */
export function parseCapture(name: string, bytes: Uint8Array, limits: CaptureLimits = {}): Capture {
  return parseStore(name, new MemoryStore(bytes), limits);
}

function parseStore(name: string, store: ByteStore, limits: CaptureLimits): Capture {
  const file = new CaptureBytes(name, store);
  const packing = packingOf(file.u32(0, 'magic number'));
  const source =
    packing === undefined ? file : new CaptureBytes(name, new MemoryStore(unpack(file, packing)));
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

function unreadable(path: string, cause: unknown): CaptureError {
  return new CaptureError({
    file: path,
    offset: 0,
    packetNumber: undefined,
    field: 'the file',
    found: `unreadable (${cause instanceof Error ? cause.message : String(cause)})`,
    expected: 'a pcap or pcapng file',
  });
}
