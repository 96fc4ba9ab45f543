import { basename } from 'node:path';
import { type ByteStore, MemoryStore } from './byte-store.js';
import { type Capture, CaptureError } from './capture.js';
import { CaptureBytes } from './capture-bytes.js';
import { FileStore } from './file-store.js';
import type { CaptureLimits } from './frame-collector.js';
import { packingOf, parseSource } from './parse-capture.js';
import { unpack } from './unpack.js';

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
  return parseSource(name, source, limits);
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
